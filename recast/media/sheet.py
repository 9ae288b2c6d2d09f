"""A contact sheet: pairs of pictures, the source's above, what was made of it below."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from av.video.frame import VideoFrame

Image = npt.NDArray[np.uint8]
WIDTH, GAP = 1600, 8
BACKGROUND = 24


@dataclass(frozen=True)
class Pair:
    """Two RGB pictures of the same size, uint8 [height, width, 3]."""

    before: Image
    after: Image


def contact_sheet(pairs: Sequence[Pair]) -> Image:
    """Lay pairs side by side, at most `WIDTH` pixels wide in all.

    Returns:
        RGB picture, uint8 [height, width, 3].
    """
    cell = min(max(pair.before.shape[1] for pair in pairs), (WIDTH - GAP) // len(pairs) - GAP)
    columns = [np.vstack([_fit(pair.before, cell), _gap(GAP, cell), _fit(pair.after, cell)]) for pair in pairs]
    height = max(column.shape[0] for column in columns) + 2 * GAP
    sheet = np.full((height, GAP + len(columns) * (cell + GAP), 3), BACKGROUND, np.uint8)
    for number, column in enumerate(columns):
        x = GAP + number * (cell + GAP)
        sheet[GAP : GAP + column.shape[0], x : x + cell] = column
    return sheet


def write_png(image: Image, path: Path) -> None:
    """Write an RGB picture."""
    from av import open as av_open

    with av_open(str(path), "w", format="image2", container_options={"update": "1"}) as container:
        stream = container.add_stream("png", rate=1)
        stream.width, stream.height, stream.pix_fmt = image.shape[1], image.shape[0], "rgb24"
        container.mux(stream.encode(VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")))
        container.mux(stream.encode(None))


def _fit(image: Image, width: int) -> Image:
    if image.shape[1] == width:
        return image
    height = max(2, round(image.shape[0] * width / image.shape[1]))
    frame = VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
    return frame.reformat(width=width, height=height, interpolation="AREA").to_ndarray().astype(np.uint8)


def _gap(height: int, width: int) -> Image:
    return np.full((height, width, 3), BACKGROUND, np.uint8)
