"""FaceSwapJobs, Jobs and pods as the planner sees them, in few words."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from controller.planning.actions import (
    Action,
    CreateJob,
    DeleteJob,
    DeleteResource,
    Plan,
    ScaleJob,
    SetFinalizer,
    SuspendJob,
)
from controller.planning.objects import PodSettings, stage_name
from controller.planning.observed import Observed, Pod, StageJob, project_job
from controller.planning.plan import plan
from recast import names
from recast.kube import names as kube
from recast.kube.resource import Resource
from recast.stage import StageResult
from recast.status import Condition, FrameCounts, Images, JobStatus, SegmentCounts

NOW = datetime(2026, 1, 15, 12, 0, tzinfo=UTC)
BEGAN = NOW - timedelta(minutes=5)
UID = "3bb15e98-5f3a-4c8e-9f0a-1c2d3e4f5a6b"
RUN = "0123456789ab"
SEGMENTS, FRAMES = 6, 150
IMAGES = Images(controller="recast/controller:1", segment_worker="recast/worker:1")
SETTINGS = PodSettings(IMAGES)
QUEUE = {kube.LABEL_QUEUE: "renders"}
OUTPUT = {"uri": "s3://studio/out/interview.mp4", "size": 9, "sha256": "ab", "encoder": "libx264", "facesSwapped": 7}
SPLIT, NORMALISE, SWAP, MUX = kube.SPLIT, kube.NORMALISE, kube.SWAP, kube.MUX
NEVER = {"endpoint": "http://s3:8333", "scratch": "s3://scratch/recast", "retain": "Never"}
LATE = BEGAN + timedelta(seconds=601)
UNDER_WAY: dict[str, Any] = {
    "segments": SegmentCounts(total=SEGMENTS, succeeded=2, active=4),
    "frames": FrameCounts(total=FRAMES, done=50, per_second=3),
    "estimated_completion_time": NOW,
}


def spec(**changes: Any) -> dict[str, Any]:
    """A spec that changes nothing in the video, with these fields."""
    fields: dict[str, Any] = {
        "source": {"uri": "s3://studio/in/interview.mov"},
        "output": {"uri": "s3://studio/out/interview.mp4"},
        "engine": {"name": "Passthrough"},
        "storage": {"endpoint": "http://s3:8333", "scratch": "s3://scratch/recast"},
    }
    return fields | changes


def resource(status: JobStatus | None = None, *, labels: dict[str, str] | None = None, **changes: Any) -> Resource:
    """A FaceSwapJob, its status, and the fields of its spec that matter."""
    return Resource(
        namespace="studio",
        name="interview",
        uid=UID,
        created=BEGAN,
        labels=labels or {},
        spec=spec(**changes),
        status=status or JobStatus(),
    )


def begun(**changes: Any) -> JobStatus:
    """The status of a job whose split runs."""
    status = JobStatus(observed_generation=1, phase="Splitting", start_time=BEGAN, images=IMAGES)
    return status.model_copy(update=changes)


def fact(type_: str, status: str = "True", reason: str = "StageComplete", message: str = "") -> Condition:
    """A condition."""
    return Condition.model_validate(
        {
            "type": type_,
            "status": status,
            "reason": reason,
            "message": message,
            "last_transition_time": BEGAN,
            "observed_generation": 1,
        }
    )


STUCK = fact(kube.STALLED, reason=names.UNSCHEDULABLE)


def was_split(*more: Condition, **changes: Any) -> JobStatus:
    """The status of a job whose swap runs."""
    known = fact(kube.SPLIT_COMPLETE, message=f"{SEGMENTS} segments, {FRAMES} frames")
    return begun(
        phase="Swapping",
        run=RUN,
        segments=SegmentCounts(total=SEGMENTS),
        frames=FrameCounts(total=FRAMES),
        progress=f"0/{SEGMENTS}",
        conditions=tuple(sorted((known, *more), key=lambda each: each.type)),
    ).model_copy(update=changes)


def was_swapped(*more: Condition, **changes: Any) -> JobStatus:
    """The status of a job whose mux runs."""
    return was_split(
        fact(kube.SWAP_COMPLETE, message=f"all {SEGMENTS} segments are done"),
        *more,
        phase="Muxing",
        segments=SegmentCounts(total=SEGMENTS, succeeded=SEGMENTS),
        frames=FrameCounts(total=FRAMES, done=FRAMES),
        progress=f"{SEGMENTS}/{SEGMENTS}",
    ).model_copy(update=changes)


def is_normalised(**changes: Any) -> JobStatus:
    """The status of a job whose normalise runs."""
    return was_split(phase="Splitting").model_copy(update=changes)


BEFORE = {kube.SPLIT: begun, kube.NORMALISE: is_normalised, kube.SWAP: was_split, kube.MUX: was_swapped}
"""The status in which a stage runs."""


def job(stage: str, attempt: int = 0, **changes: Any) -> StageJob:
    """A stage's Job."""
    made = StageJob(
        namespace="studio",
        name=stage_name(resource(), stage, attempt),
        uid=f"{stage}-{attempt}",
        owner=UID,
        stage=stage,
        attempt=attempt,
        created=BEGAN,
        started=BEGAN,
        completions=SEGMENTS if stage == kube.SWAP else 1,
        parallelism=SEGMENTS if stage == kube.SWAP else 1,
        active=SEGMENTS if stage == kube.SWAP else 1,
    )
    return replace(made, **changes)


