"""Whose face it is, for the mesh engine: dlib's face recognition model (CC0) on chips aligned by its 5 points.

Euclidean distances of its descriptors under 0.6 are mostly one person (dlib's dnn_face_recognition_ex). The 68-point
model that lies beside it in the wheel is not used: its training set excludes commercial use.
"""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from recast import names
from recast.errors import BadConfig
from segment_worker.arrays import Array64, Image
from segment_worker.paste import align, read_bgr
from segment_worker.picture import Picture
from segment_worker.select import Box

Descriptor = Array64

# Width to which a small face is enlarged before dlib looks at it.
_FACE_PIXELS = 200
# How much of the face's size is looked at around it.
_AROUND = 0.6


class Identity:
    """Describes faces.

    Raises:
        BadConfig: dlib or its models are not installed.
    """

    def __init__(self) -> None:
        spec = find_spec("face_recognition_models")
        if spec is None or not spec.submodule_search_locations or find_spec("dlib") is None:
            raise BadConfig(
                "select Reference with engine Mesh needs dlib: install recast[identity]", reason=names.MISSING_MODEL
            )
        import dlib

        # The package itself is not imported: it wants pkg_resources.
        folder = Path(spec.submodule_search_locations[0]) / "models"
        self._rectangle_type: Any = dlib.rectangle
        self._points: Any = dlib.shape_predictor(str(folder / "shape_predictor_5_face_landmarks.dat"))
        self._net: Any = dlib.face_recognition_model_v1(str(folder / "dlib_face_recognition_resnet_model_v1.dat"))
        self._detect: Any = dlib.get_frontal_face_detector()

    def of_picture(self, picture: Picture, box: Box) -> Descriptor:
        """Descriptor, float64 [128], of the face in `box` (x0, y0, x1, y1 in luma pixels)."""
        x0, y0, x1, y1 = box
        around = _AROUND * max(x1 - x0, y1 - y0)
        rect = align(picture, x0 - around, y0 - around, x1 + around, y1 + around)
        if rect is None:
            return np.full(128, np.inf)
        part = np.clip(np.rint(read_bgr(picture, rect) * 255), 0, 255).astype(np.uint8)
        return self._described(part, (x0 - rect.x, y0 - rect.y, x1 - rect.x, y1 - rect.y))

    def of_image(self, image: Image, box: Box) -> Descriptor:
        """The same of a face in an image, uint8 [height, width, 3] BGR."""
        x0, y0, x1, y1 = box
        around = _AROUND * max(x1 - x0, y1 - y0)
        left, top = max(0, int(x0 - around)), max(0, int(y0 - around))
        part = image[top : int(y1 + around), left : int(x1 + around)]
        return self._described(part, (x0 - left, y0 - top, x1 - left, y1 - top))

    def _described(self, part: Image, box: Box) -> Descriptor:
        x0, y0, x1, y1 = box
        scale = max(1.0, _FACE_PIXELS / (x1 - x0))
        size = (round(part.shape[1] * scale), round(part.shape[0] * scale))
        rgb = cv2.resize(np.ascontiguousarray(part[..., ::-1]), size, interpolation=cv2.INTER_CUBIC)
        x, y = (x0 + x1) / 2 * scale, (y0 + y1) / 2 * scale
        shape = self._points(rgb, self._rectangle(rgb, x, y, (x1 - x0) * scale))
        return np.array(self._net.compute_face_descriptor(rgb, shape))

    def _rectangle(self, image: Any, x: float, y: float, width: float) -> Any:
        """Give dlib's own rectangle for the face at x, y, or one like it where dlib sees none."""
        for found in self._detect(image, 0):
            if abs(found.center().x - x) < 0.3 * width and abs(found.center().y - y) < 0.3 * width:
                return found
        y += 0.06 * width
        bounds = (int(x - width / 2), int(y - width / 2), int(x + width / 2), int(y + width / 2))
        return self._rectangle_type(*bounds)


def distance(one: Descriptor, other: Descriptor) -> float:
    """Euclidean distance of two descriptors."""
    return float(np.linalg.norm(one - other))
