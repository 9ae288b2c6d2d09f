from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from controller.actions import (
    Action,
    CreateJob,
    DeleteJob,
    DeleteResource,
    ScaleJob,
    SetFinalizer,
    SuspendJob,
)
from controller.observed import Observed, Pod, StageJob
from recast import kubenames as kube
from recast import names
from recast.status import Attempts, JobStatus, SegmentCounts
from tests.controller.builders import (
    BEFORE,
    BEGAN,
    FRAMES,
    NOW,
    RUN,
    SEGMENTS,
    begun,
    created,
    decide,
    ended,
    fact,
    job,
    pod,
    resource,
    said,
    was_split,
    was_swapped,
)

QUEUE = {kube.LABEL_QUEUE: "renders"}
OUTPUT = {"uri": "s3://studio/out/interview.mp4", "size": 9, "sha256": "ab", "encoder": "libx264", "facesSwapped": 7}
SPLIT, SWAP, MUX = kube.SPLIT, kube.SWAP, kube.MUX


# How a job goes well


def test_a_new_job_begins_with_split() -> None:
    planned = decide(Observed(resource()))
    assert created(planned) == ["split-0"]
    assert (planned.status.phase, planned.status.start_time) == ("Splitting", NOW)
    assert planned.status.images is not None
    assert [event.reason for event in planned.events] == ["StageStarted"]


def test_split_says_how_many_and_swap_follows() -> None:
    split = job(SPLIT, complete=True)
    done = ended(split, run=RUN, segments=SEGMENTS, frames=FRAMES)
    planned = decide(Observed(resource(begun()), (split,), (done,)))
    assert created(planned) == ["swap-0"]
    status = planned.status
    assert (status.phase, status.run, status.segments.total, status.frames.total) == ("Swapping", RUN, 6, 150)
    assert said(planned, kube.SPLIT_COMPLETE) == ("True", "StageComplete")


def test_swap_counts_its_segments_as_they_come() -> None:
    swap = job(SWAP, completed_indexes="0-1,4", active=3)
    planned = decide(Observed(resource(was_split()), (swap,), ()))
    assert not planned.actions
    assert planned.status.segments == SegmentCounts(total=6, active=3, succeeded=3)
    assert (planned.status.progress, planned.status.frames.done) == ("3/6", 75)


def test_mux_follows_when_every_segment_is_in() -> None:
    swap = job(SWAP, complete=True, completed_indexes="0-5", active=0)
    planned = decide(Observed(resource(was_split()), (swap,), ()))
    assert created(planned) == ["mux-0"]
    assert planned.status.phase == "Muxing"
    assert (planned.status.segments.succeeded, planned.status.frames.done) == (SEGMENTS, FRAMES)


def test_mux_ends_the_job_with_what_it_published() -> None:
    mux = job(MUX, complete=True)
    done = ended(mux, message="published", output=OUTPUT)
    planned = decide(Observed(resource(was_swapped()), (mux,), (done,)))
    assert not planned.actions
    status = planned.status
    assert (status.phase, status.completion_time, status.faces_swapped) == ("Succeeded", NOW, 7)
    assert status.output is not None and status.output.sha256 == "ab"
    assert said(planned, kube.COMPLETE) == ("True", "Succeeded")


def test_split_that_finds_the_output_published_ends_the_job() -> None:
    split = job(SPLIT, complete=True)
    done = ended(split, run=RUN, output=OUTPUT)
    planned = decide(Observed(resource(begun()), (split,), (done,)))
    assert planned.status.phase == "Succeeded" and not planned.actions


def test_normalise_comes_between_where_it_was_asked_for() -> None:
    wants = resource(was_split(), segments={"normalise": True})
    assert created(decide(Observed(wants))) == ["normalise-0"]
    normalised = job(kube.NORMALISE, complete=True)
    assert created(decide(Observed(wants, (normalised,)))) == ["swap-0"]
    # Later its Job may be gone.
    assert not decide(Observed(wants, (job(SWAP),))).actions


