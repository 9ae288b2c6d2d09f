"""Pure: the GPU time of a swap Job's pods, those among them that are not there any more."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from controller.planning.observed import Pod, StageJob, count_indexes
from recast.status import GpuSeconds, JobStatus


def gpu_seconds(
    status: JobStatus, job: StageJob, pods: Sequence[Pod], gone: Sequence[Pod], now: datetime, *, stops: bool = False
) -> GpuSeconds:
    """Add up what is spent and what is lost; neither goes back.

    Args:
        status: as it was.
        job: the swap Job.
        pods: its pods.
        gone: those that ran when they were last looked at, and are in no list any more.
        now: the time.
        stops: whether the pods that run are being stopped.
    """
    before, earlier = status.gpu_seconds, status.earlier.gpu_seconds
    spent, lost = float(earlier.spent), float(earlier.lost)
    for pod in pods:
        if pod.exit_code == 0:
            spent += _used(pod)
        else:
            lost += _used(pod)
    stopped = [replace(pod, finished=now) for pod in pods if stops and not pod.ended and pod.finished is None]
    done = set(count_indexes(job.completed_indexes)) - {pod.index for pod in pods if pod.exit_code == 0}
    newest = _newest((*pods, *gone), now)
    for pod in (*gone, *stopped):
        is_last = pod.started is not None and pod.started >= newest[pod.index]
        if is_last and pod.index in done:
            spent += _used(pod)
        elif stops or not (is_last and job.live):
            lost += _used(pod)
        # Else it cannot be told yet: its index may be done, and the watch not have shown that.
    return GpuSeconds(spent=max(before.spent, round(spent)), lost=max(before.lost, round(lost)))


def _used(pod: Pod) -> float:
    if not pod.started or not pod.finished:
        return 0.0
    return pod.gpus * max(0.0, (pod.finished - pod.started).total_seconds())


def _newest(pods: Sequence[Pod], now: datetime) -> dict[int, datetime]:
    """When the last pod of each index was started, or is about to be."""
    newest: dict[int, datetime] = {}
    for pod in pods:
        started = pod.started or now
        newest[pod.index] = max(newest.get(pod.index, started), started)
    return newest
