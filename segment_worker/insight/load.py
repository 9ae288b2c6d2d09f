"""The InSwapper engine's models, out of their files."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from recast import log, spec
from recast.errors import BadConfig
from recast.modelstore import Role, alone
from segment_worker.engines.base import OutOfDeviceMemory
from segment_worker.engines.inswapper import Models
from segment_worker.gpu import gpu_name
from segment_worker.insight.arcface import Recogniser
from segment_worker.insight.graph import load_graph, normalises_itself
from segment_worker.insight.occlusion import Occluder
from segment_worker.insight.onnx_model import Device, OnnxModel
from segment_worker.insight.prepared import Array, Verdicts, emap_of, open_batch
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
    device = device_of(engine, next(iter(files.values())).parent)
    with _built_once(device):
        detector = Detector(OnnxModel(files["detector"], device, "detector"))
        normalised = normalises_itself(load_graph(files["recogniser"], "recogniser"))
        recogniser = Recogniser(OnnxModel(files["recogniser"], device, "recogniser"), normalised=normalised)
        occluder = Occluder(OnnxModel(files["occluder"], device, "occluder")) if "occluder" in files else None
        models = Models(detector, recogniser, load_swapper(files["swapper"], device, engine.batch), occluder)
        if device.provider == "TensorRt":
            # Where shapes are open it builds at the first run.
            models.warm_up()
    return models


def device_of(engine: spec.Engine, folder: Path) -> Device:
    """Where the models run.

    Args:
        engine: of the job's spec.
        folder: that keeps models on this node; TensorRT's engines are kept there, too, each GPU model's for itself.
    """
    models = 3 if engine.mask.occluder is None else 4
    limit = (engine.device_memory_mib << 20) // models if engine.device_memory_mib else 0
    if engine.provider != "TensorRt":
        return Device(engine.provider, memory_bytes=limit)
    kind = "".join(letter if letter.isalnum() else "-" for letter in gpu_name() or "gpu")
    cache = folder / "tensorrt" / kind
    cache.mkdir(parents=True, exist_ok=True)
    return Device(engine.provider, memory_bytes=limit, engine_cache=cache)


@contextmanager
def _built_once(device: Device) -> Iterator[None]:
    """While one pod of a node builds TensorRT's engines, which takes minutes, the others wait for them."""
    if device.engine_cache is None:
        yield
        return
    log.info("TensorRT engines are loaded, or built: the first time this takes minutes", at=str(device.engine_cache))
    with alone(device.engine_cache / "lock"):
        yield


def load_swapper(path: Path, device: Device, batch: int) -> Swapper:
    """Load inswapper_128 for `batch` faces at once, where its graph lets that be and gives the same.

    On a CPU faces go one by one: more at once save nothing, and their sums would depend on how many there are.
    """
    emap = emap_of(path)
    if batch > 1 and device.provider != "Cpu":
        many = several_at_once(path, device, emap, batch)
        if many is not None:
            return many
        log.warning("the swapper takes one face at a time", model=path.name)
    return Swapper(OnnxModel(path, device, "swapper"), emap)


def several_at_once(path: Path, device: Device, emap: Array, batch: int) -> Swapper | None:
    """The swapper of several faces at once; None where they come out otherwise than alone."""
    verdicts, key = Verdicts(path), f"{device.provider} {gpu_name()} {batch}"
    known = verdicts.of(key)
    if known is False:
        return None
    many = free_swapper(open_batch(path), device, emap, batch)
    if many is None or known:
        return many
    same = _is_same_while_it_fits(Swapper(OnnxModel(path, device, "swapper"), emap), many)
    verdicts.note(key, same)
    return many if same else None


def free_swapper(model: Path, device: Device, emap: Array, batch: int) -> Swapper | None:
    """A swapper of a graph whose batch was left open; None where it does not load."""
    try:
        return Swapper(OnnxModel(model, device, "swapper"), emap, batch=batch)
    except BadConfig:
        return None


def _is_same_while_it_fits(one: Swapper, many: Swapper) -> bool:
    while True:
        try:
            return is_same(one, many)
        except OutOfDeviceMemory:
            if many.batch == 1:
                raise
            many.batch //= 2


def is_same(one: Swapper, many: Swapper) -> bool:
    """Whether faces that go together come out as they do alone."""
    rng = np.random.default_rng(0)
    crops = [rng.uniform(0, 255, (SIDE, SIDE, 3)).astype(np.float32) for _ in range(min(3, many.batch) + 1)]
    latents = [one.latent(rng.normal(size=512).astype(np.float32)) for _ in crops]
    try:
        together = many.swap(crops, latents)
    except BadConfig:
        return False
    alone_ = one.swap(crops, latents)
    return all(float(np.abs(a - b).max()) < _SAME for a, b in zip(together, alone_, strict=True))
