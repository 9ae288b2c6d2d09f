"""The two ways between a picture and the flat layout of the face mesh: dense maps for `cv2.remap`.

Into the layout the triangles never move, so the weights of their corners are worked out once. Into the picture
the triangles are drawn back to front, those that face away left out, and every pixel takes the affine map of
the triangle it lies in.
"""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from segment_worker.arrays import Array, Array64, Image
from segment_worker.mesh.topology import INNER_LIPS, LAYOUT, TRIANGLES
from segment_worker.paste import Rect

# Triangles are drawn on a grid of 1/16 pixel.
_SHIFT = 4
# A picture map is drawn at most this wide.
_MAP_WIDTH = 160
# Triangles below this (twice the area in pixels) have no map worth drawing.
_SLIVER = 0.02
# Neighbouring pixels this many times farther apart in the layout than usual lie on parts that hide each other.
_JUMP = 8.0
_CROSS = np.ones((3, 3), np.uint8)


@dataclass(frozen=True)
class PictureMap:
    """Where each pixel of a rectangle lies in the layout: drawn coarsely, for it is smooth, and stretched on use.

    Attributes:
        rect: the rectangle of the picture.
        places: float32 [rows, columns, 2], layout coordinates 0..1; anything where `inside` is 0. They cover
            `extent`, a little more than the rectangle where its size is odd.
        jump: uint8 [rows, columns], 1 where neighbours lie on parts that hide each other (nose and lip);
            None where nothing is hidden.
        close: a rectangle of the fine grid, and its places at that grid's own resolution, float32
            [height, width, 2]: lips and lids, whose rims a coarse grid would break; None where `places` are fine.
        inside: float32 [rows, columns], 1 on the mesh, 0 elsewhere.
        extent: width and height in luma pixels.
        scale: luma pixels per layout unit, the mean over the visible triangles.
        fine: samples a pixel, each way: small faces are drawn finer, so that lids and lips keep their shape.
    """

    rect: Rect
    places: Array
    jump: Array | None
    close: tuple[Rect, Array] | None
    inside: Array
    extent: tuple[int, int]
    scale: float
    fine: int

    def sample(self, image: Array, how: int, shift: tuple[int, int] = (0, 0)) -> Array:
        """An image of the layout, float32 [side, side, n], seen in the rectangle.

        Args:
            image: the image.
            how: OpenCV's interpolation.
            shift: log2 of the subsampling of the answer, horizontal and vertical.

        Returns:
            float32 [height, width, n].
        """
        size = (self.extent[0] * self.fine >> shift[0], self.extent[1] * self.fine >> shift[1])
        seen = look_up(image, self._stretched(size), how, image.shape[0])
        if self.fine > 1:
            seen = cv2.resize(seen, (size[0] // self.fine, size[1] // self.fine), interpolation=cv2.INTER_AREA)
        return seen[: -(-self.rect.height // (1 << shift[1])), : -(-self.rect.width // (1 << shift[0]))]

    def soft(self, image: Array) -> Array:
        """A smooth image on the coarse grid, float32 [rows, columns], at the rectangle's luma resolution."""
        return cv2.resize(image, self.extent, interpolation=cv2.INTER_LINEAR)[: self.rect.height, : self.rect.width]

    def _stretched(self, size: tuple[int, int]) -> Array:
        """The places at `size` (width, height)."""
        if size == (self.places.shape[1], self.places.shape[0]):
            return self.places
        places = cv2.resize(self.places, size, interpolation=cv2.INTER_LINEAR)
        if self.jump is not None:
            # Blending across a jump would show what lies between.
            hard = cv2.resize(self.places, size, interpolation=cv2.INTER_NEAREST)
            cv2.copyTo(hard, cv2.resize(self.jump, size, interpolation=cv2.INTER_NEAREST), places)
        if self.close is not None and size == (self.extent[0] * self.fine, self.extent[1] * self.fine):
            part, exact = self.close
            places[part.y : part.y + part.height, part.x : part.x + part.width] = exact
        return places


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


def look_up(image: Array, places: Array, how: int = cv2.INTER_LINEAR, scale: float = 1.0) -> Array:
    """An image's values at `places * scale` (.5 is a pixel's middle, the border is repeated)."""
    places = cv2.addWeighted(places, scale, places, 0, -0.5)
    # The stub forgets that the second map may be None.
    return np.asarray(cv2.remap(image, places, None, how, borderMode=cv2.BORDER_REPLICATE))  # type: ignore[call-overload]


def picture_map(points: Array, rect: Rect) -> PictureMap:
    """Draw the mesh into a rectangle of the picture.

    Args:
        points: float32 [468, 3], luma pixels, z smaller is nearer.
        rect: the rectangle, whole luma pixels.
    """
    # Even, so that subsampled planes have whole samples.
    extent = rect.width + rect.width % 2, rect.height + rect.height % 2
    fine = 2 if rect.width <= _MAP_WIDTH // 2 else 1
    width = min(extent[0] * fine, _MAP_WIDTH)
    height = min(extent[1] * fine, _MAP_WIDTH * 3 // 2)
    ratio = np.array([width / extent[0], height / extent[1]])
    corners = ((points[:, :2].astype(np.float64) - (rect.x, rect.y)) * ratio)[TRIANGLES]
    area = _cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    front = area > _SLIVER
    # Those facing away come first: they only fill cracks between the others, such as beside the nose.
    drawn = np.flatnonzero(np.abs(area) > _SLIVER)
    depth = points[TRIANGLES[drawn], 2].mean(1)
    order = drawn[np.lexsort((-depth, front[drawn]))]
    area = np.where(np.abs(area) > _SLIVER, area, 1.0)
    places, inside = _drawn_places(order, corners, area, (width, height))
    layout = LAYOUT[TRIANGLES[front]].astype(np.float64)
    flat_area = _cross(layout[:, 1] - layout[:, 0], layout[:, 2] - layout[:, 0]).sum()
    coarse = float(np.sqrt(area[front].sum() / max(flat_area, 1e-9)))
    scale = coarse / float(np.sqrt(ratio[0] * ratio[1]))
    jump, close = None, None
    if width < extent[0] or height < extent[1]:
        jump = _jumps(places, cv2.erode(inside, _CROSS), _JUMP / max(coarse, 1e-6))
        close = _close(order, corners / ratio, area / float(ratio.prod()), extent)
    return PictureMap(rect, places, jump, close, inside.astype(np.float32), extent, scale, fine)


@lru_cache(maxsize=1)
def _mouth() -> npt.NDArray[np.bool_]:
    """Triangles that touch the inner lips, bool [898]."""
    return np.asarray(np.isin(TRIANGLES, INNER_LIPS).any(1), np.bool_)


def _close(
    order: npt.NDArray[np.int64],
    corners: Array64,
    area: Array64,
    extent: tuple[int, int],
) -> tuple[Rect, Array] | None:
    """The mouth drawn at full resolution; as `PictureMap.close`."""
    around = corners[_mouth()].reshape(-1, 2)
    low = np.clip(np.floor(around.min(0)), 0, extent).astype(int)
    high = np.clip(np.ceil(around.max(0)), 0, extent).astype(int)
    if (high - low).min() < 2:
        return None
    near = ((corners[order].max(1) > low) & (corners[order].min(1) < high)).all(1)
    places, inside = _drawn_places(order[near], corners - low, area, (int(high[0] - low[0]), int(high[1] - low[1])))
    part = Rect(int(low[0]), int(low[1]), places.shape[1], places.shape[0])
    return (part, places) if inside.all() else None


def _drawn_places(
    order: npt.NDArray[np.int64],
    corners: Array64,
    area: Array64,
    size: tuple[int, int],
) -> tuple[Array, Image]:
    """Draw triangles, in order, on a grid of `size` (width, height).

    Returns:
        layout coordinates float32 [height, width, 2], and where a triangle lies, uint8 [height, width].
    """
    numbers = np.full(size[::-1], -1, np.int16)
    for number, corner in zip(order.tolist(), list(_fixed(corners[order])), strict=True):
        # A call for each of 898 triangles: by position, which OpenCV parses in two thirds of the time.
        cv2.fillConvexPoly(numbers, corner, number, cv2.LINE_8, _SHIFT)
    inside = (numbers >= 0).astype(np.uint8)
    # One sample beyond the silhouette too, for it is blended in.
    beyond = np.maximum(cv2.dilate(numbers, _CROSS) * (1 - inside), numbers)
    return _affine_places(beyond, corners, area), inside


def _jumps(places: Array, within: Array, far: float) -> Array | None:
    """Where neighbours are farther apart in the layout than `far`, uint8 [height, width]; None if nowhere."""
    both = cv2.dilate(places, _CROSS)
    cv2.subtract(both, cv2.erode(places, _CROSS), dst=both)
    jump = cv2.bitwise_and(cv2.bitwise_not(cv2.inRange(both, (0, 0), (far, far))), within)
    return jump if jump.any() else None


def _affine_places(numbers: npt.NDArray[np.int16], corners: Array64, area: Array64) -> Array:
    """Layout coordinates of every pixel by its triangle's affine map, float32 [height, width, 2]."""
    targets = LAYOUT[TRIANGLES].astype(np.float64)
    p0, e1, e2 = corners[:, 0], corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    q0, f1, f2 = targets[:, 0], targets[:, 1] - targets[:, 0], targets[:, 2] - targets[:, 0]
    # q = q0 + [f1 f2] [e1 e2]^-1 (p - p0)
    dx = (f1 * e2[:, 1:] - f2 * e1[:, 1:]) / area[:, None]
    dy = (f2 * e1[:, :1] - f1 * e2[:, :1]) / area[:, None]
    start = q0 - dx * p0[:, :1] - dy * p0[:, 1:]
    table = np.ascontiguousarray(np.concatenate([dx, dy, start], 1).T, np.float32)
    parts = np.take(table, np.maximum(numbers, 0).astype(np.intp), axis=1)
    x = np.arange(numbers.shape[1], dtype=np.float32)[None, :] + np.float32(0.5)
    y = np.arange(numbers.shape[0], dtype=np.float32)[:, None] + np.float32(0.5)
    return np.asarray(cv2.merge([parts[k] * x + parts[k + 2] * y + parts[k + 4] for k in (0, 1)]))


def _fixed(corners: Array64) -> npt.NDArray[np.int32]:
    """Continuous places (.5 is a pixel's middle) to the drawing grid."""
    return np.rint((np.clip(corners, -30000, 30000) - 0.5) * (1 << _SHIFT)).astype(np.int32)


def _cross(a: Array64, b: Array64) -> Array64:
    """Cross product of rows of 2-vectors."""
    return np.asarray(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0])
