"""The two ways between a picture and the flat layout of the face mesh: dense maps for `cv2.remap`.

Into the layout the triangles never move, so the weights of their corners are worked out once. Into the picture
the triangles are drawn back to front, those that face away left out, and every pixel takes the affine map of
the triangle it lies in.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from segment_worker.mesh_topology import LAYOUT, TRIANGLES
from segment_worker.paste import Rect

# OpenCV's stubs promise no more than "some number": the docstrings say which.
Array = npt.NDArray[Any]

# Triangles are drawn on a grid of 1/16 pixel.
_SHIFT = 4
# A picture map is drawn at most this wide and then stretched: it is smooth, and its cost stays bounded.
_MAP_WIDTH = 256
# Triangles below this (twice the area in pixels) have no map worth drawing.
_SLIVER = 0.02
# Neighbouring pixels this many times farther apart in the layout than usual lie on parts that hide each other.
_JUMP = 8.0
_CROSS = np.ones((3, 3), np.uint8)


@dataclass(frozen=True)
class PictureMap:
    """Where each pixel of a rectangle lies in the layout.

    Attributes:
        places: float32 [height * fine, width * fine, 2], layout coordinates 0..1; anything where `inside` is 0.
        inside: float32 [height * fine, width * fine], 1 on the mesh, 0 elsewhere.
        scale: luma pixels per layout unit, the mean over the visible triangles.
        fine: samples a pixel, each way: small faces are drawn finer, so that lids and lips keep their shape.
    """

    places: Array
    inside: Array
    scale: float
    fine: int

    def sample(self, image: Array, how: int) -> Array:
        """An image of the layout, float32 [side, side, n], seen in the rectangle: float32 [height, width, n]."""
        return self.shrink(look_up(image, self.places * image.shape[0], how))

    def shrink(self, image: Array) -> Array:
        """From samples to pixels."""
        if self.fine == 1:
            return image
        size = (image.shape[1] // self.fine, image.shape[0] // self.fine)
        return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


@lru_cache(maxsize=8)
def _corners(side: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], Array]:
    """Covered texels of a layout `side` wide: flat places [m], mesh points [m, 3] and their weights [m, 3]."""
    numbers = np.full((side, side), -1, np.int32)
    corners = LAYOUT[TRIANGLES].astype(np.float64) * side
    for number, corner in enumerate(corners):
        cv2.fillConvexPoly(numbers, _fixed(corner), number, lineType=cv2.LINE_8, shift=_SHIFT)
    texels = np.flatnonzero(numbers.ravel() >= 0)
    chosen = numbers.ravel()[texels]
    a, b, c = (corners[chosen, k] for k in range(3))
    p = np.stack([texels % side + 0.5, texels // side + 0.5], 1)
    whole = _cross(b - a, c - a)
    weights = np.stack([_cross(c - b, p - b), _cross(a - c, p - c), _cross(b - a, p - a)], 1) / whole[:, None]
    return texels, TRIANGLES[chosen], weights.astype(np.float32)


def covered(side: int) -> npt.NDArray[np.bool_]:
    """Texels of a layout `side` wide that lie on the mesh, bool [side, side]."""
    mask = np.zeros(side * side, np.bool_)
    mask[_corners(side)[0]] = True
    return mask.reshape(side, side)


def spread(values: Array, side: int, outside: float = 0.0) -> Array:
    """Values given at the mesh's points, float32 [468, n], over the layout: float32 [side, side, n]."""
    texels, points, weights = _corners(side)
    out = np.full((side * side, values.shape[1]), outside, np.float32)
    out[texels] = np.einsum("mk,mkn->mn", weights, values[points])
    return out.reshape(side, side, -1)


def look_up(image: Array, places: Array, how: int = cv2.INTER_LINEAR) -> Array:
    """An image's values at places (.5 is a pixel's middle, the border is repeated), by interpolation `how`."""
    # The stub forgets that the second map may be None.
    return np.asarray(cv2.remap(image, places - np.float32(0.5), None, how, borderMode=cv2.BORDER_REPLICATE))  # type: ignore[call-overload]


