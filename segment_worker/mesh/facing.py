"""How well each point of a mesh is seen."""

import numpy as np

from segment_worker.arrays import Array
from segment_worker.mesh import topology


def seen_points(points: Array, shape: tuple[int, ...]) -> Array:
    """How well each mesh point is seen, float32 [468], 0 (turned away or outside the image) to 1."""
    facing = _facing_of(points)
    height, width = shape[:2]
    x, y = points[:, 0], points[:, 1]
    inside = (x > 0) & (y > 0) & (x < width) & (y < height)
    return (np.clip(facing / 0.6, 0, 1) * inside).astype(np.float32)


def _facing_of(points: Array) -> Array:
    """Cosine between each point's normal and the line of sight, float32 [468]; negative is turned away."""
    a, b, c = (points[topology.TRIANGLES[:, k]].astype(np.float64) for k in range(3))
    normals = np.repeat(np.cross(b - a, c - a), 3, axis=0)
    ends = topology.TRIANGLES.ravel()
    total = np.stack([np.bincount(ends, normals[:, k], len(points)) for k in range(3)], 1)
    return np.asarray(total[:, 2] / np.maximum(np.linalg.norm(total, axis=1), 1e-9), np.float32)
