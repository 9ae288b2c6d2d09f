import threading

import pytest

from controller.kube.workqueue import FIRST_RETRY_SECONDS, MOST_RETRY_SECONDS, WorkQueue


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def queue(clock: Clock) -> WorkQueue:
    return WorkQueue(clock)


def test_a_key_is_in_it_once_and_comes_in_its_turn(queue: WorkQueue) -> None:
    for key in "abab":
        queue.add(key)
    assert len(queue) == 2
    assert [queue.take(0), queue.take(0), queue.take(0)] == ["a", "b", None]


def test_what_changes_during_a_look_is_looked_at_again_after_it(queue: WorkQueue) -> None:
    queue.add("a")
    assert queue.take(0) == "a"
    queue.add("a")
    assert queue.take(0) is None, "never by two at once"
    queue.done("a")
    assert queue.take(0) == "a"
    queue.done("a")
    assert queue.take(0) is None


def test_later_is_later_and_the_earliest_counts(queue: WorkQueue, clock: Clock) -> None:
    queue.add_after("a", 10)
    queue.add_after("a", 5)
    queue.add_after("a", 20)
    clock.now += 4.9
    assert queue.take(0) is None
    clock.now += 0.2
    assert queue.take(0) == "a"
    queue.done("a")
    clock.now += 100
    assert queue.take(0) is None, "the other times were replaced"


def test_pauses_grow_to_a_limit_and_start_anew_once_it_went_well(queue: WorkQueue) -> None:
    pauses = [queue.retry("a") for _ in range(12)]
    assert pauses[:3] == [FIRST_RETRY_SECONDS, 2 * FIRST_RETRY_SECONDS, 4 * FIRST_RETRY_SECONDS]
    assert pauses[-1] == MOST_RETRY_SECONDS
    queue.forget("a")
    assert queue.retry("a") == FIRST_RETRY_SECONDS


def test_the_time_in_the_queue_is_told(clock: Clock) -> None:
    waited: list[float] = []
    queue = WorkQueue(clock, waited.append)
    queue.add("a")
    clock.now += 3
    queue.take(0)
    assert waited == [3.0]


def test_closed_it_wakes_those_that_wait() -> None:
    queue = WorkQueue()
    taken: list[str | None] = []
    waiting = threading.Thread(target=lambda: taken.append(queue.take()))
    waiting.start()
    queue.close()
    waiting.join(5)
    assert taken == [None]


def test_a_key_wakes_one_that_waits() -> None:
    queue = WorkQueue()
    taken: list[str | None] = []
    waiting = threading.Thread(target=lambda: taken.append(queue.take(5)))
    waiting.start()
    queue.add_after("a", 0.01)
    waiting.join(5)
    assert taken == ["a"]


def test_closed_it_gives_nothing_that_still_waits(queue: WorkQueue) -> None:
    queue.add("a")
    queue.close()
    assert queue.take(0) is None and queue.take() is None


def test_what_is_due_during_a_look_waits_for_its_end(queue: WorkQueue, clock: Clock) -> None:
    queue.add("a")
    queue.take(0)
    queue.add_after("a", 5)
    clock.now += 6
    assert queue.take(0) is None
    queue.done("a")
    assert queue.take(0) == "a"


def test_of_several_the_first_that_is_due_comes_first(queue: WorkQueue, clock: Clock) -> None:
    for key, seconds in (("c", 3), ("a", 1), ("b", 2)):
        queue.add_after(key, seconds)
    assert len(queue) == 0
    clock.now += 10
    assert [queue.take(0) for _ in range(4)] == ["a", "b", "c", None]


def test_one_keys_failures_are_not_anothers(queue: WorkQueue) -> None:
    queue.retry("a")
    queue.retry("a")
    assert queue.retry("b") == FIRST_RETRY_SECONDS


def test_a_failed_look_comes_again_after_its_pause(queue: WorkQueue, clock: Clock) -> None:
    queue.add("a")
    queue.take(0)
    pause = queue.retry("a")
    queue.done("a")
    assert queue.take(0) is None
    clock.now += pause
    assert queue.take(0) == "a"
