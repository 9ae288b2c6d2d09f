"""Which texels of a face laid flat are skin, by their colour."""

from functools import lru_cache

import cv2
import numpy as np

from segment_worker.arrays import Array
from segment_worker.mesh import regions
from segment_worker.mesh.regions import LIGHT_SIDE

# Added before logarithms, so that the noise of shadows does not count.
FLOOR = 0.03
# Rows of LIGHT_SIDE above the brows that show whether a fringe hangs there.
_ABOVE = 2, 4
# The same below the brows, point by point.
_BELOW = {70: 46, 63: 53, 105: 52, 66: 65, 107: 55, 336: 285, 296: 295, 334: 282, 293: 283, 300: 276}


def skin_likeness(small: Array, seen: Array) -> Array:
    """How much each texel is lit skin like the middle of the face, float32 [LIGHT_SIDE, LIGHT_SIDE], 0..1.

    The logarithm of each channel over cheeks, nose and chin is fitted by a plane (side light); hair and
    background lie off it.
    """
    value = np.log(small + FLOOR)
    sure = regions.cheeks() * seen
    basis = _plane()
    where = sure > 0.05
    weight = sure[where]
    if len(weight) < 25:
        return np.ones((LIGHT_SIDE, LIGHT_SIDE), np.float32)
    a, b = basis[where], value[where]
    w = weight
    for _ in range(3):
        # Weighted least squares by the normal equations, a little stiff so that a half-seen face stays sane.
        aw = (a * w[:, None]).T
        fit = np.linalg.solve(aw @ a + np.diag(np.array([0, 0.2, 0.2], np.float32)), aw @ b)
        rest = b - a @ fit
        off = np.sqrt(np.einsum("mk,mk->m", rest, rest))
        w = weight / (1 + (off / 0.15) ** 2)
    usual = max(0.12, float(np.median(off)) * 1.5)
    rest = value - basis @ fit
    distance = cv2.GaussianBlur(np.einsum("yxk,yxk->yx", rest, rest), (0, 0), 0.55)
    return np.asarray(1 / (1 + (distance / np.float32(16 * usual * usual)) ** 2))


@lru_cache(maxsize=1)
def _plane() -> Array:
    """1, x and y of each texel, x and y from -0.5 to 0.5: float32 [LIGHT_SIDE, LIGHT_SIDE, 3]."""
    grid = (np.arange(LIGHT_SIDE, dtype=np.float32) + 0.5) / LIGHT_SIDE - 0.5
    ones = np.ones((LIGHT_SIDE, LIGHT_SIDE), np.float32)
    return np.stack([ones, ones * grid[None, :], ones * grid[:, None]], -1)


def certain(likeness: Array) -> Array:
    """What is taken from the photo whatever its colour, float32 [LIGHT_SIDE, LIGHT_SIDE], 0..1.

    Above brows that a fringe hangs over there is only the fringe, or its shadow.
    """
    below = regions.drawn((tuple(_BELOW.get(point, point) for point in regions.INNER),))
    whole = regions.drawn((regions.INNER,))
    top = whole.argmax(0)
    rows = [np.maximum(top - k, 0) for k in range(_ABOVE[0], _ABOVE[1] + 1)]
    clear = likeness[rows, np.arange(LIGHT_SIDE)].min(0)
    return np.asarray(np.maximum(below, whole * np.clip(2 * clear - 1, 0, 1)))
