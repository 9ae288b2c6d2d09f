"""A job that does not go on: suspended, held by Kueue, or past its deadline."""

from dataclasses import replace
from datetime import timedelta

import pytest

from controller.planning.actions import CreateJob, DeleteJob, SuspendJob
from controller.planning.observed import Observed
from recast import names
from recast.kube import names as kube
from recast.status import Attempts, GpuSeconds, SegmentCounts, Waited
from tests.controller.builders import (
    BEFORE,
    BEGAN,
    LATE,
    MUX,
    NEVER,
    NOW,
    OUTPUT,
    QUEUE,
    SEGMENTS,
    SPLIT,
    STUCK,
    SWAP,
    UNDER_WAY,
    asked,
    created,
    decide,
    ended,
    job,
    pod,
    resource,
    said,
    was_split,
    was_swapped,
)


@pytest.mark.parametrize("stage", [SPLIT, SWAP, MUX])
def test_suspended_its_job_is_suspended_and_later_resumed(stage: str) -> None:
    running = job(stage)
    planned = decide(Observed(resource(BEFORE[stage](), suspend=True), (running,), (pod(running),)))
    assert not planned.actions and planned.again_seconds == 0.5, "a suspension that is not told of is not ours"
    assert planned.status.phase == "Suspended" and said(planned, kube.SUSPENDED) == ("True", "JobSuspended")
    told = decide(Observed(resource(planned.status, suspend=True), (running,), (pod(running),)))
    assert told.actions == (SuspendJob(running.name, True),) and told.status == planned.status
    held = replace(running, suspended=True, active=0)
    quiet = decide(Observed(resource(planned.status, suspend=True), (held,)))
    assert not quiet.actions and not quiet.events and quiet.status == planned.status
    resumed = decide(Observed(resource(planned.status), (held,)))
    assert resumed.actions == (SuspendJob(running.name, False),)
    assert resumed.status.phase == BEFORE[stage]().phase
    assert said(resumed, kube.SUSPENDED) == ("False", "JobResumed")


def test_suspended_before_it_began_nothing_is_made() -> None:
    planned = decide(Observed(resource(suspend=True, storage=NEVER)))
    assert not planned.actions and planned.status.start_time is None


def test_the_deadline_stops_everything() -> None:
    swap = job(SWAP)
    late = BEGAN + timedelta(seconds=601)
    planned = decide(Observed(resource(was_split(), deadlineSeconds=600), (swap,)), late)
    assert planned.actions == (DeleteJob(swap.name, swap.uid),)
    assert said(planned, kube.FAILED) == ("True", names.DEADLINE_EXCEEDED)


def test_gpu_time_of_what_a_deadline_stops_is_lost() -> None:
    swap = job(SWAP)
    pods = (replace(pod(swap), gpus=1), replace(pod(swap, 1), gpus=1, started=None, phase="Pending"))
    gone = replace(pod(swap, 2), gpus=1, finished=BEGAN + timedelta(seconds=50))
    seen = Observed(resource(was_split(), deadlineSeconds=600), (swap,), pods, (gone,))
    assert decide(seen, LATE).status.gpu_seconds == GpuSeconds(lost=651)


def test_gpu_time_of_what_is_suspended_under_kueue_is_kept_for_the_next_attempt() -> None:
    swap = job(SWAP, queue="renders")
    seen = Observed(resource(was_split(), labels=QUEUE, suspend=True), (swap,), (replace(pod(swap), gpus=2),))
    status = decide(seen).status
    assert status.gpu_seconds == status.earlier.gpu_seconds == GpuSeconds(lost=600)


