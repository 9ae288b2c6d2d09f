"""Pure: what KWOK does with fake nodes and pods, as its Stage objects.

A stage is a condition (jq on the object), a delay, and a patch whose texts are Go templates.
Fake pods end as a real kubelet would end them: the final status comes first, then the deletion.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Stage = dict[str, Any]

INDEX = "$index"
"""In a script's message: the pod's completion index, as a number."""
_INDEX_ANNOTATION = "batch.kubernetes.io/job-completion-index"
_INDEX_TEMPLATE = "{{ or (index .metadata.annotations `" + _INDEX_ANNOTATION + "`) 0 }}"
_FAILURES_ANNOTATION = "batch.kubernetes.io/job-index-failure-count"
_NOW = "{{ Now }}"
_CONTAINER = "{{ (index .spec.containers 0).name }}"
_IMAGE = "{{ (index .spec.containers 0).image }}"
_STARTED = "{{ or .status.startTime Now }}"

LOST = "recast.video/test-lost"
"""Annotation of pods whose node does not answer: nothing happens to them."""
_HERE = f'.metadata.annotations["{LOST}"] == null'
_DELETED = ".metadata.deletionTimestamp != null"
_READY_NODE = 'any(.status.conditions[]?; .type == "Ready" and .status == "True")'


@dataclass(frozen=True)
class Script:
    """What fake pods do. The first script that fits a pod is its script.

    Attributes:
        labels: pods that have these; all where there are none.
        index: the pod of this completion index only.
        first_try: only pods of an index that has not failed yet.
        seconds: how long they run; None: until they are deleted.
        code: their exit code.
        message: their termination message; `INDEX` in it becomes the pod's index.
        waiting: they never start: the reason that their container waits for, such as ImagePullBackOff.
    """

    labels: Mapping[str, str] = field(default_factory=dict)
    index: int | None = None
    first_try: bool = False
    seconds: float | None = 1.0
    code: int = 0
    message: Mapping[str, object] | None = None
    waiting: str | None = None

    def condition(self) -> str:
        """Say in jq which pods this is about."""
        parts = [f".metadata.labels[{json.dumps(key)}] == {json.dumps(value)}" for key, value in self.labels.items()]
        if self.index is not None:
            parts.append(f'.metadata.annotations["{_INDEX_ANNOTATION}"] == "{self.index}"')
        if self.first_try:
            parts.append(f'(.metadata.annotations["{_FAILURES_ANNOTATION}"] // "0") == "0"')
        return " and ".join(parts) or "true"


def stages(scripts: Sequence[Script]) -> list[Stage]:
    """Give all stages. Pods that no script fits succeed after a second."""
    every = [*scripts, Script()]
    choice = _choice(every)
    made = [_node_ready(), _node_heartbeat(), _pod_stopped(), _pod_removed()]
    for number, script in enumerate(every):
        mine = f"({choice}) == {number}"
        made.append(_pod_started(f"pod-started-{number}", mine, script))
        if script.seconds is not None and script.waiting is None:
            made.append(_pod_ended(f"pod-ended-{number}", mine, script))
    return made


def _choice(scripts: Sequence[Script]) -> str:
    """A jq expression that gives the number of a pod's script."""
    *others, _last = scripts
    words = "".join(f"if {script.condition()} then {number} else " for number, script in enumerate(others))
    return f"{words}{len(others)}{' end' * len(others)}"


def _stage(kind: str, name: str, conditions: Sequence[str], *, seconds: float = 0, jitter: float = 0) -> Stage:
    expressions = [{"key": f"({each})", "operator": "In", "values": ["true"]} for each in conditions]
    spec: Stage = {
        "resourceRef": {"apiGroup": "v1", "kind": kind},
        "selector": {"matchExpressions": expressions},
    }
    if seconds:
        spec["delay"] = {
            "durationMilliseconds": round(seconds * 1000),
            "jitterDurationMilliseconds": round((seconds + jitter) * 1000),
        }
    return {"apiVersion": "kwok.x-k8s.io/v1alpha1", "kind": "Stage", "metadata": {"name": name}, "spec": spec}


