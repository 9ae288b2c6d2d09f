"""Jobs at once, late pods, sources replaced and scratch taken away: the same bytes, or a sentence that says why."""

import hashlib
import os
import shutil
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest.mock import patch

import pytest

from controller.stages.mux import mux
from controller.stages.split import split
from recast import names
from recast.errors import BadConfig, BadInput, NotFound, RecastError, Transient
from recast.spec import Video
from recast.stage import StageInput
from recast.storage.embedded import EmbeddedStore
from recast.storage.storage import Storage
from recast.versions import PIXEL_VERSION
from tests import clips
from tests.jobs import NAMESPACE, job, run_job, swap

LOSSY = Video(preset="ultrafast")
OTHER = Video(preset="ultrafast", quality=40)


def content(storage: Storage, uri: str) -> str:
    return hashlib.sha256(storage.get(uri)).hexdigest()


@pytest.fixture
def source(storage: Storage, prefix: str) -> str:
    storage.upload(f"{prefix}in.mp4", clips.build("cfr"))
    return f"{prefix}in.mp4"


@pytest.fixture(scope="module")
def right(s3: EmbeddedStore) -> str:
    """The sha256 of an undisturbed run's output."""
    # More than once in a session, where its tests are spread over processes.
    storage, folder = Storage(s3.settings), f"s3://{s3.bucket}/tests/{uuid.uuid4().hex}/"
    storage.upload(f"{folder}in.mp4", clips.build("cfr"))
    run_job(job(s3, f"{folder}in.mp4", f"{folder}out.mp4", video=LOSSY))
    return content(storage, f"{folder}out.mp4")


def begun(s3: EmbeddedStore, source: str, output: str, **more: object) -> StageInput:
    """A job that was split and swapped, ready for mux."""
    asked = job(s3, source, output, video=LOSSY, **more)  # type: ignore[arg-type]
    done = split(asked)
    ready = asked.model_copy(update={"run": done.run})
    for index in range(done.segments or 0):
        swap(ready, index)
    return ready


def found(s3: EmbeddedStore, storage: Storage, job_: StageInput, part: str) -> list[str]:
    uris = [info.uri for info in storage.list(f"s3://{s3.bucket}/scratch/{NAMESPACE}/{job_.name}/")]
    return [uri for uri in uris if part in uri]


def both(one: Callable[[], object], two: Callable[[], object]) -> list[object]:
    """What two things done at once give or raise."""

    def outcome(body: Callable[[], object]) -> object:
        try:
            return body()
        except RecastError as error:
            return error

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(outcome, (one, two)))


def test_the_same_job_twice_at_once_gives_the_same_bytes(
    s3: EmbeddedStore, storage: Storage, prefix: str, source: str, right: str
) -> None:
    asked = job(s3, source, f"{prefix}out.mp4", video=LOSSY)
    one, two = both(lambda: split(asked), lambda: split(asked))
    assert one == two
    ready = asked.model_copy(update={"run": one.run})  # type: ignore[attr-defined]
    with patch.dict(os.environ, {"JOB_COMPLETION_INDEX": "0"}):
        whole = ready.model_copy(update={"segments_per_pod": 100})
        one, two = both(lambda: swap(whole, 0, per_pod=100), lambda: swap(whole, 0, per_pod=100))
    assert not isinstance(one, Exception) and not isinstance(two, Exception)
    one, two = both(lambda: mux(ready), lambda: mux(ready))
    assert not isinstance(one, Exception) and not isinstance(two, Exception)
    assert content(storage, f"{prefix}out.mp4") == right


def test_of_two_jobs_with_one_output_one_wins_and_the_other_says_so(
    s3: EmbeddedStore, storage: Storage, prefix: str, source: str, right: str
) -> None:
    output = f"{prefix}out.mp4"
    one, two = begun(s3, source, output), begun(s3, source, output, seconds=100)
    ends = both(lambda: mux(one), lambda: mux(two))
    lost = [end for end in ends if isinstance(end, BadConfig)]
    assert len(lost) == 1 and lost[0].reason == names.OUTPUT_EXISTS
    record = next(end for end in ends if not isinstance(end, RecastError))
    assert record.output["sha256"] == content(storage, output)  # type: ignore[attr-defined]
    assert ends[0] is lost[0] or content(storage, output) == right


