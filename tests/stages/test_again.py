"""A stage run again, twice at once, or on top of another's leftovers does no harm and no work twice."""

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from controller.stages.mux import mux
from controller.stages.split import split
from recast import names
from recast.errors import BadConfig, Transient
from recast.layout import sha256_hex
from recast.parts import REPORT, REPORT_SHA256, metadata_of
from recast.spec import Video
from recast.storage.embedded import EmbeddedStore
from recast.storage.storage import Storage
from recast.verify.report import verify
from tests import clips, faces
from tests.jobs import NAMESPACE, job, reports, run_job, swap

LOSSY = Video(preset="ultrafast")


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def objects(s3: EmbeddedStore, storage: Storage, name: str) -> dict[str, str]:
    return {info.uri: info.etag for info in storage.list(f"s3://{s3.bucket}/scratch/{NAMESPACE}/{name}/")}


def test_the_order_of_work_and_what_a_pod_does_change_no_byte(s3: EmbeddedStore, tmp_path: Path) -> None:
    source = clips.build("cfr")
    run_job(job(s3, source, tmp_path / "a.mp4", video=LOSSY))
    asked = job(s3, source, tmp_path / "b.mp4", video=LOSSY)
    done = split(asked)
    ready = asked.model_copy(update={"run": done.run})
    swap(ready, 1, per_pod=2)
    swap(ready, 0, per_pod=2)
    mux(ready)
    assert sha256(tmp_path / "a.mp4") == sha256(tmp_path / "b.mp4")


def test_every_stage_run_again_writes_nothing_new(s3: EmbeddedStore, storage: Storage, tmp_path: Path) -> None:
    asked = job(s3, clips.build("cfr"), tmp_path / "out.mp4", video=LOSSY)
    done = run_job(asked)
    before, first = objects(s3, storage, asked.name), sha256(tmp_path / "out.mp4")
    ready = asked.model_copy(update={"run": done.run})

    again = split(asked)
    assert (again.run, again.frames) == (done.run, done.frames) and again.output is not None
    assert swap(ready, 0).frames == 25
    mux(ready)

    assert objects(s3, storage, asked.name) == before
    assert sha256(tmp_path / "out.mp4") == first


def test_split_finds_its_plan_and_writes_nothing_new(s3: EmbeddedStore, storage: Storage, tmp_path: Path) -> None:
    asked = job(s3, clips.build("cfr"), tmp_path / "out.mp4", video=LOSSY)
    done = split(asked)
    before = objects(s3, storage, asked.name)
    assert split(asked) == done
    assert objects(s3, storage, asked.name) == before


def test_a_plan_whose_segments_are_gone_is_made_again(s3: EmbeddedStore, storage: Storage, tmp_path: Path) -> None:
    asked = job(s3, clips.build("cfr"), tmp_path / "out.mp4", video=LOSSY)
    done = split(asked)
    before = objects(s3, storage, asked.name)
    storage.delete(next(uri for uri in before if uri.endswith("segments/000001.mkv")))
    assert split(asked) == done
    assert objects(s3, storage, asked.name).keys() == before.keys()


def test_two_copies_of_every_stage_at_once_do_no_harm(s3: EmbeddedStore, tmp_path: Path) -> None:
    asked = job(s3, clips.build("cfr"), tmp_path / "out.mp4", video=LOSSY)
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(split, [asked, asked])
        assert first == second
        ready = asked.model_copy(update={"run": first.run})
        for index in range(first.segments or 0):
            swap(ready, index)
        list(pool.map(mux, [ready, ready]))
    checks = verify(clips.build("cfr"), tmp_path / "out.mp4")
    assert all(check.ok for check in checks)


def test_mux_waits_for_every_part(s3: EmbeddedStore, tmp_path: Path) -> None:
    asked = job(s3, clips.build("cfr"), tmp_path / "out.mp4", video=LOSSY)
    done = split(asked)
    ready = asked.model_copy(update={"run": done.run})
    swap(ready, 0)
    with pytest.raises(Transient, match="not every part"):
        mux(ready)
    assert list(tmp_path.iterdir()) == []


