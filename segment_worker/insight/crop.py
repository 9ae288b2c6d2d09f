"""Crops of a picture's faces, and swapped crops back into it: only the region around the face is ever read.

The mask is InsightFace's (`INSwapper.get`): the crop's square in the picture, eroded by a tenth of its size and
softened by a twentieth.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np

from segment_worker.arrays import Array, Array64
from segment_worker.insight.alignment import after, corners, inverse
from segment_worker.paste import Rect, align, bgr_matrix, code_matrix, cut, lay, shrink
from segment_worker.picture import Patch, Picture, YuvLayout

# Below this the mask's rule leaves nothing of a face.
_LEAST_PIXELS = 12


@dataclass(frozen=True)
class Mask:
    """How much of the swapped face goes into a region, float32 [height, width] of its luma, 0..1."""

    rect: Rect
    share: Array


def crop_of(picture: Picture, matrix: Array64, side: int) -> Array:
    """A crop, float32 [side, side, 3] BGR, 0..255; black outside the picture.

    Args:
        picture: the picture.
        matrix: from the picture to the crop.
        side: the crop's width.
    """
    bounds = corners(matrix, side)
    # Bilinear interpolation reads one sample beyond.
    low, high = np.floor(bounds.min(0)) - 2, np.ceil(bounds.max(0)) + 3
    rect = align(picture, *low, *high)
    layout = picture.layout
    if rect is None:
        return np.zeros((side, side, 3), np.float32)
    black = code_matrix(layout)[:, 3].tolist()
    # Each plane at its own resolution, and colours only of what is left.
    planes = [
        cv2.warpAffine(
            cut(picture, number, rect).astype(np.float32), grid, (side, side), flags=cv2.INTER_LINEAR, borderValue=zero
        )
        for number, (grid, zero) in enumerate(zip(_grids(layout, rect, matrix), black, strict=False))
    ]
    if layout.gray:
        planes += [np.full((side, side), zero, np.float32) for zero in black[1:]]
    crop = np.clip(cv2.transform(cv2.merge(planes), bgr_matrix(layout) * 255), 0, 255)
    # Eight bits as InsightFace has them; deeper pictures keep what they have.
    return np.asarray(np.rint(crop) if layout.depth == 8 else crop, np.float32)


def _grids(layout: YuvLayout, rect: Rect, matrix: Array64) -> list[Array64]:
    """The maps from the samples of a rectangle's planes to the crop: of luma, and of both chroma planes."""
    luma = after(matrix, (1, 1), (rect.x, rect.y))
    if layout.gray:
        return [luma]
    scale_x, scale_y = 1 << layout.chroma_shift_x, 1 << layout.chroma_shift_y
    # A chroma sample lies in the middle of the luma samples that it covers.
    chroma = after(luma, (scale_x, scale_y), ((scale_x - 1) / 2, (scale_y - 1) / 2))
    return [luma, chroma, chroma]


