"""How much of a person a photo shows, so that of several the best is taken.

What is worth having is fine detail: a photo has little where it is small or blurred, and enlarging it adds none. So a
face is brought to one size, and what is finer than a hundredth of it is measured, as ratios of brightness, so that dark
photos count as much as bright ones. Noise and the blocks of JPEG are taken for detail: with much of either a photo
counts for up to half as much more. Off that goes what has to be made up (a half that is turned away) and what cannot
be used (eyes that are shut, a mouth that is wide open).
"""

from collections.abc import Sequence

import cv2
import numpy as np

from segment_worker.arrays import Array, Image
from segment_worker.mesh.eyes import eyes_shown
from segment_worker.mesh.facing import seen_points
from segment_worker.mesh.mouth import wide_open
from segment_worker.mesh.skin import FLOOR
from segment_worker.mesh.topology import OVAL

_SIDE = 256
# Blurs, in pixels at that size, between which detail is: finer is noise as often as not.
_FINE, _COARSE = 1.0, 2.0
# What is left of a face's worth without its eyes, or with a mouth that cannot be closed; judged from pictures.
_WITHOUT = 0.5
# Nobody sees a smaller difference than that to the best; the order in which photos are given is a person's choice.
_ABOUT = 0.8


def clearest(found: Sequence[float]) -> int:
    """The place of the first photo that shows about as much as the best.

    >>> clearest([0.3, 0.9, 1.0])
    1

    Args:
        found: the photos' `clarity`, one at least.
    """
    return next(place for place, each in enumerate(found) if each >= _ABOUT * max(found))


def clarity(image: Image, points: Array) -> float:
    """How much a photo shows of a face, to compare with that of another photo.

    Args:
        image: uint8 [height, width, 3] BGR.
        points: of the face's mesh, float32 [468, 3], in the image's pixels.
    """
    seen = float(seen_points(points, image.shape).mean())
    eyes, mouth = float(eyes_shown(points).mean()), wide_open(points)
    usable = (_WITHOUT + (1 - _WITHOUT) * eyes) * (1 - (1 - _WITHOUT) * mouth)
    # Squared: what is not seen is missing, and what is made up of the other half is not the person's.
    return _detail(image, points) * seen**2 * usable


def _detail(image: Image, points: Array) -> float:
    """Mean difference of two blurs of the brightness' logarithm within the face, which is brought to one size."""
    size = np.array(image.shape[1::-1])
    low = np.clip(np.floor(points[:, :2].min(0)), 0, size - 1).astype(int)
    high = np.clip(np.ceil(points[:, :2].max(0)), low + 1, size).astype(int)
    part = image[low[1] : high[1], low[0] : high[0]]
    scale = _SIDE / max(part.shape[:2])
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    small = cv2.resize(part, None, fx=scale, fy=scale, interpolation=way).astype(np.float32).mean(2) / 255
    logs = np.log(small + FLOOR)
    band = cv2.absdiff(cv2.GaussianBlur(logs, (0, 0), _FINE), cv2.GaussianBlur(logs, (0, 0), _COARSE))
    within = np.zeros(band.shape, np.uint8)
    cv2.fillPoly(within, [np.rint((points[list(OVAL), :2] - low) * scale).astype(np.int32)], 1)
    return float(band[within > 0].mean()) if within.any() else 0.0
