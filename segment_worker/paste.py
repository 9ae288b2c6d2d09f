"""From a region of a picture to RGB and back, in the picture's own YUV and at its own depth.

Only the region asked for is converted, and a sample whose mask is 0 comes back bit for bit. The matrices are
those of ITU-R BT.601, BT.709 and BT.2020 (non-constant luminance), the code values those of their sections on
digital representation. Chroma is taken to lie in the middle of the luma samples it covers.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np

from segment_worker.arrays import Array, Array64, Image
from segment_worker.picture import Patch, Picture, Plane, YuvLayout

# Kr and Kb of each matrix.
_LUMA = {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722), "bt2020": (0.2627, 0.0593)}


@dataclass(frozen=True)
class Rect:
    """A rectangle of whole luma pixels: left, top, width, height."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True)
class View:
    """A square to look at: centre and side in luma pixels, and the angle of its x axis in radians.

    Places are continuous: 0.5 is the middle of the first sample.
    """

    x: float
    y: float
    side: float
    angle: float = 0.0

    def matrix(self, pixels: int) -> Array64:
        """Matrix [2, 3] from places in the view, `pixels` wide, to places in the picture."""
        step = self.side / pixels
        c, s = step * math.cos(self.angle), step * math.sin(self.angle)
        half = pixels / 2
        return np.array([[c, -s, self.x - (c - s) * half], [s, c, self.y - (s + c) * half]])


@lru_cache(maxsize=32)
def code_matrix(layout: YuvLayout) -> Array64:
    """Matrix [3, 4] from (B, G, R, 1), each 0..1, to code values (Y, U, V)."""
    kr, kb = _LUMA[layout.matrix]
    luma = np.array([kb, 1 - kr - kb, kr])
    blue = (np.array([1.0, 0, 0]) - luma) / (2 * (1 - kb))
    red = (np.array([0, 0, 1.0]) - luma) / (2 * (1 - kr))
    unit = float(1 << (layout.depth - 8))
    top = float((1 << layout.depth) - 1)
    y_scale, c_scale, y_zero = (top, top, 0.0) if layout.full_range else (219 * unit, 224 * unit, 16 * unit)
    rows = np.stack([luma * y_scale, blue * c_scale, red * c_scale])
    return np.column_stack([rows, [y_zero, 128 * unit, 128 * unit]])


@lru_cache(maxsize=32)
def bgr_matrix(layout: YuvLayout) -> Array64:
    """Matrix [3, 4] from code values (Y, U, V, 1) to (B, G, R), each 0..1: the inverse of `code_matrix`."""
    forward = code_matrix(layout)
    inverse = np.linalg.inv(forward[:, :3])
    return np.column_stack([inverse, -inverse @ forward[:, 3]])


def align(picture: Picture, x0: float, y0: float, x1: float, y1: float) -> Rect | None:
    """The smallest rectangle on the chroma grid that holds these bounds, cut at the picture; None if empty."""
    grid_x, grid_y = 1 << picture.layout.chroma_shift_x, 1 << picture.layout.chroma_shift_y
    left, top = max(0, math.floor(x0 / grid_x) * grid_x), max(0, math.floor(y0 / grid_y) * grid_y)
    right = min(picture.width, math.ceil(x1 / grid_x) * grid_x)
    bottom = min(picture.height, math.ceil(y1 / grid_y) * grid_y)
    return Rect(left, top, right - left, bottom - top) if right > left and bottom > top else None


def read_bgr(picture: Picture, rect: Rect) -> Array:
    """The rectangle's colours, float32 [height, width, 3], BGR; 0..1, beyond where the codes are.

    `rect` lies on the chroma grid.
    """
    planes = [cut(picture, index, rect) for index in range(len(picture.planes))]
    luma = planes[0].astype(np.float32)
    if picture.layout.gray:
        gray = _gray(luma, picture.layout)
        return cv2.merge([gray, gray, gray])
    size = (planes[1].shape[1] << picture.layout.chroma_shift_x, planes[1].shape[0] << picture.layout.chroma_shift_y)
    chroma = [
        cv2.resize(plane.astype(np.float32), size, interpolation=cv2.INTER_LINEAR)[: rect.height, : rect.width]
        for plane in planes[1:]
    ]
    return cv2.transform(cv2.merge([luma, *chroma]), bgr_matrix(picture.layout))


def scaled_bgr(picture: Picture, width: int, height: int) -> Image:
    """The whole picture at another size, uint8 [height, width, 3] BGR.

    Bilinear, without antialiasing, as InsightFace prepares pictures for its detector.
    """
    layout = picture.layout
    planes = [cv2.resize(plane, (width, height), interpolation=cv2.INTER_LINEAR) for plane in picture.planes]
    if layout.gray:
        gray = np.clip(np.rint(_gray(planes[0].astype(np.float32), layout) * 255), 0, 255).astype(np.uint8)
        return np.asarray(cv2.merge([gray, gray, gray]), np.uint8)
    codes = cv2.merge(planes)
    if layout.depth == 8:
        # OpenCV rounds and clips by itself.
        return np.asarray(cv2.transform(codes, bgr_matrix(layout) * 255), np.uint8)
    image = cv2.transform(codes.astype(np.float32), bgr_matrix(layout) * 255)
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


