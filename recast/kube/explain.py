"""Pure: why a FaceSwapJob does not move: what the API's objects say, in sentences that a person can act on."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from recast import exitcodes, names
from recast.kube import names as kube
from recast.kube.cluster import Job, Object
from recast.kube.jobtext import failure, photos, progress, success, warning
from recast.kube.podstatus import CONFIG_REASONS, IMAGE_REASONS, OVER_ITS_LIMIT, own_container
from recast.kube.resource import read_time
from recast.wording import counted, span

SILENT_AFTER = timedelta(seconds=15)
"""A controller that runs has looked at a job by then."""
RECENT = timedelta(minutes=1)
LOST_AFTER = timedelta(seconds=5)
SLOW_AFTER = timedelta(minutes=1)
MANY_EVICTIONS = 3
NAMED_PODS = 3

MOUNT_REASONS = {"FailedMount", "FailedAttachVolume", "FailedMapVolume"}

Cause = tuple[str, str]
"""A reason out of recast.names, and a sentence."""


def explain(
    job: Job, jobs: Sequence[Object], pods: Sequence[Object], events: Sequence[Object], now: datetime
) -> list[str]:
    """Say how a FaceSwapJob stands, what it waits for and what to do.

    Args:
        job: the FaceSwapJob.
        jobs: the Jobs of its stages.
        pods: their pods.
        events: about any of these.
        now: the time.

    Returns:
        Sentences, the first of which says how it stands.
    """
    view = _View(job, jobs, pods, events, now)
    if job.deleted:
        return list(_deletion(view, job.deleted))
    if job.finished:
        return list(_end(job, now))
    causes = [cause for find in CAUSES for cause in find(view)]
    stalled = job.status.true_condition(kube.STALLED)
    if stalled and stalled.reason not in {reason for reason, _ in causes}:
        causes.append((stalled.reason, f"The controller says: {stalled.message}."))
    texts = [text for _, text in causes] or ["Nothing that can be seen is in its way."]
    return [_headline(view), *map(_sentence, texts), *photos(job.status)]


def is_open(pod: Object) -> bool:
    """Whether a pod has neither succeeded nor failed."""
    return (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed")


@dataclass(frozen=True)
class _View:
    job: Job
    jobs: Sequence[Object]
    pods: Sequence[Object]
    events: Sequence[Object]
    now: datetime

    @property
    def open_pods(self) -> list[Object]:
        """Pods that have not ended, and are not about to."""
        return [pod for pod in self.pods if is_open(pod) and "deletionTimestamp" not in pod["metadata"]]

    @property
    def live_jobs(self) -> list[Object]:
        return [each for each in self.jobs if _ended(each) is None and "deletionTimestamp" not in each["metadata"]]

    @property
    def job_refused(self) -> bool:
        """Whether the API server does not take the next stage's Job."""
        found = self.job.status.true_condition(kube.STALLED)
        return found is not None and found.reason == names.PODS_REFUSED and not self.live_jobs

    def events_of(self, item: Object, *reasons: str) -> list[Object]:
        """The events about an object, newest last."""
        uid = item["metadata"]["uid"]
        found = [
            event
            for event in self.events
            if event["involvedObject"].get("uid") == uid and (not reasons or event.get("reason") in reasons)
        ]
        return sorted(found, key=_event_time)


# How it stands


def _headline(view: _View) -> str:
    job, status = view.job, view.job.status
    pods = [pod for pod in view.pods if is_open(pod)]
    running = sum(_is_running(pod) for pod in pods)
    waiting = len(pods) - running
    counts = [f"{counted(running, 'pod')} running"] if running else []
    counts += [f"{waiting if running else counted(waiting, 'pod')} not running yet"] if waiting else []
    phase = "Suspended" if job.spec.get("suspend") else status.phase
    how = progress(status.model_copy(update={"phase": phase}), view.now)
    return f"{job.name}: {how}; {' and '.join(counts) or 'no pods'}; {span(view.now - job.created)} old."


def _end(job: Job, now: datetime) -> Iterator[str]:
    status = job.status
    ago = f" {span(now - status.completion_time)} ago" if status.completion_time else ""
    if status.phase == "Succeeded":
        yield f"{job.name}: succeeded{ago}: {success(job)}."
        if text := warning(job):
            yield _sentence(text)
        for track in status.dropped_tracks:
            yield f"Left out: {track}."
        for bad in status.bad_frames.first if status.bad_frames else ():
            yield f"Did not decode whole: {bad}."
        yield from photos(status)
        return
    yield f"{job.name}: failed{ago}: {failure(status)}."
    code = status.failure.code if status.failure else exitcodes.TRY_AGAIN
    first = "Correct what is named; then" if code in exitcodes.NEVER_RETRIED else "Another try may go better:"
    yield f"{first} `recast cancel {job.name}` and submit it again: what is done is kept."
    yield from photos(status)


