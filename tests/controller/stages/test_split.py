"""Split's choices before it reads a frame: the run's name, an output that is taken."""

import hashlib
import json
import threading
import time
from collections.abc import Iterator
from contextlib import nullcontext
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from controller.stages import split
from controller.stages.split import name_run, refuse_existing_output
from recast import names
from recast.errors import BadConfig
from recast.layout import RunLayout
from recast.manifest import OutputRecord, VideoFacts
from recast.media import tracks
from recast.media.split import SegmentFile, TimesCollide
from recast.spec import Engine, JobSpec
from recast.stage import StageInput
from recast.storage.storage import ObjectInfo, Storage, StorageSettings
from recast.versions import SPLITTER_VERSION

SPEC: dict[str, Any] = {
    "source": {"uri": "s3://studio/a.mov"},
    "output": {"uri": "s3://studio/b.mp4", "dropTracks": ["data", "cover"]},
    "faces": [{"source": ["s3://studio/f.png"]}],
    "consent": {"reference": "REL-1"},
    "storage": {"scratch": "s3://scratch/recast"},
}
INFO = ObjectInfo(uri="s3://studio/a.mov", size=10, etag='"e"', metadata={})


def spec(**changes: Any) -> JobSpec:
    return JobSpec.model_validate(SPEC | changes)


def test_a_run_is_named_by_12_hex_digits() -> None:
    assert len(name_run(spec(), INFO)) == 12
    assert int(name_run(spec(), INFO), 16) >= 0


@pytest.mark.parametrize(
    "changes",
    [
        {"output": {"uri": "s3://studio/b.mkv", "dropTracks": ["data", "cover"]}},
        {"output": {"uri": "s3://studio/b.mp4", "dropTracks": ["data"]}},
        {"engine": {"name": "Passthrough"}},
        {"segments": {"targetSeconds": 59}},
        {"segments": {"normalise": True}},
        {"audio": {"codec": "Aac"}},
        {"audio": {"codec": "Copy", "bitrate": "64k"}},
        {"video": {"codec": "H264"}},
        {"video": {"quality": 19}},
        {"video": {"quality": "Lossless"}},
        {"video": {"preset": "slow"}},
        {"video": {"pixelFormat": "Yuv420p"}},
        {"video": {"threads": 3}},
        {"video": {"encoder": "Software"}},
    ],
    ids=json.dumps,
)
def test_a_run_is_another_where_the_plan_could_be(changes: dict[str, Any]) -> None:
    assert name_run(spec(**changes), INFO) != name_run(spec(), INFO)


@pytest.mark.parametrize(
    "info",
    [
        ObjectInfo("s3://studio/c.mov", 10, '"e"', {}),
        ObjectInfo("s3://studio/a.mov", 11, '"e"', {}),
        ObjectInfo("s3://studio/a.mov", 10, '"f"', {}),
    ],
    ids=["address", "size", "version"],
)
def test_a_run_is_another_where_the_source_is(info: ObjectInfo) -> None:
    assert name_run(spec(), info) != name_run(spec(), INFO)


def test_a_run_is_another_where_the_content_check_is() -> None:
    wanted = [("s3://studio/x.onnx", 0.5, 5), ("s3://studio/x.onnx", 0.6, 5), ("s3://studio/x.onnx", 0.5, 6)]
    specs = [
        spec(contentCheck={"model": model, "threshold": threshold, "everySeconds": every})
        for model, threshold, every in wanted
    ]
    runs = {name_run(spec(), INFO), name_run(specs[0], INFO, "another"), *(name_run(each, INFO, "m") for each in specs)}
    assert len(runs) == 5
    renamed = spec(contentCheck={"model": "s3://studio/y.onnx", "threshold": 0.5})
    assert name_run(renamed, INFO, "m") == name_run(specs[0], INFO, "m")


def test_a_run_cut_automatically_is_another_for_more_workers() -> None:
    few, many = ({"targetSeconds": "Auto", "maxParallelism": workers} for workers in (4, 8))
    assert len({name_run(spec(segments=each), INFO) for each in (few, many, {})}) == 3


def test_a_run_is_another_where_the_splitter_is(monkeypatch: pytest.MonkeyPatch) -> None:
    before = name_run(spec(), INFO)
    monkeypatch.setattr(split, "SPLITTER_VERSION", SPLITTER_VERSION + 1)
    assert name_run(spec(), INFO) != before


