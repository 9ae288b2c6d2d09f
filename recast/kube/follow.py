"""Follows FaceSwapJobs until they are done: news in, a code for each job out; what people see is another's."""

import queue
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Protocol

from recast import exitcodes
from recast.errors import RecastError
from recast.kube.cluster import Change, Cluster, Job, Key
from recast.kube.jobtext import exit_code, worst

LOOK_SECONDS = 1.0
PATIENCE_SECONDS = 300.0
"""A server that does not answer for so long is given up."""


class Awaited:
    """A job that is waited for.

    Attributes:
        job: as it was last heard of.
        gone: it was deleted before it was done.
    """

    def __init__(self, job: Job) -> None:
        self.job = job
        self.gone = False

    @property
    def code(self) -> int | None:
        """The exit code that it stands for; None while it goes on."""
        return exitcodes.TRY_AGAIN if self.gone else exit_code(self.job.status)

    def heard(self, job: Job | None) -> bool:
        """Take news of whatever has its name now; None: nothing has. Says whether anything changed."""
        if self.code is not None:
            return False
        if job is None or job.uid != self.job.uid:
            self.gone = True
            return True
        changed = job.status != self.job.status
        self.job = job
        return changed


class Screen(Protocol):
    """What people see of it."""

    def show(self, jobs: Sequence[Awaited], changed: Sequence[Awaited], now: datetime) -> None:
        """Show how all stand; some have changed."""

    def say(self, text: str) -> None:
        """Say a line."""


class Following:
    """Follows jobs.

    Args:
        jobs: those to wait for.
        screen: told of each change.
        patience: seconds in which a server may be silent.
    """

    def __init__(self, jobs: Sequence[Job], screen: Screen, *, patience: float = PATIENCE_SECONDS) -> None:
        self.jobs: dict[Key, Awaited] = {job.key: Awaited(job) for job in jobs}
        self._screen, self._patience = screen, patience
        self._silent: dict[str, float] = {}

    @property
    def left(self) -> list[Awaited]:
        """Those that are not done."""
        return [each for each in self.jobs.values() if each.code is None]

    @property
    def code(self) -> int:
        """The code that all come to; those that are not done count as to be tried again."""
        codes = [each.code for each in self.jobs.values()]
        return worst([exitcodes.TRY_AGAIN if code is None else code for code in codes])

    def run(self, cluster: Cluster, timeout: float | None) -> bool:
        """Follow until all are done; says whether they are, or the time is over.

        Raises:
            RecastError: the cluster refuses, or has not answered for too long.
        """
        end = time.monotonic() + timeout if timeout is not None else float("inf")
        stop = threading.Event()
        self._screen.show(list(self.jobs.values()), list(self.jobs.values()), datetime.now(UTC))
        news = cluster.changes(sorted({namespace for namespace, _ in self.jobs}), stop)
        try:
            while self.left and time.monotonic() < end:
                self._look(news, min(LOOK_SECONDS, max(0.0, end - time.monotonic())))
        finally:
            stop.set()
        return not self.left

    def _look(self, news: "queue.Queue[Change]", seconds: float) -> None:
        """Take all news that there are, and show them at once."""
        changed: dict[Key, Awaited] = {}
        try:
            change = news.get(timeout=seconds)
            while True:
                for each in self.take(change, time.monotonic()):
                    changed[each.job.key] = each
                change = news.get_nowait()
        except queue.Empty:
            self._screen.show(list(self.jobs.values()), list(changed.values()), datetime.now(UTC))

    def take(self, change: Change, now: float) -> list[Awaited]:
        """Take news; gives the jobs that changed.

        Raises:
            RecastError: they say that there will be no more.
        """
        if change.kind in ("Silent", "Failed"):
            self._bear(change, now)
            return []
        if self._silent.pop(change.namespace, None) is not None:
            self._screen.say("the API server answers again")
        present = {job.key: job for job in change.jobs}
        if change.kind == "Listed":
            meant = [each for key, each in self.jobs.items() if key[0] == change.namespace]
            return [each for each in meant if each.heard(present.get(each.job.key))]
        known = [(self.jobs[key], job) for key, job in present.items() if key in self.jobs]
        if change.kind == "Deleted":
            return [each for each, job in known if job.uid == each.job.uid and each.heard(_last(job))]
        return [each for each, job in known if each.heard(job)]

    def _bear(self, change: Change, now: float) -> None:
        error = change.error or RecastError("the watch ended")
        if change.kind == "Failed":
            raise error
        since = self._silent.setdefault(change.namespace, now)
        if since == now:
            self._screen.say(f"{error}; the jobs go on; trying again")
        if now - since > self._patience:
            raise error


def _last(job: Job) -> Job | None:
    """What a deleted job was: done before it went, or not."""
    return job if exit_code(job.status) is not None else None
