"""Looks at the API for what one FaceSwapJob's plan needs; Jobs come from a watch, pods are listed only then.

A job of thousands of segments has tens of thousands of changes of pods, and none of them matters but a few:
why a pod does not start, and what the last one of a finished Job said.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from controller.planning.observed import Observed, Pod, StageJob, notices_of, project_pod
from recast.kube import names
from recast.kube.api import KubeApi, collection
from recast.kube.errors import Forbidden
from recast.kube.resource import Resource

LIVE_PODS = "status.phase!=Succeeded,status.phase!=Failed"
DONE_PODS = "status.phase=Succeeded"
FAILED_PODS = "status.phase=Failed"
LOOK_SECONDS = 8.0
"""Pods of a Job that moves not are listed again after so long."""
SLOW_LOOK_SECONDS = 30.0
"""And of one that moves."""


@dataclass(frozen=True)
class _Look:
    job: str
    at: float
    succeeded: int
    pods: tuple[Pod, ...]
    seen: datetime
    gone: dict[str, Pod]
    notices: tuple[str, ...] | None = None
    overfilled: tuple[Pod, ...] = ()
    refusals: tuple[str, ...] = ()
    namespace_ends: bool = False


class Observer:
    """Completes the cached FaceSwapJob and Jobs by what must be asked for.

    Args:
        api: the connection.
        clock: monotonic seconds.
        now: the time of day.
    """

    def __init__(
        self,
        api: KubeApi,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._api, self._clock, self._now = api, clock, now
        self._looks: dict[str, _Look] = {}

    def observe(self, resource: Resource, jobs: tuple[StageJob, ...]) -> Observed:
        """Look at a FaceSwapJob.

        Args:
            resource: as it was last heard of.
            jobs: those that name it their owner, as they were last heard of: anybody may say that.
        """
        jobs = tuple(job for job in jobs if job.namespace == resource.namespace)
        if resource.deleted is not None:
            needed = names.FINALIZER in resource.finalizers
            return Observed(resource, jobs, self._pods_of_resource(resource) if needed else ())
        if resource.status.completion_time is not None:
            self.forget(resource.uid)
            # Scratch is removed once nobody writes there any more.
            waits = resource.status.is_true(names.FAILED) and not any(job.stage == names.CLEANUP for job in jobs)
            never = resource.spec.get("storage", {}).get("retain") == "Never"
            return Observed(resource, jobs, self._pods_of_resource(resource) if waits and never else ())
        pods: list[Pod] = []
        gone: list[Pod] = []
        overfilled: list[Pod] = []
        notices: tuple[str, ...] | None = None
        refusals: list[str] = []
        namespace_ends = False
        for job in self._in_question(resource, jobs):
            if job.complete or job.failed_reason:
                found = self._pods(resource, job, live=False)
                pods += found
                gone += _gone(self._looks.get(resource.uid), job, found).values()
            elif not job.suspended or job.active or job.terminating:
                # One that is suspended waits, in a queue say, and has no pods to be asked for.
                look = self._look(resource, job)
                pods += look.pods
                gone += look.gone.values()
                overfilled += look.overfilled
                notices = notices or look.notices
                refusals += look.refusals
                namespace_ends |= look.namespace_ends
        return Observed(
            resource,
            jobs,
            tuple(pods),
            tuple(gone),
            notices=notices,
            overfilled=tuple(overfilled),
            refusals=tuple(refusals),
            namespace_ends=namespace_ends,
        )

    def forget(self, uid: str) -> None:
        """Drop what was kept of a FaceSwapJob."""
        self._looks.pop(uid, None)

    def _in_question(self, resource: Resource, jobs: tuple[StageJob, ...]) -> list[StageJob]:
        """The Jobs of the present attempts at stages that are not known to be done."""
        status = resource.status
        done = {
            names.SPLIT: status.is_true(names.SPLIT_COMPLETE),
            names.NORMALISE: status.attempts.swap > 0 or any(job.stage == names.SWAP for job in jobs),
            names.SWAP: status.is_true(names.SWAP_COMPLETE),
        }
        return [
            job
            for job in jobs
            if not done.get(job.stage, False) and job.attempt == getattr(status.attempts, job.stage, -1)
        ]

    def _look(self, resource: Resource, job: StageJob) -> _Look:
        last, now = self._looks.get(resource.uid), self._clock()
        before = last if last is not None and last.job == job.uid else None
        if before is not None:
            patience = LOOK_SECONDS if before.succeeded == job.succeeded else SLOW_LOOK_SECONDS
            if now - before.at < patience:
                return before
        pods = self._pods(resource, job, live=True)
        look = _Look(job.uid, now, job.succeeded, pods, self._now(), _gone(before, job, pods))
        if job.stage == names.SWAP and job.succeeded and resource.status.notices is None:
            # Asked for once: a worker of an older image says nothing of photos.
            told = before.notices if before is not None and before.succeeded else self._told(resource, job)
            look = replace(look, notices=told)
        if before is not None and _ends(pods) <= _ends(before.pods):
            look = replace(look, overfilled=before.overfilled)
        elif _ends(pods):
            failed = self._list_pods(resource, f"{names.LABEL_JOB_NAME}={job.name}", FAILED_PODS)
            look = replace(look, overfilled=tuple(pod for pod in failed if pod.overfilled))
        if before is not None and not pods and not job.suspended:
            # Still none: somebody refuses them.
            ends = self._is_ending(resource)
            look = replace(look, refusals=self._refusals(resource, job), namespace_ends=ends)
        self._looks[resource.uid] = look
        return look

    def _told(self, resource: Resource, job: StageJob) -> tuple[str, ...] | None:
        """What a worker that is done says of the photos: each says the same."""
        pods = self._list_pods(resource, f"{names.LABEL_JOB_NAME}={job.name}", DONE_PODS)
        return notices_of(pods)

    def _is_ending(self, resource: Resource) -> bool:
        """Ask whether the namespace is being deleted, by creating something in it that is not kept.

        No event says so: none can be made there. And the namespace would never go: Kubernetes takes its pods
        first, and the Job controller keeps a failed pod of an index until it could make another.
        """
        event = {
            "metadata": {"generateName": "recast-"},
            "involvedObject": {"kind": names.KIND, "name": resource.name, "namespace": resource.namespace},
        }
        try:
            self._api.create(collection("v1", "events", resource.namespace), event, dry_run=True)
        except Forbidden as error:
            return error.has_cause("NamespaceTerminating")
        return False

    def _pods(self, resource: Resource, job: StageJob, *, live: bool) -> tuple[Pod, ...]:
        return self._list_pods(resource, f"{names.LABEL_JOB_NAME}={job.name}", LIVE_PODS if live else None)

    def _pods_of_resource(self, resource: Resource) -> tuple[Pod, ...]:
        return self._list_pods(resource, f"{names.LABEL_UID}={resource.uid}", LIVE_PODS)

    def _list_pods(self, resource: Resource, labels: str, fields: str | None) -> tuple[Pod, ...]:
        path = collection("v1", "pods", resource.namespace)
        pages = self._api.list(path, label_selector=labels, field_selector=fields)
        return tuple(project_pod(each) for page in pages for each in page.items)

    def _refusals(self, resource: Resource, job: StageJob) -> tuple[str, ...]:
        path = collection("v1", "events", resource.namespace)
        fields = f"involvedObject.uid={job.uid},reason=FailedCreate"
        items = [each for page in self._api.list(path, field_selector=fields) for each in page.items]
        items.sort(key=lambda each: str(each.get("lastTimestamp") or each.get("eventTime") or ""))
        return tuple(str(each.get("message", "")) for each in items)


def _ends(pods: tuple[Pod, ...]) -> int:
    """How many pods have ended badly where these are now."""
    return sum(pod.ignored_failures + pod.failures for pod in pods)


def _gone(last: _Look | None, job: StageJob, pods: tuple[Pod, ...]) -> dict[str, Pod]:
    """Pods with GPUs that were there and are in the list no more; they ran at least until the last look."""
    if last is None or last.job != job.uid:
        return {}
    ran = {
        pod.name: replace(pod, phase="Failed", finished=max(pod.started, last.seen))
        for pod in last.pods
        if pod.gpus and pod.started is not None
    }
    there = {pod.name for pod in pods}
    return {name: pod for name, pod in (last.gone | ran).items() if name not in there}
