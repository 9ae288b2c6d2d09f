"""The source person's face, laid flat once."""

from dataclasses import dataclass

import cv2
import numpy as np

from segment_worker.arrays import Array, Array64
from segment_worker.mesh import regions, topology
from segment_worker.mesh.eyes import Look, look_of
from segment_worker.mesh.facemesh import Face
from segment_worker.mesh.facing import seen_points
from segment_worker.mesh.means import WIDE, average
from segment_worker.mesh.mouth import close_mouth, mouth_of, open_mouth
from segment_worker.mesh.regions import LIGHT_SIDE
from segment_worker.mesh.shape import neutral
from segment_worker.mesh.skin import FLOOR, certain, skin_likeness
from segment_worker.mesh.warp import look_up, spread

# Each level of a texture is this much narrower than the one before.
_STEP = 1.3
# Texels a pixel, at least: more than one, since the warp softens.
_DENSE = 1.15
# Lips less open than this (height over width) show nothing between them.
_SPEAKING = 0.06
# Spread of the logarithm's tint that skin has by itself, in even light.
_EVEN = 0.15
# The texture holds the source's face at about its own resolution, within these widths.
_SMALLEST, _LARGEST = 128, 1024


@dataclass(frozen=True)
class Texture:
    """A face laid flat, and what is known of the person.

    Attributes:
        levels: float32 [side, side, 3], BGR, 0..1, the mouth closed over with the lips' colour: ever smaller.
        smiles: the same with the photo's own mouth.
        small: the face at LIGHT_SIDE.
        low: `small` without its details, float32 [LIGHT_SIDE, LIGHT_SIDE, 3].
        mask: float32 [LIGHT_SIDE, LIGHT_SIDE], how much of each texel goes into the picture.
        known: float32 [LIGHT_SIDE, LIGHT_SIDE], 1 where the texture is the person, 0 where it is plain skin.
        shape: the person's proportions, from `neutral`.
        look: how the eyes stand.
        mouth: the lips' opening, from `mouth_of`.
    """

    levels: tuple[Array, ...]
    smiles: tuple[Array, ...]
    small: Array
    low: Array
    mask: Array
    known: Array
    shape: Array64
    look: Look
    mouth: Array64

    def at(self, scale: float, reveal: float) -> Array:
        """A copy of the face for a picture of `scale` samples per layout unit.

        Args:
            scale: samples of the picture per layout unit.
            reveal: how far the lips are open, as part of the photo's opening; 0 paints the mouth over.
        """
        fitting = [k for k, level in enumerate(self.levels) if level.shape[0] >= scale * _DENSE]
        place = fitting[-1] if fitting else 0
        flat = self.levels[place].copy()
        if reveal > 0:
            open_mouth(flat, self.smiles[place], reveal)
        return flat


def make_texture(image: Array, face: Face) -> Texture:
    """Lay a source face flat.

    Args:
        image: float32 [height, width, 3] BGR, 0..1.
        face: where it is in the image.
    """
    points = face.points
    layout = topology.LAYOUT
    size = np.sqrt(np.ptp(points[:, 0]) * np.ptp(points[:, 1]) / (np.ptp(layout[:, 0]) * np.ptp(layout[:, 1])))
    side = 2 * round(float(np.clip(size * 1.6, _SMALLEST, _LARGEST)) / 2)
    image, points = _reduced(image, points, size / side)
    flat = look_up(image, spread(points[:, :2], side, outside=-1), cv2.INTER_CUBIC)
    flat, seen = _complete(flat, points, image.shape)
    flat = _evened(flat)
    closed = close_mouth(flat)
    small = cv2.resize(closed, (LIGHT_SIDE, LIGHT_SIDE), interpolation=cv2.INTER_AREA)
    seen = cv2.resize(seen, (LIGHT_SIDE, LIGHT_SIDE), interpolation=cv2.INTER_AREA)
    likeness = skin_likeness(small, seen)
    # Above the brows stricter: a fringe's shadow is nearly skin.
    above = np.arange(LIGHT_SIDE)[:, None] < topology.LAYOUT[105, 1] * LIGHT_SIDE
    likeness = np.where(above, likeness**4, likeness)
    known = np.clip(likeness * np.clip(seen * 4 - 1, 0, 1) * 2 - 1, 0, 1)
    known = np.maximum(cv2.erode(known, np.ones((5, 5), np.uint8)), certain(likeness))
    known = cv2.GaussianBlur(known, (0, 0), 1.0)
    smile, closed = _fill(flat, small, known), _fill(closed, small, known)
    small = cv2.resize(closed, (LIGHT_SIDE, LIGHT_SIDE), interpolation=cv2.INTER_AREA)
    low = average(small, regions.skin() + np.float32(0.02), WIDE)
    return Texture(
        _levels(closed),
        _levels(smile),
        small,
        low,
        regions.oval_mask(),
        known,
        neutral(face.points),
        look_of(face),
        mouth_of(face.points),
    )


