"""A whole job through the InSwapper engine, its models stubs with the real signatures, on the CPU."""

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import cv2
import numpy as np
import pytest

from controller.stages.mux import mux
from controller.stages.split import split
from recast import modelstore, names
from recast.errors import BadConfig, BadInput, Transient
from recast.modelstore import file_uri, push, read_manifest
from recast.spec import Engine, FacePair, Mask, Target, Video
from recast.storage.embedded import EmbeddedStore
from recast.storage.storage import Storage
from recast.verify.report import verify
from recast.watchdog import Watchdog
from segment_worker import worker
from segment_worker.gpu import OutOfDeviceMemory
from segment_worker.insight import load
from segment_worker.insight.onnx_model import OnnxModel, _refusal
from tests import clips, stubmodels
from tests.jobs import job, run_job, swap
from tests.stages.test_pixels import frames

LOSSLESS = Video(quality="Lossless", preset="ultrafast")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stubs")
    stubmodels.scrfd(folder / "det_10g.onnx")
    stubmodels.arcface(folder / "w600k_r50.onnx")
    stubmodels.inswapper(folder / "inswapper_128.onnx")
    return folder


@pytest.fixture(scope="module")
def store(s3: EmbeddedStore, storage: Storage, models: Path) -> str:
    uri = f"s3://{s3.bucket}/models"
    push(storage, models, uri, "made for tests")
    return uri


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv(modelstore.CACHE_VARIABLE, str(folder))
    return folder


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two red patches, which the stub takes for faces, wandering over gray noise; a keyframe every 10 frames."""
    path = tmp_path_factory.mktemp("clip") / "two.mp4"
    graph = (
        "color=0x828282:s=480x320:r=25:d=1.6,noise=alls=12:allf=t[b];"
        "color=0xEB3C28:s=38x38:r=25:d=1.6[f];color=0xE04030:s=36x36:r=25:d=1.6[g];"
        "[b][f]overlay=x='60+60*t':y=60[c];[c][g]overlay=x='360-40*t':y='150+50*t'"
    )
    clips.ffmpeg(
        *("-f", "lavfi", "-i", graph, "-f", "lavfi", "-i", "sine=330:r=48000:d=1.6"),
        *("-c:v", "libx264", "-pix_fmt", "yuv420p", "-crf", "12", "-g", "10", "-sc_threshold", "0", "-c:a", "aac"),
        path,
    )
    return path


def photo(path: Path, colour: tuple[int, int, int] = stubmodels.FACE_BGR) -> Path:
    """What the stub takes for a photo of a face."""
    image = np.full((300, 400, 3), 120, np.uint8)
    image[80:200, 140:260] = colour
    image[120:140, 160:190] //= 2
    cv2.imwrite(str(path), image)
    return path


@pytest.fixture
def ada(tmp_path: Path) -> Path:
    return photo(tmp_path / "ada.png")


def engine(store: str, **changes: object) -> Engine:
    return Engine.model_validate({"name": "InSwapper", "models": store, "provider": "Cpu", **changes})


def pair(face: Path, **target: object) -> FacePair:
    return FacePair(source=(f"file://{face}",), target=Target.model_validate(target))


def test_a_video_is_swapped_and_passes_the_independent_check(
    s3: EmbeddedStore, clip: Path, store: str, ada: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out.mp4"
    asked = job(s3, clip, output, seconds=0.4, engine=engine(store), pairs=[pair(ada, select="All")], video=LOSSLESS)
    assert run_job(asked).segments == 4
    assert [check for check in verify(clip, output) if not check.ok] == []
    before, after = frames(clip), frames(output)
    assert all(not np.array_equal(a[0], b[0]) for a, b in zip(before, after, strict=True)), "every frame has a face"
    for a, b in zip(before, after, strict=True):
        # Far from both patches.
        np.testing.assert_array_equal(a[0][:, 470:], b[0][:, 470:])


def test_pixels_do_not_depend_on_the_cuts(s3: EmbeddedStore, clip: Path, store: str, ada: Path, tmp_path: Path) -> None:
    outputs = []
    for number, seconds in enumerate((1000, 0.4, 0.8)):
        outputs.append(tmp_path / f"{number}.mp4")
        run_job(job(s3, clip, outputs[-1], seconds=seconds, engine=engine(store), pairs=[pair(ada)], video=LOSSLESS))
    first, *others = (frames(path) for path in outputs)
    for other in others:
        for ours, theirs in zip(first, other, strict=True):
            assert all(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))


def test_several_people_go_in_several_places(
    s3: EmbeddedStore, clip: Path, store: str, ada: Path, tmp_path: Path
) -> None:
    eve = photo(tmp_path / "eve.png", (20, 80, 225))
    outputs = []
    for number, pairs in enumerate(
        (
            [pair(ada, select="Leftmost"), pair(eve, select="Rightmost")],
            [pair(eve, select="Index", index=1), pair(ada, select="All")],
            [pair(ada, select="All")],
        )
    ):
        outputs.append(tmp_path / f"{number}.mp4")
        run_job(job(s3, clip, outputs[-1], seconds=1000, engine=engine(store), pairs=pairs, video=LOSSLESS))
    one, same, other = (frames(path) for path in outputs)
    assert all(np.array_equal(a[0], b[0]) for a, b in zip(one, same, strict=True))
    assert not any(np.array_equal(a[0], b[0]) for a, b in zip(one, other, strict=True))


def test_models_are_fetched_once_for_a_node_and_checked_each_time(
    s3: EmbeddedStore, storage: Storage, clip: Path, store: str, ada: Path, tmp_path: Path, cache: Path
) -> None:
    asked = job(s3, clip, tmp_path / "out.mp4", seconds=0.8, engine=engine(store), pairs=[pair(ada)])
    ready = asked.model_copy(update={"run": split(asked).run})
    swap(ready, 0)
    kept = {path.name: path.stat().st_mtime_ns for path in cache.glob("*.onnx")}
    assert len(kept) == 3
    damaged = cache / f"{read_manifest(storage, store).files[0].sha256}.onnx"
    damaged.write_bytes(b"not it")
    swap(ready, 1)
    again = {path.name: path.stat().st_mtime_ns for path in cache.glob("*.onnx")}
    assert [name for name in kept if again[name] != kept[name]] == [damaged.name]


def test_a_model_that_is_gone_or_another_is_named(
    s3: EmbeddedStore, storage: Storage, clip: Path, models: Path, ada: Path, tmp_path: Path
) -> None:
    mine = f"s3://{s3.bucket}/models-{tmp_path.name}"
    push(storage, models, mine, "made for tests")
    asked = job(s3, clip, tmp_path / "out.mp4", seconds=1000, engine=engine(mine), pairs=[pair(ada)])
    ready = asked.model_copy(update={"run": split(asked).run})
    swapper = next(file for file in read_manifest(storage, mine).files if "inswapper" in file.name)
    uri = file_uri(mine, swapper.sha256)
    storage.put(uri, b"something else")
    with pytest.raises(BadConfig, match=swapper.sha256[:12]) as refused:
        swap(ready, 0)
    assert refused.value.reason == names.MISSING_MODEL
    storage.delete(uri)
    with pytest.raises(BadConfig, match="push it again"):
        swap(ready, 0)


def test_a_store_that_lacks_a_model_is_refused_before_any_work(
    s3: EmbeddedStore, storage: Storage, clip: Path, models: Path, ada: Path, tmp_path: Path
) -> None:
    part = tmp_path / "part"
    part.mkdir()
    shutil.copy(models / "det_10g.onnx", part)
    mine = f"s3://{s3.bucket}/part-{tmp_path.name}"
    with pytest.raises(BadConfig, match="recast models push"):
        split(job(s3, clip, tmp_path / "out.mp4", engine=engine(mine), pairs=[pair(ada)]))
    push(storage, part, mine, "made for tests")
    with pytest.raises(BadConfig, match=r"no recogniser in it: push w600k_r50\.onnx.*it has det_10g\.onnx"):
        split(job(s3, clip, tmp_path / "out.mp4", engine=engine(mine), pairs=[pair(ada)]))


def test_a_gpu_that_is_not_there_is_not_replaced_by_the_cpu(
    s3: EmbeddedStore, clip: Path, store: str, ada: Path, tmp_path: Path
) -> None:
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this ONNX Runtime has CUDA")
    asked = job(s3, clip, tmp_path / "out.mp4", engine=engine(store, provider="Cuda"), pairs=[pair(ada)])
    ready = asked.model_copy(update={"run": split(asked).run})
    with pytest.raises(
        BadConfig, match=r"use the GPU image or the extra gpu, or ask for engine\.provider Cpu \(--provider cpu\)"
    ):
        swap(ready, 0)


def test_a_photo_without_a_face_is_named(s3: EmbeddedStore, clip: Path, store: str, tmp_path: Path) -> None:
    wall = photo(tmp_path / "wall.png", (120, 120, 120))
    asked = job(s3, clip, tmp_path / "out.mp4", engine=engine(store), pairs=[pair(wall)])
    ready = asked.model_copy(update={"run": split(asked).run})
    with pytest.raises(BadInput, match=r"wall\.png: no face found"):
        swap(ready, 0)


def test_a_full_device_is_tried_again_later(
    s3: EmbeddedStore, clip: Path, store: str, ada: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output, run = tmp_path / "out.mp4", OnnxModel._run

    def full(self: OnnxModel, feeds: Mapping[str, object]) -> object:
        if self.name == "swapper":
            raise _refusal(self.name, RuntimeError("bfc_arena.cc: Failed to allocate memory for requested buffer"))
        return run(self, feeds)  # type: ignore[arg-type]

    asked = job(s3, clip, output, seconds=1000, engine=engine(store), pairs=[pair(ada)], video=LOSSLESS)
    ready = asked.model_copy(update={"run": split(asked).run})
    with monkeypatch.context() as patched:
        patched.setattr(OnnxModel, "_run", full)
        with pytest.raises(OutOfDeviceMemory, match=r"swapper: the device's memory is full.*fewer pods on a GPU"):
            swap(ready, 0)
    assert issubclass(OutOfDeviceMemory, Transient), "another try may find more of it"
    swap(ready, 0)
    mux(ready)
    assert [check for check in verify(clip, output) if not check.ok] == []


def test_an_engines_start_is_not_the_segments_time(
    s3: EmbeddedStore, clip: Path, store: str, ada: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TensorRT builds for minutes: worker.stallSeconds would end it."""
    watching: list[float] = []
    loaded: list[list[float]] = []

    class Dog(Watchdog):
        def __init__(self, seconds: float, describe: Callable[[], str]) -> None:
            super().__init__(seconds, describe)
            watching.append(seconds)
            self._seconds_given = seconds

        def stop(self) -> None:
            super().stop()
            watching.remove(self._seconds_given)

    load_models = load.load_models
    monkeypatch.setattr(worker, "Watchdog", Dog)
    monkeypatch.setattr(load, "load_models", lambda *given: loaded.append(list(watching)) or load_models(*given))
    asked = job(s3, clip, tmp_path / "out.mp4", seconds=0.8, engine=engine(store), pairs=[pair(ada)])
    ready = asked.model_copy(update={"run": split(asked).run})
    swap(ready, 0, per_pod=2)
    assert loaded == [[worker.START_SECONDS]]
    assert watching == []


