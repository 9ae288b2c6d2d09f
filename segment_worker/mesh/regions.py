"""Regions of the flat layout, as weights of its texels: the same for everyone."""

from functools import lru_cache

import cv2
import numpy as np

from segment_worker.arrays import Array
from segment_worker.mesh import topology
from segment_worker.mesh.warp import covered

# Width of the layout on which light and mask are worked out.
LIGHT_SIDE = 64
# Cheeks, nose and chin between the features.
_CHEEKS = (9, 336, 285, 417, 465, 450, 348, 347, 280, 411, 427, 434, 430, 394, 395, 369, 396, 175, 171, 140, 170,
          169, 210, 214, 207, 187, 50, 118, 119, 230, 245, 193, 55, 107)  # fmt: skip
# Around brows, eyes, nose and mouth.
INNER = (105, 66, 107, 9, 336, 296, 334, 293, 300, 265, 346, 280, 411, 434, 430, 394, 396, 175, 171, 169, 210, 214,
          187, 50, 117, 35, 70, 63)  # fmt: skip
# The mask ends between the oval and, across the forehead, the row of points below it.
_LOWER = {21: 71, 54: 68, 103: 104, 67: 69, 109: 108, 10: 151, 338: 337, 297: 299, 332: 333, 284: 298, 251: 301}


@lru_cache(maxsize=1)
def cheeks() -> Array:
    """Texels that are skin on nearly everyone: the inner face without its features."""
    return drawn((_CHEEKS,)) * skin()


@lru_cache(maxsize=1)
def skin() -> Array:
    """Weight of each texel as skin: 0 on eyes, brows, lips and nostrils, whose colour is not light."""
    features = drawn((topology.OUTER_LIPS, *topology.EYES, *topology.BROWS))
    features = cv2.dilate(features, np.ones((5, 5), np.uint8))
    weight = (1 - features) * covered(LIGHT_SIDE)
    return cv2.GaussianBlur(weight.astype(np.float32), (0, 0), 0.7) * covered(LIGHT_SIDE)


@lru_cache(maxsize=1)
def features() -> Array:
    """Where the person shows whatever its colour: eyes, brows, nose and mouth with their surroundings."""
    inner = drawn((INNER,))
    return cv2.GaussianBlur(cv2.dilate(inner, np.ones((3, 3), np.uint8)), (0, 0), 1.0)


@lru_cache(maxsize=1)
def upper() -> Array:
    """Eyes, brows, nose and cheeks: the details that do not change with speech."""
    rows = np.arange(LIGHT_SIDE)[:, None] < topology.LAYOUT[164, 1] * LIGHT_SIDE
    return np.asarray(features() * rows, np.float32)


@lru_cache(maxsize=1)
def oval_mask() -> Array:
    """1 on the part of the layout that may be swapped, falling to 0 at its edge."""
    ring = [(topology.LAYOUT[a] + topology.LAYOUT[_LOWER.get(a, a)]) / 2 for a in topology.OVAL]
    inside = np.zeros((LIGHT_SIDE, LIGHT_SIDE), np.float32)
    cv2.fillPoly(inside, [np.rint((np.array(ring) * LIGHT_SIDE - 0.5) * 16).astype(np.int32)], 1.0, shift=4)
    away = cv2.distanceTransform((inside > 0).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE) / LIGHT_SIDE
    ramp = np.clip(away / 0.04, 0, 1)
    return (ramp * ramp * (3 - 2 * ramp)).astype(np.float32)


def drawn(rings: tuple[tuple[int, ...], ...]) -> Array:
    """Rings of mesh points filled in the layout, float32 [LIGHT_SIDE, LIGHT_SIDE], 0 or 1."""
    image = np.zeros((LIGHT_SIDE, LIGHT_SIDE), np.float32)
    for ring in rings:
        corners = (topology.LAYOUT[list(ring)] * LIGHT_SIDE - 0.5) * 16
        cv2.fillPoly(image, [np.rint(corners).astype(np.int32)], 1.0, shift=4)
    return image