def mask_of(
    picture: Picture, matrix: Array64, side: int, wanted: Array | None = None, *, box: bool = False
) -> Mask | None:
    """The mask of a crop; None where there is too little of it in the picture.

    Args:
        picture: the picture; only its size matters.
        matrix: from the picture to the crop.
        side: the crop's width.
        wanted: how much of each of the crop's samples is laid over, float32 [side, side]; all where None.
        box: whether `wanted` has edges of its own, in place of InsightFace's.
    """
    bounds = corners(matrix, side)
    if not np.isfinite(bounds).all():
        return None
    low, high = np.floor(bounds.min(0)) - 1, np.ceil(bounds.max(0)) + 2
    rect = align(picture, *low, *high)
    if rect is None or min(rect.width, rect.height) < _LEAST_PIXELS:
        return None
    moved = after(matrix, (1, 1), (rect.x, rect.y))
    own = None if wanted is None else _seen(wanted, moved, (rect.width, rect.height), [0.0])
    if own is not None and box:
        return Mask(rect, own) if own.any() else None
    square = _square(moved, side, rect)
    _, _, width, height = cv2.boundingRect(square)
    if not width or not height:
        return None
    size = int(math.sqrt((width - 1) * (height - 1)))
    erosion, softness = max(size // 10, 10), max(size // 20, 5)
    share = _softened(_eroded(square, erosion, picture, rect), softness, picture, rect)
    share = share if own is None else share * own
    return Mask(rect, share) if share.any() else None


def _square(matrix: Array64, side: int, rect: Rect) -> Array:
    """Where a white crop shows in a rectangle, brighter than 20 of 255: uint8 [height, width], 0 or 1.

    Only the strips around what is surely inside are looked up.
    """
    square = np.ones((rect.height, rect.width), np.uint8)
    middle = inverse(matrix) @ (side / 2 - 0.5, side / 2 - 0.5, 1)
    # Half the side of the upright square in a turned one.
    half = (side - 1) / 2 / float(np.abs(matrix[0, :2]).sum()) - 1
    left, right = (int(np.clip(middle[0] + sign * half, 0, rect.width)) for sign in (-1, 1))
    top, bottom = (int(np.clip(middle[1] + sign * half, 0, rect.height)) for sign in (-1, 1))
    strips = [(0, 0, rect.width, top), (0, bottom, rect.width, rect.height)]
    strips += [(0, top, left, bottom), (right, top, rect.width, bottom)]
    white = np.full((side, side), 255, np.float32)
    for x0, y0, x1, y1 in strips:
        if x1 > x0 and y1 > y0:
            shown = _seen(white, after(matrix, (1, 1), (x0, y0)), (x1 - x0, y1 - y0), [0.0])
            square[y0:y1, x0:x1] = shown > 20
    return square


def _widened(image: Array, picture: Picture, rect: Rect, before: int, behind: int, edge: int) -> Array:
    """A region with what filters see beyond it: zeros inside the picture, and at its edges what `edge` says.

    Args:
        image: the region's.
        picture: only its size matters.
        rect: the region.
        before: samples more at the top and on the left.
        behind: samples more at the bottom and on the right.
        edge: OpenCV's border for the picture's edges.
    """
    above, left = rect.y > 0, rect.x > 0
    below, right = rect.y + rect.height < picture.height, rect.x + rect.width < picture.width
    wide = cv2.copyMakeBorder(
        image, before * above, behind * below, before * left, behind * right, cv2.BORDER_CONSTANT, value=0
    )
    over = before * (not above), behind * (not below), before * (not left), behind * (not right)
    return np.asarray(cv2.copyMakeBorder(wide, over[0], over[1], over[2], over[3], edge))


def _eroded(square: Array, size: int, picture: Picture, rect: Rect) -> Array:
    """A convex shape (0 or 1) eroded by `size` x `size`, as cv2.erode does, to which the picture's edges are none.

    The window, as far as it is in the picture, lies in a convex shape if its four corners do.
    """
    before, behind = size // 2, size - 1 - size // 2
    wide = _widened(square, picture, rect, before, behind, cv2.BORDER_REPLICATE)
    last = size - 1
    height, width = square.shape
    across = cv2.min(wide[:, :width], wide[:, last : last + width])
    return np.asarray(cv2.min(across[:height], across[last : last + height]))


def _softened(eroded: Array, softness: int, picture: Picture, rect: Rect) -> Array:
    """The Gaussian of OpenCV's kernel `2 * softness + 1` wide, float32 0..1; mirrored at the picture's edges.

    Wide ones are made of a smaller image, less what scaling it down and up softens by itself.
    """
    sigma = 0.3 * (softness - 1) + 0.8
    times = 4 if sigma > 10 else 2 if sigma > 5 else 1
    margin = min(softness + times, *(side - 1 for side in eroded.shape))
    wide = _widened(eroded * np.uint8(255), picture, rect, margin, margin, cv2.BORDER_REFLECT_101)
    if times == 1:
        soft = cv2.GaussianBlur(wide.astype(np.float32), (2 * softness + 1,) * 2, 0)
    else:
        height, width = wide.shape
        # Whole blocks.
        wide = cv2.copyMakeBorder(wide, 0, -height % times, 0, -width % times, cv2.BORDER_REPLICATE)
        small = wide
        for _ in range(times // 2):
            small = cv2.resize(small, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        # Variances of a box of `times` samples, and of linear interpolation between such.
        own = (times**2 - 1) / 12 + times**2 / 6
        soft = cv2.GaussianBlur(small.astype(np.float32), (0, 0), math.sqrt(sigma**2 - own) / times)
        soft = cv2.resize(soft, wide.shape[::-1], interpolation=cv2.INTER_LINEAR)
    inside = soft[margin : margin + rect.height, margin : margin + rect.width]
    return np.asarray(inside * np.float32(1 / 255))


def paste(picture: Picture, mask: Mask, matrix: Array64, crop: Array) -> Patch:
    """A swapped crop in the picture's own YUV and depth.

    Args:
        picture: what lies below.
        mask: where, and how much of it.
        matrix: from the picture to the crop.
        crop: float32 [side, side, 3] BGR, 0..1.
    """
    return lay(picture, mask.rect, codes_of(picture, mask.rect, matrix, crop), mask.share)


def codes_of(picture: Picture, rect: Rect, matrix: Array64, crop: Array) -> list[Array]:
    """A crop seen in a region, as code values: float32 planes at the picture's own resolutions."""
    layout = picture.layout
    # InsightFace rounds down to 8 bits.
    top = np.float32(255 << (layout.depth - 8))
    codes = cv2.transform(np.floor(crop * top) / top, code_matrix(layout))
    black: list[float] = code_matrix(layout)[:, 3].tolist()
    grids = _grids(layout, rect, matrix)
    size = rect.width, rect.height
    if layout.gray:
        return [_seen(np.ascontiguousarray(codes[..., 0]), grids[0], size, black)]
    scale = 1 << layout.chroma_shift_x, 1 << layout.chroma_shift_y
    if scale == (1, 1) or abs(np.linalg.det(grids[1][:, :2])) > 1:
        # A crop that is made smaller is averaged like a picture of this layout would be.
        luma, *chroma = cv2.split(_seen(codes, grids[0], size, black))
        return [luma, *(shrink(plane, layout) for plane in chroma)]
    luma = _seen(np.ascontiguousarray(codes[..., 0]), grids[0], size, black)
    half = -(-rect.width // scale[0]), -(-rect.height // scale[1])
    return [luma, *(_seen(np.ascontiguousarray(codes[..., k]), grids[k], half, black[k:]) for k in (1, 2))]


def _seen(image: Array, matrix: Array64, size: tuple[int, int], beyond: list[float]) -> Array:
    """An image of the crop in a region: each sample looks up its place in the crop; black beyond it."""
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(image, matrix, size, flags=flags, borderValue=beyond))
