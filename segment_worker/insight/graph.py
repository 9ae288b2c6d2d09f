"""What has to be known of, or done to, a model's ONNX graph before ONNX Runtime runs it."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from recast import names
from recast.errors import BadConfig

Array = npt.NDArray[Any]

_BATCH = "batch"


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


def with_free_batch(model: Any) -> bytes:
    """The model with the first dimension of its inputs and outputs left open; whether it still runs must be tried.

    Constant shapes of Reshape nodes that begin with 1 get 0 there: "as it comes" (ONNX operator Reshape).
    """
    from onnx import ModelProto, numpy_helper

    changed = ModelProto()
    changed.CopyFrom(model)
    graph = changed.graph
    for value in (*graph.input, *graph.output):
        dimensions = value.type.tensor_type.shape.dim
        if dimensions and dimensions[0].dim_value == 1:
            dimensions[0].ClearField("dim_value")
            dimensions[0].dim_param = _BATCH
    # What was worked out for one is wrong for several.
    del graph.value_info[:]
    shapes = {node.input[1] for node in graph.node if node.op_type == "Reshape"}
    for tensor in graph.initializer:
        if tensor.name in shapes:
            shape = numpy_helper.to_array(tensor).copy()
            if len(shape) > 1 and shape[0] == 1:
                shape[0] = 0
                tensor.CopyFrom(numpy_helper.from_array(shape, tensor.name))
    return bytes(changed.SerializeToString())
