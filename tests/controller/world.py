"""A Kubernetes small enough to walk through a thousand times: Jobs, their pods, and what may happen to them.

It keeps the rules that the planner relies on: a Job's name is taken until it is gone, an index is done once, a
suspended or deleted Job has no pods but some that are about to end, an index that fails too often fails its Job.
The controller sees what controller/observe.py would show it, and writes what controller/planning/writing.py says is
due.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from controller.planning.actions import Action, CreateJob, DeleteJob, DeleteResource, ScaleJob, SetFinalizer, SuspendJob
from controller.planning.observed import Observed, Pod, StageJob
from controller.planning.plan import plan
from controller.planning.writing import LastWrite, is_due
from recast import names
from recast.kube import names as kube
from recast.kube.resource import Resource
from recast.stage import StageResult
from tests.controller.builders import FRAMES, NOW, RUN, SEGMENTS, SETTINGS, UID, as_created, resource

OUTPUT = {"uri": "s3://studio/out/interview.mp4", "size": 9, "sha256": "ab"}
TRIES = 3
DIES_AFTER = 3
"""Times that the world settles before a pod that was asked to stop has ended."""


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

    def __init__(
        self,
        *,
        queue: bool = False,
        retain: str = "OnFailure",
        normalise: bool = False,
        per_pod: int = 1,
        deadline: int = 100_000,
        lifetime: int | str = "Never",
    ) -> None:
        self.now = NOW
        self.resource: Resource | None = resource(
            labels={kube.LABEL_QUEUE: "renders"} if queue else {},
            storage={"endpoint": "http://s3:8333", "scratch": "s3://scratch/recast", "retain": retain},
            segments={"retries": TRIES - 1, "maxParallelism": 3, "perPod": per_pod, "normalise": normalise},
            deadlineSeconds=deadline,
            ttlSecondsAfterFinished=lifetime,
        )
        self.retain, self.per_pod, self.lifetime = retain, per_pod, lifetime
        self.jobs: dict[str, Running] = {}
        self._dying: list[tuple[int, Pod]] = []
        self._settled = 0
        self.deadline = timedelta(seconds=deadline)
        self.last: LastWrite | None = None
        self.parts: set[int] = set()
        self.created: list[str] = []
        self.mux_began_without: set[int] = set()
        self.broken = False
        self.failed = False
        self.killed = False
        self.scratch_in_use = False
        self.told_of_scratch = False
        self.cleaned_early = False
        self.held: set[str] = set()
        self.gone: list[Pod] = []

    # The controller

    def look(self) -> bool:
        """Let the controller look once, and carry out what it says; whether there was anything to write."""
        if self.resource is None:
            return False
        planned = plan(self.observed(self.resource), SETTINGS, self.now)
        seconds = (self.now - NOW).total_seconds()
        due = is_due(self.resource.status, planned.status, self.last, seconds)
        for action in planned.actions:
            self._carry_out(action)
        self.told_of_scratch |= any(event.reason == names.SCRATCH_KEPT for event in planned.events)
        if self.resource is not None and due:
            self.resource = replace(self.resource, status=planned.status)
            self.last = LastWrite(seconds, planned.status.segments.succeeded)
        return due or bool(planned.actions)

    def controller_is_killed(self, choice: int) -> None:
        """The controller does some of what it would, writes no status, and comes back knowing nothing."""
        if self.resource is None:
            return
        planned = plan(self.observed(self.resource), SETTINGS, self.now)
        done = planned.actions[: choice % (len(planned.actions) + 1)]
        for action in done:
            self._carry_out(action)
        self.last = None
        self.killed |= bool(done) and planned.status != self.resource.status

    def observed(self, seen: Resource) -> Observed:
        """What the controller sees: all Jobs, and the pods that it asks for."""
        jobs = tuple(job.seen for job in self.jobs.values())
        if seen.deleted is not None:
            live = [pod for job in self.jobs.values() for pod in job.live.values()]
            return Observed(seen, jobs, (*live, *self.dying) if kube.FINALIZER in seen.finalizers else ())
        if seen.status.completion_time is not None:
            return Observed(seen, jobs)
        pods: list[Pod] = []
        for job in self._in_question(seen):
            pods += [*job.live.values(), *(pod for pod in self.dying if pod.job == job.seen.name)]
            if job.seen.complete or job.seen.failed_reason:
                pods += job.ended
        return Observed(seen, jobs, tuple(pods), tuple(self.gone))

    def _in_question(self, seen: Resource) -> list[Running]:
        status = seen.status
        begun = any(job.seen.stage == kube.SWAP for job in self.jobs.values())
        done = {
            kube.SPLIT: status.is_true(kube.SPLIT_COMPLETE),
            kube.NORMALISE: status.attempts.swap > 0 or begun,
            kube.SWAP: status.is_true(kube.SWAP_COMPLETE),
        }
        return [
            job
            for job in self.jobs.values()
            if not done.get(job.seen.stage) and job.seen.attempt == getattr(status.attempts, job.seen.stage, -1)
        ]

    def _carry_out(self, action: Action) -> None:
        match action:
            case CreateJob(manifest):
                self._create(manifest)
            case DeleteJob(name, uid):
                if name in self.jobs and self.jobs[name].seen.uid == uid:
                    self.jobs[name].seen = replace(self.jobs[name].seen, deleting=True)
            case SuspendJob(name, suspend):
                assert self.resource is not None
                assert name not in self.held or self.resource.status.is_true(kube.SUSPENDED), "others are not fought"
                self.held.discard(name)
                self._change(name, suspended=suspend)
            case ScaleJob(name, parallelism):
                self._change(name, parallelism=parallelism)
            case SetFinalizer(present):
                assert self.resource is not None
                self.resource = replace(self.resource, finalizers=(kube.FINALIZER,) if present else ())
            case DeleteResource():
                self.delete()

    def _create(self, manifest: dict[str, Any]) -> None:
        metadata = manifest["metadata"]
        name, labels = metadata["name"], metadata["labels"]
        if name in self.jobs:
            return
        stage = labels[kube.LABEL_STAGE]
        self.created.append(name)
        if stage == kube.MUX:
            self.mux_began_without |= set(range(SEGMENTS)) - self.parts
        if stage == kube.CLEANUP:
            assert self.resource is not None
            self.cleaned_early = self.resource.deleted is None
        began = self.now.replace(microsecond=0)
        # Kueue holds what has its label.
        held = kube.LABEL_QUEUE in labels
        uid = f"{name}#{len(self.created)}"
        self.jobs[name] = Running(as_created(manifest, uid=uid, created=began, started=began, suspended=held))

    def _change(self, name: str, **changes: Any) -> None:
        if name in self.jobs:
            assert self.jobs[name].seen.queue is None, "what is Kueue's is Kueue's"
            self.jobs[name].seen = replace(self.jobs[name].seen, **changes)

    # Kubernetes

    def settle(self) -> None:
        """Let the Job controller and the garbage collector do their work."""
        if self.resource is not None and self.resource.deleted and not self.resource.finalizers:
            self.resource = None
        self._settled += 1
        self.gone += [replace(pod, finished=self.now) for until, pod in self._dying if until <= self._settled]
        self._dying = [(until, pod) for until, pod in self._dying if until > self._settled]
        for name, job in list(self.jobs.items()):
            if job.seen.deleting or self.resource is None:
                self._end_all(job)
                del self.jobs[name]
                continue
            if not job.may_have_pods:
                self._end_all(job)
            waiting = [k for k in range(job.seen.completions) if k not in job.done and k not in job.live]
            room = job.seen.parallelism - len(job.live) if job.may_have_pods else 0
            for index in waiting[: max(0, room)]:
                number = len(job.ended) + len(job.live)
                self.scratch_in_use |= job.seen.stage != kube.CLEANUP
                job.live[index] = Pod(
                    name=f"{name}-{index}-{number}",
                    owner=UID,
                    job=name,
                    stage=job.seen.stage,
                    index=index,
                    phase="Running",
                    node="node-1",
                    gpus=1 if job.seen.stage == kube.SWAP else 0,
                    created=self.now.replace(microsecond=0),
                    started=self.now.replace(microsecond=0),
                )
            indexes = ",".join(str(index) for index in sorted(job.done))
            job.seen = replace(job.seen, active=len(job.live), completed_indexes=indexes, succeeded=len(job.done))

    def _end_all(self, job: Running) -> None:
        gone_at = self.now + timedelta(seconds=20)
        until = self._settled + DIES_AFTER
        self._dying += [(until, replace(pod, gone_at=gone_at)) for pod in job.live.values()]
        job.live.clear()

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

    def dying_pod_writes(self, choice: int) -> None:
        """A pod that is about to end still does its work."""
        if self.dying:
            pod = self.dying[choice % len(self.dying)]
            self.scratch_in_use |= pod.stage != kube.CLEANUP
            if pod.stage == kube.SWAP:
                self.parts |= self._segments_of(pod.index)

    def pods_are_removed(self, choice: int) -> None:
        """Pods that have ended are collected, with what they said."""
        for job in list(self.jobs.values())[choice % 2 :]:
            # Why it failed cannot be told any more.
            self.failed |= job.seen.failed_reason is not None
            self.gone += job.ended
            job.ended.clear()

    def report_is_lost(self, choice: int) -> None:
        """A pod does its work, and is collected before anybody has read what it said."""
        self.pod_succeeds(choice)
        self.pods_are_removed(0)

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

    def job_is_held(self, choice: int) -> None:
        """Somebody suspends a Job that has no queue."""
        free = [job for job in self.jobs.values() if job.seen.live and not job.seen.suspended and not job.seen.queue]
        if free:
            job = free[choice % len(free)]
            job.seen = replace(job.seen, suspended=True)
            self.held.add(job.seen.name)

    def held_are_let_go(self) -> None:
        """Whoever has suspended Jobs lifts that."""
        for name in self.held:
            self._change(name, suspended=False)
        self.held.clear()

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
        self.now += timedelta(seconds=7 * (choice % 60) + 1, microseconds=choice)

    def user_deletes(self, choice: int) -> None:
        """The user deletes the job, now and then."""
        if choice % 4 == 0:
            self.delete()

    def delete(self) -> None:
        """The job is deleted."""
        if self.resource is not None and self.resource.deleted is None:
            self.resource = replace(self.resource, deleted=self.now)

    # What is asked of it

    @property
    def dying(self) -> list[Pod]:
        """Pods that were asked to stop, and have not ended yet."""
        return [pod for _, pod in self._dying]

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
        finished = self.now.replace(microsecond=0)
        job.ended.append(replace(pod, phase=phase, finished=finished, exit_code=result.code, result=result))

    def _fail(self, job: Running, pod: Pod, result: StageResult) -> None:
        if job.seen.stage == kube.SWAP:
            result = replace(result, segment=pod.index * self.per_pod)
        self._end(job, pod, result)
        job.failures[pod.index] = job.failures.get(pod.index, 0) + 1
        if result.code == 65 or job.failures[pod.index] >= TRIES:
            # A part that is not there can be made.
            self.failed |= result.reason != names.NOT_READY
            job.seen = replace(job.seen, failed_reason="BackoffLimitExceeded", failed_message="limit")

    def _result(self, stage: str, index: int) -> StageResult:
        match stage:
            case kube.SPLIT:
                return StageResult(run=RUN, segments=SEGMENTS, frames=FRAMES)
            case kube.SWAP:
                self.parts |= self._segments_of(index)
                return StageResult(segment=index * self.per_pod, frames=FRAMES // SEGMENTS)
            case kube.MUX if len(self.parts) < SEGMENTS:
                return StageResult(code=75, reason=names.NOT_READY, message="a part is not there")
            case kube.MUX:
                self.scratch_in_use = False
                return StageResult(message="published", output=OUTPUT)
            case kube.CLEANUP:
                self.scratch_in_use = False
        return StageResult()

    def _segments_of(self, index: int) -> set[int]:
        return set(range(SEGMENTS)[index * self.per_pod : (index + 1) * self.per_pod])
