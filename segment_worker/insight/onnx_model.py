"""One ONNX model in ONNX Runtime: on the device that was asked for, or not at all."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from recast import names
from recast.errors import BadConfig
from segment_worker.arrays import Array
from segment_worker.gpu import OutOfDeviceMemory

Provider = Literal["Cpu", "Cuda", "TensorRt"]

ON_CPU = "ask for engine.provider Cpu (--provider cpu)"
_PROVIDERS: dict[Provider, str] = {
    "Cpu": "CPUExecutionProvider",
    "Cuda": "CUDAExecutionProvider",
    "TensorRt": "TensorrtExecutionProvider",
}
_TYPES: dict[str, type[np.generic]] = {"tensor(float)": np.float32, "tensor(float16)": np.float16}
FATAL = 4
# A device does one thing at a time, and ONNX Runtime keeps memory on it for each thread that asks.
_DEVICE_THREAD = ThreadPoolExecutor(1, thread_name_prefix="device")
# ONNX Runtime has no type of its own for it.
_NO_MEMORY = ("failed to allocate memory", "out of memory", "out_of_memory", "bfc_arena")


@dataclass(frozen=True)
class Device:
    """Where models run.

    Attributes:
        provider: Cpu, Cuda or TensorRt.
        memory_bytes: the most that each model's arena, and TensorRT's workspace, may take of the device; 0: no limit.
        engine_cache: where TensorRT keeps the engines that it builds.
    """

    provider: Provider = "Cpu"
    memory_bytes: int = 0
    engine_cache: Path | None = None

    def providers(self) -> list[tuple[str, dict[str, str]]]:
        """As ONNX Runtime wants them; TensorRT leaves what it cannot do to CUDA."""
        cuda = {
            # The others choose by measuring, and so differ from run to run.
            "cudnn_conv_algo_search": "HEURISTIC",
            # Else the choice depends on how much memory is free.
            "cudnn_conv_use_max_workspace": "0",
            # As InsightFace's own sessions have it: without, swapping takes 13 times as long.
            "use_tf32": "1",
            "prefer_nhwc": "1",
            "arena_extend_strategy": "kSameAsRequested",
        }
        if self.memory_bytes:
            cuda["gpu_mem_limit"] = str(self.memory_bytes)
        tensor_rt = {"trt_engine_cache_enable": "1", "trt_timing_cache_enable": "1"}
        if self.memory_bytes:
            tensor_rt |= {"trt_max_workspace_size": str(self.memory_bytes)}
        if self.engine_cache is not None:
            tensor_rt |= {"trt_engine_cache_path": str(self.engine_cache)}
        match self.provider:
            case "Cpu":
                return [(_PROVIDERS["Cpu"], {})]
            case "Cuda":
                return [(_PROVIDERS["Cuda"], cuda)]
            case "TensorRt":
                return [(_PROVIDERS["TensorRt"], tensor_rt), (_PROVIDERS["Cuda"], cuda)]


@dataclass(frozen=True)
class Entry:
    """An input or output: its name, its shape (None where it is free) and its type."""

    name: str
    shape: tuple[int | None, ...]
    dtype: type[np.generic]


class OnnxModel:
    """A loaded model. Threads may call it at the same time: on a CPU it runs in theirs, on a device in turn.

    Args:
        model: its file, or its bytes.
        device: where it is to run.
        name: for messages.

    Raises:
        BadConfig: it is no ONNX model, the runtime is missing, or the device is not there: ONNX Runtime itself would
            go on silently on the CPU.
    """

    def __init__(self, model: Path | bytes, device: Device, name: str) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise BadConfig(
                "ONNX Runtime is missing: install recast[cpu] or recast[gpu]", reason=names.MISSING_MODEL
            ) from error
        # What it complains of is raised, or is no matter: cuDNN not having one of several ways, in half precision.
        onnxruntime.set_default_logger_severity(FATAL)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = FATAL
        # Results must not depend on the machine's cores; the pipeline has threads of its own.
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.use_deterministic_compute = True
        if device.provider != "Cpu":
            onnxruntime.preload_dlls()
        wanted = _PROVIDERS[device.provider]
        if wanted not in onnxruntime.get_available_providers():
            raise BadConfig(
                f"{name}: {wanted} is not in this ONNX Runtime: use the GPU image or the extra gpu, or {ON_CPU}",
                reason=names.MISSING_MODEL,
            )
        try:
            source = model if isinstance(model, bytes) else str(model)
            self._session: Any = onnxruntime.InferenceSession(source, options, providers=device.providers())
        except Exception as error:
            # Of no common class; a file that is none and a GPU that is full look alike to it.
            raise _refusal(name, error) from error
        active = self._session.get_providers()[0]
        if active != wanted:
            raise BadConfig(
                f"{name}: {wanted} does not start on this node, only {active}: see the node's GPU driver, or {ON_CPU}",
                reason=names.MISSING_MODEL,
            )
        self.name = name
        self._on_device = device.provider != "Cpu"
        self.inputs = [_entry(each) for each in self._session.get_inputs()]
        self.outputs = [_entry(each) for each in self._session.get_outputs()]

    def __call__(self, *values: Array) -> list[Array]:
        """Run it on its inputs in their order; gives float32 outputs in theirs.

        Raises:
            OutOfDeviceMemory: the device's memory is full.
            BadConfig: the model does not take these inputs.
        """
        feeds = {
            entry.name: np.ascontiguousarray(value, entry.dtype)
            for entry, value in zip(self.inputs, values, strict=True)
        }
        outputs = _DEVICE_THREAD.submit(self._run, feeds).result() if self._on_device else self._run(feeds)
        return [np.asarray(output, np.float32) for output in outputs]

    def _run(self, feeds: Mapping[str, Array]) -> Sequence[Array]:
        binding = self._session.io_binding()
        for name, value in feeds.items():
            binding.bind_cpu_input(name, value)
        for entry in self.outputs:
            binding.bind_output(entry.name)
        try:
            self._session.run_with_iobinding(binding)
            outputs: Sequence[Array] = binding.copy_outputs_to_cpu()
        except Exception as error:
            raise _refusal(self.name, error) from error
        return outputs


def _entry(found: Any) -> Entry:
    shape = tuple(size if isinstance(size, int) and size > 0 else None for size in found.shape)
    return Entry(found.name, shape, _TYPES.get(found.type, np.float32))


def _refusal(name: str, error: Exception) -> Exception:
    text = " ".join(str(error).split())[:500]
    if any(word in text.lower() for word in _NO_MEMORY):
        return OutOfDeviceMemory(
            f"{name}: the device's memory is full: {text}: run fewer pods on a GPU, or raise engine.deviceMemoryMib"
        )
    return BadConfig(
        f"{name}: ONNX Runtime refuses the model: {text}: see that it is the right file", reason=names.MISSING_MODEL
    )