@pytest.mark.parametrize("queue", [True, False], ids=["in a queue", "suspended"])
def test_the_deadline_waits_with_the_job(queue: bool) -> None:
    held = job(SWAP, suspended=True, active=0, queue="renders" if queue else None)
    labels = QUEUE if queue else {}
    waits = decide(Observed(resource(was_split(), labels=labels, suspend=not queue, deadlineSeconds=600), (held,)))
    assert waits.status.waited.since == NOW
    days = NOW + timedelta(days=3)
    still = Observed(resource(waits.status, labels=labels, suspend=not queue, deadlineSeconds=600), (held,))
    later = decide(still, days)
    assert later.status == waits.status and later.again_seconds == 10
    # 300 s were over before, and 299 are left.
    goes_on = Observed(resource(waits.status, labels=labels, deadlineSeconds=600), (replace(held, suspended=False),))
    resumed = decide(goes_on, days).status
    assert resumed.phase == "Swapping" and resumed.waited == Waited(seconds=3 * 86_400)
    going = Observed(resource(resumed, labels=labels, deadlineSeconds=600), (job(SWAP, queue=held.queue),))
    assert decide(going, days + timedelta(seconds=299)).status.phase == "Swapping"
    assert decide(going, days + timedelta(seconds=301)).status.phase == "Failed"


def test_it_looks_again_when_the_deadline_comes() -> None:
    planned = decide(Observed(resource(was_split(), deadlineSeconds=303), (job(SWAP),)))
    assert planned.again_seconds == pytest.approx(3.5)


def test_a_job_that_kueue_holds_is_shown_and_not_touched() -> None:
    held = job(SWAP, suspended=True, queue="renders", active=0)
    planned = decide(Observed(resource(was_split(), labels=QUEUE), (held,)))
    assert not planned.actions
    assert planned.status.phase == "Queued" and said(planned, kube.QUOTA_RESERVED) == ("False", names.QUOTA_PENDING)


def test_what_kueue_changed_of_an_admitted_job_is_left_so() -> None:
    admitted = job(SWAP, queue="renders", parallelism=1)
    planned = decide(Observed(resource(was_split(), labels=QUEUE), (admitted,)))
    assert not planned.actions
    assert planned.status.phase == "Swapping" and said(planned, kube.QUOTA_RESERVED) == ("True", names.QUOTA_ADMITTED)


def test_suspended_under_kueue_the_job_goes_and_comes_back_as_another() -> None:
    admitted = job(SWAP, queue="renders")
    planned = decide(Observed(resource(was_split(), labels=QUEUE, suspend=True), (admitted,)))
    assert planned.actions == (DeleteJob(admitted.name, admitted.uid),)
    resumed = decide(Observed(resource(planned.status, labels=QUEUE)))
    assert created(resumed) == ["swap-1"]


def test_the_queue_goes_on_to_every_stage() -> None:
    planned = decide(Observed(resource(labels={**QUEUE, "other": "x"})))
    (action,) = [each for each in planned.actions if isinstance(each, CreateJob)]
    assert action.manifest["metadata"]["labels"][kube.LABEL_QUEUE] == "renders"
    assert "other" not in action.manifest["metadata"]["labels"]


def test_a_suspended_job_waits_for_nothing_either() -> None:
    status = decide(Observed(resource(was_split(STUCK, **UNDER_WAY), suspend=True), (job(SWAP),))).status
    assert status.segments == SegmentCounts(total=SEGMENTS, succeeded=2)
    assert status.estimated_completion_time is None and status.condition(kube.STALLED) is None


def test_attempts_go_on_from_the_latest_whatever_is_still_there() -> None:
    status = was_split(attempts=Attempts(swap=2))
    older = tuple(job(SWAP, attempt, queue="renders") for attempt in (2, 0, 1))
    planned = decide(Observed(resource(status, labels=QUEUE, suspend=True), older))
    assert planned.status.attempts.swap == 3


def test_suspended_under_kueue_what_is_done_stays_done() -> None:
    swap = job(SWAP, complete=True, active=0, queue="renders")
    planned = decide(Observed(resource(was_split(), labels=QUEUE, suspend=True), (swap,)))
    assert not planned.actions and planned.status.attempts == Attempts()
    assert asked(decide(Observed(resource(planned.status, labels=QUEUE), (swap,)))) == ["create mux-0"]


def test_an_output_that_is_published_is_no_missed_deadline() -> None:
    mux = job(MUX, complete=True)
    seen = Observed(resource(was_swapped(), deadlineSeconds=200), (mux,), (ended(mux, output=OUTPUT),))
    assert decide(seen).status.phase == "Succeeded"