@pytest.mark.parametrize(
    "changes",
    [
        {"output": {"uri": "s3://elsewhere/c.mp4", "dropTracks": ["cover", "data"], "overwrite": True}},
        {"faces": [{"source": ["s3://studio/g.png"], "target": {"select": "All"}}]},
        {"consent": {"reference": "REL-2"}},
        {"segments": {"maxParallelism": 1, "retries": 0, "perPod": 3}},
        {"storage": {"scratch": "s3://other/x", "endpoint": "http://s3:1"}},
        {"segments": {"normalise": False}},
        {"worker": {"stallSeconds": 5}},
    ],
    ids=json.dumps,
)
def test_segments_are_found_again_where_nothing_about_them_changed(changes: dict[str, Any]) -> None:
    assert name_run(spec(**changes), INFO) == name_run(spec(), INFO)


@pytest.fixture
def storage() -> Storage:
    return Storage(StorageSettings(endpoint=None))


def local(place: Path, *faces: str, **changes: Any) -> JobSpec:
    uris = [(place / face).as_uri() for face in faces or ("none.png",)]
    return spec(
        faces=[{"source": uris}],
        output={"uri": (place / "out.mp4").as_uri(), **changes},
        storage={"scratch": place.as_uri() + "/s"},
    )


def test_an_output_that_this_run_did_not_make_stops_it_before_any_work(tmp_path: Path, storage: Storage) -> None:
    layout = RunLayout((tmp_path / "run").as_uri())
    (tmp_path / "run").mkdir()
    job = local(tmp_path, "a.png")
    refuse_existing_output(storage, job, layout)
    (tmp_path / "out.mp4").write_bytes(b"taken")
    with pytest.raises(BadConfig, match="exists already") as refused:
        refuse_existing_output(storage, job, layout)
    assert refused.value.reason == names.OUTPUT_EXISTS
    refuse_existing_output(storage, local(tmp_path, "a.png", overwrite=True), layout)
    record = OutputRecord(
        uri=job.output.uri, sha256=hashlib.sha256(b"taken").hexdigest(), size=5, digest="", frames=1, encoder="",
        inputs={}, faces_found=0, faces_swapped=0, worker_seconds={}, worker_cpu_seconds=0,
    )  # fmt: skip
    storage.put(layout.output_record, record.model_dump_json(by_alias=True).encode())
    assert refuse_existing_output(storage, job, layout) == record
    (tmp_path / "out.mp4").write_bytes(b"other")
    with pytest.raises(BadConfig, match="exists already"):
        refuse_existing_output(storage, job, layout)


def test_a_second_pass_has_keys_of_its_own(tmp_path: Path, storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.mov").write_bytes(b"video")
    job = local(tmp_path).model_copy(update={"faces": (), "engine": Engine(name="Passthrough")})
    layout = RunLayout.of(scratch=job.storage.scratch, namespace="n", name="j", run="0123456789ab")
    passes = 0

    def split_packets(*_: object, folder: Path, **__: object) -> Iterator[SegmentFile]:
        nonlocal passes
        passes += 1
        path = folder / "000000.mkv"
        path.write_bytes(b"first" if passes == 1 else b"second")
        yield SegmentFile(path, (((0, 0),),))
        if passes == 1:
            raise TimesCollide

    upload, slow = Storage.upload, threading.Event()

    def delayed(self: Storage, uri: str, path: Path, **more: Any) -> bool:
        data = path.read_bytes()
        if data == b"first":
            slow.wait(0.3)
        copy = tmp_path / data.decode()
        copy.write_bytes(data)
        done = upload(self, uri, copy, **more)
        if data == b"second":
            slow.set()
        return done

    facts = VideoFacts(
        stream_index=0, codec="h264", width=64, height=48, pix_fmt="yuv420p", time_base=Fraction(1, 25),
        rate=Fraction(25), sar=Fraction(1),
    )  # fmt: skip
    opened = SimpleNamespace(
        container_options={}, start_time=0, duration=None, format=SimpleNamespace(name="mov,mp4"), chapters=list
    )
    monkeypatch.setattr(Storage, "upload", delayed)
    monkeypatch.setattr(split, "split_packets", split_packets)
    monkeypatch.setattr(split, "read_timing", lambda *_, **__: (facts, None))
    monkeypatch.setattr(split, "decode_timing", lambda *_, **__: None)
    monkeypatch.setattr(split, "is_truncated", lambda *_: False)
    monkeypatch.setattr(tracks, "plan_tracks", lambda *_: ())
    monkeypatch.setattr(split._Split, "_open", lambda *_: nullcontext(opened))
    stage = StageInput(namespace="n", name="j", uid="u", spec=job)
    info = storage.head((tmp_path / "a.mov").as_uri())
    (tmp_path / "s/n/j/0123456789ab/segments").mkdir(parents=True)
    (tmp_path / "s/n/j/0123456789ab/plan").mkdir(parents=True)
    split._Split(storage, stage, layout, info, {}, {}, b"", lambda: None).run()
    time.sleep(0.4)
    assert storage.get(layout.segment(split.SECOND_PASS)) == b"second"
    assert storage.get(layout.segment(0)) == b"first"
