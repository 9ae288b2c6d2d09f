"""Pure: which pods a person means, and what a stage's JSON log lines say in words."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from recast.kube import names as kube
from recast.kube.cluster import Object
from recast.kube.podstatus import own_container

# Shown by their place on the line, or the same on each.
KNOWN = ("time", "level", "job", "attempt", "segment", "message", "traceback")


@dataclass(frozen=True)
class StagePod:
    """A pod of a stage, as far as its log is concerned.

    Attributes:
        index: its completion index.
        segments: those that it does; none where it is no worker.
        started: whether there may be a log.
    """

    item: Object
    stage: str
    attempt: int
    index: int
    segments: range
    started: bool
    ended: bool

    @property
    def name(self) -> str:
        """The pod's name."""
        return str(self.item["metadata"]["name"])

    @property
    def title(self) -> str:
        """What it does: `swap 12-15`."""
        if not self.segments:
            return self.stage
        first, last = self.segments[0], self.segments[-1]
        return f"{self.stage} {first}" + (f"-{last}" if last > first else "")


def read_pod(item: Object) -> StagePod:
    """Take what is needed of a pod."""
    metadata, status = item["metadata"], item.get("status") or {}
    labels = metadata.get("labels", {})
    stage = labels.get(kube.LABEL_STAGE, "")
    index = int(metadata.get("annotations", {}).get(kube.ANNOTATION_INDEX, 0))
    count = _per_pod(item)
    state = own_container(item).get("state", {})
    phase = status.get("phase", "Pending")
    return StagePod(
        item=item,
        stage=stage,
        attempt=int(labels.get(kube.LABEL_ATTEMPT, 0)),
        index=index,
        segments=range(index * count, (index + 1) * count) if stage == kube.SWAP else range(0),
        started="running" in state or "terminated" in state,
        ended=phase in ("Succeeded", "Failed"),
    )


def choose(items: Iterable[Object], stage: str | None = None, segment: int | None = None) -> list[StagePod]:
    """The pods of a stage, or of one segment, in the order that they worked in."""
    pods = [read_pod(item) for item in items]
    chosen = [
        pod for pod in pods if (stage is None or pod.stage == stage) and (segment is None or segment in pod.segments)
    ]
    return sorted(chosen, key=_order)


def is_about(line: str, segment: int) -> bool:
    """Whether a line may be about this segment: a worker of several says which."""
    fields = _fields(line)
    return fields is None or fields.get("segment", segment) == segment


def readable(line: str) -> str:
    """A log line for people: time, level, segment, message, and what else it says.

    >>> readable('{"time": "2026-11-24T00:01:02.345Z", "level": "info", "segment": 3, "message": "done", "frames": 7}')
    '00:01:02.345 info    segment 3: done frames=7'
    """
    fields = _fields(line)
    if fields is None:
        return line
    time = str(fields.get("time", "")).partition("T")[2].removesuffix("Z")
    where = f"segment {fields['segment']}: " if fields.get("segment") is not None else ""
    rest = " ".join(f"{key}={_shown(value)}" for key, value in fields.items() if key not in KNOWN)
    text = f"{time} {fields.get('level', ''):7} {where}{fields['message']} {rest}".rstrip()
    trace = str(fields.get("traceback", "")).rstrip()
    return text + "".join(f"\n    {each}" for each in trace.splitlines())


def _order(pod: StagePod) -> tuple[int, int, int, str]:
    stages = (*kube.STAGES, pod.stage)
    return stages.index(pod.stage), pod.attempt, pod.index, pod.item["metadata"].get("creationTimestamp", "")


def _per_pod(item: Object) -> int:
    """Segments of one worker: the controller tells the worker, and nobody else."""
    for container in item.get("spec", {}).get("containers", ()):
        for variable in container.get("env", ()):
            if variable.get("name") == "RECAST_STAGE":
                try:
                    return max(1, int(json.loads(variable.get("value") or "{}").get("segmentsPerPod", 1)))
                except (ValueError, TypeError, AttributeError):
                    return 1
    return 1


def _fields(line: str) -> dict[str, Any] | None:
    """The fields of one of recast's own lines; None of any other."""
    if not line.startswith("{"):
        return None
    try:
        fields = json.loads(line)
    except ValueError:
        return None
    return fields if isinstance(fields, dict) and "message" in fields else None


def _shown(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return json.dumps(text) if isinstance(value, str) and " " in text else text
