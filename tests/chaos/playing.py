"""Runs a job as Kubernetes would, and kills what it was told to kill."""

import threading
import time
from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from signal import SIGKILL
from typing import Any

from recast import exitcodes, names
from recast.parts import REPORT
from recast.stage import StageInput
from tests.chaos.kills import Kill, describe
from tests.chaos.processes import Running, Start, begin, send
from tests.chaos.world import PODS, World
from tests.s3proxy import Answer, Forward, Gone, Request

RETRIED = exitcodes.RETRIED - {exitcodes.BUG}
"""What may be tried again here: no kill is an excuse for a bug."""
NOT_READY_TRIES = 3
NEVER_SECONDS = 3600.0


class GaveUp(Exception):
    """A stage failed more often than it may."""


@dataclass(frozen=True)
class Exchange:
    """A request that reached the store.

    Attributes:
        asker: the process, `pod.number`.
        what: as `describe` says.
        status: of HTTP.
        reported: a part's report went with it.
    """

    asker: str
    what: str
    status: int
    reported: bool = False


@dataclass
class _Armed:
    """A kill that waits for its moment."""

    kill: Kill
    process: Running | None = None
    ready: threading.Event = field(default_factory=threading.Event)
    seen: int = 0
    fired: bool = False


@dataclass
class Played:
    """What became of a run.

    Attributes:
        fired: kills whose moment came.
        missed: the others.
        journal: what the store was asked and answered, in the order of the answers.
        seconds: what the last process of each stage took.
    """

    fired: list[Kill] = field(default_factory=list)
    missed: list[Kill] = field(default_factory=list)
    journal: list[Exchange] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    gave_up: bool = False


class Play:
    """One job with its kills.

    Args:
        world: where.
        job: ready for split.
        start: starts the stages.
        kills: what is killed, each once; those of one pod one after another.
        seconds: what each stage takes undisturbed.
        at_once: whether the worker pods run at the same time.
        retries: how often a pod may fail without having been killed on purpose, and `kills` are not counted.
        forever: the first kill comes again for each process of its pod, and counts as a failure.
    """

    def __init__(
        self,
        world: World,
        job: StageInput,
        start: Start,
        kills: Iterable[Kill] = (),
        *,
        seconds: dict[str, float] | None = None,
        at_once: bool = True,
        retries: int = 3,
        forever: bool = False,
    ) -> None:
        self._world, self._job, self._start = world, job, start
        self._seconds, self._retries, self._forever = seconds or {}, retries, forever
        self._pods_at_once = PODS if at_once else 1
        self._planned: dict[str, list[Kill]] = defaultdict(list)
        for kill in sorted(kills, key=lambda each: each.order):
            self._planned[kill.pod].append(kill)
        self._armed: dict[str, _Armed] = {}
        self._lock = threading.Lock()
        self._processes = 0
        self.played = Played()

    def run(self) -> Played:
        """Play it to its end."""
        self._world.hook = self._hook
        try:
            self._stages()
        except GaveUp:
            self.played.gave_up = True
        finally:
            planned = [kill for kills in self._planned.values() for kill in kills]
            self.played.missed += [kill for kill in planned if kill not in self.played.fired]
        return self.played

    def _stages(self) -> None:
        split = self._until_done("split", self._job)
        ready = self._job.model_copy(update={"run": split["run"]})
        if "output" in split:
            return
        for _ in range(NOT_READY_TRIES):
            with ThreadPoolExecutor(self._pods_at_once) as pool:
                pods = [pool.submit(self._until_done, f"swap-{index}", ready) for index in range(PODS)]
                for pod in pods:
                    pod.result()
            if self._until_done("mux", ready)["code"] == exitcodes.OK:
                return
        raise GaveUp("mux is never ready")

    def _until_done(self, pod: str, job: StageInput) -> dict[str, Any]:
        """Start a pod's process until one is done; gives what that says. That mux is not ready is an answer, too."""
        failures = 0
        while failures <= self._retries:
            code, killed, said = self._once(pod, job)
            if code == exitcodes.OK or said.get("reason") == names.NOT_READY:
                return said
            if killed and not self._forever:
                continue
            assert killed or code in RETRIED, f"{pod} ended with {code}: {said}: see {self._world.folder}"
            failures += 1
        raise GaveUp(pod)

    def _once(self, pod: str, job: StageInput) -> tuple[int, bool, dict[str, Any]]:
        """One process; gives its code, whether it was killed on purpose, and its message."""
        with self._lock:
            self._processes += 1
            name = f"{pod}.{self._processes}"
        armed = self._arm(pod, name)
        began = time.monotonic()
        begun = begin(self._start, pod, job, self._world.environment(name), self._world.folder)
        timer = self._begin(armed, begun.process)
        code, said = begun.end()
        timer.cancel()
        self.played.seconds[pod.partition("-")[0]] = time.monotonic() - began
        killed = self._disarm(pod, name, code)
        assert killed or said.get("code") == code, f"{pod} ended with {code}: {said}: see {self._world.folder}"
        return code, killed, said

    def _arm(self, pod: str, name: str) -> _Armed | None:
        with self._lock:
            if not self._planned[pod]:
                return None
            armed = self._armed[name] = _Armed(self._planned[pod][0])
            return armed

    def _begin(self, armed: _Armed | None, process: Running) -> threading.Timer:
        """Tell the kill its process; where it comes anywhere, set its time."""

        def strike() -> None:
            if armed is not None:
                armed.fired = True
                send(process, SIGKILL)

        seconds = NEVER_SECONDS
        if armed is not None:
            armed.process = process
            armed.ready.set()
            if armed.kill.moment == "anywhere":
                seconds = armed.kill.share * self._seconds[armed.kill.stage]
        timer = threading.Timer(seconds, strike)
        timer.start()
        return timer

    def _disarm(self, pod: str, name: str, code: int) -> bool:
        """Note what became of a process' kill; gives whether it was this that ended it."""
        with self._lock:
            armed = self._armed.pop(name, None)
            of_store = armed is not None and armed.kill.victim == "store"
            if armed is None or not armed.fired or not (of_store or code == -SIGKILL):
                return False
            self.played.fired.append(armed.kill)
            if not self._forever:
                self._planned[pod].pop(0)
            return not of_store

    def _hook(self, name: str, request: Request, forward: Forward) -> Answer:
        armed = self._armed.get(name)
        if armed is None or not self._is_moment(armed, request):
            return self._forwarded(name, request, forward)
        if armed.kill.moment == "after":
            self._forwarded(name, request, forward)
        armed.fired = True
        if armed.kill.victim == "store":
            self._world.kill_store()
        else:
            armed.ready.wait()
            assert armed.process is not None
            send(armed.process, SIGKILL)
        raise Gone("killed on purpose")

    def _forwarded(self, name: str, request: Request, forward: Forward) -> Answer:
        answer = forward()
        if name:
            reported = f"x-amz-meta-{REPORT}" in request.headers
            with self._lock:
                self.played.journal.append(Exchange(name, describe(request, self._job.name), answer.status, reported))
        return answer

    def _is_moment(self, armed: _Armed, request: Request) -> bool:
        point = armed.kill.point
        if point is None or armed.fired or describe(request, self._job.name) != point.what:
            return False
        with self._lock:
            armed.seen += 1
            return armed.seen == point.nth
