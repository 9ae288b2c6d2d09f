"""What of a face is in view: hands, hair and microphones before it stay the target's.

By a model of the user's own, of the kind of DeepFaceLab's XSeg: float32 [1, height, width, 3] BGR, 0..1, in; how surely
each pixel is face, 0..1, out. What it is half sure of or less is left to the target, and edges are softened, as
FaceFusion's users know it.
"""

import cv2
import numpy as np

from recast import names
from recast.errors import BadConfig
from segment_worker.arrays import Array
from segment_worker.insight.onnx_model import OnnxModel

# Of the crop's width.
_SOFTNESS = 0.04


class Occluder:
    """Looks at crops.

    Args:
        model: as above.

    Raises:
        BadConfig: the model is not one of these.
    """

    def __init__(self, model: OnnxModel) -> None:
        shape = model.inputs[0].shape if len(model.inputs) == 1 else ()
        if len(shape) != 4 or shape[3] != 3 or shape[1] is None or shape[2] is None:
            raise BadConfig(
                f"{model.name}: not an occlusion model: it must take one picture [1, height, width, 3], and takes "
                f"{[entry.shape for entry in model.inputs]}",
                reason=names.MISSING_MODEL,
            )
        self._model, self.height, self.width = model, shape[1], shape[2]

    def in_view(self, crop: Array) -> Array:
        """How much of each sample of a crop is face, float32 [side, side], 0..1.

        Args:
            crop: float32 [side, side, 3] BGR, 0..255.

        Raises:
            BadConfig: the model does not give one number a pixel.
        """
        side = crop.shape[0]
        picture = cv2.resize(crop, (self.width, self.height)) * np.float32(1 / 255)
        output = self._model(picture[None])[0]
        if output.size != self.height * self.width:
            raise BadConfig(
                f"{self._model.name}: not an occlusion model: it gives {output.shape} for a picture of "
                f"{self.width}x{self.height}",
                reason=names.MISSING_MODEL,
            )
        sure = np.clip(output.reshape(self.height, self.width), 0, 1)
        soft = cv2.GaussianBlur(cv2.resize(sure, (side, side)), (0, 0), _SOFTNESS * side)
        return np.asarray(np.clip(2 * soft - 1, 0, 1), np.float32)
