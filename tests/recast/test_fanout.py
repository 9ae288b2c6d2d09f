"""How a job is shared out: segments' length and how many a worker does."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.fanout import LENGTHS, Profile, mean
from recast.fanout import (
    MOST_PER_WORKER,
    MOST_SECONDS,
    START_SECONDS,
    UNKNOWN_SECONDS,
    segment_seconds,
    segments_per_process,
    segments_per_worker,
)


@given(st.integers(0, 100_000), st.integers(1, 64))
def test_workers_get_between_1_and_32_segments_and_each_some_turns(segments: int, workers: int) -> None:
    each = segments_per_worker(segments, workers)
    assert 1 <= each <= 32
    assert each == 32 or math.ceil(segments / each) <= 4 * workers
    if segments >= 4 * workers:
        assert math.ceil(segments / each) >= min(2 * workers, math.ceil(segments / 32))


@pytest.mark.parametrize(
    ("segments", "workers", "each"), [(1, 8, 1), (8, 2, 1), (9, 2, 2), (100, 2, 13), (10_000, 2, 32), (0, 1, 1)]
)
def test_segments_per_worker(segments: int, workers: int, each: int) -> None:
    assert segments_per_worker(segments, workers) == each


@pytest.mark.parametrize(
    ("segments", "workers", "each"), [(0, 2, 1), (1, 2, 1), (6, 2, 3), (7, 2, 4), (64, 2, 32), (66, 2, 17), (3, 8, 1)]
)
def test_segments_per_process_of_one_machine(segments: int, workers: int, each: int) -> None:
    assert segments_per_process(segments, workers) == each


@given(st.integers(0, 100_000), st.integers(1, 64))
def test_on_one_machine_no_worker_starts_more_often_than_it_must(segments: int, workers: int) -> None:
    each = segments_per_process(segments, workers)
    starts = math.ceil(segments / each)
    assert 1 <= each <= MOST_PER_WORKER
    assert starts <= workers * max(1, math.ceil(segments / (workers * MOST_PER_WORKER)))


def auto(duration: float | None, workers: int, engine: str = "Mesh") -> float:
    return segment_seconds("Auto", duration=duration, workers=workers, engine=engine)


def test_seconds_that_were_asked_for_are_taken() -> None:
    assert segment_seconds(12.5, duration=3600, workers=4, engine="Mesh") == 12.5


@pytest.mark.parametrize("duration", [None, 0.0, -1.0])
def test_a_source_of_unknown_length_is_cut_as_by_default(duration: float | None) -> None:
    assert auto(duration, 16) == UNKNOWN_SECONDS


@given(st.floats(0.04, 1e6), st.integers(1, 100_000), st.sampled_from(sorted(START_SECONDS)))
def test_automatic_segments_are_worth_a_start_and_lose_little(duration: float, workers: int, engine: str) -> None:
    assert START_SECONDS[engine] <= auto(duration, workers, engine) <= MOST_SECONDS


@pytest.mark.parametrize("engine", ["Mesh", "InSwapper"])
@pytest.mark.parametrize("workers", [1, 4, 16, 64])
@pytest.mark.parametrize("minutes", [10, 60, 120])
def test_automatic_segments_take_little_longer_than_the_best(minutes: int, workers: int, engine: str) -> None:
    profile = Profile(START_SECONDS[engine])
    lengths = [length for length in LENGTHS if profile.start <= length <= MOST_SECONDS]
    best = min(mean(60 * minutes, workers, length, profile).seconds for length in lengths)
    chosen = mean(60 * minutes, workers, auto(60 * minutes, workers, engine), profile)
    assert chosen.seconds <= 1.15 * best
