"""Weighted means of what surrounds each texel."""

import cv2
import numpy as np

from segment_worker.arrays import Array
from segment_worker.mesh.regions import LIGHT_SIDE

# Of light on a face: a wide Gaussian, as part of the layout's width.
WIDE = 0.13


def average(values: Array, weight: Array, part: float, otherwise: Array | None = None) -> Array:
    """Weighted Gaussian mean of each channel.

    Args:
        values: float32 [side, side, channels].
        weight: float32 [side, side].
        part: sigma, as part of the width.
        otherwise: what to fall back on where there is little weight.
    """
    weight = weight[..., None]
    both = _blur(np.concatenate([values * weight, weight], 2), part * LIGHT_SIDE)
    sums, total = both[..., :-1], both[..., -1:]
    if otherwise is None:
        return sums / np.maximum(total, 1e-6)
    return (sums + np.float32(0.05) * otherwise) / (total + np.float32(0.05))


def _blur(image: Array, sigma: float) -> Array:
    """Gaussian with nothing beyond the border; wide ones on a smaller copy, where they cost little."""
    if sigma < 4:
        return cv2.GaussianBlur(image, (0, 0), sigma, borderType=cv2.BORDER_CONSTANT)
    half = cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    half = _blur(half, sigma / 2)
    return cv2.resize(half, (image.shape[1], image.shape[0]), interpolation=cv2.INTER_LINEAR)
