"""A stage in which nothing moves ends with 75; one in which something does is left alone."""

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace

import pytest

from recast import names, watchdog
from recast.watchdog import Watchdog, wait_for

PATIENCE = 100.0


class Clock:
    """Time that passes only when told to."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now


class Dog:
    """A watchdog that barks instead of biting, and looks every few milliseconds."""

    def __init__(self) -> None:
        self.codes: list[int] = []
        self.ended = threading.Event()
        self.dog = Watchdog(PATIENCE, lambda: "segment 3, frame 7", end=self._end)

    def _end(self, code: int) -> None:
        self.codes.append(code)
        self.ended.set()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(watchdog, "time", SimpleNamespace(monotonic=clock.monotonic))
    # Looks a hundred times as often as the real one.
    monkeypatch.setattr(watchdog, "min", lambda *_: 0.005, raising=False)
    return clock


@pytest.fixture
def dog(clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Dog]:
    monkeypatch.setenv("RECAST_TERMINATION_LOG", str(tmp_path / "termination"))
    dog = Dog()
    yield dog
    dog.dog.stop()


def test_a_stall_ends_the_stage_to_be_tried_again(dog: Dog, clock: Clock, tmp_path: Path) -> None:
    clock.now += PATIENCE
    assert dog.ended.wait(5)
    left = json.loads((tmp_path / "termination").read_text())
    assert (left["code"], left["reason"]) == (75, names.STALLED)
    assert "segment 3, frame 7" in left["message"] and "100 s" in left["message"]
    time.sleep(0.03)
    assert dog.codes == [75], "it ends the stage once"


def test_a_stage_that_moves_is_left_alone(dog: Dog, clock: Clock) -> None:
    for _ in range(5):
        clock.now += PATIENCE - 1
        time.sleep(0.01)
        dog.dog.moved()
    assert not dog.ended.wait(0.03)


def test_a_stage_that_moved_and_then_stalls_is_ended(dog: Dog, clock: Clock) -> None:
    clock.now += PATIENCE - 1
    dog.dog.moved()
    clock.now += PATIENCE
    assert dog.ended.wait(5)


def test_a_stage_that_is_over_is_not_ended(dog: Dog, clock: Clock) -> None:
    dog.dog.stop()
    time.sleep(0.02)
    clock.now += 10 * PATIENCE
    assert not dog.ended.wait(0.03)


def test_to_wait_for_a_task_that_ends_by_itself_is_no_stall(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchdog, "WAIT_SECONDS", 0.001)
    task: Future[int] = Future()
    moves: list[None] = []

    def moved() -> None:
        moves.append(None)
        if len(moves) == 3:
            task.set_result(7)

    assert wait_for(task, moved) == 7 and len(moves) == 3


def test_what_a_task_raises_is_raised_to_who_waits_for_it() -> None:
    task: Future[int] = Future()
    task.set_exception(TimeoutError("its own"))
    with pytest.raises(TimeoutError, match="its own"):
        wait_for(task, lambda: None)
