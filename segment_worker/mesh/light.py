"""A face laid flat, lit like the face that it replaces.

Light is matched at low frequencies only, as a gain: the logarithm of target over source, averaged over skin
with a wide Gaussian inside the face (less wide for the tint, which says little of the person) and a narrow one
towards the mask's edge, where the two must meet. What is finer than that is the person, and stays.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from segment_worker.arrays import Array
from segment_worker.mesh import regions
from segment_worker.mesh.facemesh import Face
from segment_worker.mesh.facing import seen_points
from segment_worker.mesh.means import WIDE, average
from segment_worker.mesh.regions import LIGHT_SIDE
from segment_worker.mesh.skin import FLOOR, skin_likeness
from segment_worker.mesh.texture import Texture
from segment_worker.mesh.warp import look_up, spread
from segment_worker.paste import View, view_bgr
from segment_worker.picture import Picture

# Width of the view of the target's face in which light and gaze are measured.
_VIEW = 96
# Narrower Gaussians of the light, as parts of the layout's width.
_TINT, _NARROW = 0.07, 0.03
# How far plain skin is lit like the person's rather than like the mask's edge.
_PLAIN_LIGHT = 0.5
# Detail is taken back by this power of how much steeper it is than the target's, down to a least share.
_POWER, _LEAST = 1.5, 0.6


@dataclass(frozen=True)
class Light:
    """How to light a texture like one face of a picture, all at LIGHT_SIDE.

    Attributes:
        gain: float32 [side, side, 3], BGR: what the texture is multiplied by.
        lift: float32 [side, side, 3], BGR: what is added then (contrast taken from the texture's details).
        mask: float32 [side, side], the texture's mask without what hangs over the target's face.
    """

    gain: Array
    lift: Array
    mask: Array


def light_of(texture: Texture, picture: Picture, face: Face) -> Light:
    """Measure the light on a face of the picture, against the texture."""
    around, points = _around(picture, face)
    target = look_up(around, spread(points, LIGHT_SIDE, outside=-1))
    seen = spread(seen_points(face.points, (picture.height, picture.width))[:, None], LIGHT_SIDE)[..., 0]
    skin = skin_likeness(target, seen)
    weight = regions.skin() * seen * skin * skin + np.float32(1e-4) * regions.cheeks()
    step = np.log((target + FLOOR) / (texture.small + FLOOR))
    wide = average(step, weight, WIDE)
    # Highlights are white: taken for the skin's tint they would turn the person's shadows gray.
    plain = _colourful(target, weight)
    tint = average(step, weight * plain, _TINT, average(step, weight * plain, WIDE))
    wide += (tint - tint.mean(2, keepdims=True)) - (wide - wide.mean(2, keepdims=True))
    narrow = average(step, weight, _NARROW, wide)
    edge = (1 - texture.mask * np.maximum(texture.known, _PLAIN_LIGHT))[..., None]
    gain = np.exp(np.clip(wide + edge * (narrow - wide), -1.6, 1.6))
    least = _contrast(target, texture.small * gain, seen * regions.upper())
    # Eyes, brows and lips are the person: they keep more.
    contrast = (1 - np.float32(0.5 * (1 - least)) * (1 + regions.skin()))[..., None]
    free = np.clip(2 * cv2.GaussianBlur(np.maximum(skin, regions.features()), (0, 0), 1.35) - 0.6, 0, 1)
    return Light(gain * contrast, gain * texture.low * (1 - contrast), texture.mask * free)


def _around(picture: Picture, face: Face) -> tuple[Array, Array]:
    """A small upright view of the face, and the mesh in its pixels.

    Returns:
        float32 [side, side, 3] BGR, 0..1, and float32 [468, 2].
    """
    x0, y0, x1, y1 = face.box
    view = View((x0 + x1) / 2, (y0 + y1) / 2, max(x1 - x0, y1 - y0) * 1.1)
    points = (_VIEW / view.side) * (face.points[:, :2] - (view.x, view.y)) + _VIEW / 2
    return view_bgr(picture, view, _VIEW), points.astype(np.float32)


def _colourful(target: Array, skin: Array) -> Array:
    """How far each texel of the target shows its skin's own tint, 0.03..1: highlights are white, blown ones most."""
    logs = np.log(target + FLOOR)
    redness = logs[..., 2] - logs[..., 0]
    sure = redness[skin > 0.3]
    usual = float(np.percentile(sure, 80)) if len(sure) else 0.0
    return np.asarray(np.clip(1 - (usual - redness - 0.1) / 0.3, 0.03, 1))


def _contrast(target: Array, source: Array, weight: Array) -> float:
    """How much of the source's detail, lit like the target, to keep, 0.6..1.

    What is steeper than the target also changes more from frame to frame.
    """
    # Features, and skin without them: the softer of the two in the target counts.
    weights = np.stack([weight, weight * regions.skin()])
    ours, theirs = ((_steepness(image) * weights).sum((1, 2)) for image in (source, target))
    return float(np.clip((theirs / np.maximum(ours, 1e-9)).min() ** _POWER, _LEAST, 1.0))


def _steepness(image: Array) -> Array:
    """The length of an image's gradient at each texel, float32 [side, side]."""
    gray = cv2.GaussianBlur(image.mean(2), (0, 0), 0.8)
    return np.asarray(cv2.magnitude(cv2.Sobel(gray, cv2.CV_32F, 1, 0), cv2.Sobel(gray, cv2.CV_32F, 0, 1)))
