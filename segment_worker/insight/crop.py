"""Crops of a picture's faces, and swapped crops back into it: only the region around the face is ever read.

The mask is InsightFace's (`INSwapper.get`): the crop's square in the picture, eroded by a tenth of its size and
softened by a twentieth.
"""

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from segment_worker.insight.alignment import Array64, after, corners
from segment_worker.paste import Rect, align, code_matrix, lay, read_bgr, shrink
from segment_worker.picture import Patch, Picture

Array = npt.NDArray[Any]

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
    if rect is None:
        return np.zeros((side, side, 3), np.float32)
    region = np.clip(read_bgr(picture, rect), 0, 1) * np.float32(255)
    if picture.layout.depth == 8:
        # As InsightFace has them; deeper pictures keep what they have.
        region = np.rint(region).astype(np.uint8)
    moved = after(matrix, (1, 1), (rect.x, rect.y))
    return np.asarray(cv2.warpAffine(region, moved, (side, side), flags=cv2.INTER_LINEAR), np.float32)


def mask_of(picture: Picture, matrix: Array64, side: int) -> Mask | None:
    """The mask of a crop; None where there is too little of it in the picture.

    Args:
        picture: the picture; only its size matters.
        matrix: from the picture to the crop.
        side: the crop's width.
    """
    bounds = corners(matrix, side)
    if not np.isfinite(bounds).all():
        return None
    low, high = np.floor(bounds.min(0)) - 1, np.ceil(bounds.max(0)) + 2
    rect = align(picture, *low, *high)
    if rect is None or min(rect.width, rect.height) < _LEAST_PIXELS:
        return None
    white = np.full((side, side), 255, np.float32)
    moved = after(matrix, (1, 1), (rect.x, rect.y))
    shown = cv2.warpAffine(white, moved, (rect.width, rect.height), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    square = (shown > 20).astype(np.uint8) * np.uint8(255)
    rows, columns = np.flatnonzero(square.any(1)), np.flatnonzero(square.any(0))
    if not len(rows) or not len(columns):
        return None
    size = int(math.sqrt((rows[-1] - rows[0]) * (columns[-1] - columns[0])))
    erosion, softness = max(size // 10, 10), max(size // 20, 5)
    share = _softened(picture, rect, square, erosion, softness)
    return Mask(rect, share) if share.any() else None


def _softened(picture: Picture, rect: Rect, square: Array, erosion: int, softness: int) -> Array:
    """The square eroded and blurred, float32 0..1; beyond the picture's edge it goes on, beyond the region it is 0."""
    # Where the region ends inside the picture there is nothing of the square: zeros for the filters to see.
    margin = [
        softness * (rect.y > 0),
        softness * (rect.y + rect.height < picture.height),
        softness * (rect.x > 0),
        softness * (rect.x + rect.width < picture.width),
    ]
    top, bottom, left, right = margin
    wide = cv2.copyMakeBorder(square, top, bottom, left, right, cv2.BORDER_CONSTANT, value=0)
    eroded = cv2.erode(wide, np.ones((erosion, erosion), np.uint8))
    kernel = 2 * softness + 1
    soft = cv2.GaussianBlur(eroded, (kernel, kernel), 0)
    inside = soft[top : top + rect.height, left : left + rect.width]
    return np.asarray(inside.astype(np.float32) * np.float32(1 / 255))


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
    luma_matrix = after(matrix, (1, 1), (rect.x, rect.y))
    size = rect.width, rect.height
    if layout.gray:
        return [_seen(np.ascontiguousarray(codes[..., 0]), luma_matrix, size, black)]
    scale_x, scale_y = 1 << layout.chroma_shift_x, 1 << layout.chroma_shift_y
    grows = abs(np.linalg.det(matrix[:, :2])) * scale_x * scale_y <= 1
    if (scale_x, scale_y) == (1, 1) or not grows:
        # A crop that is made smaller is averaged like a picture of this layout would be.
        luma, *chroma = cv2.split(_seen(codes, luma_matrix, size, black))
        return [luma, *(shrink(plane, layout) for plane in chroma)]
    luma = _seen(np.ascontiguousarray(codes[..., 0]), luma_matrix, size, black)
    # The middle of a chroma sample, in luma samples.
    middle = (scale_x - 1) / 2 + rect.x, (scale_y - 1) / 2 + rect.y
    chroma_size = -(-rect.width // scale_x), -(-rect.height // scale_y)
    chroma_matrix = after(matrix, (scale_x, scale_y), middle)
    both = _seen(np.ascontiguousarray(codes[..., 1:]), chroma_matrix, chroma_size, black[1:])
    return [luma, *cv2.split(both)]


def _seen(image: Array, matrix: Array64, size: tuple[int, int], beyond: list[float]) -> Array:
    """An image of the crop in a region: each sample looks up its place in the crop; black beyond it."""
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(image, matrix, size, flags=flags, borderValue=beyond))
