"""The source person's eyes, looking where the target's eyes look and closing when they close.

Where an eye looks is where its iris stands between its corners. The source's iris is moved by the difference,
fully in the middle of the eye and not at all at the lids. Where the lids of either are nearly closed, or the
target looks too far aside, the target's own eye is kept.
"""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from segment_worker.arrays import Array, Array64
from segment_worker.mesh.facemesh import Face
from segment_worker.mesh.topology import EYES, LAYOUT

# The layout's width at which eyes are measured.
_SIDE = 256
# Openness (height over width) at which the source's eye is fully out, and fully in, as part of its own.
_CLOSED, _OPEN = 0.35, 0.65
# A source eye less open than this shows nothing to use.
_SHUT = 0.18
# A target's eye less open than this is shut: the iris model never says 0.
_NARROW = 0.145
# Farthest move of the iris, as part of the eye's width, and where the target's own eye takes over.
_FAR, _TOO_FAR = 0.22, 0.34


@dataclass(frozen=True)
class Look:
    """How a face's two eyes stand, in the picture's left to right order.

    Attributes:
        middle: float64 [2, 2], the dark middle of each eye, as parts of the eye's width from its centre.
        open: float64 [2], height over width.
    """

    middle: Array64
    open: Array64


@dataclass(frozen=True)
class _Box:
    """An eye's surroundings in the layout, in texels at _SIDE: where, how far each moves with the iris, eye width."""

    x: int
    y: int
    width: int
    height: int
    bump: Array
    span: float


@lru_cache(maxsize=2)
def _box(eye: int) -> _Box:
    """The box of one eye (0 is on the picture's left)."""
    ring = LAYOUT[list(EYES[eye])].astype(np.float64) * _SIDE
    low, high = np.floor(ring.min(0)).astype(int) - 3, np.ceil(ring.max(0)).astype(int) + 3
    width, height = (high - low).tolist()
    drawn = np.zeros((height, width), np.uint8)
    cv2.fillPoly(drawn, [np.rint((ring - low - 0.5) * 16).astype(np.int32)], 1, shift=4)
    away = cv2.distanceTransform(drawn, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    bump = cv2.GaussianBlur(np.clip(away / (0.6 * away.max()), 0, 1).astype(np.float32), (0, 0), 1.0)
    span = float(np.ptp(ring[:, 0]))
    return _Box(int(low[0]), int(low[1]), width, height, bump, span)


def look_of(face: Face) -> Look:
    """Measure how the eyes of a face with irises stand."""
    assert face.irises is not None
    middles = np.array([_iris_place(face.points, face.irises[eye], eye) for eye in (0, 1)])
    return Look(middles, openness(face.points))


def _iris_place(points: Array, iris: Array, eye: int) -> Array64:
    """The iris as seen from the middle between the eye's corners: along and across them, in eye widths."""
    outer, inner = (points[EYES[eye][k], :2].astype(np.float64) for k in (0, 8))
    along = (inner - outer) if eye == 0 else (outer - inner)
    from_middle = iris - (outer + inner) / 2
    across = np.array([-along[1], along[0]])
    return np.array([from_middle @ along, from_middle @ across]) / max(float(along @ along), 1e-6)


def openness(points: Array) -> Array64:
    """Height over width of each eye, float64 [2]."""
    out = []
    for ring in EYES:
        p = points[list(ring), :2].astype(np.float64)
        lids = np.linalg.norm(p[3:6] - p[13:10:-1], axis=1).mean()
        out.append(lids / max(float(np.linalg.norm(p[0] - p[8])), 1e-6))
    return np.array(out)


def eyes_shown(points: Array) -> Array64:
    """How much of each of a photo's eyes there is to use, float64 [2], 0 (shut) to 1."""
    return _shown(openness(points))


def _shown(open_: Array64) -> Array64:
    return np.asarray(np.clip((open_ - _SHUT) / 0.08, 0, 1))


def turn_eyes(flat: Array, source: Look, target: Look) -> Array64:
    """Let the source's eyes look where the target's look.

    Args:
        flat: float32 [side, side, 3], the source's texture; changed in place.
        source: how the photo's eyes stand.
        target: how the picture's eyes stand.

    Returns:
        for each eye how much of it to use, 0..1, in place of the target's.
    """
    move = (target.middle - source.middle).mean(0)
    far = float(np.hypot(*move))
    if far > _FAR:
        move = move * (_FAR / far)
    near = np.clip((_TOO_FAR - far) / (_TOO_FAR - _FAR), 0, 1)
    seen = _shown(source.open)
    awake = np.clip((target.open - _NARROW) / 0.03, 0, 1)
    share = (
        near * seen * awake * np.clip((target.open / np.maximum(source.open, 1e-3) - _CLOSED) / (_OPEN - _CLOSED), 0, 1)
    )
    for eye in (0, 1):
        _move_iris(flat, eye, move)
    return np.asarray(share)


def _move_iris(flat: Array, eye: int, move: Array64) -> None:
    """Shift the middle of one eye by `move` (parts of the eye's width), in place."""
    box, scale = _box(eye), flat.shape[0] / _SIDE
    x0, y0 = round(box.x * scale), round(box.y * scale)
    width, height = max(2, round(box.width * scale)), max(2, round(box.height * scale))
    bump = cv2.resize(box.bump, (width, height), interpolation=cv2.INTER_LINEAR) * np.float32(box.span * scale)
    x = np.arange(width, dtype=np.float32)[None, :] - bump * np.float32(move[0])
    y = np.arange(height, dtype=np.float32)[:, None] - bump * np.float32(move[1])
    part = flat[y0 : y0 + height, x0 : x0 + width]
    part[:] = cv2.remap(part.copy(), x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
