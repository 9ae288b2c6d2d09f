"""`segments.normalise`: a giant GOP's slices get packets of their own, and the same frames come out."""

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from controller.stages.mux import mux
from controller.stages.normalise import normalise
from controller.stages.split import split
from recast import names
from recast.errors import Corrupt, FramesDamaged, NotFound, Transient
from recast.manifest import NormalisedObject, Plan
from recast.packets import read_chunk
from recast.spec import Video
from recast.stage import StageInput
from recast.storage.embedded import EmbeddedStore
from recast.storage.storage import Storage
from recast.verify.report import verify
from tests import clips, damaged, faces
from tests.jobs import job, run_job, swap

ONE_KEYFRAME = ("-c:v", "libx264", "-preset", "veryfast", "-g", "1000", "-sc_threshold", "0", "-bf", "2")
LOSSLESS = Video(quality="Lossless", preset="ultrafast")
LOSSY = Video(preset="ultrafast")


def ready(s3: EmbeddedStore, output: Path, **more: Any) -> StageInput:
    """A job of one giant GOP that is split into 19 slices, and not yet normalised."""
    asked = job(s3, clips.build("giant_gop"), output, seconds=0.3, normalise=True, **{"video": LOSSY, **more})
    done = split(asked)
    assert done.segments == 19
    return asked.model_copy(update={"run": done.run})


def finish(job_: StageInput) -> None:
    for index in range(19):
        swap(job_, index)
    mux(job_)


def made(storage: Storage, job_: StageInput) -> dict[str, str]:
    """What the stage has left, by key."""
    folder = job_.layout(job_.run or "").normalised_folder
    return {info.uri.rsplit("/", 1)[-1]: info.etag for info in storage.list(folder)}


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    "name",
    ["giant_gop", "one_keyframe_hevc", "open_gop_hevc", "vfr_mkv", "interlaced_bff", "paff_mp4", "hevc_10bit",
     "h264_422_10bit", "odd_size_444", "full_range"],
)  # fmt: skip
def test_lossless_passthrough_is_the_source(s3: EmbeddedStore, storage: Storage, tmp_path: Path, name: str) -> None:
    source, output = clips.build(name), tmp_path / "out.mkv"
    asked = job(s3, source, output, seconds=0.3, video=LOSSLESS, normalise=True)
    done = run_job(asked)
    slices = [key for key in made(storage, asked.model_copy(update={"run": done.run})) if key.endswith(".mkv")]
    assert len(slices) >= 6
    checks = verify(source, output, expect="lossless")
    assert not [f"{check.name}: {check.detail}" for check in checks if not check.ok]


def test_the_swapped_pixels_are_those_of_a_job_that_is_not_normalised(s3: EmbeddedStore, tmp_path: Path) -> None:
    source = faces.talking_head(tmp_path, gop=1000)
    for name, more in (("plain", {}), ("normalised", {"normalise": True})):
        asked: dict[str, Any] = {"engine": "Mesh", "faces": [faces.photo()], "video": LOSSLESS, **more}
        done = run_job(job(s3, source, tmp_path / f"{name}.mkv", seconds=0.3, **asked))
        assert done.segments == 4
    checks = verify(tmp_path / "plain.mkv", tmp_path / "normalised.mkv", expect="lossless")
    assert not [f"{check.name}: {check.detail}" for check in checks if not check.ok]


def test_what_can_be_cut_at_keyframes_is_left_as_it_is(s3: EmbeddedStore, storage: Storage, tmp_path: Path) -> None:
    asked = job(s3, clips.build("cfr"), tmp_path / "out.mkv", video=LOSSY, normalise=True)
    done = split(asked)
    again = asked.model_copy(update={"run": done.run})
    result = normalise(again)
    assert (result.segments, result.frames, made(storage, again)) == (0, 0, {})
    for index in range(done.segments or 0):
        swap(again, index)
    mux(again)
    assert all(check.ok for check in verify(clips.build("cfr"), tmp_path / "out.mkv"))


