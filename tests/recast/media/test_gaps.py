"""Which gaps between frames an output's clock can say."""

from fractions import Fraction

import pytest

from recast.errors import BadInput
from recast.media.gaps import MOST_TICKS, Gaps

TICK = Fraction(1, 90_000)


def gaps(*segments: tuple[int, ...]) -> Gaps:
    found = Gaps()
    for times in segments:
        found.add(times)
    return found


@pytest.mark.parametrize(
    "segments", [[(500, 3600, 3600 + MOST_TICKS)], [(500, 3600), (3600 + MOST_TICKS,)]], ids=["within", "between"]
)
def test_a_gap_may_be_as_wide_as_the_clock_is(segments: list[tuple[int, ...]]) -> None:
    gaps(*segments).refuse_too_wide(500, TICK, "in.ts")


def test_a_wider_one_is_refused_with_its_place_and_length() -> None:
    wide = gaps((500, 90_500), (90_500 + 90_000 * 50_000, 90_501 + 90_000 * 50_000))
    with pytest.raises(BadInput, match=r"in\.ts: no frame is shown anew for 50000 s from 1\.000 s on, .*: cut"):
        wide.refuse_too_wide(500, TICK, "in.ts")


def test_where_frames_have_the_same_time_a_tick_is_divided_and_the_clock_the_shorter() -> None:
    same = gaps((0, 5, 5), (5 + MOST_TICKS // 64 + 1,))
    assert same.room == MOST_TICKS // 64
    with pytest.raises(BadInput):
        same.refuse_too_wide(0, TICK, "in.ts")
