"""The way from embeddings to inswapper's latents, kept beside the model as <model>.emap.npy for the next pods."""

import os
from pathlib import Path

import numpy as np

from recast.modelstore import alone
from segment_worker.arrays import Array
from segment_worker.insight.graph import last_initializer, load_graph


def emap_of(model: Path) -> Array:
    """The emap of inswapper_128, float32 [512, 512]: its graph's last initializer.

    Raises:
        BadConfig: it is no ONNX model, or has no weights.
    """
    kept = model.with_suffix(".emap.npy")
    with alone(model.with_suffix(".emap.lock")):
        if not kept.exists():
            with (part := kept.with_suffix(".part")).open("wb") as file:
                np.save(file, last_initializer(load_graph(model, "swapper"), "swapper"))
            os.replace(part, kept)
    return np.asarray(np.load(kept))
