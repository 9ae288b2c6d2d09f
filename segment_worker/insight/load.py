"""The InSwapper engine's models, out of their files."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from recast import log, spec
from recast.modelstore import Role, alone
from segment_worker.gpu import gpu_name
from segment_worker.insight.arcface import Recogniser
from segment_worker.insight.emap import emap_of
from segment_worker.insight.graph import load_graph, normalises_itself
from segment_worker.insight.models import Models
from segment_worker.insight.occlusion import Occluder
from segment_worker.insight.onnx_model import Device, OnnxModel
from segment_worker.insight.scrfd import Detector
from segment_worker.insight.swapper import Swapper

# Of the device's memory: it has three quarters of all weights.
_SWAPPERS_SHARE = 2 / 3


def load_models(engine: spec.Engine, files: Mapping[Role, Path]) -> Models:
    """Load the models onto the device that the job asks for.

    Args:
        engine: of the job's spec.
        files: by what they are for.

    Raises:
        BadConfig: a file is not what it should be, or the device is not there.
    """
    device = device_of(engine, next(iter(files.values())).parent)

    def load(role: Role) -> OnnxModel:
        share = _SWAPPERS_SHARE if role == "swapper" else (1 - _SWAPPERS_SHARE) / (len(files) - 1)
        return OnnxModel(files[role], replace(device, memory_bytes=int(device.memory_bytes * share)), role)

    with _built_once(device):
        normalised = normalises_itself(load_graph(files["recogniser"], "recogniser"))
        models = Models(
            Detector(load("detector")),
            Recogniser(load("recogniser"), normalised=normalised),
            Swapper(load("swapper"), emap_of(files["swapper"])),
            Occluder(load("occluder")) if "occluder" in files else None,
        )
        if device.provider == "TensorRt":
            # Where shapes are open it builds at the first run.
            models.warm_up()
    return models


def device_of(engine: spec.Engine, folder: Path) -> Device:
    """Where the models run, together.

    Args:
        engine: of the job's spec.
        folder: that keeps models on this node; TensorRT's engines are kept there, too, each GPU model's for itself.
    """
    limit = (engine.device_memory_mib or 0) << 20
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
