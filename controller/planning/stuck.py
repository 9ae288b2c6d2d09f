"""Pure: why a stage's pods do not run, in a reason and a sentence that says what to do.

All of these hang for ever and say so only deep in the API's objects; a person sees them as condition Stalled.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from controller.planning.observed import Pod, StageJob
from recast import names
from recast.kube import names as kube
from recast.kube.podstatus import CONFIG_REASONS, IMAGE_REASONS
from recast.spec import JobSpec

UNSCHEDULABLE_AFTER = timedelta(seconds=10)
REFUSED_AFTER = timedelta(seconds=5)
LOST_AFTER = timedelta(seconds=5)
SLOW_AFTER = timedelta(minutes=5)
HELD_AFTER = timedelta(seconds=5)
"""A Job that has just been resumed may be seen suspended until then."""
MOST_OVERFILLED = 2
"""A disk that was too small twice is so each time."""
MANY_EVICTIONS = 10
HOPELESS_EVICTIONS = 30
EVICTED_CURE = "choose nodes that stay, or smaller segments"

PASSING = frozenset({names.UNSCHEDULABLE, names.IMAGE_PULL_FAILED, names.STARTING_SLOWLY, names.NODE_LOST})
"""What may pass by itself within minutes: a node comes up, a registry answers again."""


@dataclass(frozen=True)
class Stuck:
    """Why a stage does not move, and what to do."""

    reason: str
    message: str


def resources_field(stage: str) -> str:
    """Where the spec says what a stage's pods ask for."""
    return {kube.SWAP: "worker.resources", kube.MUX: "stages.mux.resources"}.get(stage, "stages.split.resources")


def find_overfilled(pods: Sequence[Pod], stage: str) -> Pod | None:
    """The last pod of an index whose disk was too small so often that there is no point in going on.

    Args:
        pods: all of the job's that took more disk than they may.
        stage: whose pods are meant.
    """
    meant = [pod for pod in pods if pod.stage == stage]
    counts = Counter(pod.index for pod in meant)
    return next((pod for pod in reversed(meant) if counts[pod.index] >= MOST_OVERFILLED), None)


def overfilled_words(stage: str, pod: Pod, spec: JobSpec) -> str:
    """What is wrong where a pod took more disk than it may, and how much it needs."""
    field, size, needs = {
        kube.SWAP: ("worker.scratchSize", spec.worker.scratch_size, "two segments and two parts"),
        kube.MUX: ("stages.mux.volume.size", spec.stages.mux.volume.size, "twice the output's video"),
    }.get(stage, ("stages.split.volume.size", spec.stages.split.volume.size, "256 MiB and two segments"))
    said = pod.ended_by.removeprefix("Evicted: ").strip().rstrip(".")
    return (
        f"{stage}: pod {pod.name}: {said}: it holds {needs}: apply the job again with {field} larger than {size}, or "
        "whichever limit is named; what is done is kept"
    )


def find_stuck(job: StageJob, pods: Sequence[Pod], refusals: Sequence[str], now: datetime) -> Stuck | None:
    """Say why a live Job does not move; None where it does, or may yet.

    Args:
        job: the Job.
        pods: its pods.
        refusals: messages of the events in which the API refused it a pod.
        now: the time.
    """
    waiting = [pod for pod in pods if not pod.ended]
    # A job moves while some of its pods run: the others may wait for them, or for an autoscaler.
    idle = [] if any(pod.phase == "Running" and pod.gone_at is None for pod in pods) else waiting
    return (
        _first(waiting, _image)
        or _first(waiting, _configuration)
        or _first(waiting, lambda pod: _lost(pod, now))
        or _first(idle, lambda pod: _unschedulable(job, pod, now))
        or _first(pods, _evicted)
        or _refused(job, pods, refusals, now)
        or _first(idle, lambda pod: _slow(pod, now))
    )


