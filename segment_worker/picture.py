"""A decoded frame as the engines see it: its own planes, at its own depth, and how to read them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Plane = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
Matrix = Literal["bt601", "bt709", "bt2020"]


@dataclass(frozen=True)
class YuvLayout:
    """How the numbers in a picture's planes are to be read.

    Attributes:
        depth: bits a sample, 8 to 10; above 8 samples are uint16, in the low bits.
        chroma_shift_x, chroma_shift_y: log2 of the horizontal and vertical chroma subsampling (4:2:0 is 1, 1).
        matrix: luma coefficients (ITU-R BT.601, BT.709, BT.2020 non-constant luminance).
        full_range: True for 0..2^depth-1, False for video (limited) range.
        gray: True where there is only a Y plane.
    """

    depth: int
    chroma_shift_x: int
    chroma_shift_y: int
    matrix: Matrix
    full_range: bool
    gray: bool = False


@dataclass(frozen=True)
class Picture:
    """One frame's planes. They belong to the decoder: read them, never write them.

    Attributes:
        planes: Y [height, width], then U and V [ceil(height >> sy), ceil(width >> sx)]; rows may be padded
            (strided views).
        layout: how to read them.
    """

    planes: tuple[Plane, ...]
    layout: YuvLayout

    @property
    def height(self) -> int:
        """Luma rows."""
        return int(self.planes[0].shape[0])

    @property
    def width(self) -> int:
        """Luma columns."""
        return int(self.planes[0].shape[1])


@dataclass(frozen=True)
class Patch:
    """New pixels for one rectangle of a picture.

    Attributes:
        x, y: luma position of the top left corner, on the chroma grid.
        planes: replacement samples, same count, dtype and subsampling as the picture's planes.
    """

    x: int
    y: int
    planes: tuple[Plane, ...]


def patched(picture: Picture, patches: Iterable[Patch]) -> Picture:
    """A copy of the picture with the patches put in."""
    planes = [plane.copy() for plane in picture.planes]
    write_patches(planes, patches, picture.layout)
    return Picture(tuple(planes), picture.layout)


def under(picture: Picture, patches: Sequence[Patch], x: int, y: int, width: int, height: int) -> Picture:
    """What lies below a rectangle once these patches are put in: the picture itself where none of them reaches it."""
    near = [
        patch
        for patch in patches
        if patch.x < x + width
        and x < patch.x + patch.planes[0].shape[1]
        and patch.y < y + height
        and y < patch.y + patch.planes[0].shape[0]
    ]
    return patched(picture, near) if near else picture


def write_patches(planes: Sequence[Plane], patches: Iterable[Patch], layout: YuvLayout) -> None:
    """Write patches into planes, which are changed."""
    for patch in patches:
        for number, (plane, new) in enumerate(zip(planes, patch.planes, strict=True)):
            x = patch.x >> layout.chroma_shift_x if number else patch.x
            y = patch.y >> layout.chroma_shift_y if number else patch.y
            plane[y : y + new.shape[0], x : x + new.shape[1]] = new
