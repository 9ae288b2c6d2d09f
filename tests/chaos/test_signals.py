"""SIGTERM and SIGSTOP while a stage waits for the store.

A spot drain ends in time, and whoever comes next makes the same bytes; a process that stood still for a while goes on,
or is tried again, and does no harm where another one has finished meanwhile.

`make chaos` has them stand still for a minute.
"""

import os
import threading
import time
from collections.abc import Callable, Iterator
from signal import SIGCONT, SIGKILL, SIGSTOP, SIGTERM
from typing import Any

import pytest

from recast import exitcodes, names
from recast.errors import BadConfig
from recast.stage import StageInput
from recast.storage.embedded import find_weed
from tests.chaos.kills import describe
from tests.chaos.playing import Play
from tests.chaos.processes import Begun, Fork, begin, send
from tests.chaos.world import World, source_clip
from tests.s3proxy import Answer, Forward, Request

DRAIN_SECONDS = 30
"""What a spot node gives its pods."""
STILL_SECONDS = 60.0 if os.environ.get("RECAST_CHAOS") == "full" else 2.0
STALL_SECONDS = 8.0
"""Long enough for what a worker does before it is met, on a busy machine too."""
HELD_SECONDS = 180.0

MOMENTS = [
    ("split", "PutObject segments/000001.mkv"),
    ("swap-0", "GetObject segments/000000.mkv"),
    ("swap-0", "PutObject parts/000001.mkv"),
    ("mux", "UploadPart out/JOB.mkv"),
]
"""Requests in which a stage is met."""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    try:
        find_weed()
    except BadConfig as error:
        pytest.skip(str(error))
    folder = tmp_path_factory.mktemp("signals")
    with World(folder, source_clip(folder)) as made:
        yield made


@pytest.fixture(scope="module")
def undisturbed(world: World) -> bytes:
    assert not Play(world, world.job("undisturbed", "Always"), Fork).run().gave_up
    output = world.output("undisturbed")
    assert output is not None
    return output


class Held:
    """Holds one process' request until it is let go.

    Args:
        world: where.
        job: the job.
        pod: of the process; only the first request of the kind is held.
        what: the request, as `describe` says.
    """

    def __init__(self, world: World, job: StageInput, pod: str, what: str) -> None:
        self._job, self._pod, self._what = job, pod, what
        self._reached, self._free = threading.Event(), threading.Event()
        world.hook = self._hook

    def wait(self) -> None:
        """Wait until the request is there."""
        assert self._reached.wait(HELD_SECONDS), f"{self._pod} never asked for {self._what}"

    def let_go(self) -> None:
        """Let the request through."""
        self._free.set()

    def _hook(self, name: str, request: Request, forward: Forward) -> Answer:
        if name == self._pod and describe(request, self._job.name) == self._what and not self._reached.is_set():
            self._reached.set()
            self._free.wait(HELD_SECONDS)
        return forward()


def until(world: World, job: StageInput, pod: str) -> StageInput:
    """Do what comes before a pod; gives the job as the pod is given it."""
    if pod == "split":
        return job
    ready = job.model_copy(update={"run": run(world, job, "split")[1]["run"]})
    if pod == "mux":
        for each in ("swap-0", "swap-1"):
            assert run(world, ready, each)[0] == exitcodes.OK
    return ready


def start(world: World, job: StageInput, pod: str, name: str | None = None) -> Begun:
    return begin(Fork, pod, job, world.environment(name or pod), world.folder)


def run(world: World, job: StageInput, pod: str) -> tuple[int, dict[str, Any]]:
    return start(world, job, pod, f"{pod}.other").end()


def name_of(moment: tuple[str, str]) -> str:
    return "-".join("".join(letter if letter.isalnum() else " " for letter in " ".join(moment)).split()).lower()


@pytest.fixture(params=MOMENTS, ids=name_of)
def met(request: pytest.FixtureRequest, world: World) -> Iterator[Callable[[str, dict[str, Any]], Any]]:
    """Gives a function that starts a stage of a new job and meets it in its request."""
    pod, what = request.param
    begun: list[Begun] = []

    def meet(name: str, changed: dict[str, Any]) -> tuple[StageInput, str, Begun, Held]:
        job = world.job(f"{name}-{name_of(request.param)}", "OnFailure")
        job = job.model_copy(update={"spec": job.spec.model_copy(update=changed)})
        ready = until(world, job, pod)
        held = Held(world, job, pod, what)
        begun.append(start(world, ready, pod))
        held.wait()
        return job, pod, begun[0], held

    yield meet
    for each in begun:
        send(each.process, SIGKILL)


def finish(world: World, job: StageInput) -> bytes | None:
    """Play a job to its end; gives its output."""
    assert not Play(world, job, Fork).run().gave_up
    assert world.scratch(job.name) == {"output.json"} and world.unfinished_uploads(job.name) == set()
    return world.output(job.name)


def test_a_drained_pod_ends_in_time_and_the_next_one_goes_on(met: Any, world: World, undisturbed: bytes) -> None:
    job, _, begun, held = met("drained", {})
    sent = time.monotonic()
    send(begun.process, SIGTERM)
    code, said = begun.end()
    assert time.monotonic() - sent < DRAIN_SECONDS
    assert (code, said["reason"]) == (exitcodes.TERMINATED, names.TERMINATED)
    assert world.output(job.name) is None
    held.let_go()
    assert finish(world, job) == undisturbed


def test_a_process_that_stood_still_goes_on_to_the_same_bytes(met: Any, world: World, undisturbed: bytes) -> None:
    job, _, begun, held = met("still", {})
    stand_still(begun, STILL_SECONDS)
    held.let_go()
    code, said = begun.end()
    assert code == exitcodes.OK, said
    assert finish(world, job) == undisturbed


def test_a_process_that_stood_still_while_it_waited_for_the_store_is_not_stalled(
    world: World, undisturbed: bytes
) -> None:
    job = world.job("watched", "OnFailure")
    worker = job.spec.worker.model_copy(update={"stall_seconds": STALL_SECONDS})
    job = job.model_copy(update={"spec": job.spec.model_copy(update={"worker": worker})})
    ready = until(world, job, "swap-0")
    held = Held(world, job, "swap-0", "PutObject parts/000000.mkv")
    begun = start(world, ready, "swap-0")
    held.wait()
    stand_still(begun, STALL_SECONDS + 1)
    held.let_go()
    code, said = begun.end()
    assert code == exitcodes.OK, said
    assert finish(world, job) == undisturbed


def stand_still(begun: Begun, seconds: float) -> None:
    send(begun.process, SIGSTOP)
    time.sleep(seconds)
    send(begun.process, SIGCONT)


def test_a_process_that_wakes_up_after_another_copy_has_finished_does_no_harm(
    met: Any, world: World, undisturbed: bytes
) -> None:
    job, _, begun, held = met("late", {})
    send(begun.process, SIGSTOP)
    assert not Play(world, job, Fork).run().gave_up
    assert world.output(job.name) == undisturbed
    send(begun.process, SIGCONT)
    held.let_go()
    code, said = begun.end()
    # What it was about to read may be gone: that is no bug, and nobody asks it any more.
    assert code in {exitcodes.OK, exitcodes.NOT_FOUND} | exitcodes.RETRIED - {exitcodes.BUG}, said
    assert world.output(job.name) == undisturbed
    assert world.unfinished_uploads(job.name) == set()
    assert not Play(world, job, Fork).run().gave_up
    world.client.delete_object(Bucket=world.store.bucket, Key=f"out/{job.name}.mkv")
    assert finish(world, job) == undisturbed
