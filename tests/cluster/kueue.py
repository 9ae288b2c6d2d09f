"""Plays Kueue, which cannot be had as a Go module."""

import threading

from recast.kube.names import LABEL_QUEUE
from tests.cluster.api import ApiError, Json
from tests.cluster.cluster import ignore_gone
from tests.cluster.controlplane import ControlPlane
from tests.cluster.objects import jobs_path


class Kueue:
    """Does to Jobs with a queue what Kueue does: suspends them when they are made, and admits them later."""

    def __init__(self, control_plane: ControlPlane, namespace: str) -> None:
        self._api, self._path = control_plane.api, jobs_path(namespace)
        self.admit = False
        self.parallelism: int | None = None
        self._stop = threading.Event()
        self._seen: set[str] = set()
        self._admitted: set[str] = set()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Kueue":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(5)

    def _run(self) -> None:
        while not self._stop.wait(0.02):
            for job in self._api.get(self._path)["items"]:
                try:
                    self._act(job)
                except ApiError as error:
                    # The controller may delete it meanwhile.
                    ignore_gone(error)

    def _act(self, job: Json) -> None:
        name = job["metadata"]["name"]
        if LABEL_QUEUE not in job["metadata"].get("labels", {}):
            return
        if name not in self._seen:
            self._seen.add(name)
            self._api.merge(f"{self._path}/{name}", {"spec": {"suspend": True}})
        elif self.admit and name not in self._admitted:
            self._admitted.add(name)
            spec: dict[str, object] = {"suspend": False}
            if self.parallelism is not None:
                spec["parallelism"] = min(self.parallelism, job["spec"]["parallelism"])
            self._api.merge(f"{self._path}/{name}", {"spec": spec})