FOREIGN: dict[str, Callable[[dict[str, str]], dict[str, str]]] = {
    "no report": lambda _: {},
    "a report of another kind": lambda _: {REPORT: "{}", REPORT_SHA256: sha256_hex(b"{}")},
    "a damaged report": lambda own: own | {REPORT: own[REPORT].replace('"frames":25', '"frames":24')},
    "a report without its checksum": lambda own: {REPORT: own[REPORT]},
}


@pytest.mark.parametrize("foreign", FOREIGN)
def test_a_part_without_its_report_is_made_again(
    s3: EmbeddedStore, storage: Storage, tmp_path: Path, foreign: str
) -> None:
    asked = job(s3, clips.build("cfr"), tmp_path / "out.mp4", video=LOSSY)
    done = split(asked)
    ready = asked.model_copy(update={"run": done.run})
    for index in range(done.segments or 0):
        swap(ready, index)
    (part,) = [uri for uri in objects(s3, storage, asked.name) if "/parts/000001-" in uri]
    right = storage.head(part)
    metadata = FOREIGN[foreign]({key: right.metadata[key] for key in (REPORT, REPORT_SHA256)})
    assert metadata != {key: right.metadata[key] for key in (REPORT, REPORT_SHA256)}
    storage.put(part, storage.get(part), metadata=metadata)
    with pytest.raises(Transient, match=r"parts/000001-.*: has no report .* run the swap stage again") as refused:
        mux(ready)
    assert refused.value.reason == names.NOT_READY
    assert list(tmp_path.iterdir()) == []
    swap(ready, 1)
    again = storage.head(part)
    assert again.etag == right.etag and REPORT in again.metadata
    mux(ready)
    assert (tmp_path / "out.mp4").exists()


@pytest.mark.parametrize("of", ["another part", "its own part"])
def test_a_part_under_the_report_of_other_bytes_is_never_published(
    s3: EmbeddedStore, storage: Storage, tmp_path: Path, of: str
) -> None:
    asked = job(s3, clips.build("cfr"), tmp_path / "out.mp4", video=LOSSY)
    ready = asked.model_copy(update={"run": split(asked).run})
    for index in range(2):
        swap(ready, index)
    one, other = (uri for uri in objects(s3, storage, asked.name) if "/parts/" in uri)
    told = storage.head(other if of == "another part" else one).metadata
    storage.put(one, storage.get(other), metadata={key: told[key] for key in (REPORT, REPORT_SHA256)})
    with pytest.raises(Transient, match="no report" if of == "another part" else "other packets"):
        mux(ready)
    assert list(tmp_path.iterdir()) == []
    if of == "another part":
        swap(ready, 0)
        assert storage.head(one).metadata[REPORT] != told[REPORT]


def test_where_a_later_part_reorders_more_deeply_the_output_is_as_if_the_first_one_did(
    s3: EmbeddedStore, storage: Storage, tmp_path: Path
) -> None:
    made = []
    for deepest in (0, 1, 2):
        asked = job(s3, clips.build("cfr"), tmp_path / f"{deepest}.mp4", video=LOSSY)
        done = split(asked)
        ready = asked.model_copy(update={"run": done.run})
        for index in range(done.segments or 0):
            swap(ready, index)
        parts = [uri for uri in objects(s3, storage, asked.name) if "/parts/" in uri]
        assert len(parts) > 2
        for number, report in enumerate(reports(storage, asked)):
            changed = report.model_copy(update={"reorder": 3 if number == deepest else report.reorder})
            storage.put(parts[number], storage.get(parts[number]), metadata=metadata_of(changed))
        mux(ready)
        made.append(sha256(tmp_path / f"{deepest}.mp4"))
    assert made[0] == made[1] == made[2]


