"""What is asked of NVIDIA's library; a stand-in of it, since the tests' machine has no such GPU."""

import sys
import time
from types import SimpleNamespace
from typing import Any

import pytest

from segment_worker.gpu import BusyMeter, gpu_busy, gpu_name


class NVMLError(Exception):
    pass


def nvml(monkeypatch: pytest.MonkeyPatch, **functions: Any) -> None:
    def none(*_: object) -> None:
        raise NVMLError("no driver")

    calls = {"nvmlInit": lambda: None, "nvmlDeviceGetHandleByIndex": lambda index: index} | functions
    names = ("nvmlInit", "nvmlDeviceGetHandleByIndex", "nvmlDeviceGetName", "nvmlDeviceGetUtilizationRates")
    stand_in = SimpleNamespace(NVMLError=NVMLError, **{name: calls.get(name, none) for name in names})
    monkeypatch.setitem(sys.modules, "pynvml", stand_in)


def test_without_driver_or_library_nothing_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    nvml(monkeypatch)
    assert gpu_name() is None and gpu_busy() is None
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert gpu_name() is None and gpu_busy() is None
    meter = BusyMeter()
    assert meter.take() is None


@pytest.mark.parametrize("name", ["NVIDIA L4", b"NVIDIA L4"])
def test_a_gpu_has_a_name(name: object, monkeypatch: pytest.MonkeyPatch) -> None:
    nvml(monkeypatch, nvmlDeviceGetName=lambda _: name)
    assert gpu_name() == "NVIDIA L4"


def test_how_busy_it_is_is_a_share(monkeypatch: pytest.MonkeyPatch) -> None:
    nvml(monkeypatch, nvmlDeviceGetUtilizationRates=lambda _: SimpleNamespace(gpu=87, memory=5))
    assert gpu_busy() == 0.87


def test_the_meter_gives_the_mean_since_it_was_taken() -> None:
    readings = iter([0.0, 0.5, 1.0])
    meter = BusyMeter(lambda: next(readings, None), every=0.001)
    deadline = time.monotonic() + 10
    while len(meter._readings) < 2 and time.monotonic() < deadline:
        time.sleep(0.005)
    assert meter.take() == 0.75
    assert meter.take() is None
    meter.stop()
