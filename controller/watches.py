"""What the controller follows: FaceSwapJobs and their Jobs, of the whole cluster or of some namespaces.

The two of one namespace belong together: a plan on FaceSwapJobs without their Jobs would make these anew. Where either
may not be read, in a namespace that is gone, say, its FaceSwapJobs are not seen, and the others go on.
"""

import threading
from collections.abc import Callable, Iterable, Sequence

from controller.kube.reflector import Reflector
from controller.planning.observed import StageJob, project_job
from recast.kube import names
from recast.kube.api import KubeApi, collection
from recast.kube.resource import Resource, read_resource


class Scope:
    """FaceSwapJobs and Jobs of one namespace, or of the cluster.

    Args:
        api: the connection.
        namespace: its name; None for the cluster.
        changed: told of the UID of each FaceSwapJob that there is something new about.
        watch_seconds: after so long a watch is begun anew.

    Attributes:
        resources: the FaceSwapJobs, by UID.
        jobs: the Jobs, by their owner's UID.
    """

    def __init__(
        self, api: KubeApi, namespace: str | None, *, changed: Callable[[str], None], watch_seconds: int
    ) -> None:
        self.namespace, self._changed = namespace, changed
        self.resources: Reflector[Resource] = Reflector(
            api,
            collection(names.API_VERSION, names.PLURAL, namespace),
            project=read_resource,
            index=lambda resource: resource.uid,
            changed=changed,
            watch_seconds=watch_seconds,
            allowed=self._look_at_all,
        )
        self.jobs: Reflector[StageJob] = Reflector(
            api,
            collection("batch/v1", "jobs", namespace),
            project=project_job,
            index=lambda job: job.owner,
            changed=changed,
            watch_seconds=watch_seconds,
            label_selector=f"{names.LABEL_MANAGED_BY}={names.FIELD_MANAGER}",
            allowed=self._look_at_all,
        )

    @property
    def refused(self) -> str | None:
        """Why it may not be read; None where it may."""
        return self.resources.refused or self.jobs.refused

    @property
    def known(self) -> bool:
        """Whether its FaceSwapJobs and all their Jobs are known."""
        return self.resources.synced.is_set() and self.jobs.synced.is_set() and self.refused is None

    def is_refused(self) -> float:
        """1 where it may not be read, else 0."""
        return float(self.refused is not None)

    def _look_at_all(self) -> None:
        # What was heard meanwhile was not looked at.
        for each in self.resources.all():
            self._changed(each.uid)


class Watches:
    """All that is followed.

    Args:
        scopes: each namespace, or the cluster alone.
    """

    def __init__(self, scopes: Sequence[Scope]) -> None:
        self.scopes = tuple(scopes)

    def start(self) -> None:
        """Begin to follow."""
        for scope in self.scopes:
            scope.resources.start()
            scope.jobs.start()

    def wait(self, stop: threading.Event) -> bool:
        """Wait until all is known that may be read, and something may; False where `stop` came first."""
        while self.wrong() is not None:
            if stop.wait(0.1):
                return False
        return True

    def wrong(self) -> str | None:
        """Say why nothing can be looked at; None where something can."""
        refused = [scope.refused for scope in self.scopes]
        if all(refused):
            return refused[0]
        settled = all(scope.known or scope.refused for scope in self.scopes)
        return None if settled else "the caches are not filled yet"

    def silent_seconds(self) -> float:
        """How long ago the API server was last heard of, by the watch that this is longest ago for."""
        known = [scope for scope in self.scopes if scope.known]
        return max((each.silent_seconds() for scope in known for each in (scope.resources, scope.jobs)), default=0.0)

    def resources(self) -> list[Resource]:
        """The FaceSwapJobs that can be looked at."""
        return [each for scope in self.scopes if scope.known for each in scope.resources.all()]

    def resource(self, uid: str) -> Resource | None:
        """One of them."""
        found = (each for scope in self.scopes if scope.known for each in scope.resources.by_index(uid))
        return next(found, None)

    def jobs(self, uid: str) -> Iterable[StageJob]:
        """The Jobs of a FaceSwapJob."""
        return [each for scope in self.scopes for each in scope.jobs.by_index(uid)]