@pytest.mark.parametrize("stage", [SPLIT, SWAP, MUX])
def test_a_stage_that_runs_is_left_alone(stage: str) -> None:
    running = job(stage)
    planned = decide(Observed(resource(BEFORE[stage]()), (running,), (pod(running),)))
    assert not planned.actions and not planned.events
    assert planned.again_seconds is not None


# What may happen to a stage's Job: (stage, its Job, its pods) -> Jobs made, phase


@pytest.mark.parametrize("stage", [SPLIT, SWAP, MUX])
def test_a_job_that_goes_away_is_made_again_under_another_name(stage: str) -> None:
    assert created(decide(Observed(resource(BEFORE[stage]())))) == [f"{stage}-0"]
    planned = decide(Observed(resource(BEFORE[stage]()), (job(stage, deleting=True),)))
    assert created(planned) == [f"{stage}-1"]
    assert getattr(planned.status.attempts, stage) == 1
    assert planned.status.phase == BEFORE[stage]().phase


@pytest.mark.parametrize("stage", [SPLIT, MUX])
def test_a_stage_whose_report_is_lost_is_run_again(stage: str) -> None:
    planned = decide(Observed(resource(BEFORE[stage]()), (job(stage, complete=True),)))
    assert created(planned) == [f"{stage}-1"]


def test_swap_needs_nobodys_report() -> None:
    assert created(decide(Observed(resource(was_split()), (job(SWAP, complete=True),)))) == ["mux-0"]


FAILURES = [
    (65, names.CORRUPT_SOURCE, "cut off at 7 s"),
    (66, names.INPUT_NOT_FOUND, "no such object"),
    (69, names.STORAGE_UNAVAILABLE, "the store is away"),
    (70, names.INTERNAL_ERROR, "cannot be"),
    (75, names.STALLED, "nothing moved"),
    (78, names.OUTPUT_EXISTS, "exists already"),
]


@pytest.mark.parametrize("stage", [SPLIT, SWAP, MUX])
@pytest.mark.parametrize(("code", "reason", "message"), FAILURES, ids=[str(each[0]) for each in FAILURES])
def test_a_stage_that_failed_for_good_fails_the_job_with_its_own_words(
    stage: str, code: int, reason: str, message: str
) -> None:
    failed = job(stage, failed_reason="BackoffLimitExceeded", failed_message="Job has reached the limit")
    last = ended(failed, code, index=3, reason=reason, message=message, segment=3 if stage == SWAP else None)
    planned = decide(Observed(resource(BEFORE[stage]()), (failed,), (last,)))
    failure = planned.status.failure
    assert failure is not None and planned.status.phase == "Failed"
    assert (failure.code, failure.reason, failure.pod) == (code, reason, last.name)
    assert message in failure.message and ("segment 3" in failure.message) == (stage == SWAP)
    assert failure.segment == (3 if stage == SWAP else None)
    assert said(planned, kube.FAILED) == ("True", reason)
    assert planned.status.completion_time == NOW
    assert not created(planned)


@pytest.mark.parametrize(("stage", "reason"), [(SPLIT, names.STAGE_FAILED), (SWAP, names.SEGMENTS_FAILED)])
def test_a_stage_that_died_without_a_word_is_called_so(stage: str, reason: str) -> None:
    failed = job(stage, failed_reason="BackoffLimitExceeded", failed_message="limit")
    killed = ended(failed, 137)
    planned = decide(Observed(resource(BEFORE[stage]()), (failed,), (killed,)))
    failure = planned.status.failure
    assert failure is not None and (failure.reason, failure.code) == (reason, 137)
    assert "status 137" in failure.message and "recast logs interview" in failure.message