def find_held(job: StageJob, resumed: datetime | None, now: datetime) -> Stuck | None:
    """Say that somebody else has suspended a Job; None where nobody has.

    Args:
        job: the Job, which recast does not hold itself.
        resumed: when recast last resumed it.
        now: the time.
    """
    if not job.suspended or job.queue is not None or (resumed is not None and now - resumed < HELD_AFTER):
        return None
    lift = f"""kubectl patch job {job.name} -n {job.namespace} --type merge -p '{{"spec":{{"suspend":false}}}}'"""
    return Stuck(
        names.JOB_HELD,
        f"job {job.name} was suspended by somebody else, and is left so: `{lift}` lets it go on; where Kueue holds "
        f"jobs without a queue, `kubectl label job {job.name} -n {job.namespace} {kube.LABEL_QUEUE}=QUEUE`, and give "
        "the next FaceSwapJobs that label",
    )


def hopeless_evictions(pods: Sequence[Pod]) -> Pod | None:
    """A pod whose index was evicted so often that there is no point in going on."""
    return next((pod for pod in pods if pod.ignored_failures >= HOPELESS_EVICTIONS), None)


def _first(pods: Sequence[Pod], check: Callable[[Pod], Stuck | None]) -> Stuck | None:
    return next((found for pod in pods if (found := check(pod))), None)


def _image(pod: Pod) -> Stuck | None:
    if pod.waiting_reason not in IMAGE_REASONS:
        return None
    return Stuck(
        names.IMAGE_PULL_FAILED,
        f"pod {pod.name}: {_said(pod)}: check the registry, and worker.imagePullSecrets where it needs a login; a "
        "wrong name is corrected in recast's own release, then delete this job and apply it again, for it keeps the "
        "images that it began with",
    )


def _configuration(pod: Pod) -> Stuck | None:
    if pod.waiting_reason not in CONFIG_REASONS:
        return None
    return Stuck(
        names.CONTAINER_CONFIG,
        f"pod {pod.name}: {_said(pod)}: make what is missing in the job's namespace "
        "(storage.credentialsSecret, storage.caBundle), and the pod starts by itself",
    )


def _unschedulable(job: StageJob, pod: Pod, now: datetime) -> Stuck | None:
    if pod.unschedulable is None or pod.created is None or now - pod.created < UNSCHEDULABLE_AFTER:
        return None
    less = resources_field(job.stage)
    if job.stage == kube.SWAP:
        less = f"worker.gpus, {less}, worker.nodeSelector and worker.tolerations"
    return Stuck(
        names.UNSCHEDULABLE,
        f"pod {pod.name}: no node takes it: {pod.unschedulable or 'no reason given'}: add nodes, "
        f"or ask for less in {less}",
    )


def _lost(pod: Pod, now: datetime) -> Stuck | None:
    if pod.gone_at is None or now - pod.gone_at < LOST_AFTER:
        return None
    return Stuck(
        names.NODE_LOST,
        f"pod {pod.name} is being deleted, but its node {pod.node} does not answer, so it is not replaced: "
        f"bring the node back, or remove it with `kubectl delete node {pod.node}`",
    )


def _evicted(pod: Pod) -> Stuck | None:
    if pod.ended or pod.ignored_failures < MANY_EVICTIONS:
        return None
    return Stuck(
        names.EVICTED_REPEATEDLY,
        f"pod {pod.name}: its work was evicted {pod.ignored_failures} times: {EVICTED_CURE}; after "
        f"{HOPELESS_EVICTIONS} times the job fails",
    )


def _refused(job: StageJob, pods: Sequence[Pod], refusals: Sequence[str], now: datetime) -> Stuck | None:
    if pods or job.suspended or not refusals or now - job.created < REFUSED_AFTER:
        return None
    return Stuck(
        names.PODS_REFUSED,
        f"job {job.name}: the cluster refuses its pods: {refusals[-1]}: correct what is named, "
        "the namespace's Pod Security level, quota or admission policy",
    )


def _slow(pod: Pod, now: datetime) -> Stuck | None:
    if pod.phase != "Pending" or pod.node is None or pod.created is None or now - pod.created < SLOW_AFTER:
        return None
    minutes = int((now - pod.created).total_seconds() // 60)
    return Stuck(
        names.STARTING_SLOWLY,
        f"pod {pod.name}: has been starting for {minutes} minutes on node {pod.node}: "
        f"see `kubectl describe pod {pod.name}`; a large image or a volume may take long",
    )


def _said(pod: Pod) -> str:
    return f"{pod.waiting_reason}: {pod.waiting_message}" if pod.waiting_message else f"{pod.waiting_reason}"
