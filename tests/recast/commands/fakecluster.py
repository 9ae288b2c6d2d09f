"""An API server in a dict: what the command line asks of KubeApi, and nothing else of Kubernetes."""

import copy
from collections.abc import Callable, Iterator
from typing import Any

from recast.kube import names as kube
from recast.kube.api import Page, item
from recast.kube.errors import ApiError, ApiNotFound

Json = dict[str, Any]
NOW = "2026-11-24T00:00:00Z"


class FakeApi:
    """Objects by path.

    Attributes:
        items: the objects.
        script: what happens to jobs while they are watched: one step for each event.
        fault: raised by every request.
    """

    namespace = "renders"

    def __init__(self) -> None:
        self.items: dict[str, Json] = {}
        self.script: list[Callable[[], None]] = []
        self.logs: dict[str, list[str]] = {}
        self.fault: ApiError | None = None
        self.deleted: list[str] = []
        self._news: list[Json] = []

    def add_job(self, name: str, *, spec: Json | None = None, status: Json | None = None, **metadata: Any) -> Json:
        """Put a FaceSwapJob there."""
        made = {
            "metadata": {
                "namespace": "renders", "name": name, "uid": f"uid-{name}", "creationTimestamp": NOW, "generation": 1,
                "resourceVersion": "1", **metadata,
            },
            "spec": {"output": {"uri": f"s3://studio/out/{name}.mkv"}, **(spec or {})},
            "status": {"observedGeneration": 1, **(status or {})},
        }  # fmt: skip
        self.items[job_path(name)] = made
        return made

    def add_pod(self, name: str, job: str, stage: str, **parts: Any) -> Json:
        """Put a pod of a stage there."""
        made = pod(name, job, stage, **parts)
        self.items[item("v1", "pods", "renders", name)] = made
        return made

    def report(self, name: str, **status: Any) -> None:
        """Write a status, and tell those who watch."""
        made = self.items[job_path(name)]
        made["status"] = {"observedGeneration": made["metadata"]["generation"], **status}
        self._news.append({"type": "MODIFIED", "object": copy.deepcopy(made)})

    def remove(self, name: str) -> None:
        """Delete a job, and tell those who watch."""
        self._news.append({"type": "DELETED", "object": self.items.pop(job_path(name))})

    def get(self, path: str) -> Json:
        self._refuse()
        if path not in self.items:
            raise ApiNotFound(f"GET {path}: 404 not found", status=404)
        return copy.deepcopy(self.items[path])

    def list(
        self, path: str, *, label_selector: str | None = None, field_selector: str | None = None
    ) -> Iterator[Page]:
        self._refuse()
        labels = dict(word.split("=") for word in (label_selector or "").split(",") if word)
        _, _, uid = (field_selector or "").partition("involvedObject.uid=")
        plural = path.rpartition("/")[2]
        found = [
            each
            for key, each in self.items.items()
            if (key.startswith(path + "/") or ("/namespaces/" not in path and f"/{plural}/" in key))
            and labels.items() <= each["metadata"].get("labels", {}).items()
            and (not uid or each["involvedObject"]["uid"] == uid)
        ]
        yield Page(copy.deepcopy(found), "7")

    def apply(self, path: str, body: Json, *, manager: str, force: bool = False, dry_run: bool = False) -> Json:
        self._refuse()
        assert (manager, force) == (kube.SUBMIT_FIELD_MANAGER, True)
        before = self.items.get(path)
        name = body["metadata"]["name"]
        meta = {"uid": f"uid-{name}", "creationTimestamp": NOW, "generation": 1} | (before or {}).get("metadata", {})
        if before and before["spec"] != body["spec"]:
            meta["generation"] += 1
        made = {**(before or {}), **body, "metadata": {**meta, **body["metadata"]}}
        if not dry_run:
            self.items[path] = made
        return copy.deepcopy(made)

    def delete(self, path: str, *, uid: str) -> None:
        self._refuse()
        assert self.items[path]["metadata"]["uid"] == uid
        self.deleted.append(path.rpartition("/")[2])
        del self.items[path]

    def watch(
        self, path: str, resource_version: str, *, label_selector: str | None = None, seconds: int = 0
    ) -> Iterator[Json]:
        self._refuse()
        while self.script:
            self.script.pop(0)()
            yield from self._news
            self._news.clear()

    def log_lines(
        self, namespace: str, pod: str, *, container: str, follow: bool = False, tail: int | None = None
    ) -> Iterator[str]:
        assert container == "stage"
        self._refuse()
        yield from self.logs[pod][-(tail or 0) :]

    def _refuse(self) -> None:
        if self.fault is not None:
            raise self.fault


def job_path(name: str) -> str:
    """The path of a FaceSwapJob."""
    return item(kube.API_VERSION, kube.PLURAL, "renders", name)


def pod(name: str, job: str, stage: str, *, attempt: int = 0, index: int = 0, per_pod: int = 1, **parts: Any) -> Json:
    """Make a pod of a stage."""
    return {
        "metadata": {
            "namespace": "renders", "name": name, "uid": f"uid-{name}", "creationTimestamp": NOW,
            "labels": {
                kube.LABEL_UID: f"uid-{job}", kube.LABEL_STAGE: stage, kube.LABEL_ATTEMPT: str(attempt),
                "batch.kubernetes.io/job-name": f"{job}-{stage}",
            },
            "annotations": {"batch.kubernetes.io/job-completion-index": str(index), **parts.pop("annotations", {})},
            **parts.pop("metadata", {}),
        },
        "spec": {
            "containers": [{
                "name": "stage", "image": "recast/worker:1",
                "env": [{"name": "RECAST_STAGE", "value": f'{{"segmentsPerPod":{per_pod}}}'}],
            }],
            **parts.pop("spec", {}),
        },
        "status": {
            "phase": "Running",
            "containerStatuses": [{"name": "stage", "state": {"running": {}}}],
            **parts.pop("status", {}),
        },
    }  # fmt: skip