def test_of_several_ends_the_hopeless_one_is_told() -> None:
    failed = job(SWAP, failed_reason="FailedIndexes")
    transient = ended(failed, 75, index=1, reason=names.STALLED, message="nothing moved", segment=1)
    hopeless = ended(failed, 65, index=2, reason=names.CORRUPT_SOURCE, message="bad", segment=2)
    stopped = ended(failed, 143, index=3, reason=names.TERMINATED, message="stopped", segment=3)
    for pods in ((transient, hopeless, stopped), (stopped, hopeless, transient)):
        failure = decide(Observed(resource(was_split()), (failed,), pods)).status.failure
        assert failure is not None and failure.segment == 2


def test_a_part_that_was_lost_is_made_again() -> None:
    mux = job(MUX, failed_reason="PodFailurePolicy")
    last = ended(mux, 75, reason=names.NOT_READY, message="parts/000003 is not there")
    planned = decide(Observed(resource(was_swapped()), (mux,), (last,)))
    assert created(planned) == ["swap-1"]
    assert planned.status.attempts == Attempts(swap=1, mux=1)
    assert said(planned, kube.SWAP_COMPLETE) == ("False", names.NOT_READY)


def test_a_stage_is_not_begun_anew_for_ever() -> None:
    status = begun(attempts=Attempts(split=19))
    planned = decide(Observed(resource(status), (job(SPLIT, 19, complete=True),)))
    assert planned.status.failure is not None and planned.status.failure.reason == names.STAGE_FAILED


def test_a_job_of_an_earlier_attempt_counts_for_nothing() -> None:
    status = was_split(attempts=Attempts(swap=1))
    old = job(SWAP, 0, complete=True, deleting=True)
    planned = decide(Observed(resource(status), (old, job(SWAP, 1))))
    assert not planned.actions and planned.status.phase == "Swapping"


# Waiting


def test_a_stuck_pod_is_named_and_the_event_is_sent_once() -> None:
    split = job(SPLIT)
    stuck = pod(
        split, phase="Pending", started=None, waiting_reason="ImagePullBackOff", waiting_message="no such image"
    )
    planned = decide(Observed(resource(begun()), (split,), (stuck,)))
    assert said(planned, kube.STALLED) == ("True", names.IMAGE_PULL_FAILED)
    assert [event.reason for event in planned.events] == [names.IMAGE_PULL_FAILED]
    again = decide(Observed(resource(planned.status), (split,), (stuck,)))
    assert again.status == planned.status and not again.events
    mended = decide(Observed(resource(planned.status), (split,), (pod(split),)))
    assert said(mended, kube.STALLED) is None


def test_a_namespace_that_ends_fails_the_job_and_lets_its_jobs_go() -> None:
    swap = job(SWAP)
    planned = decide(Observed(resource(was_split()), (swap,), (), namespace_ends=True))
    assert planned.actions == (DeleteJob(swap.name, swap.uid),)
    assert said(planned, kube.FAILED) == ("True", names.NAMESPACE_TERMINATING)


def test_evicted_without_end_the_job_fails() -> None:
    swap = job(SWAP)
    planned = decide(Observed(resource(was_split()), (swap,), (pod(swap, ignored_failures=30),)))
    assert planned.status.failure is not None and planned.status.failure.reason == names.EVICTED_REPEATEDLY
    assert planned.actions == (DeleteJob(swap.name, swap.uid),)


# What people ask for meanwhile


@pytest.mark.parametrize("stage", [SPLIT, SWAP, MUX])
def test_suspended_its_job_is_suspended_and_later_resumed(stage: str) -> None:
    running = job(stage)
    planned = decide(Observed(resource(BEFORE[stage](), suspend=True), (running,), (pod(running),)))
    assert planned.actions == (SuspendJob(running.name, True),)
    assert planned.status.phase == "Suspended" and said(planned, kube.SUSPENDED) == ("True", "JobSuspended")
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


def test_parallelism_follows_the_spec() -> None:
    swap = job(SWAP, parallelism=6)
    planned = decide(Observed(resource(was_split(), segments={"maxParallelism": 2}), (swap,)))
    assert planned.actions == (ScaleJob(swap.name, 2),)


