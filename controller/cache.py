"""What the controller knows: the watches' caches, and its own writes that they have not shown yet."""

import threading
import time
from collections.abc import Iterable
from typing import Protocol

from controller.planning.observed import StageJob
from recast.kube.resource import Resource

HEARD_SECONDS = 10.0
"""The watch shows a Job by then; one that it does not show was deleted meanwhile."""


class Watched(Protocol):
    """What the watches have shown."""

    def resource(self, uid: str) -> Resource | None:
        """A FaceSwapJob."""

    def jobs(self, uid: str) -> Iterable[StageJob]:
        """The Jobs of a FaceSwapJob."""


class Cache:
    """FaceSwapJobs and Jobs as they were last heard of, or last written by this controller if that is newer.

    Args:
        watched: what was heard of.
    """

    def __init__(self, watched: Watched) -> None:
        self._watched = watched
        self._lock = threading.Lock()
        self._written: dict[str, Resource] = {}
        self._created: dict[str, dict[str, tuple[float, StageJob]]] = {}

    def resource(self, uid: str) -> Resource | None:
        """A FaceSwapJob; None where it is gone."""
        heard = self._watched.resource(uid)
        with self._lock:
            if heard is None:
                self._written.pop(uid, None)
                self._created.pop(uid, None)
                return None
            written = self._written.get(uid)
            if written is None or _version(heard) >= _version(written):
                self._written.pop(uid, None)
                return heard
            return written

    def jobs(self, uid: str) -> tuple[StageJob, ...]:
        """The Jobs of a FaceSwapJob, with those just created."""
        heard = tuple(self._watched.jobs(uid))
        with self._lock:
            created = self._created.get(uid, {})
            for job in heard:
                created.pop(job.name, None)
            now = time.monotonic()
            return (*heard, *(job for until, job in created.values() if now < until))

    def remember(self, written: Resource | None, uid: str, created: Iterable[StageJob]) -> None:
        """Note what this controller has just written for the FaceSwapJob `uid`."""
        with self._lock:
            if written is not None:
                self._written[uid] = written
            for job in created:
                until = time.monotonic() + HEARD_SECONDS
                self._created.setdefault(uid, {})[job.name] = (until, job)


def _version(resource: Resource) -> int:
    # Comparable as numbers since Kubernetes 1.35 says so (KEP-5504); in etcd's stores it always was.
    return int(resource.resource_version or 0)
