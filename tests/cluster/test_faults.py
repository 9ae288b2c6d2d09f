"""The controller is killed, doubled, cut off and lied to; it comes to the same end, and does not spin."""

import functools
import itertools
import signal
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.cluster import played
from tests.cluster.api import Json
from tests.cluster.controlplane import ControlPlane
from tests.cluster.fixtures import StartKwok
from tests.cluster.objects import jobs_path, pods_of
from tests.cluster.proxy import Answer, ApiProxy, Request, Silence, Verdict
from tests.cluster.system import Controller, apply, path_of, sample, status_of, wait_for_job_phase
from tests.cluster.waiting import wait_for

SEGMENTS = 3


def controller_through(
    proxy: ApiProxy, control_plane: ControlPlane, folder: Path, namespace: str, *, watch_seconds: int = 4
) -> Controller:
    """A controller of one namespace only, so that what it asks for is about the test's job."""
    return Controller(
        control_plane,
        folder,
        *("--no-leader-election", "--namespaces", namespace, "--watch-seconds", str(watch_seconds)),
        kubeconfig=proxy.kubeconfig,
    )


def finish(control_plane: ControlPlane, namespace: str, name: str) -> Json:
    status = wait_for_job_phase(control_plane, namespace, name, "Succeeded", "Failed", seconds=60)
    assert status["phase"] == "Succeeded", status
    assert status["segments"]["succeeded"] == SEGMENTS
    return status


def jobs_by_stage(control_plane: ControlPlane, namespace: str, name: str) -> Counter[str]:
    """How many Jobs of each stage a FaceSwapJob has."""
    uid = control_plane.api.get(path_of(namespace, name))["metadata"]["uid"]
    items = control_plane.api.get(jobs_path(namespace))["items"]
    mine = [each for each in items if each["metadata"]["ownerReferences"][0]["uid"] == uid]
    return Counter(each["metadata"]["labels"]["recast.video/stage"] for each in mine)


class Killer:
    """Kills the controller at its n-th write: before the API server gets it, or after, its answer unheard."""

    def __init__(self, controller: Controller) -> None:
        self._controller = controller
        self._lock = threading.Lock()
        self._left: int | None = None
        self._after = False

    def arm(self, number: int, *, after: bool) -> None:
        self._left, self._after = number, after

    def disarm(self) -> bool:
        """Kill no more; says whether it did."""
        with self._lock:
            struck, self._left = self._left is None, None
            return struck

    def before(self, request: Request) -> Verdict:
        with self._lock:
            if self._left is None or not request.writes:
                return None
            self._left -= 1
            if self._left >= 0 or self._after:
                return None
            self._strike()
            return Silence()

    def after(self, request: Request, _status: int) -> None:
        with self._lock:
            if self._left is not None and self._left < 0 and request.writes:
                self._strike()

    def struck(self) -> bool:
        return self._left is None

    def _strike(self) -> None:
        self._controller.kill()
        self._left = None


def test_killed_between_any_two_of_its_calls_it_comes_to_the_same_end(
    control_plane: ControlPlane, fake: str, start_kwok: StartKwok, proxy: ApiProxy, tmp_path: Path
) -> None:
    start_kwok(*played.stages(SEGMENTS))
    with controller_through(proxy, control_plane, tmp_path, fake) as controller:
        apply(control_plane, fake, sample("undisturbed"))
        finish(control_plane, fake, "undisturbed")
        writes = proxy.count(writes=True)
        assert 8 <= writes < 24, "three Jobs, their status, their events"
        killer = Killer(controller)
        proxy.before, proxy.after = killer.before, killer.after
        for number, after in itertools.product(range(writes), (False, True)):
            name = f"job-{number}-{'after' if after else 'before'}"
            killer.arm(number, after=after)
            apply(control_plane, fake, sample(name))
            # What is read between two writes changes nothing; a write may be saved where two looks fall together.
            wait_for(functools.partial(has_ended, control_plane, fake, name, killer), "the kill", seconds=60)
            if killer.disarm():
                controller.start()
            finish(control_plane, fake, name)
            assert jobs_by_stage(control_plane, fake, name) == Counter(split=1, swap=1, mux=1), name


def has_ended(control_plane: ControlPlane, namespace: str, name: str, killer: Killer) -> bool:
    return killer.struck() or status_of(control_plane, namespace, name).get("phase") == "Succeeded"


def test_of_two_one_works_and_the_other_takes_over(
    control_plane: ControlPlane, fake: str, start_kwok: StartKwok, tmp_path: Path
) -> None:
    start_kwok(played.split(SEGMENTS), played.swap(seconds=3), played.mux())
    with Controller(control_plane, tmp_path, identity="first") as first:
        wait_for(lambda: any("took the lease" in line for line in first.lines()), "the first leads", seconds=30)
        with Controller(control_plane, tmp_path, identity="second") as second:
            wait_for(lambda: any("caches are filled" in line for line in second.lines()), "the second waits")
            apply(control_plane, fake, sample("job"))
            wait_for_job_phase(control_plane, fake, "job", "Swapping")
            stopped = time.monotonic()
            first.signal(signal.SIGSTOP)
            try:
                finish(control_plane, fake, "job")
                took = time.monotonic() - stopped
                assert took < 45
                assert not any('"phase"' in line and "Splitting" in line for line in second.lines())
            finally:
                first.signal(signal.SIGCONT)
            before = control_plane.api.get(path_of(fake, "job"))["metadata"]["resourceVersion"]
            apply(control_plane, fake, sample("later"))
            finish(control_plane, fake, "later")
            assert control_plane.api.get(path_of(fake, "job"))["metadata"]["resourceVersion"] == before
            assert jobs_by_stage(control_plane, fake, "later") == Counter(split=1, swap=1, mux=1)
            assert not any("later" in line for line in first.lines()), "the old one left the work to the new one"