def pod(of: StageJob, index: int = 0, **changes: Any) -> Pod:
    """A pod of a Job, that runs."""
    made = Pod(
        name=f"{of.name}-{index}",
        owner=UID,
        job=of.name,
        stage=of.stage,
        index=index,
        phase="Running",
        node="node-1",
        created=BEGAN,
        started=BEGAN,
    )
    return replace(made, **changes)


def seen_in(
    stage: str,
    jobs: tuple[StageJob, ...] = (),
    pods: tuple[Pod, ...] = (),
    status: JobStatus | None = None,
    **more: Any,
) -> Observed:
    """A job in a stage, with these fields of its spec and its object."""
    labels = more.pop("labels", {})
    itself = {key: more.pop(key) for key in ("deleted", "finalizers") if key in more}
    around = {key: more.pop(key) for key in ("namespace_ends",) if key in more}
    if stage == NORMALISE:
        more["segments"] = {"normalise": True}
    return Observed(replace(resource(status or BEFORE[stage](), labels=labels, **more), **itself), jobs, pods, **around)


def ended(of: StageJob, code: int = 0, index: int = 0, **said: Any) -> Pod:
    """A pod of a Job that has ended, with what it said."""
    result = StageResult(code=code, **said) if said else None
    phase = "Failed" if code else "Succeeded"
    return pod(of, index, phase=phase, finished=NOW, exit_code=code, result=result)


def as_created(manifest: dict[str, Any], **changes: Any) -> StageJob:
    """What the API makes of a manifest."""
    metadata = manifest["metadata"]
    given = {"uid": metadata["name"], "creationTimestamp": NOW.isoformat()}
    return replace(project_job({**manifest, "metadata": metadata | given}), **changes)


def decide(observed: Observed, now: datetime = NOW) -> Plan:
    """What the planner says."""
    return plan(observed, SETTINGS, now)


def created(planned: Plan) -> list[str]:
    """The Jobs that a plan creates, `stage-attempt`."""
    manifests = [action.manifest for action in planned.actions if isinstance(action, CreateJob)]
    return [
        f"{each['metadata']['labels'][kube.LABEL_STAGE]}-{each['metadata']['labels'][kube.LABEL_ATTEMPT]}"
        for each in manifests
    ]


def said(planned: Plan, type_: str) -> tuple[str, str] | None:
    """Status and reason of a condition that a plan leaves."""
    found = planned.status.condition(type_)
    return (found.status, found.reason) if found else None


def asked(planned: Plan) -> list[str]:
    """A plan's actions in words: `create swap-0`."""
    return [_in_words(action) for action in planned.actions]


def _in_words(action: Action) -> str:
    match action:
        case CreateJob(manifest):
            return f"create {_short(manifest['metadata']['name'])}"
        case DeleteJob(name, uid):
            return f"delete {_short(name)}" if uid == _short(name) else f"delete {name} of another uid: {uid}"
        case SuspendJob(name, suspend):
            return f"{'suspend' if suspend else 'resume'} {_short(name)}"
        case ScaleJob(name, parallelism):
            return f"scale {_short(name)} to {parallelism}"
        case SetFinalizer(present):
            return "hold" if present else "let go"
        case DeleteResource():
            return "delete"


def _short(name: str) -> str:
    return "-".join(name.rsplit("-", 2)[1:])


def carried_out(observed: Observed, planned: Plan) -> Observed:
    """What is seen once a plan has been carried out, and nothing else has happened."""
    jobs = {each.name: each for each in observed.jobs}
    seen = replace(observed.resource, status=planned.status)
    for action in planned.actions:
        match action:
            case CreateJob(manifest):
                jobs.setdefault(manifest["metadata"]["name"], as_created(manifest))
            case DeleteJob(name, _):
                del jobs[name]
            case SuspendJob(name, suspend):
                jobs[name] = replace(jobs[name], suspended=suspend, active=0 if suspend else jobs[name].active)
            case ScaleJob(name, parallelism):
                jobs[name] = replace(jobs[name], parallelism=parallelism)
            case SetFinalizer(present):
                seen = replace(seen, finalizers=(kube.FINALIZER,) if present else ())
            case DeleteResource():
                seen = replace(seen, deleted=NOW)
    pods = tuple(each for each in observed.pods if each.job in jobs and not jobs[each.job].suspended)
    return replace(observed, resource=seen, jobs=tuple(jobs.values()), pods=pods)
