from pathlib import Path

import numpy as np
import onnx
import pytest

from recast.errors import BadConfig
from recast.spec import Engine
from segment_worker.insight import load
from segment_worker.insight.graph import last_initializer, load_graph, with_free_batch
from segment_worker.insight.onnx_model import Device, OnnxModel
from segment_worker.insight.swapper import Swapper, put_together, taken_apart
from tests import stubmodels

CPU = Device()


def crops(count: int, side: int = 128) -> list[np.ndarray]:
    rng = np.random.default_rng(6)
    return [rng.uniform(0, 255, (side, side, 3)).astype(np.float32) for _ in range(count)]


def swapper(path: Path, *, batch: int = 1) -> Swapper:
    graph = load_graph(path, path.name)
    emap = last_initializer(graph, path.name)
    if batch == 1:
        return Swapper(OnnxModel(path, CPU, path.name), emap)
    found = load.free_swapper(with_free_batch(graph), CPU, emap, batch)
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
