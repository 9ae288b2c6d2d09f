"""What is laid out as an ONNX model, and what is not: held against onnx' own files."""

import io

import onnx
import pytest
from onnx import TensorProto, helper

from recast.onnxheads import is_onnx


def model() -> bytes:
    shape = [1, 3, 8, 8]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in "xy"]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", values[:1], values[1:])
    made: bytes = helper.make_model(graph, producer_name="x" * 300, ir_version=9).SerializeToString()
    return made


def test_a_model_is_one_and_what_is_cut_off_anywhere_or_goes_on_is_none() -> None:
    whole = model()
    onnx.checker.check_model(onnx.load_from_string(whole))
    assert is_onnx(io.BytesIO(whole))
    # An attribute of the model may be left out at its end: what remains is a model.
    even = [length for length in range(len(whole)) if is_onnx(io.BytesIO(whole[:length]))]
    assert all(onnx.load_from_string(whole[:length]).graph.node for length in even) and len(even) <= 1
    assert not is_onnx(io.BytesIO(whole + b"\0"))


@pytest.mark.parametrize(
    "data",
    [b"", b"\x89PNG\r\n\x1a\n" + bytes(50), b"<html>", bytes(100), b"\x08\x08", b"\xff" * 30, b"\x7fELF" + bytes(100)],
    ids=["empty", "picture", "html", "zeros", "no graph", "no end", "program"],
)
def test_what_is_no_model_is_told_by_its_layout(data: bytes) -> None:
    assert not is_onnx(io.BytesIO(data))
