"""Pure: the counts in a job's status, from its swap Job and pods. None of them ever goes back."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from controller.planning.gputime import gpu_seconds
from controller.planning.observed import Pod, StageJob, count_indexes
from recast.status import FrameCounts, JobStatus, SegmentCounts


def with_swap_progress(
    status: JobStatus, job: StageJob, pods: Sequence[Pod], now: datetime, gone: Sequence[Pod] = ()
) -> JobStatus:
    """Count what the swap Job has done; times and speeds are made anew only where a segment was finished."""
    total, per_pod = status.segments.total, job.segments_per_pod
    done = total if job.complete else _segments_done(job.completed_indexes, per_pod, total)
    succeeded = max(done, status.segments.succeeded)
    segments = SegmentCounts(
        total=total,
        active=min(job.active * per_pod, total - succeeded),
        succeeded=succeeded,
        failed=status.segments.failed,
    )
    changes: dict[str, object] = {
        "segments": segments,
        "progress": f"{succeeded}/{total}",
        "gpu_seconds": gpu_seconds(status, job, pods, gone, now),
    }
    if succeeded != status.segments.succeeded and job.started is not None:
        changes |= _speed(status, succeeded, now - job.started, now)
    return status.model_copy(update=changes)


def _segments_done(indexes: str, per_pod: int, total: int) -> int:
    return sum(min(per_pod, total - index * per_pod) for index in count_indexes(indexes))


def _speed(status: JobStatus, succeeded: int, elapsed: timedelta, now: datetime) -> dict[str, object]:
    frames, total = status.frames, status.segments.total
    done = max(frames.done, round(frames.total * succeeded / total))
    # What an earlier Job did, or this one before it was suspended, says nothing of its speed.
    before = frames.total * status.earlier.segments / max(1, total)
    per_second = round((done - before) / max(1.0, elapsed.total_seconds()))
    left = timedelta(seconds=round((frames.total - done) / per_second)) if per_second > 0 else None
    return {
        "frames": FrameCounts(total=frames.total, done=done, per_second=max(0, per_second)),
        "estimated_completion_time": (now + left).replace(microsecond=0) if left is not None else None,
    }
