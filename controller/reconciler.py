"""One look at a FaceSwapJob: observe, plan, execute, and when to look again."""

import time
from collections.abc import Callable
from datetime import UTC, datetime

from controller.cache import Cache
from controller.execute import Executor
from controller.metrics import Metrics
from controller.observe import Observer
from controller.planning.objects import PodSettings
from controller.planning.plan import plan
from controller.planning.writing import SOON_SECONDS, LastWrite, is_due
from recast import log
from recast.kube.api import KubeApi
from recast.kube.resource import Resource
from recast.status import JobStatus


class Reconciler:
    """Looks at one FaceSwapJob after another; threads may share it, with one UID each.

    Args:
        api: the connection.
        cache: what was heard of.
        settings: of the pods.
        metrics: what is counted.
        identity: this controller's name.
        may_write: whether this controller holds the lease.
    """

    def __init__(
        self,
        api: KubeApi,
        cache: Cache,
        settings: PodSettings,
        metrics: Metrics,
        *,
        identity: str,
        may_write: Callable[[], bool],
    ) -> None:
        self._cache, self._settings, self._metrics = cache, settings, metrics
        self._observer = Observer(api)
        self._executor = Executor(api, identity, may_write)
        self._written: dict[str, LastWrite] = {}

    def reconcile(self, uid: str) -> float | None:
        """Look at a FaceSwapJob once; gives the seconds until it must be looked at again, if it must."""
        resource = self._cache.resource(uid)
        if resource is None:
            self._observer.forget(uid)
            self._written.pop(uid, None)
            return None
        observed = self._observer.observe(resource, self._cache.jobs(uid))
        planned = plan(observed, self._settings, datetime.now(UTC))
        due = is_due(resource.status, planned.status, self._written.get(uid), time.monotonic())
        after, created = self._executor.run(resource, planned, write_status=due)
        self._cache.remember(after if due else None, uid, created)
        if due:
            self._note(resource, after.status)
        again = planned.again_seconds
        if not due and planned.status != resource.status:
            again = min(again or SOON_SECONDS, SOON_SECONDS)
        return again

    def _note(self, before: Resource, after: JobStatus) -> None:
        self._written[before.uid] = LastWrite(time.monotonic(), after.segments.succeeded)
        self._metrics.follow(before.status, after)
        if before.status.phase != after.phase:
            log.info("phase", phase=after.phase, was=before.status.phase)
