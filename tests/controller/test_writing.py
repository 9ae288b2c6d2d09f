import pytest

from controller.writing import LATE_SECONDS, SOON_SECONDS, LastWrite, is_due
from recast.status import JobStatus, SegmentCounts
from tests.controller.builders import was_split


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