def _deletion(view: _View, since: datetime) -> Iterator[str]:
    job = view.job
    yield f"{job.name}: its deletion began {span(view.now - since)} ago."
    left = [pod for pod in view.pods if is_open(pod)]
    if left:
        yield f"It waits for {_named(left)} to end."
    if kube.FINALIZER in job.finalizers:
        yield "Its scratch is removed first (storage.retain: Never); that needs recast's controller to be running."
    for _, text in _lost(view):
        yield text


# What it waits for


def _controller(view: _View) -> Iterator[Cause]:
    job = view.job
    recent = [each for each in view.events if each["involvedObject"].get("uid") == job.uid]
    if view.job_refused or any(view.now - _event_time(each) < RECENT for each in recent):
        return
    cure = (
        f"is recast's controller running, and does it watch namespace {job.namespace}? "
        "See `kubectl get deployments --all-namespaces`."
    )
    waited = view.now - (job.changed or job.created)
    if job.status.observed_generation < job.generation and waited > SILENT_AFTER:
        yield "", f"No controller has looked at it for {span(waited)}: {cure}"
        return
    ends = [_ended(each) for each in view.jobs]
    times = [end for end in ends if end is not None]
    if times and len(times) == len(ends) and view.now - max(times) > RECENT and not job.spec.get("suspend"):
        yield "", f"The last stage ended {span(view.now - max(times))} ago and nothing followed: {cure}"


def _suspended(view: _View) -> Iterator[Cause]:
    if view.job.spec.get("suspend"):
        patch = f"""kubectl patch {kube.SHORT_NAME} {view.job.name} --type merge -p '{{"spec":{{"suspend":false}}}}'"""
        yield names.JOB_SUSPENDED, f"spec.suspend is true: `{patch}` lets it go on; what is done is kept."


def _quota(view: _View) -> Iterator[Cause]:
    for each in view.live_jobs:
        queue = each["metadata"].get("labels", {}).get(kube.LABEL_QUEUE)
        if queue and each["spec"].get("suspend") and not view.job.spec.get("suspend"):
            yield (
                names.QUOTA_PENDING,
                f"Job {each['metadata']['name']} waits for quota in queue {queue}: see `kubectl get localqueue "
                f"{queue}`; wait, or ask for less in segments.maxParallelism, worker.gpus and worker.resources.",
            )


def _held(view: _View) -> Iterator[Cause]:
    if view.job.spec.get("suspend") or view.job.status.is_true(kube.SUSPENDED):
        # The controller has not lifted it yet.
        return
    for each in view.live_jobs:
        if each["spec"].get("suspend") and kube.LABEL_QUEUE not in each["metadata"].get("labels", {}):
            name = each["metadata"]["name"]
            patch = f"""kubectl patch job {name} --type merge -p '{{"spec":{{"suspend":false}}}}'"""
            yield (
                names.JOB_HELD,
                f"Job {name} was suspended by somebody else than recast: `{patch}` lets it go on; where Kueue holds "
                f"jobs without a queue, give it one: `kubectl label job {name} {kube.LABEL_QUEUE}=QUEUE`.",
            )


def _refused(view: _View) -> Iterator[Cause]:
    for each in view.live_jobs:
        name = each["metadata"]["name"]
        refusals = view.events_of(each, "FailedCreate")
        if each["spec"].get("suspend") or any(_job_of(pod) == name and is_open(pod) for pod in view.pods):
            continue
        if refusals:
            yield (
                names.PODS_REFUSED,
                f"The cluster refuses the pods of Job {name}: {_message(refusals[-1])}: correct what is named: "
                "the namespace's Pod Security level, its quota, or an admission policy.",
            )
        elif not any(_job_of(pod) == name for pod in view.pods) and _age(each, view.now) > SLOW_AFTER:
            yield (
                "",
                f"Job {name} has made no pods for {span(_age(each, view.now))}: see `kubectl describe job {name}`.",
            )


def _job_refused(view: _View) -> Iterator[Cause]:
    """The controller has heard it when it made the next stage's Job: no event says so."""
    found = view.job.status.condition(kube.STALLED)
    if found is None or not view.job_refused:
        return
    yield names.PODS_REFUSED, f"{found.message[0].upper()}{found.message[1:].rstrip('.')}."


