"""The face mesh's own geometry: its mean shape, its triangles, a flat layout of it, and named rings of points.

`table.json` was derived from the mesh model itself: meshes of several people laid over each other by
similarity, made symmetric, averaged; then unrolled around the head's axis with mouth and eyes open, and
triangulated by Delaunay. So no triangle bridges the lips or the eyelids.
"""

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt

from segment_worker.arrays import Array64

_TABLE = json.loads((Path(__file__).parent / "table.json").read_text())

# Mean shape, float64 [468, 3]: x right, y down, z away from the viewer, outer eye corners 1 apart.
SHAPE: Array64 = np.array(_TABLE["shape_milli"], np.float64).reshape(-1, 3) / 1000
# Flat layout, float32 [468, 2], 0..1: the texture's coordinates.
LAYOUT: npt.NDArray[np.float32] = (np.array(_TABLE["layout_tenmilli"]).reshape(-1, 2) / 10000).astype(np.float32)
# Points of each triangle, int [898, 3], turning the same way in the layout.
TRIANGLES: npt.NDArray[np.int64] = np.array(_TABLE["triangles"], np.int64).reshape(-1, 3)
# The point that lies opposite each point on the other half of the face, int [468].
MIRROR: npt.NDArray[np.int64] = np.array(_TABLE["mirror"], np.int64)

# Outer corners of the eyes: the one on the picture's left first.
EYE_CORNERS = (33, 263)
# Rings of points, in order around.
OVAL = (10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152, 148, 176,
        149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109)  # fmt: skip
INNER_LIPS = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308, 324, 318, 402, 317, 14, 87, 178, 88, 95)
OUTER_LIPS = (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 375, 321, 405, 314, 17, 84, 181, 91, 146)
EYES = (
    (33, 246, 161, 160, 159, 158, 157, 173, 133, 155, 154, 153, 145, 144, 163, 7),
    (263, 466, 388, 387, 386, 385, 384, 398, 362, 382, 381, 380, 374, 373, 390, 249),
)
# The row of points around each eye's ring, in the same order.
LID_ROWS = (
    (130, 247, 30, 29, 27, 28, 56, 190, 243, 112, 26, 22, 23, 24, 110, 25),
    (359, 467, 260, 259, 257, 258, 286, 414, 463, 341, 256, 252, 253, 254, 339, 255),
)
BROWS = (
    (70, 63, 105, 66, 107, 55, 65, 52, 53, 46),
    (300, 293, 334, 296, 336, 285, 295, 282, 283, 276),
)
