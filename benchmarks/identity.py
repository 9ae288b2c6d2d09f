"""Who is seen in a swapped video, by dlib's face recognition, and how steady the face is.

Prints the median distance (Euclidean, dlib's ResNet on 5-point chips; one person's photos are mostly under 0.6
apart) of the swapped face to the source person and to the target person, and the frame-to-frame change inside
the face's box, mean |frame k - frame k-1|, as swapped over original.

    python -m benchmarks.identity FACE.png ORIGINAL.mp4 SWAPPED.mp4
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

from segment_worker.images import load_image, picture_of_image
from segment_worker.mesh.facemesh import FaceFinder
from segment_worker.mesh.identity import Identity
from segment_worker.paste import Rect, read_bgr
from segment_worker.picture import Matrix, Picture, YuvLayout
from segment_worker.select import Box, Largest, choose

Image = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Result:
    """What was measured on one video.

    Attributes:
        frames: frames with a measured face.
        own: median distance of the original's face to the source person.
        to_source: median distance of the swapped face to the source person.
        to_target: median distance of the swapped face to the target person (mean of the original's frames).
        change: frame-to-frame change inside the face's box, swapped over original.
    """

    frames: int
    own: float
    to_source: float
    to_target: float
    change: float


def measure(face: Image, pairs: Sequence[tuple[Picture, Picture]], every: int = 4) -> Result:
    """Measure original and swapped pictures against a source person's image.

    Args:
        face: uint8 [height, width, 3] BGR; its largest face is the source person.
        pairs: original and swapped picture of every frame, in order.
        every: distances are taken of every so many frames.
    """
    finder, recogniser = FaceFinder(), Identity()
    source = recogniser.of_image(face, _largest(finder, picture_of_image(face)) or (0, 0, *face.shape[1::-1]))
    boxes = [_largest(finder, original) for original, _ in pairs]
    seen = [k for k, box in enumerate(boxes) if box is not None and _inside(box, pairs[k][0])]
    before = np.array([recogniser.of_image(bgr_of(pairs[k][0]), boxes[k] or (0, 0, 1, 1)) for k in seen[::every]])
    after = np.array([recogniser.of_image(bgr_of(pairs[k][1]), boxes[k] or (0, 0, 1, 1)) for k in seen[::every]])

    def far(some: npt.NDArray[np.float64], person: npt.NDArray[np.float64]) -> float:
        return float(np.median(np.linalg.norm(some - person, axis=1)))

    change = [
        sum(_change(pairs[k][side], pairs[k - 1][side], boxes[k] or (0, 0, 1, 1)) for k in seen if k) for side in (0, 1)
    ]
    return Result(len(seen), far(before, source), far(after, source), far(after, before.mean(0)), change[1] / change[0])


def bgr_of(picture: Picture) -> Image:
    """The whole picture, uint8 BGR."""
    bgr = read_bgr(picture, Rect(0, 0, picture.width, picture.height))
    return np.clip(np.rint(bgr * 255), 0, 255).astype(np.uint8)


def pictures(path: Path) -> Iterator[Picture]:
    """An 8-bit video's frames as pictures of their own."""
    with av.open(str(path)) as file:
        for frame in file.decode(video=0):
            if frame.format.name not in ("yuv420p", "yuvj420p", "yuv422p", "yuv444p"):
                frame = frame.reformat(format="yuv420p")
            name = frame.format.name
            matrix: Matrix = "bt709" if frame.colorspace == 1 or frame.height >= 720 else "bt601"
            layout = YuvLayout(8, int("444" not in name), int("420" in name), matrix, "j" in name)
            planes = (
                np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width].copy()
                for plane in frame.planes
            )
            yield Picture(tuple(planes), layout)


def _largest(finder: FaceFinder, picture: Picture) -> Box | None:
    """Box of the largest face."""
    boxes = [face.box for face in finder.find(picture, small=False)] or [face.box for face in finder.find(picture)]
    return boxes[choose(boxes, Largest())[0]] if boxes else None


def _inside(box: Box, picture: Picture) -> bool:
    """Whether the face is wholly in the picture."""
    return box[0] >= 0 and box[1] >= 0 and box[2] <= picture.width and box[3] <= picture.height


def _change(now: Picture, before: Picture, box: Box) -> float:
    """Mean absolute difference inside the box, BGR levels."""
    x0, y0, x1, y1 = (max(0, int(v)) for v in box)
    return float(np.abs(bgr_of(now)[y0:y1, x0:x1].astype(int) - bgr_of(before)[y0:y1, x0:x1]).mean())


def main() -> None:
    """Measure two files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("face", "original", "swapped"):
        parser.add_argument(name, type=Path)
    arguments = parser.parse_args()
    face = load_image(str(arguments.face), arguments.face.read_bytes())
    pairs = list(zip(pictures(arguments.original), pictures(arguments.swapped), strict=True))
    result = measure(face, pairs)
    print(f"frames with a face         {result.frames}")
    print(f"original to source person  {result.own:.3f}")
    print(f"swapped to source person   {result.to_source:.3f}")
    print(f"swapped to target person   {result.to_target:.3f}")
    print(f"frame-to-frame change      {result.change:.3f} of the original's")


if __name__ == "__main__":
    main()
