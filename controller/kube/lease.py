"""A lease of coordination.k8s.io: of several controllers, one works.

As in client-go, a lease is judged by how long this process has not seen it change, not by the clocks of others.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from recast import log
from recast.kube.api import KubeApi, collection, item
from recast.kube.errors import AlreadyExists, ApiError, ApiNotFound, Conflict

API_VERSION = "coordination.k8s.io/v1"


@dataclass(frozen=True)
class Times:
    """In seconds.

    Attributes:
        duration: a lease that was not renewed for so long is free.
        deadline: a holder that could not renew for so long stops its work; less than `duration`.
        retry: between two tries.
    """

    duration: float = 15.0
    deadline: float = 10.0
    retry: float = 2.0


class Elector:
    """Takes the lease and keeps it, in a thread of its own.

    Args:
        api: the connection.
        namespace: where the lease is.
        name: its name.
        identity: this process' name.
        times: how long things take.
        clock: monotonic seconds.
        elected: told when the lease was taken, or taken up again after a pause.
    """

    def __init__(
        self,
        api: KubeApi,
        *,
        namespace: str,
        name: str,
        identity: str,
        times: Times = Times(),  # noqa: B008  # immutable
        clock: Callable[[], float] = time.monotonic,
        elected: Callable[[], None] = lambda: None,
    ) -> None:
        self._api, self._identity, self._times, self._clock = api, identity, times, clock
        self._elected = elected
        self._leases = collection(API_VERSION, "leases", namespace)
        self._path = item(API_VERSION, "leases", namespace, name)
        self._name = name
        self._seen: tuple[str, float] | None = None
        self._renewed_at: float | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lease", daemon=True)

    def start(self) -> None:
        """Begin to try."""
        self._thread.start()

    def is_leader(self) -> bool:
        """Whether this process may work; turns False by itself where it could not renew, even if it was stopped."""
        return self._holds(self._renewed_at)

    def _holds(self, renewed: float | None) -> bool:
        return renewed is not None and self._clock() - renewed < self._times.deadline

    def stop(self) -> None:
        """Let the lease go, so that another need not wait for it."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(self._times.retry + 1)
        if self.is_leader():
            self._renewed_at = None
            try:
                lease = self._api.get(self._path)
                if lease["spec"].get("holderIdentity") == self._identity:
                    lease["spec"] |= {"holderIdentity": "", "leaseDurationSeconds": 1}
                    self._api.replace(self._path, lease)
            except ApiError as error:
                log.warning("lease was not released", detail=str(error))

    def try_once(self) -> bool:
        """Take the lease where it is free, renew it where it is ours; says whether it is ours now."""
        # The time before the request: the lease may be as old as that.
        now = self._clock()
        try:
            held = self._acquire(now)
        except ApiError as error:
            if not isinstance(error, Conflict):
                log.warning("lease cannot be renewed", detail=str(error))
            return self.is_leader()
        before, self._renewed_at = self._renewed_at, now if held else None
        # An answer that came late: the term ended meanwhile, and what was left undone since is to be looked at.
        if held and not self._holds(before):
            log.info("took the lease", identity=self._identity)
            self._elected()
        return held

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self.try_once()
            except Exception as error:
                # A lease that nobody renews, and no sign of it, would be worse.
                log.error("lease failed", error=error)
            self._stopping.wait(self._times.retry)

    def _acquire(self, now: float) -> bool:
        try:
            lease = self._api.get(self._path)
        except ApiNotFound:
            try:
                self._api.create(self._leases, self._fresh())
            except AlreadyExists:
                return False
            return True
        if self._stopping.is_set():
            # It has just been let go.
            return False
        spec = lease.get("spec") or {}
        holder = spec.get("holderIdentity")
        if holder and holder != self._identity and not self._has_expired(lease, now):
            return False
        changes = {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": int(self._times.duration) or 1,
            "renewTime": _now(),
        }
        if holder != self._identity:
            changes |= {"acquireTime": _now(), "leaseTransitions": int(spec.get("leaseTransitions") or 0) + 1}
        # Refused where another was quicker: the object carries its resourceVersion.
        self._api.replace(self._path, lease | {"spec": spec | changes})
        return True

    def _has_expired(self, lease: dict[str, Any], now: float) -> bool:
        version = lease["metadata"]["resourceVersion"]
        if self._seen is None or self._seen[0] != version:
            self._seen = (version, now)
        duration = max(self._times.duration, float(lease["spec"].get("leaseDurationSeconds") or 0))
        return now - self._seen[1] > duration

    def _fresh(self) -> dict[str, Any]:
        return {
            "apiVersion": API_VERSION,
            "kind": "Lease",
            "metadata": {"name": self._name},
            "spec": {
                "holderIdentity": self._identity,
                "leaseDurationSeconds": int(self._times.duration) or 1,
                "acquireTime": _now(),
                "renewTime": _now(),
                "leaseTransitions": 0,
            },
        }


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
