"""inswapper_128: another person's face on a crop. Its numbers are InsightFace's (`INSwapper`).

The target goes in as RGB / 255; the source as its normed embedding through the emap, the last initializer of the
model's graph, of length one again. Larger crops ("pixel boost" of 256 and 512, as FaceFusion's users know it) are taken
apart into tiles of 128 by every second or fourth sample, swapped tile by tile and put together again.
"""

import numpy as np

from recast import names
from recast.errors import BadConfig
from segment_worker.arrays import Array
from segment_worker.insight.onnx_model import OnnxModel

SIDE = 128


class Swapper:
    """Swaps crops.

    Args:
        model: inswapper_128: target [1, 3, 128, 128] and latent [1, 512] in, [1, 3, 128, 128] out.
        emap: float32 [512, 512], from embeddings to latents.

    Raises:
        BadConfig: the model is not one of these.
    """

    def __init__(self, model: OnnxModel, emap: Array) -> None:
        shapes = [entry.shape for entry in model.inputs]
        if len(shapes) != 2 or shapes[0][1:] != (3, SIDE, SIDE) or emap.ndim != 2 or shapes[1][1:] != (emap.shape[1],):
            raise BadConfig(f"{model.name}: not an inswapper_128: its inputs are {shapes}", reason=names.MISSING_MODEL)
        self._model, self._emap = model, emap.astype(np.float32)

    def latent(self, embedding: Array) -> Array:
        """The source person as the model wants it, float32 [512].

        Args:
            embedding: float32 [512], of length one.
        """
        latent = embedding.reshape(1, -1) @ self._emap
        return np.asarray((latent / np.linalg.norm(latent))[0], np.float32)

    def swap(self, crop: Array, latent: Array) -> Array:
        """Swap a face, tile by tile: of several at once a GPU's answers depend on their places.

        Args:
            crop: float32 [side, side, 3] BGR, 0..255; side a multiple of 128.
            latent: whose face it gets.

        Returns:
            float32 [side, side, 3] BGR, 0..1.
        """
        times = crop.shape[0] // SIDE
        blobs = taken_apart(crop, times)[..., ::-1].transpose(0, 3, 1, 2) * np.float32(1 / 255)
        swapped = np.concatenate([self._model(blob[None], latent[None])[0] for blob in blobs])
        return put_together(np.clip(swapped.transpose(0, 2, 3, 1)[..., ::-1], 0, 1), times)


def taken_apart(crop: Array, times: int) -> Array:
    """Tiles of a crop `128 * times` wide, [times * times, 128, 128, 3]: (i, j) is every `times`-th sample."""
    cut = crop.reshape(SIDE, times, SIDE, times, crop.shape[2])
    return cut.transpose(1, 3, 0, 2, 4).reshape(times * times, SIDE, SIDE, crop.shape[2])


def put_together(tiles: Array, times: int) -> Array:
    """The way back of `taken_apart`."""
    cut = tiles.reshape(times, times, SIDE, SIDE, tiles.shape[3]).transpose(2, 0, 3, 1, 4)
    return np.ascontiguousarray(cut.reshape(SIDE * times, SIDE * times, tiles.shape[3]))