def _images(view: _View) -> Iterator[Cause]:
    for text, pods in _grouped(view.open_pods, _image_trouble):
        yield (
            names.IMAGE_PULL_FAILED,
            f"{_named(pods)} cannot have the image {text}: check the registry, and worker.imagePullSecrets where it "
            "needs a login; a wrong name is corrected in recast's own release, and then "
            f"`recast cancel {view.job.name}` and submit it again: a job keeps the images that it began with.",
        )


def _image_trouble(pod: Object) -> str | None:
    status, waiting = own_container(pod), _waiting(pod)
    if waiting.get("reason") not in IMAGE_REASONS:
        return None
    message = waiting.get("message", "")
    image = status.get("image") or pod["spec"]["containers"][0]["image"]
    return f"{image} ({waiting['reason']}{': ' + message if message else ''})"


def _configuration(view: _View) -> Iterator[Cause]:
    def trouble(pod: Object) -> str | None:
        waiting = _waiting(pod)
        return str(waiting.get("message") or waiting["reason"]) if waiting.get("reason") in CONFIG_REASONS else None

    for text, pods in _grouped(view.open_pods, trouble):
        yield (
            names.CONTAINER_CONFIG,
            f"{_named(pods)} cannot start: {text}: make what is missing in namespace {view.job.namespace} "
            "(storage.credentialsSecret names the Secret); then it starts by itself.",
        )


def _mounts(view: _View) -> Iterator[Cause]:
    def trouble(pod: Object) -> str | None:
        found = view.events_of(pod, *MOUNT_REASONS)
        return _message(found[-1]) if found and not _is_running(pod) else None

    for text, pods in _grouped(view.open_pods, trouble):
        yield (
            names.CONTAINER_CONFIG,
            f"{_named(pods)} waits for a volume: {text}: make what is missing in namespace {view.job.namespace} "
            "(storage.caBundle names the ConfigMap, stages.*.volume the storage class).",
        )


def _unschedulable(view: _View) -> Iterator[Cause]:
    for text, pods in _grouped(view.open_pods, lambda pod: _scheduling(pod, "Unschedulable")):
        yield (
            names.UNSCHEDULABLE,
            f"{_named(pods)} fits on no node: {text or 'no reason given'}: add nodes, or ask for less in worker.gpus, "
            "worker.resources, worker.nodeSelector and worker.tolerations (split and mux: stages.*.resources).",
        )
    for text, pods in _grouped(view.open_pods, lambda pod: _scheduling(pod, "SchedulingGated")):
        yield "", f"{_named(pods)} is held back by a scheduling gate: {text}: whoever set it must remove it."


def _scheduling(pod: Object, reason: str) -> str | None:
    conditions = (pod.get("status") or {}).get("conditions", ())
    found: Object = next((each for each in conditions if each["type"] == "PodScheduled"), {})
    return str(found.get("message", "")).rstrip(".") if found.get("reason") == reason else None


def _lost(view: _View) -> Iterator[Cause]:
    def node(pod: Object) -> str | None:
        gone_at = read_time(pod["metadata"].get("deletionTimestamp"))
        late = gone_at is not None and view.now - gone_at > LOST_AFTER
        return pod["spec"].get("nodeName") if is_open(pod) and late else None

    for name, pods in _grouped(view.pods, node):
        yield (
            names.NODE_LOST,
            f"Node {name} does not answer: {_named(pods)} is being deleted and is not replaced before it is gone: "
            f"bring the node back, or remove it: `kubectl delete node {name}`.",
        )


def _evicted(view: _View) -> Iterator[Cause]:
    counts = [(_ignored_failures(pod), pod) for pod in view.open_pods]
    why = _evicted_for(view)
    # What had too small a disk once has so each time.
    many = 1 if OVER_ITS_LIMIT in why else MANY_EVICTIONS
    often = [(count, pod) for count, pod in counts if count >= many]
    if often:
        most = max(count for count, _ in often)
        yield (
            names.EVICTED_REPEATEDLY,
            f"The work of {_named([pod for _, pod in often])} was evicted before, {counted(most, 'time')} at most"
            f"{f' ({why})' if why else ''}: where its disk was full, give it more (worker.scratchSize, "
            "stages.*.volume); else choose nodes that stay (worker.nodeSelector, worker.priorityClassName), or "
            "smaller segments.",
        )


def _evicted_for(view: _View) -> str:
    """What the kubelet said of the pod that it evicted last."""
    statuses = [pod.get("status") or {} for pod in view.pods]
    said = [each for each in statuses if each.get("reason") == "Evicted" and each.get("message")]
    last = max(said, key=lambda each: str(each.get("startTime", "")), default={})
    return str(last.get("message", "")).strip().rstrip(".")


