"""The shape of a face apart from its pose: where a person's eyes, brows, nose and mouth sit.

A face is more than its skin: the swapped one gets the source person's proportions. They are carried over as
displacements of a few control points, spread smoothly over the mesh (biharmonic interpolation, kernel r in
three dimensions) and held at zero on the oval, so the outline, the blinks and the mouth's motion stay the
target's. The pose is the similarity that lays the mean shape on the mesh (Umeyama 1991).
"""

from dataclasses import dataclass

import numpy as np

from segment_worker.arrays import Array, Array64
from segment_worker.mesh.topology import INNER_LIPS, OVAL, SHAPE

# Points that expressions hardly move: eye corners, bridge and sides of the nose, temples, upper cheeks.
_RIGID = (33, 133, 362, 263, 168, 6, 197, 195, 5, 4, 1, 2, 98, 327, 129, 358, 234, 454, 127, 356, 93, 323, 162, 389,
          10, 151, 9, 8, 117, 346, 116, 345, 50, 280)  # fmt: skip
# Control points and how much of the person's proportion is taken there; the rest is the target's expression.
_CONTROLS = {33: 1.0, 133: 1.0, 362: 1.0, 263: 1.0,
             107: 1.0, 105: 1.0, 70: 1.0, 336: 1.0, 334: 1.0, 300: 1.0,
             168: 1.0, 195: 1.0, 4: 1.0, 2: 1.0, 129: 1.0, 358: 1.0,
             0: 0.8, 61: 0.8, 291: 0.8}  # fmt: skip
_MOUTH = (0, 61, 291)
# The lower lip goes where the upper lip goes: the opening between them is the target's.
_FOLLOW = {17: 0}
# Opening of the lips (height over width) from which it is as the model says.
_APART = 0.09


@dataclass(frozen=True)
class Pose:
    """Similarity from the mean shape's space to the picture: place = scale * turn @ shape + shift.

    Attributes:
        turn: float64 [3, 3], a rotation.
        scale: luma pixels per unit of the mean shape (the distance of the outer eye corners).
        shift: float64 [3].
    """

    turn: Array64
    scale: float
    shift: Array64

    def place(self, shape: Array64) -> Array64:
        """Points of the shape's space, [n, 3], in the picture."""
        return np.asarray(self.scale * shape @ self.turn.T + self.shift)

    def undo(self, points: Array64) -> Array64:
        """Points of the picture, [n, 3], in the shape's space."""
        return np.asarray((points - self.shift) @ self.turn / self.scale)


def pose_of(points: Array) -> Pose:
    """Lay the mean shape on a mesh by its rigid points."""
    here, there = SHAPE[list(_RIGID)], points[list(_RIGID)].astype(np.float64)
    here_mean, there_mean = here.mean(0), there.mean(0)
    a, b = here - here_mean, there - there_mean
    u, s, vt = np.linalg.svd(b.T @ a)
    flip = np.diag([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    turn = u @ flip @ vt
    scale = float((s * np.diag(flip)).sum() / (a * a).sum())
    return Pose(turn, scale, there_mean - scale * turn @ here_mean)


def neutral(points: Array) -> Array64:
    """A mesh without its pose, float64 [468, 3], in the mean shape's space."""
    return pose_of(points).undo(points.astype(np.float64))


def _spreading() -> tuple[list[int], Array64]:
    """Control points, and the matrix [468, controls] that spreads their displacements over the mesh."""
    moved = [*_CONTROLS, *_FOLLOW]
    anchors = SHAPE[[*moved, *OVAL]]
    kernel = np.linalg.norm(anchors[:, None] - anchors[None], axis=2)
    reach = np.linalg.norm(SHAPE[:, None] - anchors[None], axis=2)
    return moved, np.linalg.solve(kernel, reach.T).T[:, : len(moved)]


_MOVED, _SPREAD = _spreading()


def with_proportions(points: Array, person: Array64, mouth: float = 1.0) -> Array:
    """A mesh with another person's proportions, in its own pose and expression.

    Args:
        points: float32 [468, 3], luma pixels.
        person: that person's `neutral` mesh.
        mouth: how far the mouth takes part, 0..1.

    Returns:
        float32 [468, 3].
    """
    wanted = pose_of(points).place(person)
    shift = wanted - points
    shares = {point: share * (mouth if point in _MOUTH else 1.0) for point, share in _CONTROLS.items()}
    controls = [shift[point] * share for point, share in shares.items()]
    controls += [shift[leader] * shares[leader] for leader in _FOLLOW.values()]
    moved = _SPREAD @ np.array(controls)
    moved[:, 2] = 0
    return np.asarray(points + moved, np.float32)


def with_lips_met(points: Array) -> Array:
    """A mesh whose lips touch where they are all but closed: the model never says that they do.

    Args:
        points: float32 [468, 3], luma pixels.

    Returns:
        float32 [468, 3].
    """
    upper, lower = list(INNER_LIPS[1:10]), list(INNER_LIPS[19:10:-1])
    height = np.linalg.norm(points[upper[4], :2] - points[lower[4], :2])
    width = np.linalg.norm(points[INNER_LIPS[0], :2] - points[INNER_LIPS[10], :2])
    apart = min(1.0, float(height) / max(float(width), 1e-6) / _APART)
    out = points.copy()
    step = np.float32(0.5 * (1 - apart)) * (points[lower] - points[upper])
    out[upper] += step
    out[lower] -= step
    return out
