"""A stage in which nothing moves ends with 75; one in which something does is left alone."""

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from recast import names, watchdog
from recast.watchdog import Watchdog

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