def picture_map(points: Array, rect: Rect) -> PictureMap:
    """Draw the mesh into a rectangle of the picture.

    Args:
        points: float32 [468, 3], luma pixels, z smaller is nearer.
        rect: the rectangle, whole luma pixels.
    """
    factor = max(1, -(-rect.width // _MAP_WIDTH), -(-rect.height // (_MAP_WIDTH * 3 // 2)))
    fine = 2 if rect.width <= _MAP_WIDTH // 2 else 1
    width, height = -(-rect.width * fine // factor), -(-rect.height * fine // factor)
    flat = (points[:, :2].astype(np.float64) - (rect.x, rect.y)) * (fine / factor)
    corners = flat[TRIANGLES]
    area = _cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    front = area > _SLIVER
    # Those facing away come first: they only fill cracks between the others, such as beside the nose.
    drawn = np.flatnonzero(np.abs(area) > _SLIVER)
    depth = points[TRIANGLES[drawn], 2].mean(1)
    order = drawn[np.lexsort((-depth, front[drawn]))]
    numbers = np.full((height, width), -1, np.int32)
    for number, corner in zip(order.tolist(), _fixed(corners[order]), strict=True):
        cv2.fillConvexPoly(numbers, corner, number, lineType=cv2.LINE_8, shift=_SHIFT)
    places = _affine_places(numbers, corners, np.where(np.abs(area) > _SLIVER, area, 1.0))
    inside = (numbers >= 0).astype(np.float32)
    layout = LAYOUT[TRIANGLES[front]].astype(np.float64)
    flat_area = _cross(layout[:, 1] - layout[:, 0], layout[:, 2] - layout[:, 0]).sum()
    scale = factor / fine * float(np.sqrt(area[front].sum() / max(flat_area, 1e-9)))
    if factor > 1:
        # Where one part hides another (nose before lip) the places jump: blending would show what is between.
        jump = (cv2.dilate(places, _CROSS) - cv2.erode(places, _CROSS)).max(2) > _JUMP * factor / scale
        jumps = np.nonzero(_stretch(jump.astype(np.uint8), rect, factor, cv2.INTER_NEAREST))
        small = places
        places, inside = (_stretch(image, rect, factor, cv2.INTER_LINEAR) for image in (places, inside))
        places[jumps] = small[jumps[0] // factor, jumps[1] // factor]
    return PictureMap(places, inside, scale, fine)


def _affine_places(
    numbers: npt.NDArray[np.int32], corners: npt.NDArray[np.float64], area: npt.NDArray[np.float64]
) -> Array:
    """Layout coordinates of every pixel by its triangle's affine map, float32 [height, width, 2]."""
    targets = LAYOUT[TRIANGLES].astype(np.float64)
    p0, e1, e2 = corners[:, 0], corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    q0, f1, f2 = targets[:, 0], targets[:, 1] - targets[:, 0], targets[:, 2] - targets[:, 0]
    # q = q0 + [f1 f2] [e1 e2]^-1 (p - p0)
    dx = (f1 * e2[:, 1:] - f2 * e1[:, 1:]) / area[:, None]
    dy = (f2 * e1[:, :1] - f1 * e2[:, :1]) / area[:, None]
    start = q0 - dx * p0[:, :1] - dy * p0[:, 1:]
    table = np.concatenate([dx, dy, start], 1).astype(np.float32)[np.maximum(numbers, 0)]
    x = np.arange(numbers.shape[1], dtype=np.float32)[None, :, None] + np.float32(0.5)
    y = np.arange(numbers.shape[0], dtype=np.float32)[:, None, None] + np.float32(0.5)
    return np.ascontiguousarray(table[..., 0:2] * x + table[..., 2:4] * y + table[..., 4:6])


def _stretch(image: npt.NDArray[Any], rect: Rect, factor: int, how: int) -> npt.NDArray[Any]:
    """Enlarge a reduced map to the rectangle."""
    height, width = image.shape[:2]
    big = cv2.resize(image, (width * factor, height * factor), interpolation=how)
    return np.ascontiguousarray(big[: rect.height, : rect.width])


def _fixed(corners: npt.NDArray[np.float64]) -> npt.NDArray[np.int32]:
    """Continuous places (.5 is a pixel's middle) to the drawing grid."""
    return np.rint((np.clip(corners, -30000, 30000) - 0.5) * (1 << _SHIFT)).astype(np.int32)


def _cross(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Cross product of rows of 2-vectors."""
    return np.asarray(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0])
