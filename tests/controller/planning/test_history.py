"""Random histories of pods, Jobs, users and Kueue, against the planner: what must hold in all of them."""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recast import names
from recast.kube import names as kube
from recast.status import JobStatus
from tests.controller.builders import FRAMES, SEGMENTS
from tests.controller.world import OUTPUT, World

HAPPENINGS = (
    World.pod_succeeds,
    World.pod_succeeds,
    World.pod_succeeds,
    World.pod_fails_for_now,
    World.pod_fails_for_good,
    World.pod_is_evicted,
    World.dying_pod_writes,
    World.pods_are_removed,
    World.report_is_lost,
    World.job_is_deleted,
    World.part_is_lost,
    World.queue_turns,
    World.job_is_held,
    World.suspend_turns,
    World.parallelism_changes,
    World.time_passes,
    World.user_deletes,
)
LONGEST_END = 400
WAITING = ("Suspended", "Queued")

WITH_TIME = (*HAPPENINGS, World.time_passes, World.time_passes, World.time_passes)

Happening = Callable[[World, int], None]
Controller = Literal["looks", "is away", "is killed"]
History = tuple[int, list[tuple[Happening, int, Controller]]]


def histories(of: tuple[Happening, ...] = HAPPENINGS, *more: Controller) -> st.SearchStrategy[History]:
    """So many steps in which all goes well; then what happens, to which one, and what the controller does then."""
    controller: tuple[Controller, ...] = ("looks", "looks", "is away", *more)
    step = st.tuples(st.sampled_from(of), st.integers(0, 99), st.sampled_from(controller))
    return st.tuples(st.integers(0, 12), st.lists(step, min_size=10, max_size=50))


worlds = st.builds(
    World,
    queue=st.booleans(),
    retain=st.sampled_from(["OnFailure", "Never"]),
    normalise=st.booleans(),
    per_pod=st.sampled_from([1, 4]),
)
short_worlds = st.builds(
    World,
    queue=st.booleans(),
    retain=st.sampled_from(["OnFailure", "Never"]),
    per_pod=st.sampled_from([1, 4]),
    deadline=st.sampled_from([300, 1_500]),
    lifetime=st.sampled_from([0, 60]),
)
walk = settings(max_examples=120, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))


class Checks:
    """Holds what must never be seen against each state of the world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._before = JobStatus()
        self._at, self._worked, self._slack = world.now, timedelta(), timedelta()

    def look(self) -> bool:
        """Let the controller look, and check what it did."""
        world = self._world
        self._count_time()
        wrote = world.look()
        self._one_job_of_each_stage()
        if world.resource is None:
            return wrote
        before, status = self._before, world.resource.status
        if before.completion_time is not None:
            assert status == before, "what has ended stays as it is"
        assert status.segments.succeeded >= before.segments.succeeded, "segments never go back"
        assert status.frames.done >= before.frames.done, "frames never go back"
        assert status.waited.seconds >= before.waited.seconds, "nor does what was waited"
        assert status.gpu_seconds.spent >= before.gpu_seconds.spent, "GPU time never goes back"
        assert status.gpu_seconds.lost >= before.gpu_seconds.lost, "nor does what is lost of it"
        for stage in ("split", "normalise", "swap", "mux"):
            assert getattr(status.attempts, stage) >= getattr(before.attempts, stage), "attempts never go back"
        for once in ("run", "images", "start_time"):
            assert getattr(before, once) in (None, getattr(status, once)), f"{once} stays"
        if world.resource.deleted is None and status.start_time is not None:
            late = self._worked > world.deadline + self._slack
            assert status.completion_time is not None or not late, "the deadline is kept"
            if not before.is_true(kube.FAILED) and status.failure and status.failure.reason == names.DEADLINE_EXCEEDED:
                assert self._worked > world.deadline - self._slack, "what is suspended or queued has time"
        if before.completion_time is not None or (status.completion_time is not None and not world.killed):
            live = {job.seen.stage for job in world.jobs.values() if job.seen.live}
            assert live <= {kube.CLEANUP}, "what has ended has nothing that runs"
        assert not world.mux_began_without or world.broken, "mux only after every segment is in"
        if status is not before:
            self._makes_sense(status)
        self._before = status
        return wrote

    def _count_time(self) -> None:
        """Time counts from the first stage's begin, but where the last look found the job suspended or queued."""
        now, before = self._world.now, self._before
        if before.start_time is not None and before.phase not in WAITING:
            self._worked += now - self._at
        # Whole seconds are written.
        self._slack += timedelta(seconds=1) if before.phase in WAITING else timedelta()
        self._at = now

    @staticmethod
    def _makes_sense(status: JobStatus) -> None:
        succeeded, failed = status.is_true(kube.COMPLETE), status.is_true(kube.FAILED)
        assert (status.phase == "Succeeded") == succeeded == (status.output is not None)
        assert (status.phase == "Failed") == failed == (status.failure is not None)
        assert (status.completion_time is not None) == (succeeded or failed)
        assert status.phase != "Suspended" or status.is_true(kube.SUSPENDED)
        if status.phase in ("Suspended", "Succeeded", "Failed"):
            assert status.segments.active == 0, "nothing is active"
            assert status.estimated_completion_time is None and status.is_true(kube.STALLED) == failed
        assert (status.waited.since is not None) == (status.phase in WAITING and status.start_time is not None)
        segments = status.segments
        assert segments.succeeded + segments.active <= segments.total, segments
        read = JobStatus.model_validate_json(status.model_dump_json(by_alias=True, exclude_none=True))
        assert read == status, "what is read back from the API is what was written"

    def settle(self) -> None:
        """Let Kubernetes do its work, and check what runs then."""
        world = self._world
        world.settle()
        if world.resource is None:
            assert not world.jobs, "deleted leaves nothing"
            if world.retain == "Never" and not (world.killed or world.cleaned_early):
                assert not world.scratch_in_use or world.told_of_scratch, "nothing in scratch either"

    def stands_still(self) -> None:
        """A suspended job has no pod once the controller has seen that it is, but of a cleanup."""
        if self._world.suspended:
            live = {job.seen.stage for job in self._world.jobs.values() if job.live}
            assert live <= {kube.CLEANUP}, "suspended means no pods"

    def _one_job_of_each_stage(self) -> None:
        live = [job.seen for job in self._world.jobs.values() if job.seen.live]
        counted = Counter(job.stage for job in live)
        assert not counted or max(counted.values()) == 1, counted


