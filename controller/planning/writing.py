"""Pure: whether a status is worth a write. Progress is written now and then, everything else at once."""

from dataclasses import dataclass

from recast.status import JobStatus

PROGRESS = {"segments", "frames", "progress", "gpu_seconds", "estimated_completion_time"}
SOON_SECONDS = 5.0
LATE_SECONDS = 30.0
STEP = 0.02
"""Share of the segments that is worth a write soon: so a job has at most 50 of them, however many segments."""


@dataclass(frozen=True)
class LastWrite:
    """When a job's status was last written, and how many segments were done then."""

    at: float
    succeeded: int


def is_due(before: JobStatus, after: JobStatus, last: LastWrite | None, now: float) -> bool:
    """Say whether `after` is to be written now.

    Args:
        before: what stands in the API.
        after: what is to stand there.
        last: the last write.
        now: monotonic seconds.
    """
    if before == after:
        return False
    if last is None or _without_progress(before) != _without_progress(after):
        return True
    waited = now - last.at
    advanced = after.segments.succeeded - last.succeeded >= STEP * max(1, after.segments.total)
    return waited >= LATE_SECONDS or (advanced and waited >= SOON_SECONDS)


def _without_progress(status: JobStatus) -> JobStatus:
    return status.model_copy(update=dict.fromkeys(PROGRESS))
