"""Pauses between tries, and the gap that a refused client keeps."""

import pytest

from recast.storage.backoff import (
    FIRST_GAP_SECONDS,
    FIRST_SECONDS,
    MORE_WHERE_BUSY,
    MOST_GAP_SECONDS,
    MOST_SECONDS,
    Pace,
    pause_seconds,
)


def pauses(attempts: int, *, busy: bool, draw: float) -> list[float]:
    found = []
    while (pause := pause_seconds(len(found) + 1, attempts=attempts, busy=busy, draw=lambda: draw)) is not None:
        found.append(pause)
    return found


def test_pauses_are_drawn_from_zero_to_a_bound_that_doubles() -> None:
    assert pauses(5, busy=False, draw=1) == [FIRST_SECONDS * 2**k for k in range(4)]
    assert pauses(5, busy=False, draw=0) == [0] * 4
    assert max(pauses(9, busy=False, draw=1)) == MOST_SECONDS


@pytest.mark.parametrize("attempts", [1, 2, 5])
def test_a_busy_store_is_asked_more_often(attempts: int) -> None:
    assert len(pauses(attempts, busy=False, draw=1)) == attempts - 1
    assert len(pauses(attempts, busy=True, draw=1)) == MORE_WHERE_BUSY * (attempts - 1)


def test_who_was_refused_spaces_out_and_closes_up_again() -> None:
    pace = Pace(lambda: 0.5)
    assert [pace.wait_seconds(1.0) for _ in range(3)] == [0, 0, 0]
    pace.refused()
    assert pace.wait_seconds(1.0) == 0
    assert pace.wait_seconds(1.0) == pytest.approx(FIRST_GAP_SECONDS)
    for _ in range(20):
        pace.refused()
    pace.wait_seconds(9.0)
    assert pace.wait_seconds(9.0) == pytest.approx(MOST_GAP_SECONDS)
    for _ in range(100):
        pace.served()
    later = 1000.0
    assert [pace.wait_seconds(later) for _ in range(3)] == [0, 0, 0]
