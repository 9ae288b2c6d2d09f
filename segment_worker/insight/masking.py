"""What users ask for beside InsightFace's own mask: padding, softness, opacity, the target's mouth.

Padding and blur are those of a box mask as FaceFusion's users know it: the square of the crop, each side drawn in by
its percentage and at least by half the blur, then a Gaussian of a quarter of it.
"""

import cv2
import numpy as np

from recast import spec
from segment_worker.arrays import Array, Array64

# Where a softness is not asked for but a padding is.
_USUAL_BLUR = 0.3
# Half axes of the mouth, in distances of its corners.
_MOUTH = (0.75, 0.5)
_MOUTH_SOFTNESS = 0.12


def share_of(options: spec.Mask, landmarks: Array, matrix: Array64, side: int) -> Array | None:
    """How much of each sample of a crop is laid over, float32 [side, side], 0..1; None where nothing was asked for.

    Args:
        options: what was asked for.
        landmarks: float32 [5, 2] of the target's face, in the picture.
        matrix: from the picture to the crop.
        side: the crop's width.
    """
    if options == spec.Mask():
        return None
    share = np.full((side, side), options.opacity, np.float32)
    if is_box(options):
        share *= _box(options, side)
    if options.keep_mouth:
        share *= 1 - _mouth(landmarks[3:] @ matrix[:, :2].T + matrix[:, 2], side)
    return share


def is_box(options: spec.Mask) -> bool:
    """Whether the square's edges are to be others than InsightFace's."""
    return options.padding != spec.Padding() or options.blur is not None


def _box(options: spec.Mask, side: int) -> Array:
    blur = _USUAL_BLUR if options.blur is None else options.blur
    amount = int(side * 0.5 * blur)
    edge = max(amount // 2, 1)
    pads = options.padding
    percents = pads.top, pads.right, pads.bottom, pads.left
    top, right, bottom, left = (max(edge, int(side * percent / 100)) for percent in percents)
    box = np.zeros((side, side), np.float32)
    box[top : max(top, side - bottom), left : max(left, side - right)] = 1
    return cv2.GaussianBlur(box, (0, 0), amount * 0.25) if amount else box


def _mouth(corners: Array, side: int) -> Array:
    middle, across = corners.mean(0), corners[1] - corners[0]
    width = float(np.linalg.norm(across))
    angle = float(np.degrees(np.arctan2(across[1], across[0])))
    axes = max(1, round(_MOUTH[0] * width)), max(1, round(_MOUTH[1] * width))
    centre = round(float(middle[0])), round(float(middle[1]))
    mouth = np.zeros((side, side), np.float32)
    cv2.ellipse(mouth, centre, axes, angle, 0, 360, 1.0, -1)
    return cv2.GaussianBlur(mouth, (0, 0), max(1.0, _MOUTH_SOFTNESS * width))
