"""Which stages run at once, again and how often; the runs themselves are in the media tier."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from recast import exitcodes, names
from recast.errors import Transient
from recast.local import run
from recast.local.child import StageFailed
from recast.local.run import LocalRun, Progress, is_prechecked, precheck_words
from recast.stage import StageResult
from recast.storage.storage import Storage, StorageSettings
from recast.storage.stored import local_path
from tests.recast.local.builders import spec


class Played:
    """A stage process that has ended."""

    frames: ClassVar[dict[int, int]] = {}
    notices: ClassVar[list[str]] = ["cat.png: this may be no face"]
    asked_again: ClassVar[list[str]] = []

    def __init__(self, code: int) -> None:
        self.result = StageResult(code=code, reason="Played", message="segment 2: frame 51, at 2.040 s")
        if code == exitcodes.STORAGE_UNAVAILABLE:
            self.asked_again = ["GetObject: no answer"]  # type: ignore[misc]

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
    monkeypatch.setattr(run.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(run.time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    local = LocalRun(
        spec(segments={"retries": retries}), workers=1, log=Path("log"), progress=progress, before_retry=before_retry
    )
    monkeypatch.setattr(run, "segments_per_process", lambda *_: 1)
    try:
        local._swap(Path(), "run", 30, 3)
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
    local = LocalRun(spec(), workers=1, log=Path("log"), progress=told.append)
    local._finish([run._Task("precheck", lambda: Played(0))])  # type: ignore[arg-type,return-value]
    assert told == [Progress("precheck", note="warning: cat.png: this may be no face")]


def test_split_does_not_wait_for_the_precheck_and_what_that_refuses_ends_the_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    started: list[tuple[str, ...]] = []

    def start(self: LocalRun, command: tuple[str, ...], *_: Any) -> Any:
        started.append(command)
        return Played(65) if command == run.PRECHECK else SimpleNamespace(frames={}, asked_again=[], poll=lambda: None)

    monkeypatch.setattr(LocalRun, "_start", start)
    with pytest.raises(StageFailed):
        LocalRun(spec(), workers=1, log=Path("log"), progress=lambda _: None)._split(Path())
    assert started == [run.PRECHECK, run.SPLIT]


def test_what_is_told_is_the_precheck_once_all_waits_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Progress] = []
    polls = {run.PRECHECK: [None, None, StageResult()], run.SPLIT: [None, StageResult()]}

    class Going(Played):
        def __init__(self, command: tuple[str, ...]) -> None:
            self.poll = lambda: polls[command].pop(0)  # type: ignore[assignment,method-assign,return-value]

    monkeypatch.setattr(Played, "notices", [])
    monkeypatch.setattr(run.time, "sleep", lambda _: None)

    def start(self: LocalRun, command: tuple[str, ...], *_: Any) -> Played:
        return Going(command)

    monkeypatch.setattr(LocalRun, "_start", start)
    LocalRun(spec(), workers=1, log=Path("log"), progress=told.append)._split(Path())
    assert told == [Progress("precheck", waits="looking at the photos")]


MODELS = {"name": "InSwapper", "models": "s3://models/insightface"}


@pytest.mark.parametrize(
    ("changes", "prechecked", "words"),
    [
        ({}, True, "looking at the photos"),
        ({"engine": {"name": "Passthrough"}}, False, ""),
        ({"engine": {"name": "Passthrough"}, "video": {"encoder": "Nvenc"}}, True, "trying NVENC"),
        ({"engine": MODELS}, True, "looking at the photos, starting the models"),
        ({"engine": MODELS | {"provider": "TensorRt"}}, True, "starting the models (TensorRT builds"),
    ],
)
def test_a_worker_is_asked_first_where_it_alone_can_tell(changes: dict[str, Any], prechecked: bool, words: str) -> None:
    asked = spec(**changes)
    assert is_prechecked(asked) is prechecked
    assert words in precheck_words(asked) and bool(words) is prechecked


def test_segments_that_an_earlier_run_left_are_counted_once_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    local = LocalRun(
        spec(storage={"scratch": f"file://{tmp_path}"}), workers=1, log=Path("log"), progress=lambda _: None
    )
    assert local._left_done("run") == 0
    storage, layout = Storage(StorageSettings(endpoint=None)), local._layout("run")
    for uri in (layout.part(0, "a"), layout.part(0, "b"), layout.part(2, "a"), layout.bad_frames(1, "a")):
        local_path(uri).parent.mkdir(parents=True, exist_ok=True)
        storage.put(uri, b"x")
    assert local._left_done("run") == 2


def test_others_go_on_while_one_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    started = played(monkeypatch, {0: [75]})
    assert [index for index, _ in started] == [0, 1, 2, 0, -1]
    assert started[2][1] < 1.0 <= started[3][1]


@pytest.mark.parametrize("code", sorted(exitcodes.NEVER_RETRIED))
def test_a_permanent_error_is_not_tried_again(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    with pytest.raises(StageFailed, match=r"frame 51, at 2\.040 s") as failed:
        played(monkeypatch, {0: [code]})
    assert failed.value.exit_code == code


def test_a_full_disk_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    full = Played(75)
    full.result = replace(full.result, reason=names.DISK_FULL)
    monkeypatch.setattr(LocalRun, "_start", lambda *_, **__: full)
    with pytest.raises(StageFailed):
        LocalRun(spec(), workers=1, log=Path("log"), progress=lambda _: pytest.fail("tried again"))._split(Path())


def test_tries_have_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    left = {1: [75] * 9}
    with pytest.raises(StageFailed):
        played(monkeypatch, left, retries=2)
    assert len(left[1]) == 6, "one try and two more"


def test_a_store_that_is_asked_again_is_told_of_once_in_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Progress] = []
    played(monkeypatch, {1: [69], 2: [69]}, progress=told.append)
    assert [each.note for each in told if "no answer" in each.note] == ["swap: GetObject: no answer"]