def test_the_deadline_stops_everything() -> None:
    swap = job(SWAP)
    late = BEGAN + timedelta(seconds=601)
    planned = decide(Observed(resource(was_split(), deadlineSeconds=600), (swap,)), late)
    assert planned.actions == (DeleteJob(swap.name, swap.uid),)
    assert said(planned, kube.FAILED) == ("True", names.DEADLINE_EXCEEDED)


def test_it_looks_again_when_the_deadline_comes() -> None:
    planned = decide(Observed(resource(was_split(), deadlineSeconds=303), (job(SWAP),)))
    assert planned.again_seconds == pytest.approx(3.5)


def test_a_spec_that_cannot_be_fails_with_its_field() -> None:
    planned = decide(Observed(resource(video={"quality": 99})))
    assert planned.status.failure is not None and "spec.video.quality" in planned.status.failure.message
    files = decide(Observed(resource(source={"uri": "file:///etc/passwd"})))
    assert files.status.failure is not None and "takes s3://" in files.status.failure.message


# Kueue


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


# Ends


def done(**changes: Any) -> JobStatus:
    ending = was_swapped(fact(kube.COMPLETE, reason="Succeeded"), phase="Succeeded", completion_time=NOW)
    return ending.model_copy(update=changes)


def test_a_finished_job_is_left_as_it_is() -> None:
    planned = decide(Observed(resource(done())))
    assert planned.status == done() and not planned.actions and not planned.events


@pytest.mark.parametrize(
    ("lifetime", "after", "goes"), [(60, 59, False), (60, 61, True), (0, 0, True), ("Never", 10**6, False)]
)
def test_its_time_to_live(lifetime: int | str, after: int, goes: bool) -> None:
    planned = decide(Observed(resource(done(), ttlSecondsAfterFinished=lifetime)), NOW + timedelta(seconds=after))
    assert (DeleteResource() in planned.actions) == goes
    if not goes and lifetime != "Never":
        assert planned.again_seconds == pytest.approx(1.5)


def test_what_still_runs_of_a_finished_job_is_stopped() -> None:
    swap = job(SWAP)
    failed = was_split(fact(kube.FAILED, reason="X"), phase="Failed", completion_time=NOW)
    assert decide(Observed(resource(failed), (swap,))).actions == (DeleteJob(swap.name, swap.uid),)


def deleted(status: JobStatus, jobs: tuple[StageJob, ...] = (), pods: tuple[Pod, ...] = ()) -> Observed:
    going = replace(resource(status, storage=NEVER), deleted=NOW, finalizers=(kube.FINALIZER,))
    return Observed(going, jobs, pods)


NEVER = {"endpoint": "http://s3:8333", "scratch": "s3://scratch/recast", "retain": "Never"}


def test_scratch_that_is_to_go_holds_the_job_before_anything_is_written() -> None:
    planned = decide(Observed(resource(storage=NEVER)))
    assert isinstance(planned.actions[0], SetFinalizer) and created(planned) == ["split-0"]


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
        (replace(CLEANING, failed_reason="BackoffLimitExceeded"), (), 0),
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


def test_images_stay_those_that_the_job_began_with() -> None:
    old = begun().images
    assert old is not None
    status = was_split(images=old.model_copy(update={"segment_worker": "recast/worker:0"}))
    (action,) = [each for each in decide(Observed(resource(status))).actions if isinstance(each, CreateJob)]
    assert action.manifest["spec"]["template"]["spec"]["containers"][0]["image"] == "recast/worker:0"


@pytest.mark.parametrize("stage", [SPLIT, SWAP, MUX])
def test_a_plan_carried_out_leaves_nothing_to_do(stage: str) -> None:
    planned = decide(Observed(resource(BEFORE[stage]())))
    assert created(planned) == [f"{stage}-0"]
    again = decide(Observed(resource(planned.status), (job(stage, active=0, started=None),)))
    actions: tuple[Action, ...] = again.actions
    assert again.status == planned.status and not actions and not again.events
