"""FFmpeg, and its inputs and encoders as lists of options."""

import functools
import subprocess
from pathlib import Path

import imageio_ffmpeg


@functools.cache
def exe() -> str:
    """The FFmpeg binary."""
    return str(imageio_ffmpeg.get_ffmpeg_exe())


def ffmpeg(*args: str | Path) -> None:
    """Runs FFmpeg; its complaint is in the error."""
    command = [exe(), "-hide_banner", "-nostdin", "-v", "error", "-y", *map(str, args)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[5:])}: {done.stderr.strip()}")


def picture(seconds: float = 3, rate: str = "25", size: str = "192x144") -> list[str]:
    """A moving picture."""
    return ["-f", "lavfi", "-i", f"testsrc2=size={size}:rate={rate}:duration={seconds}"]


def sound(seconds: float = 3, hertz: int = 440) -> list[str]:
    """A tone that rises, so that no moment sounds like another."""
    tone = f"0.4*sin(2*PI*({hertz}+150*t)*t)"
    return ["-f", "lavfi", "-i", f"aevalsrc='{tone}':sample_rate=48000:duration={seconds}"]


def x264(params: str = "keyint=25:min-keyint=25", *more: str) -> list[str]:
    """Fast H.264; `params` are x264's own."""
    options = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-crf", "20", *more]
    return [*options, "-x264-params", f"scenecut=0:threads=2:{params}"]


def x265(params: str = "keyint=24:min-keyint=24", *more: str) -> list[str]:
    """Fast HEVC, tagged hvc1; `params` are x265's own."""
    options = ["-c:v", "libx265", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-crf", "22", *more]
    params = f"log-level=error:info=0:scenecut=0:pools=2:frame-threads=1:{params}"
    return [*options, "-x265-params", params, "-tag:v", "hvc1"]


AAC = ["-c:a", "aac", "-b:a", "64k"]
PLAIN = "keyint=25:min-keyint=25"
BFRAMES = "keyint=24:min-keyint=24:bframes=3:b-adapt=0:b-pyramid=none"
OPEN = "keyint=24:min-keyint=24:bframes=3:b-adapt=0:open-gop=1"
OPEN265 = f"{OPEN}:b-pyramid=0"


def one_behind_the_other(out: Path, *parts: list[str]) -> None:
    """MPEG-TS of H.264 whose encoder was set up anew on the way.

    Args:
        out: the file.
        parts: inputs and encoder of each.
    """
    raw = out.with_name("parts.h264")
    bare = []
    for part in parts:
        ffmpeg(*part, raw)
        bare.append(raw.read_bytes())
    raw.write_bytes(b"".join(bare))
    ffmpeg("-framerate", "25", "-i", raw, "-c", "copy", out)
