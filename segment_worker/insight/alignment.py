"""Where a face's crop lies: the similarity that lays five landmarks on ArcFace's template. Pure.

Coordinates are OpenCV's: a whole number is the middle of a sample. The template and its use for 112 and 128 pixels are
those of InsightFace's `face_align.estimate_norm`, the similarity is Umeyama's (1991, "Least-squares estimation of
transformation parameters between two point patterns").
"""

import numpy as np

from segment_worker.arrays import Array, Array64

# Eyes (left and right in the picture), tip of the nose, corners of the mouth, in a crop of 112 pixels.
TEMPLATE = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)


def crop_matrix(landmarks: Array, side: int) -> Array64:
    """The similarity from the picture to a crop `side` wide, float64 [2, 3].

    Args:
        landmarks: [5, 2], in the template's order.
        side: a multiple of 112, or of 128 (then the template lies 8/128 further to the right).

    Raises:
        ValueError: `side` is neither.
    """
    if side % 112 == 0:
        ratio, aside = side / 112, 0.0
    elif side % 128 == 0:
        ratio, aside = side / 128, 8.0 * side / 128
    else:
        raise ValueError(f"crop of {side} pixels: give a multiple of 112 or 128")
    return similarity(landmarks.astype(np.float64), TEMPLATE.astype(np.float32) * ratio + (aside, 0.0))


def similarity(here: Array64, there: Array) -> Array64:
    """The turn, scale and shift that lay the points `here` on `there`, float64 [2, 3]; NaN where they are one point."""
    here_mean, there_mean = here.mean(0), there.mean(0)
    a, b = here - here_mean, there - there_mean
    u, s, vt = np.linalg.svd(b.T @ a / len(a))
    flip = np.array([1.0, 1.0 if np.linalg.det(u) * np.linalg.det(vt) > 0 else -1.0])
    turn = u @ np.diag(flip) @ vt
    spread = a.var(axis=0).sum()
    scale = float((s * flip).sum() / spread) if spread > 0 else float("nan")
    return np.column_stack([scale * turn, there_mean - scale * turn @ here_mean])


def inverse(matrix: Array64) -> Array64:
    """The way back of an affine map, float64 [2, 3]."""
    back = np.linalg.inv(matrix[:, :2])
    return np.column_stack([back, -back @ matrix[:, 2]])


def after(matrix: Array64, scale: tuple[float, float], shift: tuple[float, float]) -> Array64:
    """The map of `matrix` for places that are first scaled, then shifted, float64 [2, 3]."""
    return np.column_stack([matrix[:, 0] * scale[0], matrix[:, 1] * scale[1], matrix[:, :2] @ shift + matrix[:, 2]])


def corners(matrix: Array64, side: int) -> Array64:
    """Where a crop's four corners lie in the picture, float64 [4, 2]: half a sample beyond its outermost samples."""
    low, high = -0.5, side - 0.5
    square = np.array([[low, low], [high, low], [high, high], [low, high]])
    back = inverse(matrix)
    return np.asarray(square @ back[:, :2].T + back[:, 2])