def test_a_clean_stop_lets_the_next_one_begin_at_once(control_plane: ControlPlane, fake: str, tmp_path: Path) -> None:
    first = Controller(control_plane, tmp_path, identity="first")
    first.start()
    wait_for(lambda: any("took the lease" in line for line in first.lines()), "it leads", seconds=40)
    assert first.stop() == 0
    with Controller(control_plane, tmp_path, identity="second") as second:
        wait_for(lambda: any("took the lease" in line for line in second.lines()), "the next leads", seconds=10)


def test_the_api_server_is_killed_and_comes_back(
    control_plane: ControlPlane, fake: str, start_kwok: StartKwok, tmp_path: Path
) -> None:
    start_kwok(played.split(SEGMENTS), played.swap(seconds=2), played.mux())
    with Controller(control_plane, tmp_path, "--no-leader-election"):
        apply(control_plane, fake, sample("job"))
        wait_for_job_phase(control_plane, fake, "job", "Swapping")
        control_plane.restart_apiserver()
        finish(control_plane, fake, "job")


def always(*answers: Answer | Silence, writes: bool | None = None, watch: bool | None = None) -> "Sickness":
    return Sickness(list(answers), writes, watch)


class Sickness:
    """Gives these answers to the first requests of a kind, then gets well."""

    def __init__(self, answers: list[Answer | Silence], writes: bool | None, watch: bool | None) -> None:
        self._answers, self._writes, self._watch = answers, writes, watch

    def __call__(self, request: Request) -> Verdict:
        if self._writes is not None and request.writes != self._writes:
            return None
        if self._watch is not None and ("watch=" in request.path) != self._watch:
            return None
        return self._answers.pop(0) if self._answers else None


SICKNESSES = {
    "410 at a watch": always(*[Answer(410, "Expired")] * 4, watch=True),
    "409 at writes": always(*[Answer(409, "Conflict")] * 3, writes=True),
    "429 with Retry-After": always(*[Answer(429, "TooManyRequests", {"Retry-After": "1"})] * 4),
    "500 at everything": always(*[Answer(500, "InternalError")] * 12),
    "half-open watches": always(Silence(), Silence(), watch=True),
}


@pytest.mark.parametrize("sickness", SICKNESSES, ids=[name.replace(" ", "-") for name in SICKNESSES])
def test_a_sick_api_server_is_lived_through_without_spinning(
    sickness: str, control_plane: ControlPlane, fake: str, start_kwok: StartKwok, proxy: ApiProxy, tmp_path: Path
) -> None:
    start_kwok(*played.stages(SEGMENTS))
    proxy.before = SICKNESSES[sickness]
    with controller_through(proxy, control_plane, tmp_path, fake):
        apply(control_plane, fake, sample("job"))
        finish(control_plane, fake, "job")
    assert proxy.count() < 120, Counter(request.path.partition("?")[0] for request in proxy.requests)


def test_watches_that_are_cut_again_and_again_cost_no_more_than_their_pauses(
    control_plane: ControlPlane, fake: str, proxy: ApiProxy, tmp_path: Path
) -> None:
    with controller_through(proxy, control_plane, tmp_path, fake) as controller:
        wait_for(lambda: any("caches are filled" in line for line in controller.lines()), "it is up", seconds=30)
        began = proxy.count()
        end = time.monotonic() + 8
        while time.monotonic() < end:
            proxy.cut()
            time.sleep(0.02)
        assert proxy.count() - began < 60


def test_nothing_is_asked_for_where_nothing_happens(
    control_plane: ControlPlane, fake: str, start_kwok: StartKwok, proxy: ApiProxy, tmp_path: Path
) -> None:
    start_kwok(played.split(SEGMENTS), played.swap(seconds=None))
    with controller_through(proxy, control_plane, tmp_path, fake, watch_seconds=60):
        apply(control_plane, fake, sample("job"))
        wait_for_job_phase(control_plane, fake, "job", "Swapping")
        wait_for(lambda: len(pods_that_run(control_plane, fake)) == SEGMENTS, "its pods run")
        time.sleep(3)
        before = len(proxy.requests)
        time.sleep(12)
        seen = [f"{request.method} {request.path}" for request in proxy.requests[before:]]
        assert all(each.startswith("GET") for each in seen), seen
        assert len(seen) <= 4, seen


def pods_that_run(control_plane: ControlPlane, namespace: str) -> list[Json]:
    return [pod for pod in pods_of(control_plane, namespace) if pod["status"]["phase"] == "Running"]