def lay(picture: Picture, rect: Rect, codes: Sequence[Array], mask: Array) -> Patch:
    """Lay new samples over a rectangle of the picture.

    Args:
        picture: what lies below; it is only read.
        rect: on the chroma grid.
        codes: one float32 [height, width] for each of the picture's planes, code values at that plane's own
            resolution; changed in place.
        mask: float32 [height, width] of the luma: 0 keeps the picture's samples bit for bit, 1 replaces them.

    Returns:
        the rectangle's new samples, rounded to nearest.
    """
    planes = []
    shares = (mask, *[shrink(mask, picture.layout)] * 2)
    for index, (new, share) in enumerate(zip(codes, shares, strict=False)):
        below = cut(picture, index, rect)
        base = below.astype(np.float32)
        cv2.subtract(new, base, dst=new)
        cv2.multiply(new, share, dst=new)
        # To the nearest code, within the type's range.
        done: Any = cv2.add(new, base, dtype=cv2.CV_8U if below.dtype == np.uint8 else cv2.CV_16U)
        if below.dtype != np.uint8:
            done = np.minimum(done, done.dtype.type((1 << picture.layout.depth) - 1))
        planes.append(done)
    return Patch(rect.x, rect.y, tuple(planes))


def view_bgr(picture: Picture, view: View, pixels: int, *, rgb: bool = False) -> Array:
    """A square of the picture, turned and filtered down (or up) to `pixels` wide; black outside the picture.

    The first, larger step of the shrinking averages whole blocks on a grid fixed to the picture, so that a
    square that moves by part of a pixel sees the same blocks.

    Returns:
        float32 [pixels, pixels, 3], BGR (or RGB), clipped to 0..1.
    """
    layout = picture.layout
    black = code_matrix(layout)[:, 3].tolist()
    (luma,) = _sample(picture.planes[:1], view, pixels, (0, 0), black[:1])
    if layout.gray:
        gray = _gray(luma, layout)
        image = cv2.merge([gray, gray, gray])
    else:
        shift = (layout.chroma_shift_x, layout.chroma_shift_y)
        chroma = _sample(picture.planes[1:], view, pixels, shift, black[1:])
        matrix = bgr_matrix(layout)
        image = cv2.transform(cv2.merge([luma, *chroma]), matrix[::-1] if rgb else matrix)
    return np.clip(image, 0, 1, out=image)


def _sample(
    planes: Sequence[Plane], view: View, pixels: int, shift: tuple[int, int], border: list[float]
) -> list[Array]:
    """Planes of one subsampling seen through a view: float32 code values, each [pixels, pixels]."""
    scale_x, scale_y = 1 << shift[0], 1 << shift[1]
    step = view.side / pixels
    fx, fy = max(1, round(step / scale_x)), max(1, round(step / scale_y))
    # The view's bounds and the planes, in blocks of the first shrinking.
    block_x, block_y = scale_x * fx, scale_y * fy
    c, s = math.cos(view.angle), math.sin(view.angle)
    half = view.side / 2 * (abs(c) + abs(s))
    rows, columns = planes[0].shape
    left, top = max(0, math.floor((view.x - half) / block_x) - 1), max(0, math.floor((view.y - half) / block_y) - 1)
    right = min(columns // fx, math.ceil((view.x + half) / block_x) + 1)
    bottom = min(rows // fy, math.ceil((view.y + half) / block_y) + 1)
    if right <= left or bottom <= top:
        return [np.full((pixels, pixels), value, np.float32) for value in border]
    # Every other row says as much of a large block, at half the cost.
    skip = 2 if fy % 2 == 0 and fy >= 6 else 1
    parts: list[Array] = [plane[top * fy : bottom * fy : skip, left * fx : right * fx] for plane in planes]
    if fx > 1 or fy > 1:
        parts = [cv2.resize(part, (right - left, bottom - top), interpolation=cv2.INTER_AREA) for part in parts]
    # As View.matrix; cv2 counts from the first sample's middle.
    middle = (pixels - 1) / 2
    a, b, d, e = step * c / block_x, -step * s / block_x, step * s / block_y, step * c / block_y
    x = view.x / block_x - left - 0.5 - (a + b) * middle
    y = view.y / block_y - top - 0.5 - (d + e) * middle
    matrix = np.array([[a, b, x], [d, e, y]])
    how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return [
        cv2.warpAffine(part.astype(np.float32), matrix, (pixels, pixels), flags=how, borderValue=value)
        for part, value in zip(parts, border, strict=True)
    ]


def _gray(luma: Array, layout: YuvLayout) -> Array:
    """Code values of Y to 0..1."""
    forward = code_matrix(layout)
    return (luma - np.float32(forward[0, 3])) * np.float32(1 / forward[0, :3].sum())


def cut(picture: Picture, index: int, rect: Rect) -> Plane:
    """A plane's samples inside the rectangle, which lies on the chroma grid (a view)."""
    sx, sy = (0, 0) if index == 0 else (picture.layout.chroma_shift_x, picture.layout.chroma_shift_y)
    right, bottom = -(-(rect.x + rect.width) // (1 << sx)), -(-(rect.y + rect.height) // (1 << sy))
    return picture.planes[index][rect.y >> sy : bottom, rect.x >> sx : right]


def shrink(image: Array, layout: YuvLayout) -> Array:
    """Average over the luma samples of each chroma sample; an odd last row or column stands for its pair."""
    sx, sy = layout.chroma_shift_x, layout.chroma_shift_y
    if not sx and not sy:
        return image
    height, width = image.shape[:2]
    pad_x, pad_y = -width % (1 << sx), -height % (1 << sy)
    if pad_x or pad_y:
        image = cv2.copyMakeBorder(image, 0, pad_y, 0, pad_x, cv2.BORDER_REPLICATE)
    size = (image.shape[1] >> sx, image.shape[0] >> sy)
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)
