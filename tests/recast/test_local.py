"""The local runner's arithmetic and what it makes of a stage that died; the runs themselves are in the media tier."""

import os
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

import pytest

from recast import exitcodes, local, names
from recast.errors import BadConfig, Transient
from recast.local import KEEP_AFTER, LocalRun, Progress, StageFailed, is_in_use, job_name, remove_run, runs_folder
from recast.spec import JobSpec
from recast.stage import StageInput, StageResult
from recast.storage.storage import Storage, StorageSettings
from recast.storage.stored import local_path

SPEC: dict[str, Any] = {
    "source": {"uri": "file:///in/a.mov"},
    "output": {"uri": "file:///out/b.mp4"},
    "faces": [{"source": ["file:///faces/ada.png"]}],
    "consent": {"reference": "REL-1"},
    "storage": {"scratch": "s3://recast/runs"},
}


def spec(**changes: Any) -> JobSpec:
    return JobSpec.model_validate(SPEC | changes)


def test_a_jobs_name_stays_the_same_from_release_to_release() -> None:
    # Kept stores are found by it.
    assert job_name(spec()) == job_name(spec())
    assert len(job_name(spec())) == 12 and int(job_name(spec()), 16) >= 0


@pytest.mark.parametrize(
    "changes",
    [
        {"storage": {"scratch": "s3://elsewhere/x", "endpoint": "http://127.0.0.1:1"}},
        {"segments": {"maxParallelism": 3}},
        {"video": {"codec": "Auto", "quality": 18}},
    ],
    ids=["where it is stored", "how many workers", "a default written out"],
)
def test_a_jobs_name_does_not_change_with(changes: dict[str, Any]) -> None:
    assert job_name(spec(**changes)) == job_name(spec())


@pytest.mark.parametrize(
    "changes",
    [
        {"source": {"uri": "file:///in/c.mov"}},
        {"output": {"uri": "file:///out/c.mp4"}},
        {"output": {"uri": "file:///out/b.mp4", "dropTracks": ["data"]}},
        {"faces": [{"source": ["file:///faces/bob.png"]}]},
        {"faces": [{"source": ["file:///faces/ada.png"], "target": {"select": "All"}}]},
        {"engine": {"name": "Passthrough"}},
        {"video": {"quality": 19}},
        {"audio": {"codec": "Aac"}},
        {"segments": {"targetSeconds": 5}},
        {"consent": {"reference": "REL-2"}},
    ],
    ids=str,
)
def test_a_jobs_name_changes_with(changes: dict[str, Any]) -> None:
    assert job_name(spec(**changes)) != job_name(spec())


class Played:
    """A stage process that has ended."""

    frames: ClassVar[dict[int, int]] = {}
    notices: ClassVar[list[str]] = ["cat.png: this may be no face"]

    def __init__(self, code: int) -> None:
        self.result = StageResult(code=code, reason="Played", message="segment 2: frame 51, at 2.040 s")

    def poll(self) -> StageResult:
        return self.result


