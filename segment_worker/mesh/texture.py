"""The source person's face, laid flat once, and lit for each frame like the face it replaces.

Light is matched at low frequencies only, as a gain: the logarithm of target over source, averaged over skin
with a wide Gaussian inside the face (less wide for the tint, which says little of the person) and a narrow one
towards the mask's edge, where the two must meet. What is finer than that is the person, and stays.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from segment_worker.mesh import topology
from segment_worker.mesh.eyes import Look, look_of
from segment_worker.mesh.facemesh import Face
from segment_worker.mesh.shape import neutral
from segment_worker.mesh.warp import covered, look_up, spread
from segment_worker.paste import View, view_bgr
from segment_worker.picture import Picture

# OpenCV's stubs promise no more than "some number": the docstrings say which.
Array = npt.NDArray[Any]

# Width of the layout on which light and mask are worked out.
LIGHT_SIDE = 64
# Width of the view of the target's face in which light and gaze are measured.
_VIEW = 96
# Gaussians of the light, as parts of the layout's width.
_WIDE, _TINT, _NARROW = 0.13, 0.07, 0.03
# How far plain skin is lit like the person's rather than like the mask's edge.
_PLAIN_LIGHT = 0.5
# Added before logarithms, so that the noise of shadows does not count.
_FLOOR = 0.03
# Each level of a texture is this much narrower than the one before.
_STEP = 1.3
# Texels a pixel, at least: more than one, since the warp softens.
_DENSE = 1.15
# Lips less open than this (height over width) show nothing between them.
_SPEAKING = 0.06
# Openings of the lips, as parts of the photo's, between which its teeth come to lie over the mesh's rim.
_RIM = 0.1, 0.6
# How far from their middle nearly closed lips are apart, in half widths, how much farther for each part of the
# photo's opening, and how softly that ends.
_PART, _FARTHER, _SOFT = 0.8, 0.6, 0.3
# Rows of LIGHT_SIDE above the brows that show whether a fringe hangs there.
_ABOVE = 2, 4
# Spread of the logarithm's tint that skin has by itself, in even light.
_EVEN = 0.15
# Detail is taken back by this power of how much steeper it is than the target's, down to a least share.
_POWER, _LEAST = 1.5, 0.6
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
    shape: npt.NDArray[np.float64]
    look: Look
    mouth: npt.NDArray[np.float64]

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
            _open_mouth(flat, self.smiles[place], reveal)
        return flat


@dataclass(frozen=True)
class _Mouth:
    """The mouth in a layout of some width.

    Attributes:
        part: rows and columns around the lips.
        hole: float32 [rows, columns, 1], 1 between the lips.
        depth: float32 [rows, columns], texels below the upper lip's rim.
        aside: float32 [1, columns, 1], distance from the middle, in half widths of the opening.
        x, y: float32 [rows, columns], each texel's own place in the part.
    """

    part: tuple[slice, slice]
    hole: Array
    depth: Array
    aside: Array
    x: Array
    y: Array


@lru_cache(maxsize=16)
def _mouth_in(side: int) -> _Mouth:
    """The mouth in a layout `side` wide."""
    lips = topology.LAYOUT[list(topology.OUTER_LIPS)] * side
    margin = np.ptp(lips, axis=0) / 4
    low, high = np.floor(lips.min(0) - margin).astype(int), np.ceil(lips.max(0) + margin).astype(int)
    ring = topology.LAYOUT[list(topology.INNER_LIPS)] * side - low - 0.5
    hole = np.zeros((high - low)[::-1], np.float32)
    cv2.fillPoly(hole, [np.rint(ring * 16).astype(np.int32)], 1.0, lineType=cv2.LINE_AA, shift=4)
    y, x = np.mgrid[: hole.shape[0], : hole.shape[1]].astype(np.float32)
    upper = ring[:11][np.argsort(ring[:11, 0])]
    depth = y - np.interp(x[0], upper[:, 0], upper[:, 1]).astype(np.float32)
    part = slice(int(low[1]), int(high[1])), slice(int(low[0]), int(high[0]))
    aside = np.abs(x[:1] - upper[:, 0].mean()) / (np.ptp(upper[:, 0]) / 2)
    return _Mouth(part, hole[..., None], np.maximum(depth, 0), aside[..., None], x, y)


def _open_mouth(flat: Array, smile: Array, reveal: float) -> None:
    """Show the photo's own mouth between the lips, cut off by the lower lip where they are less open than it.

    Teeth hang from the upper lip and keep their size: a mouth that is half open shows the upper half of what the
    photo's shows.
    """
    mouth = _mouth_in(flat.shape[0])
    under, own = flat[mouth.part], smile[mouth.part]
    # What lies over the mesh's rim belongs to a mouth that is open as the photo's.
    under += np.float32(np.clip((reveal - _RIM[0]) / (_RIM[1] - _RIM[0]), 0, 1)) * (own - under)
    hung = cv2.remap(own, mouth.x, mouth.y + mouth.depth * np.float32(reveal - 1), cv2.INTER_LINEAR)
    # Lips part from the middle: the dark corners of a photo's mouth are none of lips that nearly touch.
    apart = np.clip((np.float32(_PART + _FARTHER * reveal) - mouth.aside) / np.float32(_SOFT), 0, 1)
    under += apart * mouth.hole * (hung - under)


def _levels(flat: Array) -> tuple[Array, ...]:
    """The texture at ever smaller widths, all even: they are halved for the chroma."""
    out = [flat]
    while out[-1].shape[0] / _STEP >= LIGHT_SIDE / 2:
        side = 2 * round(out[-1].shape[0] / _STEP / 2)
        out.append(np.asarray(cv2.resize(flat, (side, side), interpolation=cv2.INTER_AREA), np.float32))
    return tuple(out)


def make_texture(image: Array, face: Face) -> Texture:
    """Lay a source face flat.

    Args:
        image: float32 [height, width, 3] BGR, 0..1.
        face: where it is in the image.
    """
    points = face.points
    shape = topology.LAYOUT * 1.0
    size = np.sqrt(np.ptp(points[:, 0]) * np.ptp(points[:, 1]) / (np.ptp(shape[:, 0]) * np.ptp(shape[:, 1])))
    side = 2 * round(float(np.clip(size * 1.6, _SMALLEST, _LARGEST)) / 2)
    image, points = _reduced(image, points, size / side)
    flat = look_up(image, spread(points[:, :2], side, outside=-1), cv2.INTER_CUBIC)
    flat, seen = _complete(flat, points, image.shape)
    flat = _evened(flat)
    closed = _close_mouth(flat)
    small = cv2.resize(closed, (LIGHT_SIDE, LIGHT_SIDE), interpolation=cv2.INTER_AREA)
    seen = cv2.resize(seen, (LIGHT_SIDE, LIGHT_SIDE), interpolation=cv2.INTER_AREA)
    likeness = skin_likeness(small, seen)
    # Above the brows stricter: a fringe's shadow is nearly skin.
    above = np.arange(LIGHT_SIDE)[:, None] < topology.LAYOUT[105, 1] * LIGHT_SIDE
    likeness = np.where(above, likeness**4, likeness)
    known = np.clip(likeness * np.clip(seen * 4 - 1, 0, 1) * 2 - 1, 0, 1)
    known = np.maximum(cv2.erode(known, np.ones((5, 5), np.uint8)), _certain(likeness))
    known = cv2.GaussianBlur(known, (0, 0), 1.0)
    smile, closed = _fill(flat, small, known), _fill(closed, small, known)
    small = cv2.resize(closed, (LIGHT_SIDE, LIGHT_SIDE), interpolation=cv2.INTER_AREA)
    low = _average(small, _skin() + np.float32(0.02), _WIDE)
    return Texture(
        _levels(closed),
        _levels(smile),
        small,
        low,
        _oval_mask(),
        known,
        neutral(face.points),
        look_of(face),
        mouth_of(face.points),
    )


def _fill(flat: Array, small: Array, known: Array) -> Array:
    """Put plain skin where the source shows hair, background or nothing, so that no hairline is carried over."""
    weight = known * _skin() + np.float32(1e-6)
    near, far = _average(small, weight, 0.05), _average(small, weight, 0.2)
    trust = np.clip(cv2.GaussianBlur(weight, (0, 0), 0.05 * LIGHT_SIDE) * 8, 0, 1)[..., None]
    side = (flat.shape[1], flat.shape[0])
    plain = cv2.resize(far + trust * (near - far), side, interpolation=cv2.INTER_LINEAR)
    share = cv2.resize(known, side, interpolation=cv2.INTER_LINEAR)[..., None]
    return np.asarray(plain + share * (flat - plain))


def _reduced(image: Array, points: Array, ratio: float) -> tuple[Array, Array]:
    """Filter an image down where its face is larger than the texture can hold."""
    if ratio <= 1:
        return image, points
    height, width = image.shape[:2]
    size = (max(1, round(width / ratio)), max(1, round(height / ratio)))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA), points / np.float32(ratio)


def _evened(flat: Array) -> Array:
    """Bring the tint of a photo's skin closer to its surroundings' where it varies more than skin does.

    Coloured light, and highlights blown in one channel, would be stains in another light.
    """
    small = cv2.resize(flat, (LIGHT_SIDE, LIGHT_SIDE), interpolation=cv2.INTER_AREA)
    skin = _skin() * skin_likeness(small, np.ones((LIGHT_SIDE, LIGHT_SIDE), np.float32))
    logs = np.log(small + _FLOOR)
    tint = logs - logs.mean(2, keepdims=True)
    weight = skin * _features()
    off = _average(tint, weight, _WIDE) - tint
    usual = np.sqrt((np.ptp(off, axis=2) ** 2 * weight).sum() / max(float(weight.sum()), 1e-6))
    share = np.float32(max(0.0, 1 - _EVEN / max(float(usual), 1e-6)))
    gain = np.exp(share * cv2.GaussianBlur(off * skin[..., None], (0, 0), 0.7))
    return np.asarray(np.clip(flat * cv2.resize(gain, flat.shape[1::-1], interpolation=cv2.INTER_LINEAR), 0, 1))


def _complete(flat: Array, points: Array, shape: tuple[int, ...]) -> tuple[Array, Array]:
    """Fill what the source hides (turned away, outside the image) from the other half of the face.

    Returns:
        the texture, and how well each of its texels was seen, 0..1.
    """
    side = flat.shape[0]
    weight = spread(_seen(points, shape)[:, None], side)[..., 0]
    weight = cv2.GaussianBlur(weight, (0, 0), side * 0.02)
    twin = np.ascontiguousarray(flat[:, ::-1])
    twin_weight = np.ascontiguousarray(weight[:, ::-1])
    # Only where the other half is clearly better seen.
    share = np.clip((twin_weight - weight) / 0.35 - 0.6, 0, 1)[..., None]
    seen = weight + share[..., 0] * (twin_weight - weight)
    return np.clip(flat + share * (twin - flat), 0, 1), seen


def _close_mouth(flat: Array) -> Array:
    """Paint the lips' colour over the source's teeth and tongue: the mouth's inside is always the target's."""
    side = flat.shape[0]
    hole = cv2.resize(_drawn((topology.INNER_LIPS,)), (side, side)) > 0.02
    mouth = cv2.resize(_drawn((topology.OUTER_LIPS,)), (side, side)) > 0.5
    # Teeth reach over the mesh's rim: they are less red than skin, lips are redder.
    logs = np.log(flat + _FLOOR)
    redness = logs[..., 2] - logs[..., :2].mean(2)
    skin = float(np.median(redness[cv2.resize(_cheeks(), (side, side)) > 0.5]))
    teeth = mouth & (cv2.GaussianBlur(redness, (0, 0), side / 200) < skin - 0.04)
    grown = np.ones((3, 3), np.uint8)
    grown_hole = cv2.dilate((hole | teeth).astype(np.uint8), grown, iterations=max(1, side // 100))
    codes = np.rint(flat * 255).astype(np.uint8)
    painted = cv2.inpaint(codes, grown_hole, side / 64, cv2.INPAINT_TELEA).astype(np.float32) / np.float32(255)
    return np.where(grown_hole[..., None] > 0, painted, flat)


def skin_likeness(small: Array, seen: Array) -> Array:
    """How much each texel is lit skin like the middle of the face, float32 [LIGHT_SIDE, LIGHT_SIDE], 0..1.

    The logarithm of each channel over cheeks, nose and chin is fitted by a plane (side light); hair and
    background lie off it.
    """
    value = np.log(small + _FLOOR)
    sure = _cheeks() * seen
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


# Cheeks, nose and chin between the features.
_CHEEKS = (9, 336, 285, 417, 465, 450, 348, 347, 280, 411, 427, 434, 430, 394, 395, 369, 396, 175, 171, 140, 170,
          169, 210, 214, 207, 187, 50, 118, 119, 230, 245, 193, 55, 107)  # fmt: skip


@lru_cache(maxsize=1)
def _cheeks() -> Array:
    """Texels that are skin on nearly everyone: the inner face without its features."""
    return _drawn((_CHEEKS,)) * _skin()


# Around brows, eyes, nose and mouth.
_INNER = (105, 66, 107, 9, 336, 296, 334, 293, 300, 265, 346, 280, 411, 434, 430, 394, 396, 175, 171, 169, 210, 214,
          187, 50, 117, 35, 70, 63)  # fmt: skip


# The same below the brows, point by point.
_BELOW = {70: 46, 63: 53, 105: 52, 66: 65, 107: 55, 336: 285, 296: 295, 334: 282, 293: 283, 300: 276}


def _certain(likeness: Array) -> Array:
    """What is taken from the photo whatever its colour, float32 [LIGHT_SIDE, LIGHT_SIDE], 0..1.

    Above brows that a fringe hangs over there is only the fringe, or its shadow.
    """
    below, whole = _drawn((tuple(_BELOW.get(point, point) for point in _INNER),)), _drawn((_INNER,))
    top = whole.argmax(0)
    rows = [np.maximum(top - k, 0) for k in range(_ABOVE[0], _ABOVE[1] + 1)]
    clear = likeness[rows, np.arange(LIGHT_SIDE)].min(0)
    return np.asarray(np.maximum(below, whole * np.clip(2 * clear - 1, 0, 1)))


@lru_cache(maxsize=1)
def _upper() -> Array:
    """Eyes, brows, nose and cheeks: the details that do not change with speech."""
    rows = np.arange(LIGHT_SIDE)[:, None] < topology.LAYOUT[164, 1] * LIGHT_SIDE
    return np.asarray(_features() * rows, np.float32)


@lru_cache(maxsize=1)
def _features() -> Array:
    """Where the person shows whatever its colour: eyes, brows, nose and mouth with their surroundings."""
    inner = _drawn((_INNER,))
    return cv2.GaussianBlur(cv2.dilate(inner, np.ones((3, 3), np.uint8)), (0, 0), 1.0)


def _seen(points: Array, shape: tuple[int, ...]) -> Array:
    """How well each mesh point is seen, float32 [468], 0 (turned away or outside the image) to 1."""
    facing = facing_of(points)
    height, width = shape[:2]
    x, y = points[:, 0], points[:, 1]
    inside = (x > 0) & (y > 0) & (x < width) & (y < height)
    return (np.clip(facing / 0.6, 0, 1) * inside).astype(np.float32)


def facing_of(points: Array) -> Array:
    """Cosine between each point's normal and the line of sight, float32 [468]; negative is turned away."""
    a, b, c = (points[topology.TRIANGLES[:, k]].astype(np.float64) for k in range(3))
    normals = np.repeat(np.cross(b - a, c - a), 3, axis=0)
    ends = topology.TRIANGLES.ravel()
    total = np.stack([np.bincount(ends, normals[:, k], len(points)) for k in range(3)], 1)
    return np.asarray(total[:, 2] / np.maximum(np.linalg.norm(total, axis=1), 1e-9), np.float32)


