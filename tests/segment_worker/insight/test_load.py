from pathlib import Path

import numpy as np
import onnx
import pytest

from recast.errors import BadConfig
from recast.spec import Engine
from segment_worker.insight import emap, load
from segment_worker.insight.emap import emap_of
from segment_worker.insight.graph import last_initializer, load_graph
from segment_worker.insight.onnx_model import Device, OnnxModel
from segment_worker.insight.swapper import Swapper, put_together, taken_apart
from tests import stubmodels

CPU = Device()


def crops(count: int, side: int = 128) -> list[np.ndarray]:
    rng = np.random.default_rng(6)
    return [rng.uniform(0, 255, (side, side, 3)).astype(np.float32) for _ in range(count)]


def swapper(path: Path) -> Swapper:
    return Swapper(OnnxModel(path, CPU, path.name), emap_of(path))


def test_an_emap_is_kept_beside_its_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = stubmodels.inswapper(tmp_path / "inswapper_128.onnx")
    first = emap_of(path)
    monkeypatch.setattr(emap, "load_graph", lambda *_: pytest.fail("it was read again"))
    np.testing.assert_array_equal(emap_of(path), first)


def test_tensorrts_engines_are_kept_by_gpu_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engine(name="InSwapper", models="s3://studio/models", provider="TensorRt", device_memory_mib=3072)
    monkeypatch.setattr(load, "gpu_name", lambda: "NVIDIA L40S/../x")
    device = load.device_of(engine, tmp_path)
    assert device.engine_cache == tmp_path / "tensorrt" / "NVIDIA-L40S----x" and device.engine_cache.is_dir()
    (_, tensor_rt), (_, cuda) = device.providers()
    assert tensor_rt["trt_engine_cache_path"] == str(device.engine_cache)
    assert tensor_rt["trt_max_workspace_size"] == cuda["gpu_mem_limit"] == str(3 << 30)
    monkeypatch.setattr(load, "gpu_name", lambda: None)
    assert load.device_of(engine, tmp_path).engine_cache == tmp_path / "tensorrt" / "gpu"
    assert "gpu_mem_limit" not in Device("Cuda").providers()[0][1]


def test_the_swapper_gets_most_of_the_devices_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {
        "detector": stubmodels.scrfd(tmp_path / "det_10g.onnx"),
        "recogniser": stubmodels.arcface(tmp_path / "w600k_r50.onnx"),
        "swapper": stubmodels.inswapper(tmp_path / "inswapper_128.onnx"),
    }
    given = {}
    real = load.OnnxModel
    monkeypatch.setattr(
        load, "OnnxModel", lambda path, device, role: given.update({role: device.memory_bytes}) or real(path, CPU, role)
    )
    load.load_models(Engine(name="InSwapper", models="s3://studio/m", provider="Cuda", device_memory_mib=3072), files)  # type: ignore[arg-type]
    assert {role: size >> 20 for role, size in given.items()} == {"detector": 512, "recogniser": 512, "swapper": 2048}


def test_a_crop_taken_apart_is_put_together_again() -> None:
    (crop,) = crops(1, 512)
    tiles = taken_apart(crop, 4)
    assert tiles.shape == (16, 128, 128, 3)
    np.testing.assert_array_equal(tiles[1 * 4 + 2], crop[1::4, 2::4])
    np.testing.assert_array_equal(put_together(tiles, 4), crop)


def test_a_boosted_face_keeps_its_detail(tmp_path: Path) -> None:
    one = swapper(stubmodels.inswapper(tmp_path / "inswapper_128.onnx"))
    fine = one.swap(crops(1, 512)[0], one.latent(np.ones(512, np.float32)))
    assert fine.shape == (512, 512, 3) and fine.min() >= 0 and fine.max() <= 1


@pytest.mark.parametrize(
    ("role", "make", "says"),
    [
        ("detector", stubmodels.arcface, "a SCRFD with landmarks has nine"),
        ("recogniser", stubmodels.inswapper, "not an ArcFace model"),
        ("swapper", stubmodels.arcface, "not an inswapper_128"),
    ],
)
def test_a_model_in_anothers_place_is_named(role: str, make: object, says: str, tmp_path: Path) -> None:
    files = {
        "detector": stubmodels.scrfd(tmp_path / "det_10g.onnx"),
        "recogniser": stubmodels.arcface(tmp_path / "w600k_r50.onnx"),
        "swapper": stubmodels.inswapper(tmp_path / "inswapper_128.onnx"),
    }
    files[role] = make(tmp_path / "wrong.onnx")  # type: ignore[operator]
    engine = Engine(name="InSwapper", models="s3://studio/models", provider="Cpu")
    with pytest.raises(BadConfig, match=says):
        load.load_models(engine, files)  # type: ignore[arg-type]


@pytest.mark.parametrize("data", [b"", b"not a model", bytes(1000)])
def test_what_is_no_model_is_refused(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.onnx"
    path.write_bytes(data)
    with pytest.raises(BadConfig, match=r"a\.onnx"):
        OnnxModel(path, CPU, path.name)
    with pytest.raises(BadConfig, match=r"a\.onnx"):
        last_initializer(load_graph(path, path.name), path.name)


def test_weights_in_other_files_are_not_followed(tmp_path: Path) -> None:
    path = stubmodels.arcface(tmp_path / "inside.onnx")
    outside = tmp_path / "outside.onnx"
    onnx.save(onnx.load(str(path)), str(outside), save_as_external_data=True, location="weights.bin", size_threshold=0)
    with pytest.raises(BadConfig, match="its weights are in other files"):
        load_graph(outside, "outside.onnx")