def played(
    monkeypatch: pytest.MonkeyPatch,
    codes: dict[int, list[int]],
    retries: int = 3,
    progress: Callable[[Progress], None] = lambda _: None,
    before_retry: Callable[[], None] = lambda: None,
) -> list[tuple[int, float]]:
    """Run three workers whose ends are given, by their index; gives when each was started, on a clock of its own."""
    started: list[tuple[int, float]] = []
    now = [0.0]

    def start(self: LocalRun, *_: Any, index: int) -> Played:
        started.append((index, now[0]))
        left = codes.get(index, [])
        return Played(left.pop(0) if left else 0)

    monkeypatch.setattr(LocalRun, "_start", start)
    monkeypatch.setattr(local.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(local.time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    run = LocalRun(
        spec(segments={"retries": retries}), workers=1, log=Path("log"), progress=progress, before_retry=before_retry
    )
    monkeypatch.setattr(local, "segments_per_process", lambda *_: 1)
    try:
        run._swap(Path(), "run", 30, 3)
    finally:
        started.append((-1, now[0]))
    return started


@pytest.mark.parametrize("code", sorted(exitcodes.RETRIED))
def test_a_transient_error_is_tried_again_after_pauses_that_grow(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    started = played(monkeypatch, {1: [code, code, code]})
    times = [at for index, at in started if index == 1]
    pauses = [b - a for a, b in pairwise(times)]
    assert [round(pause) for pause in pauses] == [1, 2, 4]


def test_a_failed_try_is_told_of_with_the_time_of_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Progress] = []
    played(monkeypatch, {1: [75, 70]}, progress=told.append)
    assert [(each.stage, each.note) for each in told if each.note] == [
        ("swap", f"swap failed: segment 2: frame 51, at 2.040 s: next try in {pause} s, {pause} of 3")
        for pause in (1, 2)
    ]


def test_a_store_that_time_does_not_mend_ends_the_run_at_its_first_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def full() -> None:
        raise Transient("store: its disk is full")

    left = {1: [75, 69, 69, 69]}
    with pytest.raises(Transient, match="its disk is full"):
        played(monkeypatch, left, before_retry=full)
    assert left == {1: [69, 69]}


def test_what_a_stage_wants_to_be_read_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Progress] = []
    run = LocalRun(spec(), workers=1, log=Path("log"), progress=told.append)
    run._until_done("precheck", lambda: Played(0))  # type: ignore[arg-type,return-value]
    assert told == [Progress("precheck", note="warning: cat.png: this may be no face")]


@pytest.mark.parametrize(
    ("changes", "prechecked"),
    [
        ({}, True),
        ({"engine": {"name": "Passthrough"}}, False),
        ({"engine": {"name": "Passthrough"}, "video": {"encoder": "Nvenc"}}, True),
    ],
)
def test_a_worker_is_asked_first_where_it_alone_can_tell(changes: dict[str, Any], prechecked: bool) -> None:
    assert local.is_prechecked(spec(**changes)) is prechecked


def test_segments_that_an_earlier_run_left_are_counted_once_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = LocalRun(spec(storage={"scratch": f"file://{tmp_path}"}), workers=1, log=Path("log"), progress=lambda _: None)
    assert run._left_done("run") == 0
    storage, layout = Storage(StorageSettings(endpoint=None)), run._layout("run")
    for uri in (layout.part(0, "a"), layout.part(0, "b"), layout.part(2, "a"), layout.bad_frames(1, "a")):
        local_path(uri).parent.mkdir(parents=True, exist_ok=True)
        storage.put(uri, b"x")
    assert run._left_done("run") == 2


def test_others_go_on_while_one_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    started = played(monkeypatch, {0: [75]})
    assert [index for index, _ in started] == [0, 1, 2, 0, -1]
    assert started[2][1] < 1.0 <= started[3][1]


@pytest.mark.parametrize("code", sorted(exitcodes.NEVER_RETRIED))
def test_a_permanent_error_is_not_tried_again(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    with pytest.raises(StageFailed, match=r"frame 51, at 2\.040 s") as failed:
        played(monkeypatch, {0: [code]})
    assert failed.value.exit_code == code


def test_tries_have_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    left = {1: [75] * 9}
    with pytest.raises(StageFailed):
        played(monkeypatch, left, retries=2)
    assert len(left[1]) == 6, "one try and two more"


@pytest.mark.parametrize(
    ("status", "code", "reason"),
    [
        (-9, 75, names.TRY_AGAIN),
        (-15, 75, names.TRY_AGAIN),
        (1, 70, names.INTERNAL_ERROR),
        (0, 70, names.INTERNAL_ERROR),
    ],
    ids=["killed", "terminated", "a traceback", "success without a word"],
)
def test_a_stage_that_could_not_say_how_it_ended(status: int, code: int, reason: str) -> None:
    result = local._died(status, Path("/runs/log.jsonl"))
    assert (result.code, result.reason) == (code, reason)
    assert status < 0 or "/runs/log.jsonl" in result.message


FULL = "/tmp/0-part.mkv: its disk is full"
TELLS = f"""
import os
from recast.errors import Transient
from recast.stage import run_stage
def body(job):
    raise Transient({FULL!r}, reason="Exhausted")
os._exit(run_stage(body))
"""


def test_what_a_stage_says_is_heard_where_the_disk_is_full(tmp_path: Path) -> None:
    job = StageInput(namespace="n", name="j", uid="u", spec=spec()).model_dump_json(by_alias=True)
    nowhere = tmp_path / "none" / "message.json"
    environment = dict(os.environ) | {"RECAST_STAGE": job, "RECAST_TERMINATION_LOG": str(nowhere)}
    child = local._Child([sys.executable, "-c", TELLS], environment, nowhere, Path("/dev/full"))
    child.process.wait(60)
    result = child.poll()
    assert result is not None
    assert (result.code, result.reason, result.message) == (75, names.EXHAUSTED, FULL)


def test_a_failed_stages_own_code_reason_and_words_are_the_runs() -> None:
    failed = StageFailed(StageResult(code=66, reason=names.INPUT_NOT_FOUND, message="a.mov: not there"))
    assert (failed.exit_code, failed.reason, str(failed)) == (66, names.INPUT_NOT_FOUND, "a.mov: not there")


@pytest.mark.parametrize("code", sorted(exitcodes.RETRIED | {exitcodes.INTERRUPTED, exitcodes.TERMINATED}))
def test_what_is_done_is_kept_after_an_end_that_another_try_may_better(code: int) -> None:
    assert code in KEEP_AFTER


@pytest.mark.parametrize("code", sorted(exitcodes.NEVER_RETRIED | {exitcodes.OK}))
def test_nothing_is_kept_after_an_end_that_is_final(code: int) -> None:
    assert code not in KEEP_AFTER


@pytest.mark.parametrize("signal_number", [9, 11, 6, 7])
def test_a_stage_that_crashed_is_tried_again_and_what_is_done_is_kept(signal_number: int) -> None:
    # Decoders and drivers crash; a pod that did would be tried again.
    code = local._died(-signal_number, Path("log")).code
    assert code in exitcodes.RETRIED and code in KEEP_AFTER


def test_runs_are_in_the_users_cache_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/elsewhere")
    assert runs_folder() == Path("/elsewhere/recast/runs")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/ada")
    assert runs_folder() == Path("/home/ada/.cache/recast/runs")


@pytest.mark.parametrize("cache", ["/proc/none", "/dev/null"])
def test_a_cache_folder_that_cannot_be_made_is_named_with_what_moves_it(
    cache: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", cache)
    with pytest.raises(BadConfig, match=rf"^{cache}/recast/runs: .*XDG_CACHE_HOME"):
        local.make_runs_folder()


def test_a_cache_folder_that_cannot_be_written_to_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert local.make_runs_folder() == tmp_path / "recast" / "runs"
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(BadConfig, match="XDG_CACHE_HOME"):
        local.make_runs_folder()


def test_a_store_in_use_is_not_removed(tmp_path: Path) -> None:
    import fcntl

    run = tmp_path / "run"
    (run / "store").mkdir(parents=True)
    with (run / "store" / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert is_in_use(run)
        remove_run(run)
        assert run.exists()
    assert not is_in_use(run)
    remove_run(run)
    assert not run.exists()
    remove_run(run)


def test_the_stores_credentials_are_in_the_environment_only_while_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEPT", "1")
    before = dict(os.environ)
    with pytest.raises(ZeroDivisionError), local._environment({"AWS_ACCESS_KEY_ID": "k"}):
        assert dict(os.environ) == {"AWS_ACCESS_KEY_ID": "k"}
        raise ZeroDivisionError
    assert dict(os.environ) == before