def _drawn(rings: tuple[tuple[int, ...], ...]) -> Array:
    """Rings of mesh points filled in the layout, float32 [LIGHT_SIDE, LIGHT_SIDE], 0 or 1."""
    image = np.zeros((LIGHT_SIDE, LIGHT_SIDE), np.float32)
    for ring in rings:
        corners = (topology.LAYOUT[list(ring)] * LIGHT_SIDE - 0.5) * 16
        cv2.fillPoly(image, [np.rint(corners).astype(np.int32)], 1.0, shift=4)
    return image


@lru_cache(maxsize=1)
def _oval_mask() -> Array:
    """1 on the part of the layout that may be swapped, falling to 0 at its edge."""
    ring = [(topology.LAYOUT[a] + topology.LAYOUT[_LOWER.get(a, a)]) / 2 for a in topology.OVAL]
    inside = np.zeros((LIGHT_SIDE, LIGHT_SIDE), np.float32)
    cv2.fillPoly(inside, [np.rint((np.array(ring) * LIGHT_SIDE - 0.5) * 16).astype(np.int32)], 1.0, shift=4)
    away = cv2.distanceTransform((inside > 0).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE) / LIGHT_SIDE
    ramp = np.clip(away / 0.04, 0, 1)
    return (ramp * ramp * (3 - 2 * ramp)).astype(np.float32)


