"""The same engine on a GPU; left out, with the reason, where there is none."""

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from segment_worker.engines.base import Pair
from segment_worker.engines.inswapper import InSwapperEngine
from segment_worker.gpu import BusyMeter, gpu_name
from segment_worker.images import picture_of_image
from segment_worker.insight.arcface import Recogniser
from segment_worker.insight.emap import emap_of
from segment_worker.insight.models import Models
from segment_worker.insight.onnx_model import Device, OnnxModel
from segment_worker.insight.scrfd import Detector
from segment_worker.insight.swapper import Swapper
from segment_worker.select import All
from tests import stubmodels
from tests.segment_worker.insight.test_parity import scene

FRAMES = 2000


@pytest.fixture(scope="module", autouse=True)
def cuda() -> None:
    import onnxruntime

    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        pytest.skip("this ONNX Runtime has no CUDA: install recast[gpu]")
    if subprocess.run(["nvidia-smi"], capture_output=True, check=False).returncode:
        pytest.skip("this machine has no NVIDIA GPU")


def engine(folder: Path, device: Device) -> InSwapperEngine:
    swapper = stubmodels.inswapper(folder / "inswapper_128.onnx")
    models = Models(
        Detector(OnnxModel(stubmodels.scrfd(folder / "det_10g.onnx"), device, "detector")),
        Recogniser(OnnxModel(stubmodels.arcface(folder / "w600k_r50.onnx"), device, "recogniser"), normalised=False),
        Swapper(OnnxModel(swapper, device, "swapper"), emap_of(swapper)),
    )
    return InSwapperEngine(models, [Pair([("ada.png", scene())], All())])


def used_mib() -> int:
    """Device memory of this process."""
    query = ["nvidia-smi", "--query-compute-apps=pid,used_memory", "--format=csv,noheader,nounits"]
    lines = subprocess.run(query, capture_output=True, text=True, check=True).stdout.splitlines()
    return sum(int(line.split(",")[1]) for line in lines if int(line.split(",")[0]) == os.getpid())


def test_it_gives_what_the_cpu_gives(tmp_path: Path) -> None:
    pictures = [picture_of_image(scene(faces=((300 + 7 * k, 200, 40), (700, 300, 40)))) for k in range(5)]
    cpu, gpu = (engine(tmp_path, Device(provider)) for provider in ("Cpu", "Cuda"))  # type: ignore[arg-type]
    for ours, theirs in zip(cpu.swap(pictures), gpu.swap(pictures), strict=True):
        assert ours.faces_swapped == theirs.faces_swapped > 0
        for a, b in zip(ours.patches, theirs.patches, strict=True):
            for one, other in zip(a.planes, b.planes, strict=True):
                assert np.abs(one.astype(int) - other.astype(int)).max() <= 2


def test_its_answers_do_not_depend_on_how_many_go_together(tmp_path: Path) -> None:
    pictures = [picture_of_image(scene(faces=((300 + 7 * k, 200, 40),))) for k in range(5)]
    gpu = engine(tmp_path, Device("Cuda"))
    together = gpu.swap(pictures)
    alone = [gpu.swap([picture])[0] for picture in pictures]
    for a, b in zip(together, alone, strict=True):
        for one, other in zip(a.patches, b.patches, strict=True):
            assert all(np.array_equal(p, q) for p, q in zip(one.planes, other.planes, strict=True))


def test_its_memory_stays_flat(tmp_path: Path) -> None:
    gpu = engine(tmp_path, Device("Cuda", memory_bytes=2 << 30))
    picture = picture_of_image(scene())
    for _ in range(FRAMES // 20):
        gpu.swap([picture])
    before = used_mib()
    meter = BusyMeter()
    for _ in range(FRAMES):
        gpu.swap([picture])
    meter.stop()
    assert used_mib() - before <= 32
    busy = meter.take()
    assert busy is not None and 0 < busy <= 1
    print(f"{gpu_name()}: busy {100 * busy:.0f} % of the time with stub models")
