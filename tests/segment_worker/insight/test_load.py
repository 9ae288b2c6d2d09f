from pathlib import Path

import numpy as np
import onnx
import pytest

from recast.errors import BadConfig
from recast.spec import Engine
from segment_worker.engines.base import OutOfDeviceMemory
from segment_worker.insight import load, prepared
from segment_worker.insight.graph import last_initializer, load_graph
from segment_worker.insight.onnx_model import Device, OnnxModel
from segment_worker.insight.prepared import Verdicts, emap_of, open_batch
from segment_worker.insight.swapper import Swapper, put_together, taken_apart
from tests import stubmodels

CPU = Device()


def crops(count: int, side: int = 128) -> list[np.ndarray]:
    rng = np.random.default_rng(6)
    return [rng.uniform(0, 255, (side, side, 3)).astype(np.float32) for _ in range(count)]


def swapper(path: Path, *, batch: int = 1) -> Swapper:
    if batch == 1:
        return Swapper(OnnxModel(path, CPU, path.name), emap_of(path))
    found = load.free_swapper(open_batch(path), CPU, emap_of(path), batch)
    assert found is not None
    return found


def latents(of: Swapper, count: int) -> list[np.ndarray]:
    rng = np.random.default_rng(7)
    return [of.latent(rng.normal(size=512).astype(np.float32)) for _ in range(count)]


@pytest.mark.parametrize("batch", [3, 16])
@pytest.mark.parametrize("side", [128, 256])
def test_a_graph_whose_batch_is_left_open_gives_the_same(batch: int, side: int, tmp_path: Path) -> None:
    path = stubmodels.inswapper(tmp_path / "inswapper_128.onnx")
    one, many = swapper(path), swapper(path, batch=batch)
    assert many.batch == batch and load.is_same(one, many)
    faces, people = crops(5, side), latents(one, 5)
    for a, b in zip(one.swap(faces, people), many.swap(faces, people), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_a_graph_that_mixes_its_batch_is_run_one_by_one(tmp_path: Path) -> None:
    path = stubmodels.inswapper(tmp_path / "inswapper_128.onnx", free=False)
    assert not load.is_same(swapper(path), swapper(path, batch=4))


def test_on_a_cpu_faces_go_one_by_one(tmp_path: Path) -> None:
    path = stubmodels.inswapper(tmp_path / "inswapper_128.onnx")
    assert load.load_swapper(path, CPU, 8).batch == 1


@pytest.mark.parametrize("free", [True, False])
def test_a_graph_is_opened_and_tried_once_for_all_pods(
    free: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = stubmodels.inswapper(tmp_path / "inswapper_128.onnx", free=free)
    tried, opened = [], []
    is_same, open_graph = load.is_same, prepared.with_free_batch
    monkeypatch.setattr(load, "is_same", lambda *pair: tried.append(1) or is_same(*pair))
    monkeypatch.setattr(prepared, "with_free_batch", lambda graph: opened.append(1) or open_graph(graph))
    for _ in range(3):
        found = load.several_at_once(path, CPU, emap_of(path), 4)
        assert (found is not None) == free
        assert found is None or found.batch == 4
    assert (len(tried), len(opened)) == (1, 1)
    load.several_at_once(path, CPU, emap_of(path), 5)
    assert len(tried) == 2


def test_what_was_prepared_and_then_damaged_is_made_anew(tmp_path: Path) -> None:
    path = stubmodels.inswapper(tmp_path / "inswapper_128.onnx")
    made, emap = open_batch(path), emap_of(path)
    whole = made.read_bytes()
    made.write_bytes(whole[:-20] + bytes(20))
    assert open_batch(path) == made and made.read_bytes() == whole
    np.testing.assert_array_equal(emap_of(path), emap)
    verdicts = Verdicts(path)
    verdicts.path.write_text("{")
    assert verdicts.of("x") is None
    verdicts.note("x", True)
    verdicts.note("y", False)
    assert (verdicts.of("x"), verdicts.of("y"), verdicts.of("z")) == (True, False, None)


def test_a_device_too_full_for_the_whole_batch_gets_smaller_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = stubmodels.inswapper(tmp_path / "inswapper_128.onnx")
    swap = Swapper.swap

    def full(self: Swapper, *given: object) -> object:
        if self.batch > 2:
            raise OutOfDeviceMemory("the device's memory is full")
        return swap(self, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(Swapper, "swap", full)
    found = load.several_at_once(path, CPU, emap_of(path), 8)
    assert found is not None and found.batch == 2


def test_tensorrts_engines_are_kept_by_gpu_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engine(name="InSwapper", models="s3://studio/models", provider="TensorRt", device_memory_mib=3072)
    monkeypatch.setattr(load, "gpu_name", lambda: "NVIDIA L40S/../x")
    device = load.device_of(engine, tmp_path)
    assert device.engine_cache == tmp_path / "tensorrt" / "NVIDIA-L40S----x" and device.engine_cache.is_dir()
    (_, tensor_rt), (_, cuda) = device.providers()
    assert tensor_rt["trt_engine_cache_path"] == str(device.engine_cache)
    assert tensor_rt["trt_max_workspace_size"] == cuda["gpu_mem_limit"] == str(1 << 30)
    monkeypatch.setattr(load, "gpu_name", lambda: None)
    assert load.device_of(engine, tmp_path).engine_cache == tmp_path / "tensorrt" / "gpu"
    assert "gpu_mem_limit" not in Device("Cuda").providers()[0][1]


def test_a_crop_taken_apart_is_put_together_again() -> None:
    (crop,) = crops(1, 512)
    tiles = taken_apart(crop, 4)
    assert tiles.shape == (16, 128, 128, 3)
    np.testing.assert_array_equal(tiles[1 * 4 + 2], crop[1::4, 2::4])
    np.testing.assert_array_equal(put_together(tiles, 4), crop)


def test_a_boosted_face_keeps_its_detail(tmp_path: Path) -> None:
    one = swapper(stubmodels.inswapper(tmp_path / "inswapper_128.onnx"))
    (fine,) = one.swap(crops(1, 512), latents(one, 1))
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
