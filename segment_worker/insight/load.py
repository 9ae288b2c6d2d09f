"""The InSwapper engine's models, out of their files."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from recast import log, spec
from recast.modelstore import Role
from segment_worker.engines.inswapper import Models
from segment_worker.insight.arcface import Recogniser
from segment_worker.insight.graph import last_initializer, load_graph, normalises_itself, with_free_batch
from segment_worker.insight.onnx_model import Device, OnnxModel
from segment_worker.insight.scrfd import Detector
from segment_worker.insight.swapper import SIDE, Swapper

# Two swapped crops are the same where they differ by less than half a level of 255.
_SAME = 0.5 / 255


def load_models(engine: spec.Engine, files: Mapping[Role, Path]) -> Models:
    """Load the models onto the device that the job asks for.

    Args:
        engine: of the job's spec.
        files: by what they are for.

    Raises:
        BadConfig: a file is not what it should be, or the device is not there.
    """
    cache = next(iter(files.values())).parent / "tensorrt"
    device = Device(engine.provider, engine_cache=cache if engine.provider == "TensorRt" else None)
    detector = Detector(OnnxModel(files["detector"], device, "detector"))
    normalised = normalises_itself(load_graph(files["recogniser"], "recogniser"))
    recogniser = Recogniser(OnnxModel(files["recogniser"], device, "recogniser"), normalised=normalised)
    return Models(detector, recogniser, load_swapper(files["swapper"], device, engine.batch))


def load_swapper(path: Path, device: Device, batch: int) -> Swapper:
    """Load inswapper_128 for `batch` faces at once, where its graph lets that be and gives the same.

    On a CPU faces go one by one: more at once save nothing, and their sums would depend on how many there are.
    """
    graph = load_graph(path, "swapper")
    emap = last_initializer(graph, "swapper")
    one = Swapper(OnnxModel(path, device, "swapper"), emap)
    if batch == 1 or device.provider == "Cpu":
        return one
    many = free_swapper(with_free_batch(graph), device, emap, batch)
    if many is not None and is_same(one, many):
        return many
    log.warning("the swapper takes one face at a time", model=path.name)
    return one


def free_swapper(model: bytes, device: Device, emap: np.ndarray, batch: int) -> Swapper | None:
    """A swapper of a graph whose batch was left open; None where it does not load."""
    from recast.errors import BadConfig

    try:
        return Swapper(OnnxModel(model, device, "swapper"), emap, batch=batch)
    except BadConfig:
        return None


def is_same(one: Swapper, many: Swapper) -> bool:
    """Whether faces that go together come out as they do alone."""
    from recast.errors import BadConfig

    rng = np.random.default_rng(0)
    crops = [rng.uniform(0, 255, (SIDE, SIDE, 3)).astype(np.float32) for _ in range(min(3, many.batch) + 1)]
    latents = [one.latent(rng.normal(size=512).astype(np.float32)) for _ in crops]
    try:
        together = many.swap(crops, latents)
    except BadConfig:
        return False
    alone = one.swap(crops, latents)
    return all(float(np.abs(a - b).max()) < _SAME for a, b in zip(together, alone, strict=True))