def test_a_part_with_other_bytes_than_its_report_is_never_published(
    s3: EmbeddedStore, storage: Storage, tmp_path: Path
) -> None:
    asked = job(s3, clips.build("cfr"), tmp_path / "out.mp4", video=LOSSY)
    done = split(asked)
    ready = asked.model_copy(update={"run": done.run})
    for index in range(done.segments or 0):
        swap(ready, index)
    parts = sorted(uri for uri in objects(s3, storage, asked.name) if "/parts/" in uri and uri.endswith(".mkv"))
    storage.put(parts[0], storage.get(parts[1]))
    with pytest.raises(Transient, match="no report"):
        mux(ready)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def face(tmp_path: Path) -> Path:
    """A photo that a test may change."""
    path = tmp_path / "face.png"
    path.write_bytes(faces.photo().read_bytes())
    return path


def test_a_photo_that_changed_or_went_after_split_changes_no_byte(
    s3: EmbeddedStore, face: Path, tmp_path: Path
) -> None:
    source, engine = faces.talking_head(tmp_path), "Mesh"
    asked = job(s3, source, tmp_path / "out.mp4", seconds=0.5, engine=engine, faces=[face], video=LOSSY)
    done = split(asked)
    assert done.segments == 3
    ready = asked.model_copy(update={"run": done.run})
    swap(ready, 0)
    face.write_bytes(faces.faceless().read_bytes())
    swap(ready, 1)
    face.unlink()
    swap(ready, 2)
    mux(ready)
    photo = faces.photo()
    run_job(job(s3, source, tmp_path / "right.mp4", seconds=0.5, engine=engine, faces=[photo], video=LOSSY))
    assert sha256(tmp_path / "out.mp4") == sha256(tmp_path / "right.mp4")


def test_a_job_whose_face_changed_is_not_mixed_with_what_is_there(
    s3: EmbeddedStore, face: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The plan has no room for the photo, so that each worker fetches it.
    monkeypatch.setattr("controller.stages.inputs.CARRIED_BYTES", 0)
    asked = job(s3, clips.build("cfr"), tmp_path / "out.mp4", engine="Mesh", faces=[face])
    run = split(asked).run
    face.write_bytes(faces.faceless().read_bytes())
    with pytest.raises(BadConfig, match="changed"):
        swap(asked.model_copy(update={"run": run}), 0)
    with pytest.raises(BadConfig, match="changed"):
        split(asked)


def test_a_worker_of_another_encoder_stops_before_its_first_frame(
    s3: EmbeddedStore, storage: Storage, tmp_path: Path
) -> None:
    asked = job(s3, clips.build("cfr"), tmp_path / "out.mp4", video=LOSSY)
    done = split(asked)
    ready = asked.model_copy(update={"run": done.run})
    other = b'{"name": "h264_nvenc", "options": {}, "extradataSha256": "0"}'
    storage.put(f"s3://{s3.bucket}/scratch/{NAMESPACE}/{asked.name}/{done.run}/encoder.json", other)
    with pytest.raises(BadConfig, match="h264_nvenc"):
        swap(ready, 0)


def test_sources_and_outputs_in_the_store_are_read_and_published_there(
    s3: EmbeddedStore, storage: Storage, prefix: str, tmp_path: Path
) -> None:
    storage.upload(f"{prefix}in.mp4", clips.build("bframes"))
    asked = job(s3, f"{prefix}in.mp4", f"{prefix}out.mp4", video=LOSSY)
    done = run_job(asked)
    info = storage.head(f"{prefix}out.mp4")
    assert info.metadata["run"] == done.run and "digest" in info.metadata
    storage.download(f"{prefix}out.mp4", tmp_path / "out.mp4")
    assert all(check.ok for check in verify(clips.build("bframes"), tmp_path / "out.mp4"))
    mux(asked.model_copy(update={"run": done.run}))
    assert storage.head(f"{prefix}out.mp4").etag == info.etag
