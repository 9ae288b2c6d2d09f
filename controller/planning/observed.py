"""What the controller sees of one FaceSwapJob: small, immutable pictures of the API's objects."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from recast.kube import names
from recast.kube.podstatus import OVER_ITS_LIMIT, own_container
from recast.kube.resource import Resource, read_time
from recast.stage import StageResult, read_result

Object = Mapping[str, Any]

PER_POD_ANNOTATION = f"{names.GROUP}/segments-per-pod"


@dataclass(frozen=True)
class StageJob:
    """A Job that runs a stage.

    Attributes:
        namespace: where it is; in another than its owner's it is nobody's of ours, whatever it says.
        owner: UID of the FaceSwapJob that controls it.
        suspended: what its spec says.
        active, terminating: pods that run or are about to, and that are being deleted.
        completed_indexes: as the Job controller writes them: `0-4,7`.
        failed_reason, failed_message: of its condition Failed or FailureTarget, None where it has not failed.
    """

    namespace: str
    name: str
    uid: str
    owner: str
    stage: str
    attempt: int
    created: datetime
    queue: str | None = None
    suspended: bool = False
    parallelism: int = 1
    completions: int = 1
    segments_per_pod: int = 1
    active: int = 0
    terminating: int = 0
    succeeded: int = 0
    completed_indexes: str = ""
    started: datetime | None = None
    complete: bool = False
    failed_reason: str | None = None
    failed_message: str = ""
    deleting: bool = False

    @property
    def live(self) -> bool:
        """Whether it may still make pods."""
        return not (self.complete or self.failed_reason or self.deleting)


@dataclass(frozen=True)
class Pod:
    """A pod of a stage's Job.

    Attributes:
        owner: UID of the FaceSwapJob.
        index: its completion index.
        waiting_reason, waiting_message: why its container does not start.
        unschedulable: why no node takes it.
        gone_at: when its grace period is or was over, where it is being deleted.
        ignored_failures: evictions of this index so far.
        failures: pods of this index that failed by themselves so far.
        ended_by: who or what ended it, where that was not the stage itself: OOMKilled, or the kubelet's words.
        result: what the stage said when it ended.
    """

    name: str
    owner: str
    job: str
    stage: str
    index: int = 0
    phase: str = "Pending"
    node: str | None = None
    gpus: int = 0
    created: datetime | None = None
    started: datetime | None = None
    finished: datetime | None = None
    waiting_reason: str | None = None
    waiting_message: str = ""
    unschedulable: str | None = None
    gone_at: datetime | None = None
    ignored_failures: int = 0
    failures: int = 0
    exit_code: int | None = None
    ended_by: str = ""
    result: StageResult | None = None

    @property
    def ended(self) -> bool:
        """Whether it has succeeded or failed."""
        return self.phase in ("Succeeded", "Failed")

    @property
    def overfilled(self) -> bool:
        """Whether it took more disk than it may, as the kubelet says."""
        return self.ended_by.startswith("Evicted: ") and OVER_ITS_LIMIT in self.ended_by


@dataclass(frozen=True)
class Observed:
    """Everything about one FaceSwapJob.

    Attributes:
        gone: pods with GPUs that ran when they were last looked at, and are not there any more, until then.
        notices: what a worker that is done says of the photos, where that is asked for.
        overfilled: pods of Jobs that go on, which took more disk than they may.
        refusals: messages of the events in which the API refused a Job's pods, newest last.
        namespace_ends: whether the namespace is being deleted.
    """

    resource: Resource
    jobs: tuple[StageJob, ...] = ()
    pods: tuple[Pod, ...] = ()
    gone: tuple[Pod, ...] = ()
    notices: tuple[str, ...] | None = None
    overfilled: tuple[Pod, ...] = ()
    refusals: tuple[str, ...] = ()
    namespace_ends: bool = False

    def job(self, stage: str, attempt: int) -> StageJob | None:
        """The Job of this attempt at a stage."""
        return next((each for each in self.jobs if (each.stage, each.attempt) == (stage, attempt)), None)

    def pods_of(self, job: StageJob) -> tuple[Pod, ...]:
        """The pods of a Job."""
        return tuple(pod for pod in self.pods if pod.job == job.name)

    def gone_of(self, job: StageJob) -> tuple[Pod, ...]:
        """The pods of a Job that are not there any more."""
        return tuple(pod for pod in self.gone if pod.job == job.name)

    def pods_but(self, stage: str) -> tuple[Pod, ...]:
        """The pods of all other stages."""
        return tuple(pod for pod in self.pods if pod.stage != stage)


def project_job(item: Object) -> StageJob:
    """Take what is needed of a Job."""
    metadata, spec, status = item["metadata"], item["spec"], item.get("status") or {}
    labels = metadata.get("labels", {})
    conditions = {each["type"]: each for each in status.get("conditions", ()) if each["status"] == "True"}
    failed = conditions.get("Failed")
    return StageJob(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        owner=_controller_uid(metadata),
        stage=labels.get(names.LABEL_STAGE, ""),
        attempt=int(labels.get(names.LABEL_ATTEMPT, 0)),
        created=read_time(metadata["creationTimestamp"]) or datetime.now(UTC),
        queue=labels.get(names.LABEL_QUEUE),
        suspended=bool(spec.get("suspend")),
        parallelism=spec.get("parallelism", 1),
        completions=spec.get("completions", 1),
        segments_per_pod=int(metadata.get("annotations", {}).get(PER_POD_ANNOTATION, 1)),
        active=status.get("active", 0),
        terminating=status.get("terminating", 0),
        succeeded=status.get("succeeded", 0),
        completed_indexes=status.get("completedIndexes", ""),
        started=read_time(status.get("startTime")),
        complete="Complete" in conditions,
        failed_reason=failed.get("reason", "Failed") if failed else None,
        failed_message=failed.get("message", "") if failed else "",
        deleting="deletionTimestamp" in metadata,
    )


def project_pod(item: Object) -> Pod:
    """Take what is needed of a pod."""
    metadata, spec, status = item["metadata"], item["spec"], item.get("status") or {}
    labels, annotations = metadata.get("labels", {}), metadata.get("annotations", {})
    container = own_container(item)
    state = container.get("state", {})
    waiting, running, terminated = (state.get(key) or {} for key in ("waiting", "running", "terminated"))
    conditions = {each["type"]: each for each in status.get("conditions", ())}
    scheduled = conditions.get("PodScheduled", {})
    return Pod(
        name=metadata["name"],
        owner=labels.get(names.LABEL_UID, ""),
        job=labels.get(names.LABEL_JOB_NAME, ""),
        stage=labels.get(names.LABEL_STAGE, ""),
        index=int(annotations.get(names.ANNOTATION_INDEX, 0)),
        phase=status.get("phase", "Pending"),
        node=spec.get("nodeName"),
        gpus=_gpus(spec),
        created=read_time(metadata.get("creationTimestamp")),
        started=read_time(running.get("startedAt") or terminated.get("startedAt")),
        finished=read_time(terminated.get("finishedAt")),
        waiting_reason=waiting.get("reason"),
        waiting_message=waiting.get("message", ""),
        unschedulable=scheduled.get("message", "") if scheduled.get("reason") == "Unschedulable" else None,
        gone_at=read_time(metadata.get("deletionTimestamp")),
        ignored_failures=int(annotations.get(names.ANNOTATION_IGNORED, 0)),
        failures=int(annotations.get(names.ANNOTATION_FAILURES, 0)),
        exit_code=terminated.get("exitCode"),
        ended_by=_ended_by(terminated, status),
        result=read_result(terminated.get("message")),
    )


def _ended_by(terminated: Object, status: Object) -> str:
    if terminated.get("reason", "Completed") not in ("Completed", "Error", "ContainerStatusUnknown"):
        return str(terminated["reason"])
    return ": ".join(str(status[key]) for key in ("reason", "message") if status.get(key))


def notices_of(pods: Sequence[Pod]) -> tuple[str, ...] | None:
    """What workers say of the photos: each that looked says the same."""
    said = (pod.result.notices for pod in pods if pod.result is not None)
    return next((tuple(notices) for notices in said if notices is not None), None)


def count_indexes(text: str) -> list[int]:
    """The indexes in the Job controller's notation.

    >>> count_indexes("0-2,5")
    [0, 1, 2, 5]
    """
    found: list[int] = []
    for piece in filter(None, text.split(",")):
        first, _, last = piece.partition("-")
        found.extend(range(int(first), int(last or first) + 1))
    return found


def _controller_uid(metadata: Object) -> str:
    return next((each["uid"] for each in metadata.get("ownerReferences", ()) if each.get("controller")), "")


def _gpus(spec: Object) -> int:
    """Those, or parts, that its containers are limited to or claim: recast's pods claim nothing else."""
    wanted = [container.get("resources", {}) for container in spec.get("containers", ())]
    limits = [item for each in wanted for item in each.get("limits", {}).items()]
    counted = sum(int(count) for name, count in limits if name.startswith("nvidia.com/"))
    return counted + sum(len(each.get("claims", ())) for each in wanted)
