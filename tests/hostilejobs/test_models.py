"""Models that are no models, and stores of them that name what is outside."""

import hashlib
import json
import pickle
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import TensorProto, helper

from controller.stages.contentcheck import load_model
from recast import modelstore
from recast.errors import BadConfig
from recast.modelstore import cached, file_uri, read_manifest
from recast.storage.storage import Storage
from segment_worker.insight.onnx_model import Device, OnnxModel

OUTSIDE = ["../../etc/passwd", "/etc/passwd", "..", "a/b", "", 63 * "a", 64 * "A", 64 * "a" + "\n", "a" * 64 + "/.."]


@pytest.mark.parametrize("sha256", OUTSIDE)
def test_a_manifest_that_names_a_path_is_none(sha256: str, storage: Storage, prefix: str) -> None:
    file = {"name": "det_10g.onnx", "sha256": sha256, "size": 1, "licence": "x"}
    storage.put(f"{prefix}models.json", json.dumps({"version": 1, "files": [file]}).encode())
    with pytest.raises(BadConfig, match="not a model store's manifest"):
        read_manifest(storage, prefix)


@pytest.mark.parametrize("sha256", OUTSIDE)
def test_a_plan_that_names_a_path_writes_none(sha256: str, storage: Storage, prefix: str, tmp_path: Path) -> None:
    folder = tmp_path / "node" / "cache"
    folder.mkdir(parents=True)
    with pytest.raises(BadConfig, match="no sha256"):
        cached(storage, prefix, "detector", sha256, folder)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_model_of_other_bytes_than_its_name_is_not_kept(storage: Storage, prefix: str, tmp_path: Path) -> None:
    wanted = hashlib.sha256(b"the model").hexdigest()
    storage.put(file_uri(prefix, wanted), b"another")
    with pytest.raises(BadConfig, match="sha256"):
        cached(storage, prefix, "detector", wanted, tmp_path)
    assert list(tmp_path.glob(f"*{modelstore.SUFFIX}")) == []


def graph_with_weights_at(location: str) -> bytes:
    """A content model whose weights are said to be in another file."""
    weight = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[3], data_location=TensorProto.EXTERNAL)
    weight.external_data.add(key="location", value=location)
    shape = [1, 3, 8, 8]
    nodes = [helper.make_node("ReduceMean", ["x"], ["y"], keepdims=0), helper.make_node("Add", ["y", "w"], ["z"])]
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, [3])], [weight],
    )  # fmt: skip
    model: bytes = helper.make_model(
        graph, ir_version=9, opset_imports=[helper.make_opsetid("", 17)]
    ).SerializeToString()
    return model


class _Runs:
    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("pwned"),))


def no_models(folder: Path) -> dict[str, bytes]:
    outside = folder / "weights.bin"
    outside.write_bytes(12 * b"\1")
    return {
        "absolute": graph_with_weights_at(str(outside)),
        "climbing": graph_with_weights_at("../weights.bin"),
        "climbing-far": graph_with_weights_at("../../../../../../../../../../etc/passwd"),
        "device": graph_with_weights_at("/dev/zero"),
        "beside": graph_with_weights_at("weights.bin"),
        "pickle": pickle.dumps(_Runs()),
        "html": b"<html>not found</html>",
        "empty": b"",
        "cut": graph_with_weights_at("a")[:-30],
        "zeros": bytes(1 << 20),
        "elf": b"\x7fELF" + bytes(100),
    }


@pytest.mark.parametrize(
    "name",
    sorted(
        ["absolute", "beside", "climbing", "climbing-far", "cut", "device", "elf", "empty", "html", "pickle", "zeros"]
    ),
)
def test_what_is_no_model_is_refused_and_nothing_is_run(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    data = no_models(tmp_path)[name]
    with pytest.raises(BadConfig, match=r"contentCheck\.model"):
        load_model(data, "s3://studio/m.onnx")
    path = tmp_path / "cache" / "model.onnx"
    path.parent.mkdir()
    path.write_bytes(data)
    with pytest.raises(BadConfig):
        OnnxModel(path, Device(), "detector")
    assert not Path("pwned").exists()


def test_weights_behind_a_link_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret.bin").write_bytes(12 * b"\1")
    folder = tmp_path / "cache"
    folder.mkdir()
    (folder / "weights.bin").symlink_to(tmp_path / "secret.bin")
    path = folder / "model.onnx"
    path.write_bytes(graph_with_weights_at("weights.bin"))
    assert onnx.load(str(path), load_external_data=False).graph.initializer[0].data_location == TensorProto.EXTERNAL
    with pytest.raises(BadConfig):
        OnnxModel(path, Device(), "detector")
