"""Finding faces with SCRFD: InsightFace's detector, its numbers and its order.

Preparation, anchors, decoding and suppression follow InsightFace 0.7 and 2.1's `SCRFD.detect` for one input size: the
picture is scaled into the model's square without antialiasing, top left, black beside it; BGR to RGB,
(v - 127.5) / 128; two anchors a cell at strides 8, 16 and 32; boxes and landmarks as distances from the cell's corner
in strides.
"""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from recast import names
from recast.errors import BadConfig
from segment_worker.arrays import Array, Image
from segment_worker.insight.onnx_model import OnnxModel
from segment_worker.paste import scaled_bgr
from segment_worker.picture import Picture

STRIDES = (8, 16, 32)
ANCHORS = 2
SIDE = 640
"""Of the square that pictures are scaled into, where the model leaves it open."""
THRESHOLD = 0.5
OVERLAP = 0.4


@dataclass(frozen=True)
class Detection:
    """A face found.

    Attributes:
        box: x0, y0, x1, y1 in luma pixels; may reach outside the picture.
        landmarks: float32 [5, 2], luma pixels: eyes, nose, corners of the mouth, the picture's left first.
        score: 0..1.
    """

    box: tuple[float, float, float, float]
    landmarks: Array
    score: float


class Detector:
    """Finds faces.

    Args:
        model: SCRFD with landmarks: nine outputs, scores, boxes and landmarks for each of three strides.

    Raises:
        BadConfig: the model is not one of these.
    """

    def __init__(self, model: OnnxModel) -> None:
        if len(model.outputs) != 3 * len(STRIDES) or len(model.inputs) != 1:
            raise BadConfig(
                f"{model.name}: {len(model.outputs)} outputs: a SCRFD with landmarks has nine: give det_10g.onnx "
                "or another of its kind",
                reason=names.MISSING_MODEL,
            )
        height, width = (*model.inputs[0].shape, None, None)[2:4]
        self._size = (width or SIDE, height or SIDE)
        self._model = model

    def find(self, picture: Picture) -> list[Detection]:
        """The faces of a picture, the most certain first."""
        width, height, scale = self._fitted(picture.width, picture.height)
        return self._found(scaled_bgr(picture, width, height), scale)

    def find_in_image(self, image: Image) -> list[Detection]:
        """The faces of an image, uint8 [height, width, 3] BGR, the most certain first."""
        width, height, scale = self._fitted(image.shape[1], image.shape[0])
        return self._found(np.asarray(cv2.resize(image, (width, height)), np.uint8), scale)

    def _fitted(self, width: int, height: int) -> tuple[int, int, float]:
        """Width and height inside the model's square, and their scale."""
        ratio = height / width
        if ratio > self._size[1] / self._size[0]:
            fitted = max(1, int(self._size[1] / ratio)), self._size[1]
        else:
            fitted = self._size[0], max(1, int(self._size[0] * ratio))
        return *fitted, fitted[1] / height

    def _found(self, small: Image, scale: float) -> list[Detection]:
        outputs = [each[0] if each.ndim == 3 else each for each in self._model(self._blob(small))]
        levels = len(STRIDES)
        scores, boxes, landmarks = [], [], []
        for level, stride in enumerate(STRIDES):
            score, distance, points = (outputs[level + kind * levels] for kind in range(3))
            chosen = np.flatnonzero(score[:, 0] >= THRESHOLD)
            centres = _centres(self._size[1] // stride, self._size[0] // stride, stride)[chosen]
            distance, points = distance[chosen] * stride, points[chosen] * stride
            scores.append(score[chosen, 0])
            boxes.append(np.concatenate([centres - distance[:, :2], centres + distance[:, 2:]], 1) / scale)
            landmarks.append((centres[:, None] + points.reshape(-1, 5, 2)) / scale)
        return _kept(np.concatenate(boxes), np.concatenate(scores), np.concatenate(landmarks))

    def _blob(self, small: Image) -> Array:
        """The model's square: RGB, (v - 127.5) / 128, black where the picture does not reach."""
        height, width = small.shape[:2]
        blob = np.full((1, 3, self._size[1], self._size[0]), -127.5 / 128, np.float32)
        for channel, plane in enumerate(reversed(cv2.split(small))):
            cv2.addWeighted(
                plane, 1 / 128, plane, 0, -127.5 / 128, dst=blob[0, channel, :height, :width], dtype=cv2.CV_32F
            )
        return blob


@lru_cache(maxsize=8)
def _centres(rows: int, columns: int, stride: int) -> Array:
    """The anchors' places, float32 [rows * columns * 2, 2]."""
    y, x = np.mgrid[:rows, :columns]
    return np.repeat((np.stack([x, y], -1) * stride).reshape(-1, 2), ANCHORS, axis=0).astype(np.float32)


def _kept(boxes: Array, scores: Array, landmarks: Array) -> list[Detection]:
    """Those that no more certain one overlaps, sides counted with their last pixel, as InsightFace does."""
    boxes = boxes.astype(np.float32)
    order = np.argsort(-scores, kind="stable")
    areas = (boxes[:, 2] - boxes[:, 0] + 1) * (boxes[:, 3] - boxes[:, 1] + 1)
    found = []
    while order.size:
        first, rest = order[0], order[1:]
        box = tuple(float(value) for value in boxes[first])
        found.append(Detection(box, landmarks[first].astype(np.float32), float(scores[first])))  # type: ignore[arg-type]
        low = np.maximum(boxes[first, :2], boxes[rest, :2])
        high = np.minimum(boxes[first, 2:], boxes[rest, 2:])
        inside = np.maximum(high - low + 1, 0).prod(1)
        order = rest[inside / (areas[first] + areas[rest] - inside) <= OVERLAP]
    return found