def test_pictures_that_cannot_be_normalised_are_cut_as_ever(
    s3: EmbeddedStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("controller.stages.split.lossless_codec", lambda facts: None)
    asked = job(s3, clips.build("giant_gop"), tmp_path / "out.mkv", seconds=0.3, video=LOSSY, normalise=True)
    assert run_job(asked).segments == 1


def test_a_job_that_does_not_ask_for_it_keeps_its_run_and_its_plan(
    s3: EmbeddedStore, storage: Storage, tmp_path: Path
) -> None:
    asked = job(s3, clips.build("giant_gop"), tmp_path / "out.mkv", seconds=0.3, video=LOSSY)
    done = split(asked)
    layout = asked.layout(done.run or "")
    plan = Plan.model_validate_json(storage.get(layout.plan))
    assert read_chunk(storage, layout, plan, 0).normalise == ()
    assert done.run != ready(s3, tmp_path / "other.mkv", name=asked.name).run


def test_run_again_it_does_nothing(s3: EmbeddedStore, storage: Storage, tmp_path: Path) -> None:
    asked = ready(s3, tmp_path / "out.mkv")
    first = normalise(asked)
    before = made(storage, asked)
    assert len(before) == 20 and (first.segments, first.frames) == (19, 150)
    assert normalise(asked) == first
    assert made(storage, asked) == before


class Killed(BaseException):
    """Nothing in the stage catches it."""


def kill_at(monkeypatch: pytest.MonkeyPatch, method: str, call: int) -> Callable[[], None]:
    """Lets a storage method die at its so-many-th call; gives the way to undo it."""
    real, calls = getattr(Storage, method), 0

    def dying(self: Storage, *given: Any, **more: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == call:
            raise Killed
        return real(self, *given, **more)

    monkeypatch.setattr(Storage, method, dying)
    return lambda: monkeypatch.setattr(Storage, method, real)


@pytest.mark.parametrize(("method", "call"), [("download", 1), ("upload", 1), ("upload", 10), ("put", 1)])
def test_killed_anywhere_and_run_again_the_same_comes_out(
    s3: EmbeddedStore, storage: Storage, tmp_path: Path, method: str, call: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed, asked = ready(s3, tmp_path / "a.mkv"), ready(s3, tmp_path / "b.mkv")
    normalise(undisturbed)
    undo = kill_at(monkeypatch, method, call)
    with pytest.raises(Killed):
        normalise(asked)
    undo()
    assert not any(key.endswith(".json") for key in made(storage, asked))
    with pytest.raises(Transient, match="normalise stage") as early:
        swap(asked, 0)
    assert early.value.exit_code == 75 and early.value.reason == names.NOT_READY
    normalise(asked)
    assert set(made(storage, asked)) == set(made(storage, undisturbed))


def test_two_at_once_do_no_harm(s3: EmbeddedStore, storage: Storage, tmp_path: Path) -> None:
    asked = ready(s3, tmp_path / "out.mkv", video=LOSSLESS)
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(normalise, [asked, asked])
    assert first == second
    assert len(made(storage, asked)) == 20
    finish(asked)
    checks = verify(clips.build("giant_gop"), tmp_path / "out.mkv", expect="lossless")
    assert all(check.ok for check in checks)


def test_of_two_that_code_differently_one_is_read_and_the_other_s_leftovers_are_not(
    s3: EmbeddedStore, storage: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ready(s3, tmp_path / "out.mkv", video=LOSSLESS)
    first = b""
    put, other = Storage.put, {"preset": "veryfast", "qp": "0", "x264-params": "keyint=1"}

    def beaten(self: Storage, uri: str, data: bytes, **more: Any) -> bool:
        # Just before this copy commits, another with an encoder of its own does.
        monkeypatch.setattr(Storage, "put", put)
        monkeypatch.setitem(lossless_options(), "libx264", other)
        normalise(asked)
        nonlocal first
        first = storage.get(uri)
        assert first != data
        return put(self, uri, data, **more)

    monkeypatch.setattr(Storage, "put", beaten)
    normalise(asked)
    assert len(made(storage, asked)) == 39
    assert storage.get(asked.layout(asked.run or "").normalised_record(0)) == first
    finish(asked)
    checks = verify(clips.build("giant_gop"), tmp_path / "out.mkv", expect="lossless")
    assert all(check.ok for check in checks)


def lossless_options() -> dict[str, dict[str, str]]:
    from recast.media import lossless

    return lossless.OPTIONS_OF


def a_slice(storage: Storage, job_: StageInput, index: int) -> str:
    layout = job_.layout(job_.run or "")
    record = NormalisedObject.model_validate_json(storage.get(layout.normalised_record(0)))
    found = next(each for each in record.segments if each.index == index)
    return layout.normalised(index, found.sha256)


def test_a_slice_that_is_gone_is_missed_and_made_again(s3: EmbeddedStore, storage: Storage, tmp_path: Path) -> None:
    asked = ready(s3, tmp_path / "out.mkv")
    normalise(asked)
    before = set(made(storage, asked))
    storage.delete(a_slice(storage, asked, 3))
    with pytest.raises(NotFound) as missing:
        swap(asked, 3)
    assert missing.value.exit_code == 66
    normalise(asked)
    assert set(made(storage, asked)) == before
    finish(asked)


def test_a_slice_with_other_bytes_is_never_used(s3: EmbeddedStore, storage: Storage, tmp_path: Path) -> None:
    asked = ready(s3, tmp_path / "out.mkv")
    normalise(asked)
    storage.put(a_slice(storage, asked, 3), storage.get(a_slice(storage, asked, 4)))
    with pytest.raises(Corrupt, match="sha256") as corrupt:
        swap(asked, 3)
    assert corrupt.value.exit_code == 75


def test_a_parts_digest_follows_the_slice(s3: EmbeddedStore, storage: Storage, tmp_path: Path) -> None:
    asked = ready(s3, tmp_path / "out.mkv")
    normalise(asked)
    finish(asked)
    before = digest(tmp_path / "out.mkv")
    layout = asked.layout(asked.run or "")
    record = storage.get(layout.normalised_record(0))
    other = NormalisedObject.model_validate_json(record)
    changed = other.segments[2].model_copy(update={"sha256": "0" * 64})
    segments = tuple(changed if each.index == 2 else each for each in other.segments)
    storage.put(
        layout.normalised_record(0), NormalisedObject(segments=segments).model_dump_json(by_alias=True).encode()
    )
    with pytest.raises(Transient, match="not every part"):
        mux(asked.model_copy(update={"spec": with_output(asked, tmp_path / "again.mkv")}))
    storage.put(layout.normalised_record(0), record)
    mux(asked.model_copy(update={"spec": with_output(asked, tmp_path / "again.mkv")}))
    assert digest(tmp_path / "again.mkv") == before


def with_output(asked: StageInput, path: Path) -> Any:
    output = asked.spec.output.model_copy(update={"uri": path.as_uri()})
    return asked.spec.model_copy(update={"output": output})


def test_a_damaged_source_is_refused_and_its_segment_named(s3: EmbeddedStore, tmp_path: Path) -> None:
    whole = damaged.source(tmp_path, *ONE_KEYFRAME)
    bad = damaged.harmed(whole, tmp_path / "bad.mkv", {60: damaged.halved})
    asked = job(s3, bad, tmp_path / "out.mkv", seconds=0.5, normalise=True)
    done = split(asked)
    frame = damaged.display_order(whole).index(60)
    with pytest.raises(FramesDamaged, match=f"frame {frame}, at .* does not decode whole") as caught:
        normalise(asked.model_copy(update={"run": done.run}))
    assert caught.value.exit_code == 65
    assert caught.value.segment == frame * (done.segments or 0) // 100  # type: ignore[attr-defined]


def test_the_disk_holds_one_slice_at_a_time(s3: EmbeddedStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = ready(s3, tmp_path / "out.mkv")
    real, seen = Storage.upload, []

    def watching(self: Storage, uri: str, path: Path, **more: Any) -> bool:
        seen.append(sorted(each.name for each in path.parent.iterdir()))
        return real(self, uri, path, **more)

    monkeypatch.setattr(Storage, "upload", watching)
    normalise(asked)
    assert seen == [["packets.mkv", "slice.mkv"]] * 19


def test_after_success_nothing_of_it_stays_in_scratch(s3: EmbeddedStore, storage: Storage, tmp_path: Path) -> None:
    asked = ready(s3, tmp_path / "out.mkv", retain="OnFailure")
    normalise(asked)
    finish(asked)
    prefix = asked.layout(asked.run or "").prefix
    assert [info.uri for info in storage.list(f"{prefix}/")] == [f"{prefix}/output.json"]
