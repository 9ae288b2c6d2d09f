"""Why a job does not move: a table of what the cluster shows, and what is said of it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from recast.kube import names as kube
from recast.kube.api import item
from recast.kube.cluster import read_job
from recast.kube.explain import explain
from tests.recast.commands.conftest import Run
from tests.recast.commands.fakecluster import FakeApi, Json, pod

NOW = datetime(2026, 11, 24, 1, tzinfo=UTC)


def at(seconds: float) -> str:
    """A time before now."""
    return (NOW - timedelta(seconds=seconds)).isoformat()


def job(age: float = 600, spec: Json | None = None, **status: Any) -> Json:
    return {
        "metadata": {
            "namespace": "renders", "name": "interview", "uid": "uid-interview", "generation": 1,
            "creationTimestamp": at(age),
        },
        "spec": {"output": {"uri": "s3://studio/out/a.mkv"}, **(spec or {})},
        "status": {"observedGeneration": 1, "phase": "Swapping", "progress": "12/40", **status},
    }  # fmt: skip


def stage(name: str = "interview-swap", age: float = 300, labels: Json | None = None, **parts: Any) -> Json:
    return {
        "metadata": {"name": name, "uid": f"uid-{name}", "creationTimestamp": at(age), "labels": labels or {}},
        "spec": {},
        **parts,
    }


def ended(kind: str, seconds: float) -> Json:
    return {"conditions": [{"type": kind, "status": "True", "lastTransitionTime": at(seconds)}]}


def worker(name: str = "w-0", **parts: Any) -> Json:
    made = pod(name, "interview", "swap", **parts)
    made["metadata"]["creationTimestamp"] = at(parts.get("age", 300))
    return made


def waiting(reason: str, message: str = "") -> Json:
    return {
        "phase": "Pending",
        "containerStatuses": [{"name": "stage", "state": {"waiting": {"reason": reason, "message": message}}}],
    }


def terminated(code: int, **state: Any) -> Json:
    return {
        "phase": "Failed",
        "containerStatuses": [{"name": "stage", "state": {"terminated": {"exitCode": code, **state}}}],
    }


def unscheduled(reason: str = "Unschedulable") -> Json:
    condition = {"type": "PodScheduled", "status": "False", "reason": reason, "message": "0/3 nodes: no GPU."}
    return {"phase": "Pending", "containerStatuses": [], "conditions": [condition]}


def event(uid: str, reason: str, message: str, seconds: float = 5) -> Json:
    return {
        "metadata": {}, "involvedObject": {"uid": uid}, "reason": reason, "message": message,
        "lastTimestamp": at(seconds),
    }  # fmt: skip


def condition(reason: str, message: str) -> Json:
    return {
        "type": "Stalled", "status": "True", "reason": reason, "message": message, "lastTransitionTime": at(9),
    }  # fmt: skip


def said(made: Json, *, jobs: Any = (), pods: Any = (), events: Any = ()) -> list[str]:
    return explain(read_job(made), list(jobs), list(pods), list(events), NOW)


OWN = {"name": "w-0", "uid": "u", "labels": {"batch.kubernetes.io/job-name": "interview-swap"}}
GONE = OWN | {"deletionTimestamp": at(60)}
QUEUED = stage(labels={kube.LABEL_QUEUE: "renders"}, spec={"suspend": True})

LOW = "The node was low on resource: ephemeral-storage. Container stage was using 9Gi, which exceeds its request of 0. "
FULL = 'Usage of EmptyDir volume "work" exceeds the limit "20Gi". '
REFUSED = condition(
    "PodsRefused",
    "the API server refuses what the next stage needs: exceeded quota: q: once the quota is mended it goes on",
)

TABLE = {
    "all is well": (job(), [stage()], [worker()], [], "Nothing that can be seen is in its way."),
    "no controller": (
        job(age=180, observedGeneration=0), [], [], [],
        "No controller has looked at it for 3m: is recast's controller running, and does it watch namespace renders?",
    ),
    "a controller that stopped": (
        job(), [stage(status=ended("Complete", 120))], [], [], "The last stage ended 2m ago and nothing followed: is",
    ),
    "an image": (
        job(), [stage()], [worker(status=waiting("ImagePullBackOff", "not found"))], [],
        "Pod w-0 cannot have the image recast/worker:1 (ImagePullBackOff: not found): check the registry",
    ),
    "an eviction by a node whose disk is full": (
        job(), [stage()],
        [worker(annotations={"batch.kubernetes.io/job-index-ignored-failure-count": "1"}),
         worker("w-1", status={"phase": "Failed", "reason": "Evicted", "message": LOW, "containerStatuses": []})], [],
        "Nothing that can be seen is in its way.",
    ),
    "a Secret": (
        job(), [stage()], [worker(status=waiting("CreateContainerConfigError", 'secret "studio-s3" not found'))], [],
        'Pod w-0 cannot start: secret "studio-s3" not found: make what is missing in namespace renders',
    ),
    "a ConfigMap": (
        job(), [stage()], [worker(status=waiting("ContainerCreating"), spec={"nodeName": "n"})],
        [event("uid-w-0", "FailedMount", 'MountVolume.SetUp failed: configmap "ca" not found')],
        'Pod w-0 waits for a volume: MountVolume.SetUp failed: configmap "ca" not found: make what is missing',
    ),
    "no node": (
        job(), [stage()], [worker(f"w-{number}", status=unscheduled()) for number in range(5)], [],
        "Each of 5 pods (w-0, w-1, w-2 and more) fits on no node: 0/3 nodes: no GPU: add nodes, or ask for less",
    ),
    "a gate": (
        job(), [stage()], [worker(status=unscheduled("SchedulingGated"))], [],
        "Pod w-0 is held back by a scheduling gate: 0/3 nodes: no GPU: ",
    ),
    "no quota": (
        job(phase="Queued"), [QUEUED], [], [],
        "Job interview-swap waits for quota in queue renders: see `kubectl get localqueue renders`",
    ),
    "held by somebody": (
        job(phase="Queued"), [stage(spec={"suspend": True})], [], [],
        "Job interview-swap was suspended by somebody else than recast: `kubectl patch job interview-swap",
    ),
    "just resumed": (
        job(conditions=[condition("JobSuspended", "so") | {"type": "Suspended"}]), [stage(spec={"suspend": True})],
        [], [], "Nothing that can be seen is in its way.",
    ),
    "refused pods": (
        job(), [stage()], [], [event("uid-interview-swap", "FailedCreate", "violates PodSecurity: no")],
        "The cluster refuses the pods of Job interview-swap: violates PodSecurity: no: correct what is named",
    ),
    "no pods": (job(), [stage()], [], [], "Job interview-swap has made no pods for 5m: see `kubectl describe job"),
    "a lost node": (
        job(), [stage()], [worker(metadata=GONE, spec={"nodeName": "n-3"})], [],
        "Node n-3 does not answer: pod w-0 is being deleted and is not replaced before it is gone: bring the node "
        "back, or remove it: `kubectl delete node n-3`.",
    ),
    "evictions": (
        job(), [stage()],
        [worker(annotations={"batch.kubernetes.io/job-index-ignored-failure-count": "7"})], [],
        "The work of pod w-0 was evicted before, 7 times at most: where its disk was full, give it more "
        "(worker.scratchSize, stages.*.volume); else choose nodes that stay",
    ),
    "a full disk": (
        job(), [stage()],
        [worker(annotations={"batch.kubernetes.io/job-index-ignored-failure-count": "1"}),
         worker("w-1", status={"phase": "Failed", "reason": "Evicted", "message": FULL, "containerStatuses": []})], [],
        f"The work of pod w-0 was evicted before, 1 time at most ({FULL[:-2]}): where its disk was full",
    ),
    "a refused Job": (
        job(observedGeneration=0, phase="Pending", conditions=[REFUSED]), [], [], [],
        "The API server refuses what the next stage needs: exceeded quota: q: once the quota is mended",
    ),
    "a refused Job, later": (
        job(conditions=[REFUSED]), [stage(status=ended("Complete", 120))], [], [],
        "The API server refuses what",
    ),
    "tries": (
        job(), [stage()],
        [worker(status=terminated(75, message='{"code": 75, "reason": "Stalled", "message": "no", "segment": 3}'),
                metadata=OWN)],
        [], "1 pod failed and is tried again; the last, w-0 (segment 3), said: Stalled: no.",
    ),
    "memory": (
        job(), [stage()],
        [worker(status=terminated(137, reason="OOMKilled"),
                metadata=OWN)],
        [], "1 pod failed and is tried again; the last, w-0, was killed for want of memory: raise",
    ),
    "a slow start": (
        job(), [stage()], [worker(status=waiting("ContainerCreating"), spec={"nodeName": "n"})], [],
        "Pod w-0 has been starting for 5m on node n: a large image or a volume may take long",
    ),
    "suspended": (
        job(spec={"suspend": True}), [stage(spec={"suspend": True})], [], [],
        """spec.suspend is true: `kubectl patch fsj interview --type merge -p '{"spec":{"suspend":false}}'` lets""",
    ),
    "what the controller says": (
        job(conditions=[condition("Strange", "mend it")]), [stage()], [worker()], [],
        "The controller says: mend it.",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("made", "jobs", "pods", "events", "sentence"), TABLE.values(), ids=TABLE.keys())
def test_one_trouble_is_one_sentence_after_how_it_stands(
    made: Json, jobs: Any, pods: Any, events: Any, sentence: str
) -> None:
    headline, *rest = said(made, jobs=jobs, pods=pods, events=events)
    assert headline.startswith("interview: ") and headline.endswith(" old.")
    assert len(rest) == 1 and rest[0].startswith(sentence) and rest[0].endswith("."), rest


def test_how_a_running_job_stands() -> None:
    made = job(frames={"perSecond": 96}, estimatedCompletionTime=(NOW + timedelta(minutes=5)).isoformat())
    pods = [worker(), worker("w-1", status=waiting("ContainerCreating"))]
    assert said(made, jobs=[stage()], pods=pods)[0] == (
        "interview: Swapping 12/40 segments, 96 fps, 5m left; 1 pod running and 1 not running yet; 10m old."
    )


@pytest.mark.parametrize(
    ("conditions", "ends"),
    [([], NOW - timedelta(seconds=1)), ([condition("NodeLost", "x")], NOW + timedelta(minutes=5))],
)
def test_of_a_job_that_does_not_move_no_time_is_said_to_be_left(conditions: list[Json], ends: datetime) -> None:
    made = job(frames={"perSecond": 96}, estimatedCompletionTime=ends.isoformat(), conditions=conditions)
    assert said(made, jobs=[stage()], pods=[worker()])[0].startswith("interview: Swapping 12/40 segments, 96 fps; ")


def test_a_job_that_changed_no_face_is_told_of_though_it_succeeded() -> None:
    def told(swapped: int, engine: str) -> bool:
        status = {"phase": "Succeeded", "completionTime": at(300), "facesSwapped": swapped}
        return any("no face was changed" in line for line in said(job(spec={"engine": {"name": engine}}, **status)))

    assert told(0, "Mesh")
    assert not told(3, "Mesh") and not told(0, "Passthrough")


@pytest.mark.parametrize("phase", ["Swapping", "Succeeded", "Failed"])
def test_photos_in_doubt_are_named(phase: str) -> None:
    assert (
        said(job(phase=phase, notices=["cat.png: no face?"]))[-1] == "Look at this photo once more: cat.png: no face?."
    )


def test_how_a_job_ended() -> None:
    output = {"uri": "s3://studio/out/a.mkv", "size": 5_000_000, "sha256": "ab"}
    done = job(
        phase="Succeeded",
        output=output,
        completionTime=at(300),
        droppedTracks=["data track 2: cannot be kept"],
        badFrames={"count": 3, "first": ["frames 5 to 7, from 0.200 s on: frame 4 repeated"]},
    )
    assert said(done) == [
        "interview: succeeded 5m ago: s3://studio/out/a.mkv, 5.0 MB, 3 frames did not decode whole.",
        "Left out: data track 2: cannot be kept.",
        "Did not decode whole: frames 5 to 7, from 0.200 s on: frame 4 repeated.",
    ]
    failure = {"code": 65, "reason": "CorruptSource", "message": "it is cut off", "segment": 3, "pod": "w-3"}
    assert said(job(phase="Failed", failure=failure, completionTime=at(300))) == [
        "interview: failed 5m ago: CorruptSource: it is cut off (segment 3, pod w-3).",
        "Correct what is named; then `recast cancel interview` and submit it again: what is done is kept.",
    ]
    again = said(job(phase="Failed", failure=failure | {"code": 75}, completionTime=at(300)))[1]
    assert again.startswith("Another try may go better: `recast cancel interview`")


def test_a_job_that_is_being_deleted_says_what_it_waits_for() -> None:
    made = job()
    made["metadata"] |= {"deletionTimestamp": at(90), "finalizers": [kube.FINALIZER]}
    lines = said(made, pods=[worker(metadata=GONE, spec={"nodeName": "n-3"})])
    assert lines[0] == "interview: its deletion began 90s ago."
    assert lines[1] == "It waits for pod w-0 to end."
    assert "Its scratch is removed first" in lines[2] and lines[3].startswith("Node n-3 does not answer")


@pytest.mark.parametrize(
    "made",
    [
        job(age=10, observedGeneration=0),
        job(observedGeneration=1, spec={"suspend": False}),
    ],
)
def test_a_controller_is_given_time(made: Json) -> None:
    assert said(made)[1:] == ["Nothing that can be seen is in its way."]


def test_a_controller_that_was_heard_of_runs() -> None:
    events = [event("uid-interview", "StageStarted", "split", 30)]
    assert not any("controller" in line for line in said(job(observedGeneration=0), events=events))


def test_a_change_of_the_spec_counts_from_when_it_was_made() -> None:
    made = job(age=86_400)
    made["metadata"] |= {
        "generation": 2,
        "managedFields": [{"time": at(5)}, {"time": at(999)}, {"time": at(1), "subresource": "status"}],
    }
    assert not any("controller" in line for line in said(made))
    made["metadata"]["managedFields"][0]["time"] = at(60)
    assert any("No controller has looked at it for 60s" in line for line in said(made))


def test_pods_with_the_same_trouble_are_one_sentence_and_the_controller_does_not_repeat_it() -> None:
    pods = [worker(f"w-{number}", status=waiting("ErrImagePull", "no")) for number in range(2)]
    made = job(conditions=[condition("ImagePullFailed", "pod w-0: no")])
    assert [line.partition(" cannot")[0] for line in said(made, jobs=[stage()], pods=pods)[1:]] == [
        "Each of 2 pods (w-0, w-1)"
    ]


def test_evicted_pods_are_no_failures() -> None:
    for status in (terminated(143), {"phase": "Failed", "containerStatuses": []}):
        pods = [worker(status=status, metadata=OWN), worker("w-1")]
        assert said(job(), jobs=[stage()], pods=pods)[1:] == ["Nothing that can be seen is in its way."]


def test_the_command_asks_for_what_it_needs(api: FakeApi, run: Run) -> None:
    api.add_job("interview", status={"phase": "Swapping"})
    api.add_pod("w-0", "interview", "swap", status=waiting("ContainerCreating"), spec={"nodeName": "n"})
    api.items[item("v1", "events", "renders", "e")] = event("uid-w-0", "FailedMount", "no volume")
    out, _ = run("explain", "interview")
    assert "Pod w-0 waits for a volume: no volume: " in out
    assert "x: no such job in namespace renders" in run("explain", "x", code=66)[1]