def test_of_two_jobs_that_may_overwrite_one_output_one_stands_whole(
    s3: EmbeddedStore, storage: Storage, prefix: str, source: str
) -> None:
    output = f"{prefix}out.mp4"
    one, two = begun(s3, source, output, overwrite=True), begun(s3, source, output, seconds=100, overwrite=True)
    ends = both(lambda: mux(one), lambda: mux(two))
    made = [end.output["sha256"] for end in ends]  # type: ignore[attr-defined]
    assert content(storage, output) in made


def test_an_output_that_exists_is_refused_before_any_work_and_kept(
    s3: EmbeddedStore, storage: Storage, prefix: str, source: str, right: str
) -> None:
    output = f"{prefix}out.mp4"
    storage.put(output, b"someone's")
    asked = job(s3, source, output, video=LOSSY)
    with pytest.raises(BadConfig, match="exists already") as refused:
        split(asked)
    assert refused.value.reason == names.OUTPUT_EXISTS and found(s3, storage, asked, "") == []
    assert storage.get(output) == b"someone's"
    run_job(job(s3, source, output, video=LOSSY, overwrite=True))
    assert content(storage, output) == right


def test_an_output_that_came_meanwhile_is_kept(s3: EmbeddedStore, storage: Storage, prefix: str, source: str) -> None:
    ready = begun(s3, source, f"{prefix}out.mp4")
    storage.put(f"{prefix}out.mp4", b"someone's")
    with pytest.raises(BadConfig, match="exists already"):
        mux(ready)
    assert storage.get(f"{prefix}out.mp4") == b"someone's"


def replaced(path: Path, folder: Path) -> Path:
    """A file of the same size and other bytes."""
    other = folder / "other.mp4"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    other.write_bytes(data)
    return other


@pytest.mark.parametrize("how", ["another", "same-size", "deleted"])
def test_a_source_replaced_between_split_and_mux_is_never_muxed(
    how: str, s3: EmbeddedStore, storage: Storage, prefix: str, source: str, right: str, tmp_path: Path
) -> None:
    asked = job(s3, source, f"{prefix}out.mp4", video=LOSSY)
    done = split(asked)
    ready = asked.model_copy(update={"run": done.run})
    swap(ready, 0)
    match how:
        case "another":
            storage.upload(source, clips.build("bframes"))
        case "same-size":
            storage.upload(source, replaced(clips.build("cfr"), tmp_path))
        case _:
            storage.delete(source)
    # Workers read scratch alone.
    for index in range(1, done.segments or 0):
        swap(ready, index)
    with pytest.raises(NotFound if how == "deleted" else BadInput) as refused:
        mux(ready)
    assert source in str(refused.value) and not storage.exists(f"{prefix}out.mp4")
    if how != "deleted":
        assert refused.value.reason == names.SOURCE_CHANGED
    storage.upload(source, clips.build("cfr"))
    run_job(asked)
    assert content(storage, f"{prefix}out.mp4") == right


def test_a_local_source_replaced_by_one_of_its_size_and_date_is_never_muxed(s3: EmbeddedStore, tmp_path: Path) -> None:
    path = tmp_path / "in.mp4"
    shutil.copy2(clips.build("cfr"), path)
    ready = begun(s3, f"file://{path}", f"file://{tmp_path}/out.mp4")
    before = path.stat()
    other = replaced(path, tmp_path)
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(path)
    with pytest.raises(BadInput, match="changed"):
        mux(ready)
    assert not (tmp_path / "out.mp4").exists()


