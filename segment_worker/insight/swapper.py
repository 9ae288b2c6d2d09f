"""inswapper_128: another person's face on a crop. Its numbers are InsightFace's (`INSwapper`).

The target goes in as RGB / 255; the source as its normed embedding through the emap, the last initializer of the
model's graph, of length one again. Larger crops ("pixel boost" of 256 and 512, as FaceFusion's users know it) are taken
apart into tiles of 128 by every second or fourth sample, swapped tile by tile and put together again.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from recast import names
from recast.errors import BadConfig
from segment_worker.insight.onnx_model import OnnxModel

Array = npt.NDArray[Any]

SIDE = 128


class Swapper:
    """Swaps crops.

    Args:
        model: inswapper_128: target [n, 3, 128, 128] and latent [n, 512] in, [n, 3, 128, 128] out.
        emap: float32 [512, 512], from embeddings to latents.
        batch: crops at once, where the model takes more than one; shorter ones are padded, since a GPU's sums depend on
            the shape.

    Raises:
        BadConfig: the model is not one of these.
    """

    def __init__(self, model: OnnxModel, emap: Array, *, batch: int = 1) -> None:
        shapes = [entry.shape for entry in model.inputs]
        if len(shapes) != 2 or shapes[0][1:] != (3, SIDE, SIDE) or emap.ndim != 2 or shapes[1][1:] != (emap.shape[1],):
            raise BadConfig(f"{model.name}: not an inswapper_128: its inputs are {shapes}", reason=names.MISSING_MODEL)
        self._model, self._emap = model, emap.astype(np.float32)
        self.batch = 1 if shapes[0][0] == 1 else batch

    def latent(self, embedding: Array) -> Array:
        """The source person as the model wants it, float32 [512].

        Args:
            embedding: float32 [512], of length one.
        """
        latent = embedding.reshape(1, -1) @ self._emap
        return np.asarray((latent / np.linalg.norm(latent))[0], np.float32)

    def swap(self, crops: Sequence[Array], latents: Sequence[Array]) -> list[Array]:
        """Swap faces.

        Args:
            crops: float32 [side, side, 3] BGR, 0..255, all of one side, a multiple of 128.
            latents: whose face each one gets.

        Returns:
            float32 [side, side, 3] BGR, 0..1.
        """
        if not crops:
            return []
        times = crops[0].shape[0] // SIDE
        tiles = np.concatenate([taken_apart(crop, times) for crop in crops])
        blobs = tiles[..., ::-1].transpose(0, 3, 1, 2) * np.float32(1 / 255)
        sources = np.repeat(np.stack(latents), times * times, axis=0)
        swapped = self._swapped(blobs, sources).transpose(0, 2, 3, 1)[..., ::-1]
        swapped = np.clip(swapped, 0, 1)
        count = times * times
        return [put_together(swapped[k * count : (k + 1) * count], times) for k in range(len(crops))]

    def _swapped(self, blobs: Array, sources: Array) -> Array:
        out = []
        for first in range(0, len(blobs), self.batch):
            part, latents = blobs[first : first + self.batch], sources[first : first + self.batch]
            missing = self.batch - len(part)
            if missing:
                part = np.concatenate([part, np.repeat(part[-1:], missing, 0)])
                latents = np.concatenate([latents, np.repeat(latents[-1:], missing, 0)])
            out.append(self._model(part, latents)[0][: self.batch - missing])
        return np.concatenate(out)


def taken_apart(crop: Array, times: int) -> Array:
    """Tiles of a crop `128 * times` wide, [times * times, 128, 128, 3]: (i, j) is every `times`-th sample."""
    cut = crop.reshape(SIDE, times, SIDE, times, crop.shape[2])
    return cut.transpose(1, 3, 0, 2, 4).reshape(times * times, SIDE, SIDE, crop.shape[2])


def put_together(tiles: Array, times: int) -> Array:
    """The way back of `taken_apart`."""
    cut = tiles.reshape(times, times, SIDE, SIDE, tiles.shape[3]).transpose(2, 0, 3, 1, 4)
    return np.ascontiguousarray(cut.reshape(SIDE * times, SIDE * times, tiles.shape[3]))
