"""How others get a video's frames through Python and back: three programs that change nothing, for `headline`.

    python -m benchmarks.peers cv2|png|pipe SOURCE OUTPUT

Each reads every frame as the BGR picture that a swapper wants, and writes it again. The first loses the sound.
"""

import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from benchmarks.clips import ffmpeg

Array = npt.NDArray[Any]

X264 = ("-c:v", "libx264", "-crf", "18", "-preset", "medium", "-g", "50", "-threads", "2")
"""The encoder's settings: those that `recast run` has by default."""
ENCODED = (*X264, "-pix_fmt", "yuv420p")
SOUND = ("-map", "0:v", "-map", "1:a", "-c:a", "copy")


def cv2_loop(source: Path, output: Path, change: Callable[[Array], Array] = lambda image: image) -> int:
    """OpenCV's reader and its MPEG-4 writer.

    Args:
        source: a video.
        output: an MP4 file.
        change: is given each picture, uint8 [height, width, 3] BGR, and gives the one that is written.

    Returns:
        How many frames there were.
    """
    reader = cv2.VideoCapture(str(source))
    size = int(reader.get(cv2.CAP_PROP_FRAME_WIDTH)), int(reader.get(cv2.CAP_PROP_FRAME_HEIGHT))
    writer = cv2.VideoWriter(str(output), cv2.VideoWriter.fourcc(*"mp4v"), reader.get(cv2.CAP_PROP_FPS), size)
    frames = 0
    while True:
        there, image = reader.read()
        if not there:
            break
        writer.write(change(image))
        frames += 1
    writer.release()
    return frames


def png_frames(source: Path, output: Path) -> None:
    """All frames as PNG files, each read and written by OpenCV, then FFmpeg's image2."""
    with tempfile.TemporaryDirectory(prefix="recast-bench-", dir=output.parent) as folder:
        frames = Path(folder, "%06d.png")
        subprocess.run(ffmpeg("-i", source, frames), check=True)
        for path in sorted(Path(folder).iterdir()):
            image = cv2.imread(str(path))
            assert image is not None
            cv2.imwrite(str(path), image)
        subprocess.run(ffmpeg("-framerate", "25", "-i", frames, "-i", source, *SOUND, *ENCODED, output), check=True)


def raw_pipe(source: Path, output: Path) -> None:
    """FFmpeg decodes into a pipe, and encodes from another."""
    reader = cv2.VideoCapture(str(source))
    width, height = int(reader.get(cv2.CAP_PROP_FRAME_WIDTH)), int(reader.get(cv2.CAP_PROP_FRAME_HEIGHT))
    reader.release()
    raw = ["-f", "rawvideo", "-pix_fmt", "bgr24"]
    decode = ffmpeg("-i", source, "-map", "0:v", *raw, "-")
    # FFmpeg reads standard input here.
    frames = [*raw, "-s", f"{width}x{height}", "-r", "25", "-i", "-", "-i", source]
    encode = [word for word in ffmpeg(*frames, *SOUND, *ENCODED, output) if word != "-nostdin"]
    with (
        subprocess.Popen(decode, stdout=subprocess.PIPE) as decoder,
        subprocess.Popen(encode, stdin=subprocess.PIPE) as encoder,
    ):
        assert decoder.stdout is not None and encoder.stdin is not None
        while data := decoder.stdout.read(width * height * 3):
            image = np.frombuffer(data, np.uint8).reshape(height, width, 3)
            encoder.stdin.write(image)
        encoder.stdin.close()
        if decoder.wait() or encoder.wait():
            raise SystemExit("FFmpeg failed")


PEERS = {"cv2": cv2_loop, "png": png_frames, "pipe": raw_pipe}

if __name__ == "__main__":
    PEERS[sys.argv[1]](Path(sys.argv[2]), Path(sys.argv[3]))
