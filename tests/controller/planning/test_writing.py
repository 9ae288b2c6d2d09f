from typing import Any

import pytest

from controller.planning.writing import LATE_SECONDS, SOON_SECONDS, LastWrite, is_due
from recast.status import Attempts, FrameCounts, GpuSeconds, JobStatus, SegmentCounts
from tests.controller.builders import NOW, was_split


def at(succeeded: int, total: int = 1000) -> JobStatus:
    return was_split(segments=SegmentCounts(total=total, succeeded=succeeded), progress=f"{succeeded}/{total}")


def test_what_is_equal_is_never_written() -> None:
    assert not is_due(at(1), at(1), None, 1e9)


def test_the_first_and_what_is_no_progress_are_written_at_once() -> None:
    last = LastWrite(at=100.0, succeeded=1)
    assert is_due(at(1), at(2), None, 100.0)
    assert is_due(at(1), at(1).model_copy(update={"phase": "Muxing"}), last, 100.0)


@pytest.mark.parametrize(
    ("done", "seconds", "due"),
    [
        (19, SOON_SECONDS, False),
        (20, SOON_SECONDS - 0.1, False),
        (20, SOON_SECONDS, True),
        (1, LATE_SECONDS - 0.1, False),
        (1, LATE_SECONDS, True),
    ],
)
def test_progress_is_written_now_and_then(done: int, seconds: float, due: bool) -> None:
    assert is_due(at(0), at(done), LastWrite(at=100.0, succeeded=0), 100.0 + seconds) == due


@pytest.mark.parametrize(
    "changes",
    [
        {"segments": SegmentCounts(total=1000, succeeded=1, active=3)},
        {"frames": FrameCounts(total=100, done=9)},
        {"progress": "1/1000"},
        {"gpu_seconds": GpuSeconds(lost=9)},
        {"estimated_completion_time": NOW},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_all_of_progress_waits(changes: dict[str, Any]) -> None:
    after = at(0).model_copy(update=changes)
    last = LastWrite(at=100.0, succeeded=0)
    assert not is_due(at(0), after, last, 100.0 + SOON_SECONDS)
    assert is_due(at(0), after, last, 100.0 + LATE_SECONDS)


@pytest.mark.parametrize(
    "changes",
    [
        {"phase": "Queued"},
        {"conditions": ()},
        {"run": "fedcba987654"},
        {"attempts": Attempts(swap=1)},
        {"observed_generation": 2},
        {"completion_time": NOW},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_all_else_does_not(changes: dict[str, Any]) -> None:
    assert is_due(at(0), at(0).model_copy(update=changes), LastWrite(at=100.0, succeeded=0), 100.0)


def test_a_job_whose_segments_are_not_known_yet_is_not_written_soon() -> None:
    after = at(0, 0).model_copy(update={"gpu_seconds": GpuSeconds(spent=1)})
    assert not is_due(at(0, 0), after, LastWrite(at=100.0, succeeded=0), 100.0 + SOON_SECONDS)
