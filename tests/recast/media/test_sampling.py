from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from recast.media.sampling import pick

TIMES = st.lists(st.integers(0, 300), min_size=1, unique=True).map(sorted)


def test_as_few_as_will_do_are_picked() -> None:
    assert pick([0, 1, 2, 3, 4, 5, 6, 7], 3) == [0, 3, 6, 7]
    assert pick([0, 10, 20], 3) == [0, 10, 20]
    assert pick([5], 3) == [5]


@given(TIMES, st.integers(1, 50))
def test_nothing_lies_further_than_that_from_what_is_picked(times: list[int], every: int) -> None:
    picked = pick(times, every)
    assert set(picked) <= set(times) and picked == sorted(set(picked))
    assert (picked[0], picked[-1]) == (times[0], times[-1])
    neighbours = set(pairwise(times))
    assert all(b - a <= every or (a, b) in neighbours for a, b in pairwise(picked))


@given(TIMES, st.integers(1, 50))
def test_none_could_be_left_out(times: list[int], every: int) -> None:
    picked = pick(times, every)
    assert all(c - a > every for a, c in zip(picked[:-1], picked[2:], strict=False) if c != picked[-1])
