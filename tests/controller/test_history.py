"""Random histories of pods, Jobs, users and Kueue, against the planner: what must hold in all of them."""

from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recast import kubenames as kube
from recast.status import JobStatus
from tests.controller.builders import SEGMENTS
from tests.controller.world import World

HAPPENINGS = (
    World.pod_succeeds,
    World.pod_succeeds,
    World.pod_succeeds,
    World.pod_fails_for_now,
    World.pod_fails_for_good,
    World.pod_is_evicted,
    World.pods_are_removed,
    World.job_is_deleted,
    World.part_is_lost,
    World.queue_turns,
    World.suspend_turns,
    World.parallelism_changes,
    World.time_passes,
    World.delete,
)
LONGEST_END = 400

worlds = st.builds(World, queue=st.booleans(), retain=st.sampled_from(["OnFailure", "Never"]), normalise=st.booleans())
steps = st.lists(
    # What happens, to which one, and whether the controller is there to see it at once.
    st.tuples(st.sampled_from(range(len(HAPPENINGS))), st.integers(0, 99), st.sampled_from([True, True, False])),
    max_size=60,
)
walk = settings(max_examples=300, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))


class Checks:
    """Holds what must never be seen against each state of the world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._before = JobStatus()

    def look(self) -> bool:
        """Let the controller look, and check what it did."""
        world = self._world
        wrote = world.look()
        self._one_job_of_each_stage()
        if world.resource is None:
            return wrote
        status = world.resource.status
        if self._before.completion_time is not None:
            assert status == self._before, "what has ended stays as it is"
        assert status.segments.succeeded >= self._before.segments.succeeded, "segments never go back"
        assert status.frames.done >= self._before.frames.done, "frames never go back"
        assert not world.mux_began_without or world.broken, "mux only after every segment is in"
        self._before = status
        return wrote

    def settle(self) -> None:
        """Let Kubernetes do its work, and check what runs then."""
        world = self._world
        world.settle()
        if world.resource is None:
            assert not world.jobs, "deleted leaves nothing"

    def stands_still(self) -> None:
        """A suspended job has no pod once the controller has seen that it is, but of a cleanup."""
        if self._world.suspended:
            live = {job.seen.stage for job in self._world.jobs.values() if job.live}
            assert live <= {kube.CLEANUP}, "suspended means no pods"

    def _one_job_of_each_stage(self) -> None:
        live = Counter(job.seen.stage for job in self._world.jobs.values() if job.seen.live)
        assert not live or max(live.values()) == 1, live


@walk
@given(world=worlds, happenings=steps)
def test_in_every_history(world: World, happenings: list[tuple[int, int, bool]]) -> None:
    checks = Checks(world)
    for number, choice, seen in happenings:
        HAPPENINGS[number](world, choice)
        if seen:
            checks.look()
            checks.settle()
            checks.stands_still()
    come_to_an_end(world, checks)


def come_to_an_end(world: World, checks: Checks) -> None:
    """From now on all goes well: the job must end, and then nothing more is written."""
    if world.suspended:
        world.suspend_turns(0)
    for number in range(LONGEST_END):
        wrote = checks.look()
        checks.settle()
        if world.finished and not wrote and not any(job.live for job in world.jobs.values()):
            break
        for job in world.jobs.values():
            if job.seen.queue and job.seen.suspended and job.seen.live:
                world.queue_turns(number)
        world.pod_succeeds(number)
        checks.settle()
    assert world.finished, "it comes to an end"
    world.time_passes(9)
    assert not world.look(), "quiescent means no writes"


@walk
@given(world=worlds, happenings=steps)
def test_that_is_left_alone_it_succeeds_or_says_why_not(world: World, happenings: list[tuple[int, int, bool]]) -> None:
    checks = Checks(world)
    for number, choice, seen in happenings:
        if HAPPENINGS[number] not in (World.delete, World.pod_fails_for_good):
            HAPPENINGS[number](world, choice)
        if seen:
            checks.look()
            checks.settle()
    come_to_an_end(world, checks)
    assert world.resource is not None
    status = world.resource.status
    if status.phase == "Failed":
        assert status.failure is not None and status.failure.code and status.failure.message
        assert world.failed, "only what failed fails"
    else:
        assert status.phase == "Succeeded" and status.output is not None
        assert world.parts == set(range(SEGMENTS))


def test_undisturbed_it_makes_three_jobs() -> None:
    world = World(queue=False, retain="OnFailure", normalise=False)
    come_to_an_end(world, Checks(world))
    assert [name.split("-", 2)[2] for name in world.created] == ["split-0", "swap-0", "mux-0"]
    assert world.resource is not None and world.resource.status.phase == "Succeeded"


@pytest.mark.parametrize("when", range(8))
def test_deleted_at_any_time_nothing_is_left(when: int) -> None:
    world = World(queue=False, retain="Never", normalise=False)
    checks = Checks(world)
    for number in range(when):
        checks.look()
        checks.settle()
        world.pod_succeeds(number)
        checks.settle()
    world.delete()
    come_to_an_end(world, checks)
    for _ in range(3):
        checks.look()
        checks.settle()
    assert world.resource is None and not world.jobs
    stages = [name.split("-")[-2] for name in world.created]
    assert stages.count(kube.CLEANUP) == (kube.SPLIT in stages)
