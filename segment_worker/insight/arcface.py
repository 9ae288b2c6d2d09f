"""Whose face it is: ArcFace's embedding, as InsightFace computes it.

The crop is 112 pixels wide; models from MXNet bring their normalisation along (Sub and Mul among their first nodes),
the others want (v - 127.5) / 127.5 (InsightFace's `ArcFaceONNX`).
"""

import cv2
import numpy as np

from recast import names
from recast.errors import BadConfig
from segment_worker.arrays import Array, Image
from segment_worker.insight.alignment import crop_matrix
from segment_worker.insight.crop import crop_of
from segment_worker.insight.onnx_model import OnnxModel
from segment_worker.picture import Picture


class Recogniser:
    """Gives faces as vectors: the nearer two are, the more alike the faces.

    Args:
        model: ArcFace: one crop in, one embedding out.
        normalised: whether the model normalises by itself.

    Raises:
        BadConfig: the model is not one of these.
    """

    def __init__(self, model: OnnxModel, *, normalised: bool) -> None:
        side = (*model.inputs[0].shape, None, None)[3]
        if len(model.outputs) != 1 or side is None or side % 112:
            raise BadConfig(f"{model.name}: not an ArcFace model: give w600k_r50.onnx", reason=names.MISSING_MODEL)
        self._model, self._side = model, side
        self._mean, self._std = (0.0, 1.0) if normalised else (127.5, 127.5)

    def of_image(self, image: Image, landmarks: Array) -> Array:
        """The embedding of a face in an image (uint8 [height, width, 3] BGR), float32 [n], not normalised."""
        crop = cv2.warpAffine(image, crop_matrix(landmarks, self._side), (self._side, self._side))
        return self._embedding(crop)

    def of_picture(self, picture: Picture, landmarks: Array) -> Array:
        """The same of a face in a picture."""
        return self._embedding(crop_of(picture, crop_matrix(landmarks, self._side), self._side))

    def _embedding(self, crop: Array) -> Array:
        blob = (crop[..., ::-1].transpose(2, 0, 1)[None].astype(np.float32) - self._mean) * np.float32(1 / self._std)
        return self._model(blob)[0].ravel()


def normed(embedding: Array) -> Array:
    """An embedding of length one."""
    return np.asarray(embedding / np.linalg.norm(embedding), np.float32)


def average(embeddings: list[Array]) -> Array:
    """One person out of several pictures: the mean of the normed embeddings, float32 [n], of length one."""
    return normed(np.mean([normed(each) for each in embeddings], axis=0))


def distance(one: Array, other: Array) -> float:
    """(1 - cosine) / 2 of two normed embeddings: 0 is the same face, 0.5 has nothing in common."""
    return float((1 - np.dot(one, other)) / 2)