def _with_status(stage: Stage, status: Mapping[str, object]) -> Stage:
    # A strategic patch merges conditions by type, so that those of the control plane stay.
    patch = {"subresource": "status", "root": "status", "type": "strategic", "template": json.dumps(status)}
    stage["spec"]["next"] = {"patches": [patch]}
    return stage


def _condition(kind: str, status: bool, reason: str = "") -> dict[str, str]:
    found = {"type": kind, "status": str(status), "lastTransitionTime": _NOW}
    return found | ({"reason": reason} if reason else {})


def _node_conditions() -> list[dict[str, str]]:
    ready = _condition("Ready", True, "KubeletReady")
    pressures = [_condition(f"{kind}Pressure", False, "KubeletHasEnough") for kind in ("Memory", "Disk", "PID")]
    return [each | {"lastHeartbeatTime": _NOW} for each in (ready, *pressures)]


def _node_ready() -> Stage:
    status = {"phase": "Running", "conditions": _node_conditions()}
    return _with_status(_stage("Node", "node-ready", [f"{_READY_NODE} | not"]), status)


def _node_heartbeat() -> Stage:
    # The lease says that the node lives; this is for people who look at the conditions.
    stage = _stage("Node", "node-heartbeat", [_READY_NODE], seconds=300, jitter=60)
    return _with_status(stage, {"conditions": _node_conditions()})


def _pod_started(name: str, mine: str, script: Script) -> Stage:
    stage = _stage("Pod", name, [_HERE, f"{_DELETED} | not", ".status.startTime == null", mine])
    up = script.waiting is None
    state: dict[str, object] = {"running": {"startedAt": _NOW}} if up else {"waiting": {"reason": script.waiting}}
    status: dict[str, object] = {
        "phase": "Running" if up else "Pending",
        "startTime": _NOW,
        "hostIP": "10.0.0.1",
        "conditions": [
            _condition("Initialized", True),
            _condition("ContainersReady", up),
            _condition("Ready", up),
        ],
        "containerStatuses": [_container(state, up=up)],
    }
    if up:
        status |= {"podIP": "10.0.0.2", "podIPs": [{"ip": "10.0.0.2"}]}
    return _with_status(stage, status)


def _pod_ended(name: str, mine: str, script: Script) -> Stage:
    conditions = [_HERE, f"{_DELETED} | not", '.status.phase == "Running"', mine]
    stage = _stage("Pod", name, conditions, seconds=script.seconds or 0.001)
    message = None
    if script.message is not None:
        message = json.dumps(script.message).replace(json.dumps(INDEX), _INDEX_TEMPLATE)
    return _with_status(stage, _final_status(script.code, message))


def _pod_stopped() -> Stage:
    """A pod that is deleted while it runs gets SIGTERM."""
    conditions = [_HERE, _DELETED, '.status.phase != "Succeeded" and .status.phase != "Failed"']
    return _with_status(_stage("Pod", "pod-stopped", conditions), _final_status(143, None))


def _pod_removed() -> Stage:
    conditions = [_HERE, _DELETED, '.status.phase == "Succeeded" or .status.phase == "Failed"']
    stage = _stage("Pod", "pod-removed", conditions)
    stage["spec"]["next"] = {"delete": True}
    return stage


def _final_status(code: int, message: str | None) -> dict[str, object]:
    terminated: dict[str, object] = {
        "exitCode": code,
        "reason": "Error" if code else "Completed",
        "startedAt": _STARTED,
        "finishedAt": _NOW,
    }
    if message is not None:
        terminated["message"] = message
    reason = "PodFailed" if code else "PodCompleted"
    return {
        "phase": "Failed" if code else "Succeeded",
        "conditions": [_condition("ContainersReady", False, reason), _condition("Ready", False, reason)],
        "containerStatuses": [_container({"terminated": terminated}, up=False)],
    }


def _container(state: Mapping[str, object], *, up: bool) -> dict[str, object]:
    return {
        "name": _CONTAINER,
        "image": _IMAGE,
        "imageID": "",
        "ready": up,
        "started": up,
        "restartCount": 0,
        "state": state,
    }
