"""Pure: the status of a pod, as a kubelet would report it."""

from datetime import UTC, datetime

from tests.cluster.api import Json

MESSAGE_BYTES = 4096
_WORDS = {True: "True", False: "False"}


def now() -> str:
    """The time, as the API writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def now_micro() -> str:
    """The time, as Leases write it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def waiting(pod: Json, started: str, reason: str, message: str) -> Json:
    """The container is not there yet."""
    state = {"waiting": {"reason": reason, "message": message}}
    return _status(pod, "Pending", started, state, "ContainersNotReady")


def running(pod: Json, started: str, began: str) -> Json:
    """The container runs."""
    return _status(pod, "Running", started, {"running": {"startedAt": began}}, None)


def ended(pod: Json, started: str, began: str, code: int, message: str) -> Json:
    """The container has ended, and will not run again."""
    state: Json = {
        "terminated": {
            "exitCode": code,
            "reason": "Error" if code else "Completed",
            "startedAt": began,
            "finishedAt": now(),
            "containerID": f"process://{pod['metadata']['uid']}",
        }
    }
    if message:
        state["terminated"]["message"] = message
    return _final(_status(pod, "Failed" if code else "Succeeded", started, state, _final_reason(code)))


def never_ran(pod: Json, started: str) -> Json:
    """The pod was deleted before its container ran: a kubelet reports it as failed, without an exit code of its own."""
    state = {
        "terminated": {
            "exitCode": 137,
            "reason": "ContainerStatusUnknown",
            "message": "The container could not be located when the pod was terminated",
        }
    }
    return _final(_status(pod, "Failed", started, state, _final_reason(137)))


def _final_reason(code: int) -> str:
    return "PodFailed" if code else "PodCompleted"


def _final(status: Json) -> Json:
    # What was written before a strategic patch stays, where it is not taken away.
    return status | {"message": None, "reason": None}


def _status(pod: Json, phase: str, started: str, state: Json, not_ready: str | None) -> Json:
    container = pod["spec"]["containers"][0]
    up = not_ready is None
    return {
        "phase": phase,
        "startTime": started,
        "hostIP": "127.0.0.1",
        "hostIPs": [{"ip": "127.0.0.1"}],
        "podIP": "127.0.0.1",
        "podIPs": [{"ip": "127.0.0.1"}],
        # Merged by type: the scheduler's and the disruption controllers' conditions stay.
        "conditions": [
            _condition("PodReadyToStartContainers", True, None),
            _condition("Initialized", True, None),
            _condition("ContainersReady", up, not_ready),
            _condition("Ready", up, not_ready),
        ],
        "containerStatuses": [
            {
                "name": container["name"],
                "image": container["image"],
                "imageID": "",
                "ready": up,
                "started": up,
                "restartCount": 0,
                "state": state,
            }
        ],
    }


def _condition(kind: str, status: bool, reason: str | None) -> Json:
    return {"type": kind, "status": _WORDS[status], "lastTransitionTime": now(), "reason": reason}