@pytest.mark.parametrize("gone", ["/plan.json", "/plan/", "/segments/", "/"])
def test_scratch_deleted_before_swap_is_said_and_made_again(
    gone: str,
    s3: EmbeddedStore,
    storage: Storage,
    prefix: str,
    source: str,
    right: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A short plan's only chunk is in the plan itself.
    monkeypatch.setattr("controller.stages.split.CHUNK_FRAMES", 30)
    asked = job(s3, source, f"{prefix}out.mp4", video=LOSSY)
    ready = asked.model_copy(update={"run": split(asked).run})
    for uri in found(s3, storage, asked, gone):
        storage.delete(uri)
    with pytest.raises((NotFound, Transient), match="scratch"):
        swap(ready, 0)
    assert not storage.exists(f"{prefix}out.mp4")
    for uri in found(s3, storage, asked, "/plan.json"):
        storage.delete(uri)
    run_job(asked)
    assert content(storage, f"{prefix}out.mp4") == right


@pytest.mark.parametrize("gone", ["/plan.json", "/plan/", "/encoder.json", "/parts/000000-", "/parts/", ".json", "/"])
def test_scratch_deleted_before_mux_is_said_and_made_again(
    gone: str, s3: EmbeddedStore, storage: Storage, prefix: str, source: str, right: str
) -> None:
    ready = begun(s3, source, f"{prefix}out.mp4")
    for uri in found(s3, storage, ready, gone):
        storage.delete(uri)
    with pytest.raises((NotFound, Transient)):
        mux(ready)
    assert not storage.exists(f"{prefix}out.mp4")
    for uri in found(s3, storage, ready, "/plan.json"):
        storage.delete(uri)
    run_job(ready.model_copy(update={"run": None}))
    assert content(storage, f"{prefix}out.mp4") == right


def test_a_part_that_is_gone_is_never_left_out_and_made_again(
    s3: EmbeddedStore, storage: Storage, prefix: str, source: str, right: str
) -> None:
    ready = begun(s3, source, f"{prefix}out.mp4")
    parts = [uri for uri in found(s3, storage, ready, "/parts/") if uri.endswith(".mkv")]
    storage.delete(parts[1])
    with pytest.raises(RecastError, match="parts/000001"):
        mux(ready)
    assert not storage.exists(f"{prefix}out.mp4")
    swap(ready, 1)
    mux(ready)
    assert content(storage, f"{prefix}out.mp4") == right


def test_a_late_worker_of_other_pixels_or_another_plan_writes_nothing(
    s3: EmbeddedStore, storage: Storage, prefix: str, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready = begun(s3, source, f"{prefix}out.mp4")
    before = {uri: storage.head(uri).etag for uri in found(s3, storage, ready, "")}
    with monkeypatch.context() as patched:
        patched.setitem(PIXEL_VERSION, "Passthrough", 999)
        with pytest.raises(BadConfig, match="pixel version") as refused:
            swap(ready, 0)
    assert refused.value.reason == names.INPUTS_CHANGED
    assert {uri: storage.head(uri).etag for uri in found(s3, storage, ready, "")} == before


def test_a_late_split_with_another_cut_and_its_workers_touch_nothing_of_the_new_run(
    s3: EmbeddedStore, storage: Storage, prefix: str, source: str, right: str
) -> None:
    output = f"{prefix}out.mp4"
    new = begun(s3, source, output)
    before = {uri: storage.head(uri).etag for uri in found(s3, storage, new, "")}
    old = begun(s3, source, output, seconds=100, name=new.name)
    assert old.run != new.run
    assert {uri: etag for uri, etag in before.items() if storage.head(uri).etag != etag} == {}
    mux(new)
    with pytest.raises(BadConfig, match="exists already"):
        mux(old)
    assert content(storage, output) == right


def test_a_late_mux_of_an_old_source_publishes_nothing_over_the_new_one(
    s3: EmbeddedStore, storage: Storage, prefix: str, source: str
) -> None:
    output = f"{prefix}out.mp4"
    old = begun(s3, source, output, overwrite=True)
    storage.upload(source, clips.build("bframes"))
    new = begun(s3, source, output, overwrite=True, name=old.name)
    mux(new)
    stands = content(storage, output)
    with pytest.raises(BadInput, match="changed"):
        mux(old)
    assert content(storage, output) == stands


@pytest.mark.parametrize("change", ["source", "container", "run"])
def test_a_plan_of_another_job_is_not_muxed(
    change: str, s3: EmbeddedStore, storage: Storage, prefix: str, source: str, tmp_path: Path
) -> None:
    # Who can write to scratch would have mux read any file of its pod.
    ready = begun(s3, source, f"{prefix}out.mp4")
    (uri,) = found(s3, storage, ready, "/plan.json")
    (tmp_path / "secret").write_bytes(clips.build("cfr").read_bytes())
    old, new = {
        "source": (f'"uri":"{source}"', f'"uri":"file://{tmp_path}/secret"'),
        "container": ('"container":"mp4"', '"container":"mkv"'),
        "run": (f'"run":"{ready.run}"', '"run":"000000000000"'),
    }[change]
    plan = storage.get(uri).decode()
    assert old in plan
    storage.put(uri, plan.replace(old, new).encode())
    with pytest.raises(BadConfig, match="plan of another job"):
        mux(ready)
    assert not storage.exists(f"{prefix}out.mp4")