def _retried(view: _View) -> Iterator[Cause]:
    live = {each["metadata"]["name"] for each in view.live_jobs}
    failed = [pod for pod in view.pods if _job_of(pod) in live and (pod.get("status") or {}).get("phase") == "Failed"]
    failed = [pod for pod in failed if _terminated(pod).get("exitCode") not in (exitcodes.TERMINATED, None)]
    if failed:
        last = max(failed, key=lambda pod: str(_terminated(pod).get("finishedAt", "")))
        yield "", f"{counted(len(failed), 'pod')} failed and is tried again; the last, {_last_words(last)}."


def _last_words(pod: Object) -> str:
    name, ended = pod["metadata"]["name"], _terminated(pod)
    if ended.get("reason") == "OOMKilled":
        return f"{name}, was killed for want of memory: raise resources.limits.memory of its stage"
    try:
        said = json.loads(ended.get("message") or "")
        where = f" (segment {said['segment']})" if said.get("segment") is not None else ""
        return f"{name}{where}, said: {said['reason']}: {said['message']}"
    except (ValueError, KeyError, TypeError, AttributeError):
        return f"{name}, ended with status {ended.get('exitCode')} and no word"


def _slow(view: _View) -> Iterator[Cause]:
    def slow(pod: Object) -> str | None:
        if _is_running(pod) or not pod["spec"].get("nodeName") or _age(pod, view.now) < SLOW_AFTER:
            return None
        if _waiting(pod).get("reason") in IMAGE_REASONS | CONFIG_REASONS or view.events_of(pod, *MOUNT_REASONS):
            return None
        return str(pod["spec"]["nodeName"])

    for node, pods in _grouped(view.open_pods, slow):
        age = span(max(_age(pod, view.now) for pod in pods))
        name = pods[0]["metadata"]["name"]
        yield (
            names.STARTING_SLOWLY,
            f"{_named(pods)} has been starting for {age} on node {node}: a large image or a volume may take long; "
            f"see `kubectl describe pod {name}`.",
        )


CAUSES: tuple[Callable[[_View], Iterator[Cause]], ...] = (
    _controller, _suspended, _quota, _held, _refused, _job_refused, _images, _configuration, _mounts, _lost,
    _unschedulable, _evicted, _retried, _slow,
)  # fmt: skip


# Small readers of the API's objects


def _grouped(pods: Sequence[Object], key: Callable[[Object], str | None]) -> list[tuple[str, list[Object]]]:
    """Pods with the same trouble, together; those without left out."""
    groups: dict[str, list[Object]] = {}
    for pod in pods:
        text = key(pod)
        if text is not None:
            groups.setdefault(text, []).append(pod)
    return list(groups.items())


def _named(pods: Sequence[Object]) -> str:
    found = [pod["metadata"]["name"] for pod in pods]
    if len(found) == 1:
        return f"pod {found[0]}"
    more = " and more" if len(found) > NAMED_PODS else ""
    return f"each of {len(found)} pods ({', '.join(found[:NAMED_PODS])}{more})"


def _sentence(text: str) -> str:
    # A name keeps its small letter.
    return text[0].upper() + text[1:] if text.startswith(("pod ", "each ")) else text


def _waiting(pod: Object) -> Object:
    return own_container(pod).get("state", {}).get("waiting") or {}


def _terminated(pod: Object) -> Object:
    return own_container(pod).get("state", {}).get("terminated") or {}


def _is_running(pod: Object) -> bool:
    return bool((pod.get("status") or {}).get("phase") == "Running")


def _job_of(pod: Object) -> str:
    return str(pod["metadata"].get("labels", {}).get(kube.LABEL_JOB_NAME, ""))


def _ignored_failures(pod: Object) -> int:
    return int(pod["metadata"].get("annotations", {}).get(kube.ANNOTATION_IGNORED, 0))


def _ended(job: Object) -> datetime | None:
    """When a Job completed or failed."""
    for each in (job.get("status") or {}).get("conditions", ()):
        if each["type"] in ("Complete", "Failed") and each["status"] == "True":
            return read_time(each.get("lastTransitionTime")) or datetime.min.replace(tzinfo=UTC)
    return None


def _age(item: Object, now: datetime) -> timedelta:
    created = read_time(item["metadata"].get("creationTimestamp"))
    return now - created if created else timedelta()


def _event_time(event: Object) -> datetime:
    series = event.get("series") or {}
    text = series.get("lastObservedTime") or event.get("lastTimestamp") or event.get("eventTime")
    return read_time(text or event["metadata"].get("creationTimestamp")) or datetime.min.replace(tzinfo=UTC)


def _message(event: Object) -> str:
    return str(event.get("message", "")).strip().rstrip(".")
