"""ONNX models with the signatures of InsightFace's, small, and really computing from what they are given.

A wrong order of channels, normalisation, alignment or latent shows in what they answer. They know a face by its colour:
a red patch on gray is one.
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

Array = npt.NDArray[np.float32]

FACE_BGR = (40, 60, 235)
"""The colour that the detector takes for a face."""
OPSET = 13
# Around an anchor, in units of the face's half width.
LANDMARKS = ((-0.35, -0.25), (0.35, -0.3), (0.02, 0.05), (-0.28, 0.42), (0.3, 0.4))


def scrfd(path: Path, *, batched: bool = False, levels: tuple[int, ...] = (1,)) -> Path:
    """A detector: nine outputs, two anchors a cell, for pictures of any size that is a multiple of 32.

    Args:
        path: of the file.
        batched: whether its outputs have a batch of one in front.
        levels: which strides see a face; with several, a patch is several faces.
    """
    rng = np.random.default_rng(1)
    nodes, weights, outputs = [], [], []
    for level, stride in enumerate((8, 16, 32)):
        nodes.append(
            helper.make_node(
                "AveragePool", ["image"], [f"cells{level}"], kernel_shape=[stride, stride], strides=[stride, stride]
            )
        )
        half = (4.0, 5.0, 6.0)[level]
        kinds: list[tuple[str, Array, Array]] = [
            ("score", *_score(level, level in levels)),
            ("box", _rows(rng, 8), np.full(8, half, np.float32)),
            (
                "points",
                _rows(rng, 20),
                np.array([half * v for _ in range(2) for xy in LANDMARKS for v in xy], np.float32),
            ),
        ]
        for kind, weight, bias in kinds:
            nodes += _head(f"{kind}{level}", f"cells{level}", weight, bias, weights, batched=batched)
    for kind, width in (("score", 1), ("box", 4), ("points", 10)):
        for level in range(3):
            shape = ["n", None, width] if batched else [None, width]
            outputs.append(helper.make_tensor_value_info(f"{kind}{level}", TensorProto.FLOAT, shape))
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, "height", "width"])
    return _save(path, nodes, [image], outputs, weights)


def arcface(path: Path, *, mxnet: bool = False) -> Path:
    """A recogniser: a crop of 112 in, 512 numbers out; from MXNet with its own normalisation."""
    rng = np.random.default_rng(2)
    matrix = rng.normal(size=(3 * 14 * 14, 512)).astype(np.float32) / 8
    weights = [numpy_helper.from_array(matrix, "matrix")]
    nodes, entry = [], "input.1"
    if mxnet:
        weights += [
            numpy_helper.from_array(np.array([127.5], np.float32), "mean"),
            numpy_helper.from_array(np.array([1 / 128], np.float32), "scale"),
        ]
        nodes = [
            helper.make_node("Sub", [entry, "mean"], ["less"], name="_minusscalar0"),
            helper.make_node("Mul", ["less", "scale"], ["normal"], name="_mulscalar0"),
        ]
        entry = "normal"
    nodes += [
        helper.make_node("AveragePool", [entry], ["cells"], kernel_shape=[8, 8], strides=[8, 8]),
        helper.make_node("Flatten", ["cells"], ["flat"]),
        helper.make_node("MatMul", ["flat", "matrix"], ["embedding"]),
    ]
    image = helper.make_tensor_value_info("input.1", TensorProto.FLOAT, [None, 3, 112, 112])
    out = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, [None, 512])
    return _save(path, nodes, [image], [out], weights)


def inswapper(path: Path, *, half: bool = False) -> Path:
    """A swapper: a crop of 128 and a latent in, a crop out; the emap is its last initializer.

    Args:
        path: of the file.
        half: its emap in half precision, as in inswapper_128_fp16.
    """
    rng = np.random.default_rng(3)
    style = rng.normal(size=(512, 3 * 16 * 16)).astype(np.float32) / 6
    mix = np.array([[0.5, 0.1, 0.0], [0.05, 0.6, 0.1], [0.0, 0.1, 0.4]], np.float32)[..., None, None]
    emap = rng.normal(size=(512, 512)).astype(np.float16 if half else np.float32)
    weights = [
        numpy_helper.from_array(style, "style"),
        numpy_helper.from_array(mix, "mix"),
        numpy_helper.from_array(np.array([1, 3, 16, 16], np.int64), "grid"),
        numpy_helper.from_array(np.array([1, 1, 8, 8], np.float32), "times"),
        numpy_helper.from_array(np.array([0.25], np.float32), "quarter"),
        numpy_helper.from_array(emap, "emap"),
    ]
    nodes = [
        helper.make_node("MatMul", ["source", "style"], ["styled"]),
        helper.make_node("Sigmoid", ["styled"], ["shown"]),
        helper.make_node("Reshape", ["shown", "grid"], ["small"]),
        helper.make_node("Resize", ["small", "", "times"], ["face"], mode="linear"),
        helper.make_node("Mul", ["face", "quarter"], ["part"]),
        helper.make_node("Conv", ["target", "mix"], ["mixed"]),
        helper.make_node("Add", ["mixed", "part"], ["output"]),
    ]
    entries = [
        helper.make_tensor_value_info("target", TensorProto.FLOAT, [1, 3, 128, 128]),
        helper.make_tensor_value_info("source", TensorProto.FLOAT, [1, 512]),
    ]
    out = helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, 3, 128, 128])
    return _save(path, nodes, entries, [out], weights)


def content(path: Path, *, side: int | str = 8, channels: int = 3, numbers: int = 1) -> Path:
    """A content check: how much more red than green there is in the right half of the picture.

    Args:
        path: of the file.
        side: of the picture that it takes; a name leaves it open.
        channels: of that picture.
        numbers: how many it gives.
    """
    weights = [
        numpy_helper.from_array(np.array([[[[1.0]], [[-1.0]], [[0.0]]]], np.float32), "red"),
        *(numpy_helper.from_array(np.array([value], np.int64), name) for name, value in (("to", -1), ("last", 3))),
        numpy_helper.from_array(np.array([9999], np.int64), "end"),
        numpy_helper.from_array(np.array([1, numbers], np.int64), "tiles"),
        numpy_helper.from_array(np.array([4], np.int64), "half"),
    ]
    nodes = [
        helper.make_node("Conv", ["picture", "red"], ["redness"]),
        helper.make_node("Slice", ["redness", "half", "end", "last"], ["right"]),
        helper.make_node("ReduceMean", ["right"], ["mean"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Unsqueeze", ["mean", "to"], ["one"]),
        helper.make_node("Tile", ["one", "tiles"], ["score"]),
    ]
    entry = helper.make_tensor_value_info("picture", TensorProto.FLOAT, [None, channels, side, side])
    output = helper.make_tensor_value_info("score", TensorProto.FLOAT, [None, numbers])
    return _save(path, nodes, [entry], [output], weights)


def xseg(path: Path, *, side: int = 64) -> Path:
    """An occlusion model: what is bright blue is before the face."""
    weights = [
        numpy_helper.from_array(np.array([0], np.int64), "first"),
        numpy_helper.from_array(np.array([1], np.int64), "second"),
        numpy_helper.from_array(np.array([3], np.int64), "last"),
        numpy_helper.from_array(np.array([-20.0], np.float32), "steep"),
        numpy_helper.from_array(np.array([14.5], np.float32), "middle"),
    ]
    nodes = [
        helper.make_node("Slice", ["input", "first", "second", "last"], ["blue"]),
        helper.make_node("Mul", ["blue", "steep"], ["falling"]),
        helper.make_node("Add", ["falling", "middle"], ["mask"]),
    ]
    entry = helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, side, side, 3])
    output = helper.make_tensor_value_info("mask", TensorProto.FLOAT, [1, side, side, 1])
    return _save(path, nodes, [entry], [output], weights)


def _score(level: int, sees: bool) -> tuple[Array, Array]:
    """Red minus the rest, above a limit; the second anchor a little less sure."""
    limit = np.array([-1.3, -1.4], np.float32) - (0 if sees else 9)
    row = np.array([2.2, -1.2, -1.0], np.float32) * (1.0, 0.97, 0.9)[level]
    return np.stack([row, row * np.float32(0.95)])[..., None, None], limit.astype(np.float32)


def _rows(rng: np.random.Generator, count: int) -> Array:
    return (rng.normal(size=(count, 3, 1, 1)) * 0.15).astype(np.float32)


def _head(
    name: str, entry: str, weight: Array, bias: Array, weights: list[onnx.TensorProto], *, batched: bool
) -> list[onnx.NodeProto]:
    """One output: a 1x1 convolution, its channels laid out anchor by anchor."""
    width = len(bias) // 2
    shape = [0, -1, width] if batched else [-1, width]
    weights += [
        numpy_helper.from_array(weight, f"{name}.weight"),
        numpy_helper.from_array(bias, f"{name}.bias"),
        numpy_helper.from_array(np.array(shape, np.int64), f"{name}.shape"),
    ]
    last = f"{name}.rows" if "score" in name else name
    nodes = [
        helper.make_node("Conv", [entry, f"{name}.weight", f"{name}.bias"], [f"{name}.map"]),
        helper.make_node("Transpose", [f"{name}.map"], [f"{name}.turned"], perm=[0, 2, 3, 1]),
        helper.make_node("Reshape", [f"{name}.turned", f"{name}.shape"], [last]),
    ]
    if "score" in name:
        nodes.append(helper.make_node("Sigmoid", [last], [name]))
    return nodes


def _save(
    path: Path,
    nodes: list[onnx.NodeProto],
    entries: list[onnx.ValueInfoProto],
    outputs: list[onnx.ValueInfoProto],
    weights: list[onnx.TensorProto],
) -> Path:
    graph = helper.make_graph(nodes, path.stem, entries, outputs, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
    return path
