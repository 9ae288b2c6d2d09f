"""A Kubernetes small enough to walk through a thousand times: Jobs, their pods, and what may happen to them.

It keeps the rules that the planner relies on: a Job's name is taken until it is gone, an index is done once, a
suspended or deleted Job has no pods, an index that fails too often fails its Job.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from controller.actions import CreateJob, DeleteJob, DeleteResource, ScaleJob, SetFinalizer, SuspendJob
from controller.observed import Observed, Pod, Resource, StageJob
from controller.plan import plan
from recast import kubenames as kube
from recast import names
from recast.stage import StageResult
from tests.controller.builders import FRAMES, NOW, RUN, SEGMENTS, SETTINGS, UID, resource

OUTPUT = {"uri": "s3://studio/out/interview.mp4", "size": 9, "sha256": "ab"}
TRIES = 4


@dataclass
class Running:
    """A Job in the cluster: what the planner sees of it, and what is inside."""

    seen: StageJob
    live: dict[int, Pod] = field(default_factory=dict)
    ended: list[Pod] = field(default_factory=list)
    done: set[int] = field(default_factory=set)
    failures: dict[int, int] = field(default_factory=dict)

    @property
    def may_have_pods(self) -> bool:
        return self.seen.live and not self.seen.suspended


class World:
    """One FaceSwapJob, its Jobs, and the store behind them."""

    def __init__(self, *, queue: bool, retain: str, normalise: bool) -> None:
        self.now = NOW
        self.resource: Resource | None = resource(
            labels={kube.LABEL_QUEUE: "renders"} if queue else {},
            storage={"endpoint": "http://s3:8333", "scratch": "s3://scratch/recast", "retain": retain},
            segments={"retries": TRIES - 1, "maxParallelism": 3, "perPod": 1, "normalise": normalise},
            deadlineSeconds=100_000,
        )
        self.jobs: dict[str, Running] = {}
        self.parts: set[int] = set()
        self.created: list[str] = []
        self.mux_began_without: set[int] = set()
        self.broken = False
        self.failed = False

    # The controller

    def look(self) -> bool:
        """Let the controller look once, and carry out what it says; whether there was anything to write."""
        if self.resource is None:
            return False
        planned = plan(self.observed(self.resource), SETTINGS, self.now)
        wrote = planned.status != self.resource.status or bool(planned.actions)
        for action in planned.actions:
            self._carry_out(action)
        if self.resource is not None:
            self.resource = replace(self.resource, status=planned.status)
        return wrote

    def observed(self, seen: Resource) -> Observed:
        """What the controller sees: live pods, and of a Job that has ended all, unless the end is near anyway."""
        pods = [pod for job in self.jobs.values() for pod in job.live.values()]
        if seen.deleted is None:
            pods += [pod for job in self.jobs.values() if not job.seen.live for pod in job.ended]
        return Observed(seen, tuple(job.seen for job in self.jobs.values()), tuple(pods))

    def _carry_out(self, action: object) -> None:
        match action:
            case CreateJob(manifest):
                self._create(manifest)
            case DeleteJob(name, uid):
                if name in self.jobs and self.jobs[name].seen.uid == uid:
                    self.jobs[name].seen = replace(self.jobs[name].seen, deleting=True)
            case SuspendJob(name, suspend):
                self._change(name, suspended=suspend)
            case ScaleJob(name, parallelism):
                self._change(name, parallelism=parallelism)
            case SetFinalizer(present):
                assert self.resource is not None
                self.resource = replace(self.resource, finalizers=(kube.FINALIZER,) if present else ())
            case DeleteResource():
                self.delete()

    def _create(self, manifest: dict[str, Any]) -> None:
        metadata, wanted = manifest["metadata"], manifest["spec"]
        name, labels = metadata["name"], metadata["labels"]
        if name in self.jobs:
            return
        stage = labels[kube.LABEL_STAGE]
        self.created.append(name)
        if stage == kube.MUX:
            self.mux_began_without |= set(range(SEGMENTS)) - self.parts
        seen = StageJob(
            name=name,
            uid=f"{name}#{len(self.created)}",
            owner=UID,
            stage=stage,
            attempt=int(labels[kube.LABEL_ATTEMPT]),
            created=self.now,
            started=self.now,
            queue=labels.get(kube.LABEL_QUEUE),
            # Kueue holds what has its label.
            suspended=kube.LABEL_QUEUE in labels,
            parallelism=wanted["parallelism"],
            completions=wanted["completions"],
        )
        self.jobs[name] = Running(seen)

    def _change(self, name: str, **changes: Any) -> None:
        if name in self.jobs:
            self.jobs[name].seen = replace(self.jobs[name].seen, **changes)

    # Kubernetes

    def settle(self) -> None:
        """Let the Job controller and the garbage collector do their work."""
        if self.resource is not None and self.resource.deleted and not self.resource.finalizers:
            self.resource = None
        for name, job in list(self.jobs.items()):
            if job.seen.deleting or self.resource is None:
                del self.jobs[name]
                continue
            if not job.may_have_pods:
                job.live.clear()
            waiting = [k for k in range(job.seen.completions) if k not in job.done and k not in job.live]
            room = job.seen.parallelism - len(job.live) if job.may_have_pods else 0
            for index in waiting[: max(0, room)]:
                number = len(job.ended) + len(job.live)
                job.live[index] = Pod(
                    name=f"{name}-{index}-{number}",
                    owner=UID,
                    job=name,
                    stage=job.seen.stage,
                    index=index,
                    phase="Running",
                    node="node-1",
                    created=self.now,
                    started=self.now,
                )
            indexes = ",".join(str(index) for index in sorted(job.done))
            job.seen = replace(job.seen, active=len(job.live), completed_indexes=indexes, succeeded=len(job.done))

    # What may happen; `choice` picks among what there is

    def pod_succeeds(self, choice: int) -> None:
        """A pod does its work."""
        if (found := self._some_pod(choice)) is None:
            return
        job, pod = found
        result = self._result(job.seen.stage, pod.index)
        if result.code:
            return self._fail(job, pod, result)
        self._end(job, pod, result)
        job.done.add(pod.index)
        if len(job.done) == job.seen.completions:
            job.seen = replace(job.seen, complete=True)

    def pod_fails_for_now(self, choice: int) -> None:
        """A pod fails for a reason that may pass."""
        if (found := self._some_pod(choice)) is not None:
            self._fail(*found, StageResult(code=75, reason=names.STALLED, message="nothing moved"))

    def pod_fails_for_good(self, choice: int) -> None:
        """A pod says that another try could only say the same."""
        if (found := self._some_pod(choice)) is not None and choice % 5 == 0:
            self._fail(*found, StageResult(code=65, reason=names.CORRUPT_SOURCE, message="bad"))

    def pod_is_evicted(self, choice: int) -> None:
        """A pod is taken away, which costs no try."""
        if (found := self._some_pod(choice)) is not None:
            self._end(*found, StageResult(code=143, reason=names.TERMINATED))

    def pods_are_removed(self, choice: int) -> None:
        """Pods that have ended are collected, with what they said."""
        for job in list(self.jobs.values())[choice % 2 :]:
            job.ended.clear()

    def job_is_deleted(self, choice: int) -> None:
        """Somebody deletes a Job."""
        live = [job for job in self.jobs.values() if job.seen.live]
        if live:
            job = live[choice % len(live)]
            job.seen = replace(job.seen, deleting=True)

    def part_is_lost(self, choice: int) -> None:
        """Somebody deletes a part from scratch."""
        self.parts.discard(choice % SEGMENTS)
        self.broken = True

    def queue_turns(self, choice: int) -> None:
        """Kueue admits a Job, or takes its quota back."""
        queued = [job for job in self.jobs.values() if job.seen.queue and job.seen.live]
        if queued:
            job = queued[choice % len(queued)]
            job.seen = replace(job.seen, suspended=not job.seen.suspended)

    def suspend_turns(self, _choice: int) -> None:
        """The user suspends the job, or resumes it."""
        self._respec(suspend=not self.suspended)

    def parallelism_changes(self, choice: int) -> None:
        """The user wants more or fewer workers."""
        if self.resource is not None:
            segments = dict(self.resource.spec["segments"]) | {"maxParallelism": 1 + choice % 5}
            self._respec(segments=segments)

    def time_passes(self, choice: int) -> None:
        """Seconds to minutes go by."""
        self.now += timedelta(seconds=7 * (choice % 60) + 1)

    def delete(self, _choice: int = 0) -> None:
        """The user deletes the job."""
        if self.resource is not None and self.resource.deleted is None:
            self.resource = replace(self.resource, deleted=self.now)

    # What is asked of it

    @property
    def suspended(self) -> bool:
        """Whether the user wants it to stand still."""
        return self.resource is not None and bool(self.resource.spec.get("suspend"))

    @property
    def finished(self) -> datetime | None:
        """When the job succeeded or failed."""
        return self.resource.status.completion_time if self.resource else self.now

    def _respec(self, **changes: Any) -> None:
        if self.resource is not None and self.finished is None and self.resource.deleted is None:
            spec = {**self.resource.spec, **changes}
            self.resource = replace(self.resource, spec=spec, generation=self.resource.generation + 1)

    def _some_pod(self, choice: int) -> tuple[Running, Pod] | None:
        live = [(job, pod) for job in self.jobs.values() for _, pod in sorted(job.live.items())]
        return live[choice % len(live)] if live else None

    def _end(self, job: Running, pod: Pod, result: StageResult) -> None:
        del job.live[pod.index]
        phase = "Failed" if result.code else "Succeeded"
        job.ended.append(replace(pod, phase=phase, finished=self.now, exit_code=result.code, result=result))

    def _fail(self, job: Running, pod: Pod, result: StageResult) -> None:
        if job.seen.stage == kube.SWAP:
            result = replace(result, segment=pod.index)
        self._end(job, pod, result)
        job.failures[pod.index] = job.failures.get(pod.index, 0) + 1
        if result.code == 65 or job.failures[pod.index] >= TRIES:
            self.failed = True
            job.seen = replace(job.seen, failed_reason="BackoffLimitExceeded", failed_message="limit")

    def _result(self, stage: str, index: int) -> StageResult:
        match stage:
            case kube.SPLIT:
                return StageResult(run=RUN, segments=SEGMENTS, frames=FRAMES)
            case kube.SWAP:
                self.parts.add(index)
                return StageResult(segment=index, frames=FRAMES // SEGMENTS)
            case kube.MUX if len(self.parts) < SEGMENTS:
                return StageResult(code=75, reason=names.NOT_READY, message="a part is not there")
            case kube.MUX:
                return StageResult(message="published", output=OUTPUT)
        return StageResult()
