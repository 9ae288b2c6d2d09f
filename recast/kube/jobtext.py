"""Pure: how a FaceSwapJob stands, in words."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from recast import exitcodes
from recast.kube import names as kube
from recast.kube.cluster import Job
from recast.status import JobStatus
from recast.wording import counted, size, span


def exit_code(status: JobStatus) -> int | None:
    """The exit code that a job stands for; None while it goes on."""
    if status.phase == "Succeeded":
        return exitcodes.OK
    if status.phase != "Failed":
        return None
    code = status.failure.code if status.failure else exitcodes.TRY_AGAIN
    return code if 0 < code < 256 else exitcodes.TRY_AGAIN


def worst(codes: Sequence[int]) -> int:
    """The code that many jobs' codes come to: one that no other try can mend is worse than one that it can.

    >>> worst([0, 137, 65, 75])
    65
    """
    return max(codes, key=lambda code: (code in exitcodes.NEVER_RETRIED, code), default=exitcodes.OK)


def progress(status: JobStatus, now: datetime) -> str:
    """How far it is: `Swapping 12/40 segments, 96 fps, 3m left`."""
    words = [status.phase + (f" {status.progress} segments" if status.progress else "")]
    if status.phase == "Swapping" and status.frames.per_second:
        words.append(f"{status.frames.per_second} fps")
    if (time := left(status, now)) is not None:
        words.append(f"{span(time)} left")
    return ", ".join(words)


def left(status: JobStatus, now: datetime) -> timedelta | None:
    """When swap will be done at its speed; None where it does not move, or has not for so long that this is over."""
    end = status.estimated_completion_time
    return end - now if status.phase == "Swapping" and end and end > now and not stalled(status) else None


def stalled(status: JobStatus) -> str | None:
    """Why it does not move, as the controller says."""
    found = status.true_condition(kube.STALLED)
    return f"{found.reason}: {found.message}" if found else None


def failure(status: JobStatus) -> str:
    """Why it failed."""
    found = status.failure
    if found is None:
        return "failed, and does not say why"
    where = [f"segment {found.segment}"] if found.segment is not None else []
    where += [f"pod {found.pod}"] if found.pod else []
    return f"{found.reason}: {found.message}" + (f" ({', '.join(where)})" if where else "")


def success(job: Job) -> str:
    """What was made, and where it is."""
    status = job.status
    words = [status.output.uri if status.output else job.output]
    if status.frames.total:
        words.append(counted(status.frames.total, "frame"))
    if status.output:
        words.append(size(status.output.size))
    if status.faces_swapped is not None:
        words.append(f"{counted(status.faces_swapped, 'face')} changed")
    if status.bad_frames:
        words.append(f"{counted(status.bad_frames.count, 'frame')} did not decode whole")
    if status.start_time and status.completion_time:
        words.append(span(status.completion_time - status.start_time))
    return ", ".join(words)


def warning(job: Job) -> str | None:
    """What a person should look at although the job succeeded."""
    if job.status.faces_swapped != 0 or job.spec.get("engine", {}).get("name") == "Passthrough":
        return None
    return "no face was changed: `recast preview` of the source shows who is found, and who is chosen"


def photos(status: JobStatus) -> list[str]:
    """Which photos people should look at once more."""
    return [f"Look at this photo once more: {notice}." for notice in status.notices or ()]


def note(status: JobStatus) -> str:
    """The one word that a list has room for."""
    if status.failure:
        return status.failure.reason
    found = status.true_condition(kube.STALLED)
    return found.reason if found else ""


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table with its columns aligned.

    >>> table([["NAME", "AGE"], ["interview", "5s"]])
    ['NAME        AGE', 'interview   5s']
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["   ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
