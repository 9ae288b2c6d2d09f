"""The controller: hears of FaceSwapJobs and their Jobs, looks at those that changed, does what the plan says.

    watch of FaceSwapJobs --+
                            +--> queue of UIDs --> workers: observe -> plan -> execute
    watch of their Jobs ----+

Only the holder of the lease writes; the others keep their caches warm.
"""

import signal
import threading
import time
from types import FrameType

from prometheus_client import CollectorRegistry

from controller.cache import Cache
from controller.execute import LeaseLost
from controller.health import HealthServer
from controller.kube.lease import Elector
from controller.kube.workqueue import WorkQueue
from controller.metrics import JobCounts, Metrics
from controller.reconciler import Reconciler
from controller.settings import Settings, read_settings
from controller.watches import Scope, Watches
from recast import exitcodes, log
from recast.errors import RecastError
from recast.kube.api import Counted, KubeApi, Patience
from recast.kube.errors import ApiError, Conflict

LEASE = "recast-controller"
LEASE_PATIENCE = Patience(read_seconds=3.0, attempts=1)
SILENT_SECONDS = 600.0
"""A watch that heard nothing for so long, not even a bookmark, is taken for dead."""
STUCK_SECONDS = 300.0
"""And a look at one FaceSwapJob that takes so long for hung."""
STOP_SECONDS = 5.0


def main() -> int:
    """Run until SIGTERM or Ctrl-C; returns the exit code."""
    try:
        settings = read_settings()
        controller = Controller(settings)
        stop = threading.Event()

        def ask(_number: int, _frame: FrameType | None) -> None:
            stop.set()

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, ask)
        controller.run(stop)
    except RecastError as error:
        log.error("controller ended", detail=str(error), code=error.exit_code)
        return error.exit_code
    return exitcodes.OK


class Controller:
    """Everything of one controller process.

    Args:
        settings: how it runs.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._metrics = metrics = Metrics(CollectorRegistry())
        self._api = KubeApi.connect(settings.kubeconfig, counted=_counter(metrics))
        self._queue = WorkQueue(waited=metrics.queue_seconds.observe)
        self._watches = Watches(
            [
                Scope(self._api, namespace, changed=self._queue.add, watch_seconds=settings.watch_seconds)
                for namespace in settings.namespaces or (None,)
            ]
        )
        self._elector = Elector(
            # One connection that hangs must not cost the lease.
            KubeApi.connect(settings.kubeconfig, counted=_counter(metrics), patience=LEASE_PATIENCE),
            namespace=settings.lease_namespace,
            name=LEASE,
            identity=settings.identity,
            elected=self._look_at_all,
        )
        self._reconciler = Reconciler(
            self._api,
            Cache(self._watches),
            settings.pods,
            metrics,
            identity=settings.identity,
            may_write=self._may_write,
        )
        self._looks: dict[str, float] = {}
        metrics.registry.register(JobCounts(lambda: [each.status for each in self._watches.resources()]))
        for scope in self._watches.scopes:
            metrics.refused.labels(scope.namespace or "*").set_function(scope.is_refused)
        metrics.queue_depth.set_function(lambda: len(self._queue))
        metrics.leader.set_function(lambda: float(self._may_write()))
        self._health = HealthServer(settings.health, self._unhealthy, self._watches.wrong, metrics.registry)

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set."""
        self._health.start()
        log.info("controller started", identity=self._settings.identity, health=f"127.0.0.1:{self._health.port}")
        self._watches.start()
        # A plan on half a cache would make Jobs anew that are there.
        if self._watches.wait(stop):
            log.info("caches are filled", jobs=len(self._watches.resources()))
        if self._settings.leader_election:
            self._elector.start()
        workers = [threading.Thread(target=self._work, name=f"worker {n}") for n in range(self._settings.workers)]
        for worker in workers:
            worker.daemon = True
            worker.start()
        stop.wait()
        self._queue.close()
        deadline = time.monotonic() + STOP_SECONDS
        for worker in workers:
            worker.join(max(0.0, deadline - time.monotonic()))
        if self._settings.leader_election:
            self._elector.stop()
        self._health.stop()
        log.info("controller stopped")

    def _may_write(self) -> bool:
        return not self._settings.leader_election or self._elector.is_leader()

    def _look_at_all(self) -> None:
        for resource in self._watches.resources():
            self._queue.add(resource.uid)

    def _work(self) -> None:
        while (uid := self._queue.take()) is not None:
            self._looks[uid] = time.monotonic()
            try:
                if self._may_write():
                    with log.within(job=self._name(uid)):
                        self._look(uid)
            finally:
                self._looks.pop(uid, None)
                self._queue.done(uid)

    def _look(self, uid: str) -> None:
        started, result = time.monotonic(), "ok"
        try:
            again = self._reconciler.reconcile(uid)
            self._queue.forget(uid)
            if again is not None:
                self._queue.add_after(uid, again)
        except LeaseLost as error:
            result = "lease lost"
            log.warning("look ended", detail=str(error))
        except Conflict as error:
            result = "conflict"
            log.info("look is out of date", detail=str(error), again_seconds=self._queue.retry(uid))
        except ApiError as error:
            result = "api error"
            log.warning("look failed", detail=str(error), again_seconds=self._queue.retry(uid))
        except Exception as error:
            result = "error"
            log.error("look failed", error=error, again_seconds=self._queue.retry(uid))
        self._metrics.reconciles.labels(result).inc()
        self._metrics.reconcile_seconds.observe(time.monotonic() - started)

    def _name(self, uid: str) -> str:
        """Namespace and name of a FaceSwapJob, for the logs; its UID where it is gone."""
        found = self._watches.resource(uid)
        return f"{found.namespace}/{found.name}" if found else uid

    def _unhealthy(self) -> str | None:
        now = time.monotonic()
        for uid, since in list(self._looks.items()):
            if now - since > STUCK_SECONDS:
                return f"a look at {uid} hangs since {now - since:.0f} s"
        silent = self._watches.silent_seconds()
        return f"a watch has heard nothing for {silent:.0f} s" if silent > SILENT_SECONDS else None


def _counter(metrics: Metrics) -> Counted:
    def count(method: str, resource: str, status: int, _seconds: float) -> None:
        metrics.api_requests.labels(method, resource, str(status)).inc()

    return count