# The mask ends between the oval and, across the forehead, the row of points below it.
_LOWER = {21: 71, 54: 68, 103: 104, 67: 69, 109: 108, 10: 151, 338: 337, 297: 299, 332: 333, 284: 298, 251: 301}


@lru_cache(maxsize=1)
def _skin() -> Array:
    """Weight of each texel as skin: 0 on eyes, brows, lips and nostrils, whose colour is not light."""
    features = _drawn((topology.OUTER_LIPS, *topology.EYES, *topology.BROWS))
    features = cv2.dilate(features, np.ones((5, 5), np.uint8))
    weight = (1 - features) * covered(LIGHT_SIDE)
    return cv2.GaussianBlur(weight.astype(np.float32), (0, 0), 0.7) * covered(LIGHT_SIDE)


def _around(picture: Picture, face: Face) -> tuple[Array, Array]:
    """A small upright view of the face, and the mesh in its pixels.

    Returns:
        float32 [side, side, 3] BGR, 0..1, and float32 [468, 2].
    """
    x0, y0, x1, y1 = face.box
    view = View((x0 + x1) / 2, (y0 + y1) / 2, max(x1 - x0, y1 - y0) * 1.1)
    points = (_VIEW / view.side) * (face.points[:, :2] - (view.x, view.y)) + _VIEW / 2
    return view_bgr(picture, view, _VIEW), points.astype(np.float32)


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
    seen = spread(_seen(face.points, (picture.height, picture.width))[:, None], LIGHT_SIDE)[..., 0]
    skin = skin_likeness(target, seen)
    weight = _skin() * seen * skin * skin + np.float32(1e-4) * _cheeks()
    step = np.log((target + _FLOOR) / (texture.small + _FLOOR))
    wide = _average(step, weight, _WIDE)
    # Highlights are white: taken for the skin's tint they would turn the person's shadows gray.
    plain = _colourful(target, weight)
    tint = _average(step, weight * plain, _TINT, _average(step, weight * plain, _WIDE))
    wide += (tint - tint.mean(2, keepdims=True)) - (wide - wide.mean(2, keepdims=True))
    narrow = _average(step, weight, _NARROW, wide)
    edge = (1 - texture.mask * np.maximum(texture.known, _PLAIN_LIGHT))[..., None]
    gain = np.exp(np.clip(wide + edge * (narrow - wide), -1.6, 1.6))
    least = _contrast(target, texture.small * gain, seen * _upper())
    # Eyes, brows and lips are the person: they keep more.
    contrast = (1 - np.float32(0.5 * (1 - least)) * (1 + _skin()))[..., None]
    free = np.clip(2 * cv2.GaussianBlur(np.maximum(skin, _features()), (0, 0), 1.35) - 0.6, 0, 1)
    return Light(gain * contrast, gain * texture.low * (1 - contrast), texture.mask * free)


