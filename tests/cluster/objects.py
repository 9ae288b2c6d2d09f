"""Jobs and pods that the tests of the test cluster make, and how they look at them."""

from collections.abc import Mapping, Sequence

from tests.cluster.api import Json
from tests.cluster.cluster import Cluster
from tests.cluster.waiting import wait_for

INDEX_ANNOTATION = "batch.kubernetes.io/job-completion-index"


def pod(name: str, command: Sequence[str], **container: object) -> Json:
    """Make a pod that never restarts."""
    return {"metadata": {"name": name}, "spec": pod_spec(command, **container)}


def pod_spec(command: Sequence[str], **container: object) -> Json:
    """Make the spec of a pod of one container."""
    return {
        "restartPolicy": "Never",
        "containers": [{"name": "main", "image": "any/image:1", "command": list(command), **container}],
    }


def indexed_job(
    name: str, completions: int, command: Sequence[str] = ("true",), labels: Mapping[str, str] | None = None
) -> Json:
    """Make an Indexed Job whose pods want a GPU; its rules are those of the product's swap Jobs."""
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name},
        "spec": {
            "completionMode": "Indexed",
            "completions": completions,
            "parallelism": completions,
            "backoffLimitPerIndex": 1,
            "podReplacementPolicy": "Failed",
            "podFailurePolicy": {
                "rules": [
                    {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
                    {"action": "Ignore", "onExitCodes": {"operator": "In", "values": [143]}},
                    {"action": "FailIndex", "onExitCodes": {"operator": "In", "values": [65, 66]}},
                    {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [78]}},
                ]
            },
            "template": {
                "metadata": {"labels": dict(labels or {})},
                "spec": pod_spec(command, resources={"limits": {"nvidia.com/gpu": 1}}),
            },
        },
    }


def jobs_path(namespace: str) -> str:
    """Where Jobs are."""
    return f"/apis/batch/v1/namespaces/{namespace}/jobs"


def pods_path(namespace: str) -> str:
    """Where pods are."""
    return f"/api/v1/namespaces/{namespace}/pods"


def pods_of(cluster: Cluster, namespace: str) -> list[Json]:
    """All pods of a namespace."""
    found: list[Json] = cluster.api.get(pods_path(namespace))["items"]
    return found


def wait_for_job(cluster: Cluster, namespace: str, name: str, condition: str, seconds: float = 60.0) -> Json:
    """Wait for a condition of a Job; give the Job."""

    def look() -> Json | None:
        job: Json = cluster.api.get(f"{jobs_path(namespace)}/{name}")
        conditions = job["status"].get("conditions", [])
        return job if any(each["type"] == condition and each["status"] == "True" for each in conditions) else None

    def state() -> object:
        return cluster.api.get(f"{jobs_path(namespace)}/{name}")["status"]

    return wait_for(look, f"job {name} is {condition}", seconds=seconds, otherwise=state)


def wait_for_phase(cluster: Cluster, namespace: str, name: str, phase: str, seconds: float = 30.0) -> Json:
    """Wait for a pod's phase; give the pod."""

    def look() -> Json | None:
        found: Json = cluster.api.get(f"{pods_path(namespace)}/{name}")
        return found if found["status"]["phase"] == phase else None

    def state() -> object:
        return cluster.api.get(f"{pods_path(namespace)}/{name}")["status"]

    return wait_for(look, f"pod {name} is {phase}", seconds=seconds, otherwise=state)


def terminated(pod: Json) -> Json:
    """How a pod's container ended."""
    found: Json = pod["status"]["containerStatuses"][0]["state"]["terminated"]
    return found


def waiting_reason(pod: Json) -> str | None:
    """What a pod's container waits for."""
    containers = pod["status"].get("containerStatuses", [])
    reason: str | None = containers[0]["state"].get("waiting", {}).get("reason") if containers else None
    return reason
