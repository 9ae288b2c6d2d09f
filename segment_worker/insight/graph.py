"""What has to be known of a model's ONNX graph before ONNX Runtime runs it."""

from pathlib import Path
from typing import Any

import numpy as np

from recast import names
from recast.errors import BadConfig
from segment_worker.arrays import Array


def load_graph(path: Path, name: str) -> Any:
    """Read a model, without the files that it may name beside itself.

    Raises:
        BadConfig: it is no ONNX model, or its weights are in other files.
    """
    try:
        import onnx
        from google.protobuf.message import DecodeError
    except ImportError as error:
        raise BadConfig("onnx is missing: install recast[cpu] or recast[gpu]", reason=names.MISSING_MODEL) from error
    try:
        model = onnx.load(str(path), load_external_data=False)
    except (DecodeError, OSError, ValueError) as error:
        raise BadConfig(f"{name}: not an ONNX model: {error}", reason=names.MISSING_MODEL) from error
    if any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in model.graph.initializer):
        raise BadConfig(
            f"{name}: its weights are in other files: save it as one file (onnx.save with save_as_external_data off)",
            reason=names.MISSING_MODEL,
        )
    return model


def last_initializer(model: Any, name: str) -> Array:
    """The last initializer: inswapper's emap.

    Raises:
        BadConfig: there is none.
    """
    from onnx import numpy_helper

    if not model.graph.initializer:
        raise BadConfig(f"{name}: it has no weights: give inswapper_128.onnx", reason=names.MISSING_MODEL)
    return np.asarray(numpy_helper.to_array(model.graph.initializer[-1]))


def normalises_itself(model: Any) -> bool:
    """Whether an ArcFace model brings its own mean and deviation: a Sub and a Mul among its first nodes."""
    first = [node.name for node in model.graph.node[:8]]
    return any(name.startswith(("Sub", "_minus")) for name in first) and any(
        name.startswith(("Mul", "_mul")) for name in first
    )