def test_an_occlusion_model_is_pinned_and_used(
    s3: EmbeddedStore, storage: Storage, clip: Path, models: Path, ada: Path, tmp_path: Path
) -> None:
    mine = f"s3://{s3.bucket}/occluders"
    push(storage, models, mine, "made for tests")
    with_occluder = engine(mine).model_copy(update={"mask": Mask(occluder="xseg.onnx")})
    asked = job(s3, clip, tmp_path / "out.mp4", engine=with_occluder, pairs=[pair(ada)])
    with pytest.raises(BadConfig, match=r"no occluder in it: push xseg\.onnx"):
        split(asked)
    folder = tmp_path / "more"
    folder.mkdir()
    stubmodels.xseg(folder / "xseg.onnx")
    push(storage, folder, mine, "made for tests")
    run_job(asked)
    plain = job(s3, clip, tmp_path / "plain.mp4", engine=engine(mine), pairs=[pair(ada)])
    run_job(plain)
    # The stubs' faces are red: nothing is before them. Only at the crop's very edge does a mask of ones weigh less.
    for ours, same in zip(frames(tmp_path / "out.mp4"), frames(tmp_path / "plain.mp4"), strict=True):
        assert all(np.abs(a.astype(int) - b.astype(int)).max() <= 2 for a, b in zip(ours, same, strict=True))
    pinned = json.loads(storage.get(asked.layout(split(asked).run or "").plan))["inputs"]["models"]
    assert set(pinned) == {"detector", "recogniser", "swapper", "occluder"}
