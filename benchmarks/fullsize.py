"""ONNX models with the layers of InsightFace's, their weights random: what they cost, without what they know.

A layer takes as long whatever its weights are. `det_10g` is SCRFD-10GF (arXiv 2105.04714, its configuration with
landmarks), `w600k_r50` IResNet-50 (arXiv 1801.07698), `inswapper_128` an encoder, six AdaIN blocks of 1,024 channels
and a decoder: 17.9, 174.2 and 554.2 MB, where the real files have 16.9, 174.4 and 554.3. The detector answers with the
faces that it is built for, moved a little by what its layers make of the picture, so that every layer counts for the
result.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

Array = npt.NDArray[Any]

OPSET = 13
SIDE = 640
KINDS = ("score", "box", "points")


class Net:
    """A graph as it grows.

    Args:
        half: weights, and all that lies between input and output, in half precision.

    Attributes:
        macs: multiplications of its convolutions, for the pictures that it was built for.
    """

    def __init__(self, seed: int, *, half: bool = False) -> None:
        self.macs = 0
        self._rng = np.random.default_rng(seed)
        self._half = half
        self._nodes: list[onnx.NodeProto] = []
        self._weights: list[onnx.TensorProto] = []

    def weight(self, values: Array) -> str:
        """A constant; floats in the graph's precision."""
        if values.dtype == np.float32 and self._half:
            values = values.astype(np.float16)
        name = f"w{len(self._weights)}"
        self._weights.append(numpy_helper.from_array(values, name))
        return name

    def random(self, *shape: int, scale: float = 1.0) -> str:
        """Random weights."""
        return self.weight(self._rng.standard_normal(shape, np.float32) * np.float32(scale))

    def add(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """A node; gives its output's name."""
        name = f"n{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def number(self, value: float) -> str:
        """A constant of one number."""
        return self.weight(np.array(value, np.float32))

    def conv(self, entry: str, channels: tuple[int, int], kernel: int, side: int, stride: int = 1) -> str:
        """A convolution with bias, `side` wide at its output; from so many channels to so many."""
        taken, given = channels
        self.macs += taken * given * kernel * kernel * side * side
        weight = self.random(given, taken, kernel, kernel, scale=(2 / (taken * kernel * kernel)) ** 0.5)
        bias = self.random(given, scale=0.01)
        pad = [kernel // 2] * 4
        return self.add("Conv", entry, weight, bias, kernel_shape=[kernel, kernel], strides=[stride, stride], pads=pad)

    def residual(self, entry: str, channels: tuple[int, int], side: int, stride: int = 1, act: str = "Relu") -> str:
        """Two convolutions beside a way past them."""
        taken, given = channels
        inner = self.add(act, self.conv(entry, (taken, given), 3, side, stride))
        past = entry if taken == given and stride == 1 else self.conv(entry, (taken, given), 1, side, stride)
        half = self.add("Mul", self.conv(inner, (given, given), 3, side), self.number(0.3))
        return self.add("Relu", self.add("Add", half, past))

    def entry(self, name: str) -> str:
        """An input, in the graph's precision."""
        return self.add("Cast", name, to=TensorProto.FLOAT16) if self._half else name

    def save(
        self, path: Path, inputs: dict[str, Sequence[int | str]], outputs: dict[str, tuple[str, Sequence[int | str]]]
    ) -> Path:
        """Write it, with float32 inputs and outputs (name: node, shape)."""
        for name, (node, _) in outputs.items():
            self._nodes.append(helper.make_node("Cast", [node], [name], to=TensorProto.FLOAT))
        entries = [helper.make_tensor_value_info(n, TensorProto.FLOAT, shape) for n, shape in inputs.items()]
        given = [helper.make_tensor_value_info(n, TensorProto.FLOAT, shape) for n, (_, shape) in outputs.items()]
        graph = helper.make_graph(self._nodes, path.stem, entries, given, self._weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
        onnx.save(model, str(path))
        return path


def scrfd(path: Path, answers: Sequence[Array]) -> int:
    """Write det_10g; gives its multiplications for a picture of 640.

    Args:
        path: of the file.
        answers: nine outputs, scores, boxes and landmarks for each of three strides, as the real one gives them.
    """
    net = Net(1)
    x, side = net.entry("input.1"), SIDE // 2
    for taken, given, stride in ((3, 28, 2), (28, 28, 1), (28, 56, 1)):
        x = net.add("Relu", net.conv(x, (taken, given), 3, side, stride))
    x, side, width = net.add("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2]), side // 2, 56
    stages = []
    for number, (blocks, planes) in enumerate(((3, 56), (4, 88), (2, 88), (3, 224))):
        for block in range(blocks):
            stride = 2 if number and not block else 1
            side //= stride
            x, width = net.residual(x, (width, planes), side, stride), planes
        stages.append((x, planes, side))
    pyramid = _pyramid(net, stages[1:])
    outputs: dict[str, tuple[str, Sequence[int | str]]] = {}
    for level, (features, side) in enumerate(pyramid):
        for step in range(3):
            features = net.add("Relu", net.conv(features, (80 if step else 56, 80), 3, side))
        for place, kind in enumerate(KINDS):
            answer = answers[3 * place + level].astype(np.float32)
            width = answer.shape[1]
            found = net.conv(features, (80, 2 * width), 3, side)
            rows = net.add("Transpose", found, perm=[0, 2, 3, 1])
            rows = net.add("Reshape", rows, net.weight(np.array([-1, width], np.int64)))
            little = net.add("Mul", net.add("Tanh", rows), net.number(0.01))
            outputs[f"{kind}{level}"] = (net.add("Add", little, net.weight(answer)), list(answer.shape))
    in_order = {f"{kind}{level}": outputs[f"{kind}{level}"] for kind in KINDS for level in range(3)}
    net.save(path, {"input.1": [1, 3, SIDE, SIDE]}, in_order)
    return net.macs


def _pyramid(net: Net, stages: Sequence[tuple[str, int, int]]) -> list[tuple[str, int]]:
    """PAFPN (arXiv 1803.01534) of 56 channels: down from the coarse to the fine, and up again."""
    sides = [side for _, _, side in stages]
    levels = [net.conv(x, (planes, 56), 1, side) for x, planes, side in stages]
    twice = net.weight(np.array([1, 1, 2, 2], np.float32))
    for level in (1, 0):
        wide = net.add("Resize", levels[level + 1], "", twice, mode="nearest")
        levels[level] = net.add("Add", levels[level], wide)
    levels = [net.conv(x, (56, 56), 3, side) for x, side in zip(levels, sides, strict=True)]
    for level in (1, 2):
        levels[level] = net.add("Add", levels[level], net.conv(levels[level - 1], (56, 56), 3, sides[level], 2))
    outer = [net.conv(x, (56, 56), 3, side) for x, side in zip(levels[1:], sides[1:], strict=True)]
    return list(zip([levels[0], *outer], sides, strict=True))


def arcface(path: Path) -> int:
    """Write w600k_r50; gives its multiplications for a crop."""
    net = Net(2)
    x, side, width = net.add("Relu", net.conv("input.1", (3, 64), 3, 112)), 112, 64
    for blocks, planes in ((3, 64), (4, 128), (14, 256), (3, 512)):
        for block in range(blocks):
            side //= 1 if block else 2
            x, width = net.residual(x, (width, planes), side, 1 if block else 2), planes
    x = net.add("Flatten", x)
    net.macs += 512 * 7 * 7 * 512
    x = net.add("MatMul", x, net.random(512 * 7 * 7, 512, scale=0.01))
    net.save(path, {"input.1": ["n", 3, 112, 112]}, {"embedding": (x, ["n", 512])})
    return net.macs


def inswapper(path: Path, *, half: bool = False) -> int:
    """Write inswapper_128, or its half-precision sibling; gives its multiplications for a crop."""
    net = Net(3, half=half)
    x, style = net.entry("target"), net.entry("source")
    shape, side = (3, 128, 256, 512, 1024), 128
    for place, (taken, given) in enumerate(zip(shape, shape[1:], strict=False)):
        side //= 1 if place < 2 else 2
        x = net.add("LeakyRelu", net.conv(x, (taken, given), 3 if place else 7, side, 1 if place < 2 else 2), alpha=0.2)
    for _ in range(6):
        inner = net.add("Relu", _styled(net, net.conv(x, (1024, 1024), 3, side), style))
        x = net.add("Add", x, _styled(net, net.conv(inner, (1024, 1024), 3, side), style))
    twice = net.add("Cast", net.weight(np.array([1, 1, 2, 2], np.float32)), to=TensorProto.FLOAT)
    for taken, given, larger in ((1024, 512, 2), (512, 256, 2), (256, 128, 1)):
        side *= larger
        wide = net.add("Resize", x, "", twice, mode="linear") if larger > 1 else x
        x = net.add("LeakyRelu", net.conv(wide, (taken, given), 3, side), alpha=0.2)
    shown = net.add("Sigmoid", net.conv(x, (128, 3), 7, side))
    # The last initializer is the way from embeddings to latents.
    net.random(512, 512, scale=512**-0.5)
    net.save(path, {"target": [1, 3, 128, 128], "source": [1, 512]}, {"output": (shown, [1, 3, 128, 128])})
    return net.macs


def _styled(net: Net, x: str, style: str) -> str:
    """Instance normalisation, then scale and shift by the latent (AdaIN, arXiv 1703.06868)."""
    less = net.add("Sub", x, net.add("ReduceMean", x, axes=[2, 3]))
    variance = net.add("ReduceMean", net.add("Mul", less, less), axes=[2, 3])
    normal = net.add("Div", less, net.add("Sqrt", net.add("Add", variance, net.number(1e-5))))
    moved = [
        net.add("Gemm", style, net.random(512, 1024, scale=0.02), net.weight(np.full(1024, about, np.float32)))
        for about in (1.0, 0.0)
    ]
    axes = net.weight(np.array([2, 3], np.int64))
    scale, shift = (net.add("Unsqueeze", each, axes) for each in moved)
    return net.add("Add", net.add("Mul", normal, scale), shift)
