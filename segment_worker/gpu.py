"""The GPU of this pod: its name, how busy it is (by NVML, NVIDIA's management library), and that it is full."""

import threading
from collections.abc import Callable
from typing import Any

from recast.errors import Transient

BUSY_SECONDS = 0.5


class OutOfDeviceMemory(Transient):
    """The device's memory is full, for now: others use it, too."""


def gpu_name() -> str | None:
    """The GPU's model, "NVIDIA L4"; None where there is none to be seen."""
    nvml = _nvml()
    if nvml is None:
        return None
    try:
        name = nvml.nvmlDeviceGetName(nvml.nvmlDeviceGetHandleByIndex(0))
    except nvml.NVMLError:
        return None
    return name.decode() if isinstance(name, bytes) else str(name)


def gpu_busy() -> float | None:
    """The share of the last moment in which the GPU was at work, 0..1; None where it cannot be known."""
    nvml = _nvml()
    if nvml is None:
        return None
    try:
        return float(nvml.nvmlDeviceGetUtilizationRates(nvml.nvmlDeviceGetHandleByIndex(0)).gpu) / 100
    except nvml.NVMLError:
        return None


class BusyMeter:
    """Asks now and then how busy the GPU is, from a thread of its own; none is started where there is no GPU.

    Args:
        read: gives the share, or None.
        every: seconds between two readings.
    """

    def __init__(self, read: Callable[[], float | None] = gpu_busy, every: float = BUSY_SECONDS) -> None:
        self._read, self._every = read, every
        self._readings: list[float] = []
        self._stopped = threading.Event()
        if read() is not None:
            threading.Thread(target=self._measure, name="gpu busy", daemon=True).start()

    def take(self) -> float | None:
        """The mean since it was last taken; None where there is no reading."""
        readings, self._readings = self._readings, []
        return sum(readings) / len(readings) if readings else None

    def stop(self) -> None:
        """Measure no more."""
        self._stopped.set()

    def _measure(self) -> None:
        while not self._stopped.wait(self._every):
            reading = self._read()
            if reading is not None:
                self._readings.append(reading)


def _nvml() -> Any:
    """NVML's binding, ready; None where it or the driver is missing."""
    try:
        import pynvml
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    return pynvml