def happen(world: World, checks: Checks, history: History) -> None:
    """Walk through a history."""
    steps, disturbed = history
    for number in range(steps):
        checks.look()
        checks.settle()
        go_on(world, number)
    for happening, choice, controller in disturbed:
        happening(world, choice)
        if controller == "is killed":
            world.controller_is_killed(choice)
            checks.settle()
        elif controller == "looks":
            if checks.look():
                # What it wrote itself is heard of, too.
                checks.look()
            checks.settle()
            checks.stands_still()


@walk
@given(world=worlds, history=histories())
def test_in_every_history(world: World, history: History) -> None:
    checks = Checks(world)
    happen(world, checks, history)
    fall_silent(world, checks)
    come_to_an_end(world, checks)


@walk
@given(world=short_worlds, history=histories(WITH_TIME))
def test_where_time_runs_out(world: World, history: History) -> None:
    checks = Checks(world)
    happen(world, checks, history)
    fall_silent(world, checks)
    come_to_an_end(world, checks)


@walk
@given(world=worlds, history=histories(HAPPENINGS, "is killed", "is killed"))
def test_where_the_controller_is_killed_before_it_writes_a_status(world: World, history: History) -> None:
    checks = Checks(world)
    happen(world, checks, history)
    fall_silent(world, checks)
    come_to_an_end(world, checks)


def fall_silent(world: World, checks: Checks) -> None:
    """Where nothing happens any more there is soon nothing to write."""
    for _ in range(10):
        checks.look()
        checks.settle()
    world.now += timedelta(milliseconds=1)
    assert not checks.look(), "quiescent means no writes"


def go_on(world: World, number: int) -> None:
    """All goes well: Kueue admits, nobody holds a Job, a pod does its work."""
    world.held_are_let_go()
    world.settle()
    if any(job.seen.queue and job.seen.suspended and job.seen.live for job in world.jobs.values()):
        world.queue_turns(number)
        world.settle()
    world.pod_succeeds(number)


def come_to_an_end(world: World, checks: Checks) -> None:
    """From now on all goes well: the job must end, and then nothing more is written."""
    if world.suspended:
        world.suspend_turns(0)
    for number in range(LONGEST_END):
        wrote = checks.look()
        checks.settle()
        if world.finished and not wrote and not any(job.live for job in world.jobs.values()):
            break
        go_on(world, number)
        checks.settle()
    assert world.finished, "it comes to an end"
    world.time_passes(9)
    if world.lifetime == "Never":
        assert not world.look(), "quiescent means no writes"
        return
    for number in range(9):
        checks.look()
        checks.settle()
        world.pod_succeeds(number)
    assert world.resource is None, "its time to live is over"


HARMLESS = tuple(each for each in HAPPENINGS if each not in (World.user_deletes, World.pod_fails_for_good))


@walk
@given(world=worlds, history=histories(HARMLESS))
def test_that_is_left_alone_it_succeeds_or_says_why_not(world: World, history: History) -> None:
    checks = Checks(world)
    happen(world, checks, history)
    come_to_an_end(world, checks)
    assert world.resource is not None
    status = world.resource.status
    if status.phase == "Failed":
        assert status.failure is not None and status.failure.code and status.failure.message
        assert world.failed, "only what failed fails"
    else:
        assert status.phase == "Succeeded" and status.output is not None and status.output.sha256 == OUTPUT["sha256"]
        assert status.segments.succeeded == SEGMENTS and status.frames.done == FRAMES


def test_undisturbed_it_makes_three_jobs() -> None:
    world = World()
    come_to_an_end(world, Checks(world))
    assert [name.split("-", 2)[2] for name in world.created] == ["split-0", "swap-0", "mux-0"]
    assert world.resource is not None and world.resource.status.phase == "Succeeded"


@pytest.mark.parametrize("when", range(8))
def test_deleted_at_any_time_nothing_is_left(when: int) -> None:
    world = World(retain="Never")
    checks = Checks(world)
    happen(world, checks, (when, []))
    checks.settle()
    world.delete()
    for number in range(20):
        checks.look()
        checks.settle()
        # Those that were asked to stop work on to the last moment.
        world.dying_pod_writes(number)
        world.pod_succeeds(number)
    assert world.resource is None and not world.jobs
    stages = [name.split("-")[-2] for name in world.created]
    assert stages.count(kube.CLEANUP) == (kube.SPLIT in stages)
