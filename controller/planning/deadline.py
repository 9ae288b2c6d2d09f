"""Pure: how much of a job's time is used up. While it is suspended or queued, its time stands still."""

from datetime import datetime, timedelta

from recast.status import JobStatus, Waited


def worked(status: JobStatus, now: datetime) -> timedelta:
    """How long a job has been at work."""
    if status.start_time is None:
        return timedelta()
    return (status.waited.since or now) - status.start_time - timedelta(seconds=status.waited.seconds)


def with_waiting(status: JobStatus, waits: bool, now: datetime) -> JobStatus:
    """Note that a job waits from now on, or does so no more; gives the same object where nothing changed."""
    waited, now = status.waited, now.replace(microsecond=0)
    if status.start_time is None or waits == (waited.since is not None):
        return status
    if waited.since is None:
        after = Waited(seconds=waited.seconds, since=now)
    else:
        after = Waited(seconds=waited.seconds + max(0, int((now - waited.since).total_seconds())))
    return status.model_copy(update={"waited": after})
