"""What is left to do for a job that has finished or is being deleted."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from controller.planning.actions import CreateJob, DeleteJob, DeleteResource, Plan, SetFinalizer
from controller.planning.conditions import with_readiness
from controller.planning.observed import Observed, Pod, StageJob
from recast import names
from recast.kube import names as kube
from recast.status import JobStatus
from tests.controller.builders import (
    NEVER,
    NOW,
    SPLIT,
    SWAP,
    asked,
    begun,
    carried_out,
    created,
    decide,
    fact,
    job,
    pod,
    resource,
    was_split,
    was_swapped,
)


def done(**changes: Any) -> JobStatus:
    ending = was_swapped(fact(kube.COMPLETE, reason="Succeeded"), phase="Succeeded", completion_time=NOW)
    return told(ending.model_copy(update=changes))


def failed(status: JobStatus) -> JobStatus:
    """This status, of a job that has failed."""
    conditions = (*status.conditions, fact(kube.FAILED))
    return told(status.model_copy(update={"conditions": conditions, "phase": "Failed", "completion_time": NOW}))


def told(status: JobStatus) -> JobStatus:
    """This status with what GitOps tools go by."""
    return with_readiness(status.model_copy(update={"observed_generation": 1}), generation=1, now=NOW)


def test_a_finished_job_is_left_as_it_is() -> None:
    planned = decide(Observed(resource(done())))
    assert planned.status == done() and not planned.actions and not planned.events


def test_a_change_of_a_finished_jobs_time_to_live_is_seen() -> None:
    changed = replace(resource(done()), generation=2)
    assert decide(Observed(changed)).status.observed_generation == 2


@pytest.mark.parametrize(
    ("lifetime", "after", "goes"), [(60, 59, False), (60, 61, True), (0, 0, True), ("Never", 10**6, False)]
)
def test_its_time_to_live(lifetime: int | str, after: int, goes: bool) -> None:
    planned = decide(Observed(resource(done(), ttlSecondsAfterFinished=lifetime)), NOW + timedelta(seconds=after))
    assert (DeleteResource() in planned.actions) == goes
    if not goes and lifetime != "Never":
        assert planned.again_seconds == pytest.approx(1.5)


def test_the_pods_of_a_job_that_succeeded_go_after_an_hour() -> None:
    jobs = tuple(replace(job(stage), complete=True) for stage in (kube.SPLIT, kube.SWAP, kube.MUX))
    seen = Observed(resource(done(), ttlSecondsAfterFinished="Never"), jobs)
    at_once = decide(seen, NOW)
    assert not at_once.actions and at_once.again_seconds == pytest.approx(3600.5)
    an_hour_later = NOW + timedelta(hours=1)
    planned = decide(seen, an_hour_later)
    assert planned.actions == tuple(DeleteJob(each.name, each.uid) for each in jobs)
    going = replace(seen, jobs=tuple(replace(each, deleting=True) for each in jobs))
    assert decide(going, an_hour_later) == Plan(done())


def test_the_pods_of_a_job_that_failed_stay_for_its_time_to_live() -> None:
    failed = was_split(fact(kube.FAILED, reason="X"), phase="Failed", completion_time=NOW)
    swap = replace(job(SWAP), failed_reason="FailedIndexes")
    assert not decide(Observed(resource(failed), (swap,)), NOW + timedelta(days=2)).actions


def test_what_still_runs_of_a_finished_job_is_stopped() -> None:
    swap = job(SWAP)
    failed = was_split(fact(kube.FAILED, reason="X"), phase="Failed", completion_time=NOW)
    assert decide(Observed(resource(failed), (swap,))).actions == (DeleteJob(swap.name, swap.uid),)


def deleted(status: JobStatus, jobs: tuple[StageJob, ...] = (), pods: tuple[Pod, ...] = ()) -> Observed:
    going = replace(resource(status, storage=NEVER), deleted=NOW, finalizers=(kube.FINALIZER,))
    return Observed(going, jobs, pods)


def test_a_deleted_job_goes_at_once_where_scratch_stays() -> None:
    gone = Observed(replace(resource(was_split()), deleted=NOW), (job(SWAP),))
    planned = decide(gone)
    assert not planned.actions and planned.status == was_split()


def test_a_deleted_job_stops_then_cleans_then_goes() -> None:
    swap = job(SWAP)
    assert decide(deleted(was_split(), (swap,), (pod(swap),))).actions == (DeleteJob(swap.name, swap.uid),)
    dying = replace(swap, deleting=True)
    assert not decide(deleted(was_split(), (dying,), (pod(swap),))).actions, "its pod may still write"
    assert created(decide(deleted(was_split()))) == ["cleanup-0"]
    cleaning = job(kube.CLEANUP)
    assert not decide(deleted(was_split(), (cleaning,))).actions
    cleaned = decide(deleted(was_split(), (replace(cleaning, complete=True),)))
    assert cleaned.actions == (SetFinalizer(False),) and not cleaned.events


def test_a_deleted_job_that_never_began_goes_at_once() -> None:
    assert decide(deleted(JobStatus())).actions == (SetFinalizer(False),)


def test_what_a_stopped_split_wrote_is_removed_too() -> None:
    assert created(decide(deleted(begun()))) == ["cleanup-0"]


CLEANING = job(kube.CLEANUP)
NO_SECRET = pod(CLEANING, phase="Pending", waiting_reason="CreateContainerConfigError", waiting_message="no secret")


@pytest.mark.parametrize(
    ("cleaning", "pods", "minutes"),
    [
        (replace(CLEANING, failed_reason="BackoffLimitExceeded", created=NOW), (), 0),
        (CLEANING, (NO_SECRET,), 0),
        (CLEANING, (pod(CLEANING),), 11),
    ],
    ids=["it fails", "it does not start", "it takes too long"],
)
def test_scratch_that_cannot_be_removed_does_not_hold_the_job_for_ever(
    cleaning: StageJob, pods: tuple[Pod, ...], minutes: int
) -> None:
    planned = decide(deleted(was_split(), (cleaning,), pods), NOW + timedelta(minutes=minutes))
    assert SetFinalizer(False) in planned.actions
    assert [event.reason for event in planned.events] == [names.SCRATCH_KEPT]
    assert "s3://scratch/recast/studio/interview/" in planned.events[0].message


@pytest.mark.parametrize(
    ("retain", "status", "asks"),
    [
        ("Never", failed(was_split()), ["create cleanup-0"]),
        ("OnFailure", failed(was_split()), []),
        ("Never", done(), []),
        # Its spec was wrong: it has written nothing.
        ("Never", failed(JobStatus()), []),
    ],
    ids=["failed", "failed and kept", "succeeded", "never began"],
)
def test_scratch_of_a_failed_job_goes_where_that_was_asked_for(retain: str, status: JobStatus, asks: list[str]) -> None:
    finished = Observed(resource(status, storage=NEVER | {"retain": retain}))
    planned = decide(finished)
    assert asked(planned) == asks and planned.status == status
    assert not decide(carried_out(finished, planned)).actions


def test_a_failed_job_whose_scratch_went_needs_no_second_cleanup() -> None:
    assert asked(decide(deleted(failed(was_split()), (job(kube.CLEANUP, complete=True),)))) == ["let go"]


def test_a_cleanup_that_failed_with_the_job_is_tried_again_when_the_job_is_deleted() -> None:
    failed = was_split(fact(kube.FAILED), phase="Failed", completion_time=NOW)
    first = job(kube.CLEANUP, failed_reason="BackoffLimitExceeded")
    assert asked(decide(deleted(failed, (first,)))) == ["create cleanup-1"]
    second = job(kube.CLEANUP, 1, created=NOW)
    assert not decide(deleted(failed, (first, second))).actions
    assert asked(decide(deleted(failed, (first, replace(second, complete=True))))) == ["let go"]
    given_up = decide(deleted(failed, (first, replace(second, failed_reason="BackoffLimitExceeded"))))
    assert asked(given_up) == ["let go"] and [event.reason for event in given_up.events] == ["ScratchKept"]


@pytest.mark.parametrize(
    "changes", [{"unschedulable": "0/3 nodes"}, {"waiting_reason": "ErrImagePull"}], ids=["no room", "no image"]
)
def test_a_cleanup_that_may_still_start_is_waited_for(changes: dict[str, Any]) -> None:
    waits = pod(CLEANING, phase="Pending", started=None, node=None, **changes)
    observed = deleted(was_split(), (CLEANING,), (waits,))
    assert not decide(observed, NOW + timedelta(minutes=9)).actions
    assert SetFinalizer(False) in decide(observed, NOW + timedelta(minutes=11)).actions


def test_cleanup_runs_the_image_that_the_job_began_with() -> None:
    old = begun().images
    assert old is not None
    status = was_split(images=old.model_copy(update={"controller": "recast/controller:0"}))
    (action,) = decide(deleted(status)).actions
    assert isinstance(action, CreateJob)
    assert action.manifest["spec"]["template"]["spec"]["containers"][0]["image"] == "recast/controller:0"
    assert kube.LABEL_QUEUE not in action.manifest["metadata"]["labels"]


def test_a_cleanup_that_runs_is_not_stopped_with_the_rest() -> None:
    failed = was_split(fact(kube.FAILED), phase="Failed", completion_time=NOW)
    both = (job(SWAP), job(kube.CLEANUP))
    assert asked(decide(Observed(resource(failed, storage=NEVER), both))) == ["delete swap-0"]


def test_a_job_deleted_before_its_first_status_was_written_leaves_no_scratch() -> None:
    going = replace(resource(storage=NEVER), deleted=NOW, finalizers=(kube.FINALIZER,))
    observed = Observed(going, (job(SPLIT),))
    planned = decide(observed)
    assert asked(planned) == ["delete split-0"]
    assert asked(decide(carried_out(observed, planned))) == ["create cleanup-0"]


def test_a_failed_job_whose_spec_is_no_longer_valid_is_planned_all_the_same() -> None:
    failed = was_split(fact(kube.FAILED), phase="Failed", completion_time=NOW)
    assert asked(decide(Observed(resource(failed, storage=NEVER, video={"quality": 99})))) == []


def test_scratch_of_a_failed_job_is_removed_only_when_no_pod_writes_there() -> None:
    failed = was_split(fact(kube.FAILED), phase="Failed", completion_time=NOW)
    swap = job(SWAP, deleting=True)
    waiting = decide(Observed(resource(failed, storage=NEVER), (swap,), (pod(swap),)))
    assert asked(waiting) == [] and waiting.again_seconds is not None
    assert asked(decide(Observed(resource(failed, storage=NEVER)))) == ["create cleanup-0"]