def reveal_of(texture: Texture, points: Array) -> float:
    """How far a mesh's lips are open, as part of the photo's opening; 0 where the photo shows no mouth to use."""
    if texture.mouth[0] < _SPEAKING:
        return 0.0
    return float(mouth_of(points)[1] / texture.mouth[1])


def _levels(flat: Array) -> tuple[Array, ...]:
    """The texture at ever smaller widths, all even: they are halved for the chroma."""
    out = [flat]
    while out[-1].shape[0] / _STEP >= LIGHT_SIDE / 2:
        side = 2 * round(out[-1].shape[0] / _STEP / 2)
        out.append(np.asarray(cv2.resize(flat, (side, side), interpolation=cv2.INTER_AREA), np.float32))
    return tuple(out)


def _reduced(image: Array, points: Array, ratio: float) -> tuple[Array, Array]:
    """Filter an image down where its face is larger than the texture can hold."""
    if ratio <= 1:
        return image, points
    height, width = image.shape[:2]
    size = (max(1, round(width / ratio)), max(1, round(height / ratio)))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA), points / np.float32(ratio)


def _complete(flat: Array, points: Array, shape: tuple[int, ...]) -> tuple[Array, Array]:
    """Fill what the source hides (turned away, outside the image) from the other half of the face.

    Returns:
        the texture, and how well each of its texels was seen, 0..1.
    """
    side = flat.shape[0]
    weight = spread(seen_points(points, shape)[:, None], side)[..., 0]
    weight = cv2.GaussianBlur(weight, (0, 0), side * 0.02)
    twin = np.ascontiguousarray(flat[:, ::-1])
    twin_weight = np.ascontiguousarray(weight[:, ::-1])
    # Only where the other half is clearly better seen.
    share = np.clip((twin_weight - weight) / 0.35 - 0.6, 0, 1)[..., None]
    seen = weight + share[..., 0] * (twin_weight - weight)
    return np.clip(flat + share * (twin - flat), 0, 1), seen


def _evened(flat: Array) -> Array:
    """Bring the tint of a photo's skin closer to its surroundings' where it varies more than skin does.

    Coloured light, and highlights blown in one channel, would be stains in another light.
    """
    small = cv2.resize(flat, (LIGHT_SIDE, LIGHT_SIDE), interpolation=cv2.INTER_AREA)
    skin = regions.skin() * skin_likeness(small, np.ones((LIGHT_SIDE, LIGHT_SIDE), np.float32))
    logs = np.log(small + FLOOR)
    tint = logs - logs.mean(2, keepdims=True)
    weight = skin * regions.features()
    off = average(tint, weight, WIDE) - tint
    usual = np.sqrt((np.ptp(off, axis=2) ** 2 * weight).sum() / max(float(weight.sum()), 1e-6))
    share = np.float32(max(0.0, 1 - _EVEN / max(float(usual), 1e-6)))
    gain = np.exp(share * cv2.GaussianBlur(off * skin[..., None], (0, 0), 0.7))
    return np.asarray(np.clip(flat * cv2.resize(gain, flat.shape[1::-1], interpolation=cv2.INTER_LINEAR), 0, 1))


def _fill(flat: Array, small: Array, known: Array) -> Array:
    """Put plain skin where the source shows hair, background or nothing, so that no hairline is carried over."""
    weight = known * regions.skin() + np.float32(1e-6)
    near, far = average(small, weight, 0.05), average(small, weight, 0.2)
    trust = np.clip(cv2.GaussianBlur(weight, (0, 0), 0.05 * LIGHT_SIDE) * 8, 0, 1)[..., None]
    side = (flat.shape[1], flat.shape[0])
    plain = cv2.resize(far + trust * (near - far), side, interpolation=cv2.INTER_LINEAR)
    share = cv2.resize(known, side, interpolation=cv2.INTER_LINEAR)[..., None]
    return np.asarray(plain + share * (flat - plain))
