"""Decode times: never after the pts, always rising, for any reordering and any times."""

from itertools import accumulate, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recast.media.stamp import decode_times

STEPS = st.lists(st.integers(1, 4000), min_size=1, max_size=60)
CLOSE = st.lists(st.integers(0, 2), min_size=1, max_size=60)
MOVES = st.lists(st.integers(0, 4), min_size=1, max_size=7)


def decode_order(frames: int, reorder: int, moves: list[int]) -> list[int]:
    """Ranks in decode order in which no packet comes more than `reorder` places after its rank."""
    waiting, order = list(range(frames)), []
    for place in range(frames):
        # What is due now must go now; else any of the next few may be decoded ahead.
        due = waiting[0] + reorder <= place
        order.append(waiting.pop(0 if due else moves[place % len(moves)] % len(waiting[: reorder + 1])))
    return order


def check(pts: list[int], reorder: int, fine: int, order: list[int], lead: int = 1) -> None:
    assert max(place - rank for place, rank in enumerate(order)) <= reorder
    dts = list(decode_times(pts, reorder, fine, lead))
    assert len(dts) == len(pts)
    assert all(a < b for a, b in pairwise(dts))
    assert all(dts[place] <= pts[rank] * fine for place, rank in enumerate(order))


@given(STEPS, st.integers(-5000, 5000), st.integers(0, 4), MOVES, st.integers(1, 4000))
def test_dts_never_exceeds_pts_and_always_rises(
    steps: list[int], start: int, reorder: int, moves: list[int], lead: int
) -> None:
    pts = list(accumulate(steps, initial=start))
    check(pts, reorder, 1, decode_order(len(pts), reorder, moves), lead)


@given(CLOSE, st.integers(-50, 50), st.integers(0, 4), MOVES)
def test_among_frames_of_the_same_time_too(steps: list[int], start: int, reorder: int, moves: list[int]) -> None:
    pts = list(accumulate(steps, initial=start))
    check(pts, reorder, 64, decode_order(len(pts), reorder, moves))


@given(STEPS, st.lists(st.integers(1, 6), min_size=1, max_size=20), st.integers(0, 4), MOVES)
def test_across_parts_that_reorder_each_for_itself(
    steps: list[int], lengths: list[int], reorder: int, moves: list[int]
) -> None:
    # Closed GOPs: no packet leaves its part, parts may be shorter than the reordering is deep.
    pts = list(accumulate(steps, initial=0))
    order: list[int] = []
    for length in [*lengths, len(pts)]:
        length = min(length, len(pts) - len(order))
        order += [len(order) + rank for rank in decode_order(length, reorder, moves)]
    check(pts, reorder, 1, order)


@pytest.mark.parametrize(
    ("pts", "reorder", "fine", "lead", "dts"),
    [
        ([0, 40, 95], 0, 1, 40, [0, 40, 95]),
        ([100, 140, 180, 220], 2, 1, 1, [98, 99, 100, 140]),
        ([100, 140, 180, 220], 2, 1, 40, [20, 60, 100, 140]),
        ([100], 2, 1, 1, [98]),
        ([5, 5, 6], 0, 64, 1, [319, 320, 384]),
        ([5, 5, 6], 1, 64, 3, [128, 319, 320]),
        ([], 2, 1, 1, []),
    ],
    ids=[
        "no reordering",
        "before the first pts, a tick apart",
        "before the first pts, a frame apart",
        "one frame",
        "same time",
        "same time, reordered",
        "none",
    ],
)
def test_decode_times(pts: list[int], reorder: int, fine: int, lead: int, dts: list[int]) -> None:
    assert list(decode_times(pts, reorder, fine, lead)) == dts
