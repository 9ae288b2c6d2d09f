"""Pure: a plan while it is made: the status as it becomes, and what is to be done."""

from datetime import datetime
from typing import Any

from controller.planning.actions import Action, Event, Plan
from controller.planning.conditions import with_condition, with_readiness, without_condition
from controller.planning.deadline import with_waiting, worked
from controller.planning.ending import stop
from controller.planning.gputime import gpu_seconds
from controller.planning.observed import Observed
from recast.kube import names as kube
from recast.status import Earlier, Failure, GpuSeconds, JobStatus


class Draft:
    """What is known of a job, and what is decided about it so far.

    Args:
        observed: the FaceSwapJob, its Jobs and pods.
        now: the time, with its zone.
        deadline_seconds: the job's; None where its spec cannot be read.
    """

    def __init__(self, observed: Observed, now: datetime, *, deadline_seconds: int | None = None) -> None:
        self._observed, self._now, self._deadline_seconds = observed, now, deadline_seconds
        self._resource = observed.resource
        self._status = self._resource.status
        self._actions: list[Action] = []
        self._events: list[Event] = []
        self._waits = False
        self._update(observed_generation=self._resource.generation)

    def fail(self, reason: str, message: str, code: int, *, segment: int | None = None, pod: str | None = None) -> Plan:
        """End the job; what is done stays in scratch for another try."""
        self._actions = [*stop(self._observed)]
        self._count_what_stops()
        self._forget(kube.STALLED, kube.QUOTA_RESERVED)
        self._condition(kube.FAILED, "True", reason, message)
        self._update(
            phase="Failed",
            failure=Failure(code=code, reason=reason, message=message[:4096], segment=segment, pod=pod),
            completion_time=self._now.replace(microsecond=0),
            estimated_completion_time=None,
            segments=self._status.segments.model_copy(
                update={"active": 0, "failed": 1 if segment is not None else self._status.segments.failed}
            ),
        )
        self._events.append(Event("Warning", reason, message))
        return self._plan(None)

    def _forget(self, *conditions: str) -> None:
        """Leave out conditions of what runs no more."""
        for condition in conditions:
            self._status = without_condition(self._status, condition)

    def _count_what_stops(self) -> None:
        """Count the GPU time of a swap Job that is about to be stopped: its pods may not be seen again."""
        job = self._observed.job(kube.SWAP, self._attempt(kube.SWAP))
        if job is not None and job.live:
            pods, gone = self._observed.pods_of(job), self._observed.gone_of(job)
            self._update(gpu_seconds=gpu_seconds(self._status, job, pods, gone, self._now, stops=True))

    def _attempt(self, stage: str) -> int:
        return int(getattr(self._status.attempts, stage))

    def _next_attempt(self, stage: str, *, after: int) -> None:
        attempt = max(self._attempt(stage), after + 1)
        if stage == kube.SWAP and attempt != self._attempt(stage):
            self._keep_earlier(self._status.gpu_seconds)
        self._update(attempts=self._status.attempts.model_copy(update={stage: attempt}))

    def _keep_earlier(self, gpu_seconds: GpuSeconds) -> None:
        """Note what the swap Job that now begins, or goes on, has not done."""
        self._update(earlier=Earlier(segments=self._status.segments.succeeded, gpu_seconds=gpu_seconds))

    def _update(self, **changes: Any) -> None:
        self._status = self._status.model_copy(update=changes)

    def _update_from(self, status: JobStatus) -> None:
        self._status = status

    def _condition(self, type_: str, value: Any, reason: str, message: str) -> None:
        generation = self._resource.generation
        self._status = with_condition(self._status, type_, value, reason, message, generation=generation, now=self._now)

    def _plan(self, again: float | None) -> Plan:
        status = with_waiting(self._status, self._waits, self._now)
        self._update_from(with_readiness(status, generation=self._resource.generation, now=self._now))
        if again is not None and self._deadline_seconds is not None and not self._waits:
            left = self._deadline_seconds - worked(self._status, self._now).total_seconds()
            again = min(again, max(0.5, left + 0.5))
        return Plan(self._status, tuple(self._actions), tuple(self._events), again)