def _colourful(target: Array, skin: Array) -> Array:
    """How far each texel of the target shows its skin's own tint, 0.03..1: highlights are white, blown ones most."""
    logs = np.log(target + _FLOOR)
    redness = logs[..., 2] - logs[..., 0]
    sure = redness[skin > 0.3]
    usual = float(np.percentile(sure, 80)) if len(sure) else 0.0
    return np.asarray(np.clip(1 - (usual - redness - 0.1) / 0.3, 0.03, 1))


def _contrast(target: Array, source: Array, weight: Array) -> float:
    """How much of the source's detail, lit like the target, to keep, 0.6..1.

    What is steeper than the target also changes more from frame to frame.
    """
    # Features, and skin without them: the softer of the two in the target counts.
    weights = np.stack([weight, weight * _skin()])
    ours, theirs = ((_steepness(image) * weights).sum((1, 2)) for image in (source, target))
    return float(np.clip((theirs / np.maximum(ours, 1e-9)).min() ** _POWER, _LEAST, 1.0))


def _steepness(image: Array) -> Array:
    """The length of an image's gradient at each texel, float32 [side, side]."""
    gray = cv2.GaussianBlur(image.mean(2), (0, 0), 0.8)
    return np.asarray(cv2.magnitude(cv2.Sobel(gray, cv2.CV_32F, 1, 0), cv2.Sobel(gray, cv2.CV_32F, 0, 1)))


def mouth_of(points: Array) -> npt.NDArray[np.float64]:
    """The lips' opening, float64 [2]: its height over its own width, and over the distance of the eyes."""
    ring = points[list(topology.INNER_LIPS), :2].astype(np.float64)
    eyes = points[list(topology.EYE_CORNERS)].astype(np.float64)
    height = np.linalg.norm(ring[5] - ring[15])
    spans = [np.linalg.norm(ring[0] - ring[10]), np.linalg.norm(eyes[0] - eyes[1])]
    return np.asarray(height / np.maximum(spans, 1e-6))


def reveal_of(texture: Texture, points: Array) -> float:
    """How far a mesh's lips are open, as part of the photo's opening; 0 where the photo shows no mouth to use."""
    if texture.mouth[0] < _SPEAKING:
        return 0.0
    return float(mouth_of(points)[1] / texture.mouth[1])


def wide_open(points: Array) -> float:
    """How far a mouth is open beyond what the mesh follows well, 0..1."""
    return float(np.clip((mouth_of(points)[0] - 0.25) / 0.2, 0, 1))


def _average(values: Array, weight: Array, part: float, otherwise: Array | None = None) -> Array:
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
