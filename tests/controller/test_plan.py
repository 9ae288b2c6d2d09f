import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from controller.actions import (
    Action,
    CreateJob,
    DeleteJob,
    DeleteResource,
    Plan,
    ScaleJob,
    SetFinalizer,
    SuspendJob,
)
from controller.observed import Observed, Pod, StageJob
from recast import names
from recast.kube import names as kube
from recast.status import Attempts, FrameCounts, GpuSeconds, JobStatus, SegmentCounts, Waited
from tests.controller.builders import (
    BEFORE,
    BEGAN,
    FRAMES,
    NOW,
    RUN,
    SEGMENTS,
    asked,
    begun,
    carried_out,
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
SPLIT, NORMALISE, SWAP, MUX = kube.SPLIT, kube.NORMALISE, kube.SWAP, kube.MUX
NEVER = {"endpoint": "http://s3:8333", "scratch": "s3://scratch/recast", "retain": "Never"}


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


def test_a_content_check_is_said_to_be_off_where_none_is_asked_for() -> None:
    status = decide(Observed(resource())).status
    assert status.content_check is not None and status.content_check.state == "Off"


def test_a_content_check_says_what_it_saw() -> None:
    check = {"model": "s3://studio/x.onnx", "threshold": 0.8}
    begins = decide(Observed(resource(contentCheck=check))).status
    assert begins.content_check is not None and begins.content_check.state == "Pending"
    split = job(SPLIT, complete=True)
    seen = {"frames": 12, "highest": 0.25}
    done = ended(split, run=RUN, segments=SEGMENTS, frames=FRAMES, content_check=seen)
    passed = decide(Observed(resource(begins, contentCheck=check), (split,), (done,))).status.content_check
    assert passed is not None and passed.model_dump() == {"state": "Passed"} | seen
    failed = job(SPLIT, failed_reason="PodFailurePolicy")
    last = ended(failed, 65, reason=names.CONTENT_REFUSED, message="the frame at 3 s")
    refused = decide(Observed(resource(begins, contentCheck=check), (failed,), (last,))).status
    assert refused.phase == "Failed" and refused.content_check is not None
    assert refused.content_check.state == "Refused"


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


def test_pods_that_are_gone_are_counted_while_their_job_goes_on() -> None:
    swap = job(SWAP, completed_indexes="2", succeeded=1)
    gone = replace(pod(swap, 2), gpus=1, finished=BEGAN + timedelta(seconds=50))
    planned = decide(Observed(resource(was_split()), (swap,), (pod(swap),), (gone,)))
    assert planned.status.gpu_seconds == GpuSeconds(spent=50)


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


def test_what_a_newer_crd_adds_to_a_spec_ends_no_job_and_is_named_once() -> None:
    newer = {"video": {"colourRange": "Full"}, "shards": 4}
    planned = decide(Observed(resource(**newer)))
    assert created(planned) == ["split-0"] and planned.status.failure is None
    assert [event.message for event in planned.events if event.reason == "UnknownFields"] == [
        "spec.video.colourRange, spec.shards: not known to this version of the controller, and ignored: upgrade it"
    ]
    running = decide(Observed(resource(begun(), **newer), (job(SPLIT),)))
    assert running.status.failure is None and not running.events


def test_a_failure_without_a_report_says_who_ended_the_pod() -> None:
    failed = job(SWAP, failed_reason="FailedIndexes", failed_message="Job has failed indexes")
    killed = pod(failed, phase="Failed", exit_code=137, ended_by="OOMKilled")
    refused = pod(failed, phase="Failed", started=None, ended_by="UnexpectedAdmissionError: no GPU is left")
    for culprit, words in (
        (killed, "was killed for want of memory: raise worker.resources"),
        (refused, "ended: UnexpectedAdmissionError: no GPU is left"),
    ):
        failure = decide(Observed(resource(was_split()), (failed,), (culprit,))).status.failure
        assert failure is not None and words in failure.message


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


# The table: a stage, and how its Job and pods stand -> what is asked for, the phase, and every condition

Facts = dict[str, tuple[str, str]]
KNOWN: dict[str, Facts] = {SPLIT: {}, NORMALISE: {kube.SPLIT_COMPLETE: ("True", names.STAGE_COMPLETE)}}
KNOWN[SWAP] = KNOWN[NORMALISE]
KNOWN[MUX] = KNOWN[SWAP] | {kube.SWAP_COMPLETE: ("True", names.STAGE_COMPLETE)}
LATE = BEGAN + timedelta(seconds=601)


def seen(
    stage: str,
    jobs: tuple[StageJob, ...] = (),
    pods: tuple[Pod, ...] = (),
    status: JobStatus | None = None,
    **more: Any,
) -> Observed:
    """A job in a stage, with these fields of its spec and its object."""
    labels = more.pop("labels", {})
    itself = {key: more.pop(key) for key in ("deleted", "finalizers") if key in more}
    around = {key: more.pop(key) for key in ("namespace_ends",) if key in more}
    if stage == NORMALISE:
        more["segments"] = {"normalise": True}
    return Observed(replace(resource(status or BEFORE[stage](), labels=labels, **more), **itself), jobs, pods, **around)


def rows(stage: str) -> Iterator[tuple[str, Observed, datetime, list[str], str, Facts]]:
    """What may be seen of a stage that is the same for each."""
    one, known, phase = job(stage), KNOWN[stage], BEFORE[stage]().phase
    its_pod, held = pod(one), replace(one, suspended=True, active=0)
    queued = replace(held, queue="renders")
    over = replace(one, active=0, failed_reason="BackoffLimitExceeded", failed_message="limit")
    suspended = {kube.SUSPENDED: ("True", names.JOB_SUSPENDED)}
    resumed = {kube.SUSPENDED: ("False", names.JOB_RESUMED)}
    was_suspended = BEFORE[stage](
        phase="Suspended", conditions=(*BEFORE[stage]().conditions, fact(kube.SUSPENDED, reason=names.JOB_SUSPENDED))
    )
    late = {kube.FAILED: ("True", names.DEADLINE_EXCEEDED)}
    second = BEFORE[stage](attempts=Attempts.model_validate({stage: 1}))
    waits, admitted = ({kube.QUOTA_RESERVED: each} for each in (("False", "QuotaPending"), ("True", "QuotaAdmitted")))

    yield "nothing yet", seen(stage), NOW, [f"create {stage}-0"], phase, known
    yield "no pod yet", seen(stage, (replace(one, active=0, started=None),)), NOW, [], phase, known
    waiting = replace(its_pod, phase="Pending", node=None, created=NOW)
    yield "its pod waits", seen(stage, (one,), (waiting,)), NOW, [], phase, known
    yield "its pod runs", seen(stage, (one,), (its_pod,)), NOW, [], phase, known
    yield "deleted by hand", seen(stage, (replace(one, deleting=True),)), NOW, [f"create {stage}-1"], phase, known
    anew = (replace(one, complete=True), job(stage, 1))
    yield "a second attempt", seen(stage, anew, (), second), NOW, [], phase, known
    yield "the first is gone", seen(stage, (), (), second), NOW, [f"create {stage}-1"], phase, known

    for code, reason in ((65, names.CORRUPT_SOURCE), (75, names.STALLED), (78, names.OUTPUT_EXISTS)):
        last = ended(one, code, reason=reason, message="so")
        failed = known | {kube.FAILED: ("True", reason)}
        yield f"failed with {code}", seen(stage, (over,), (last,)), NOW, [], "Failed", failed
    reason = names.SEGMENTS_FAILED if stage == SWAP else names.STAGE_FAILED
    yield "failed, pods gone", seen(stage, (over,)), NOW, [], "Failed", known | {kube.FAILED: ("True", reason)}

    ask = seen(stage, (one,), (its_pod,), suspend=True)
    yield "suspend", ask, NOW, [], "Suspended", known | suspended
    told = seen(stage, (one,), (its_pod,), was_suspended, suspend=True)
    yield "suspend, told of", told, NOW, [f"suspend {stage}-0"], "Suspended", known | suspended
    yield "suspended", seen(stage, (held,), (), was_suspended, suspend=True), NOW, [], "Suspended", known | suspended
    yield (
        "suspended with no Job",
        seen(stage, (), (), was_suspended, suspend=True),
        NOW,
        [],
        "Suspended",
        known | suspended,
    )
    done_already = seen(stage, (replace(one, complete=True),), suspend=True)
    yield "suspended when it is done", done_already, NOW, [], "Suspended", known | suspended
    yield "resume", seen(stage, (held,), (), was_suspended), NOW, [f"resume {stage}-0"], phase, known | resumed
    yield (
        "resume, not seen suspended",
        seen(stage, (one,), (), was_suspended),
        NOW,
        [f"resume {stage}-0"],
        phase,
        (known | resumed),
    )
    yield "held by somebody", seen(stage, (held,)), NOW, [], "Queued", known | {kube.STALLED: ("True", "JobHeld")}
    just_resumed = BEFORE[stage](
        conditions=(*BEFORE[stage]().conditions, fact(kube.SUSPENDED, "False", names.JOB_RESUMED))
    )
    soon = BEGAN + timedelta(seconds=3)
    yield "resumed, and not seen yet", seen(stage, (held,), (), just_resumed), soon, [], phase, known | resumed
    still = known | resumed | {kube.STALLED: ("True", "JobHeld")}
    yield "resumed, and held by somebody", seen(stage, (held,), (), just_resumed), NOW, [], "Queued", still
    yield "resume with no Job", seen(stage, (), (), was_suspended), NOW, [f"create {stage}-0"], phase, known | resumed

    yield "held by Kueue", seen(stage, (queued,)), NOW, [], "Queued", known | waits
    yield "admitted by Kueue", seen(stage, (replace(one, queue="renders"),)), NOW, [], phase, known | admitted
    asks_kueue = seen(stage, (queued,), suspend=True)
    yield "suspend, held by Kueue", asks_kueue, NOW, [f"delete {stage}-0"], "Suspended", known | suspended

    overdue = seen(stage, (one,), (its_pod,), deadlineSeconds=600)
    yield "late", overdue, LATE, [f"delete {stage}-0"], "Failed", known | late
    yield "just in time", overdue, LATE - timedelta(seconds=2), [], phase, known
    late_held = seen(stage, (held,), (), was_suspended, deadlineSeconds=600, suspend=True)
    yield "late before it was suspended", late_held, LATE, [f"delete {stage}-0"], "Failed", known | suspended | late
    ends = known | {kube.FAILED: ("True", names.NAMESPACE_TERMINATING)}
    yield "no namespace", seen(stage, (one,), namespace_ends=True), NOW, [f"delete {stage}-0"], "Failed", ends

    let_go: dict[str, Any] = {"deleted": NOW, "finalizers": (kube.FINALIZER,), "storage": NEVER}
    yield "deleted", seen(stage, (one,), (its_pod,), deleted=NOW), NOW, [], phase, known
    yield "deleted, held", seen(stage, (one,), (its_pod,), **let_go), NOW, [f"delete {stage}-0"], phase, known
    yield "deleted, no pod yet", seen(stage, (one,), **let_go), NOW, [f"delete {stage}-0"], phase, known
    dying = (replace(one, deleting=True),)
    yield "deleted, pod dies", seen(stage, dying, (its_pod,), **let_go), NOW, [], phase, known
    yield "deleted, Job dies", seen(stage, dying, **let_go), NOW, ["create cleanup-0"], phase, known
    yield "deleted, all is gone", seen(stage, **let_go), NOW, ["create cleanup-0"], phase, known


def ends() -> Iterator[tuple[str, Observed, datetime, list[str], str, Facts]]:
    """How each stage ends well."""
    split, normalise, swap, mux = (job(stage, complete=True, active=0) for stage in (SPLIT, NORMALISE, SWAP, MUX))
    told = ended(split, run=RUN, segments=SEGMENTS, frames=FRAMES)
    published = KNOWN[MUX] | {kube.COMPLETE: ("True", names.SUCCEEDED)}
    yield "split tells", seen(SPLIT, (split,), (told,)), NOW, ["create swap-0"], "Swapping", KNOWN[SWAP]
    yield "split says nothing", seen(SPLIT, (split,)), NOW, ["create split-1"], "Splitting", KNOWN[SPLIT]
    wants = seen(SPLIT, (split,), (told,), segments={"normalise": True})
    yield "split before normalise", wants, NOW, ["create normalise-0"], "Splitting", KNOWN[NORMALISE]
    yield "normalised", seen(NORMALISE, (normalise,)), NOW, ["create swap-0"], "Swapping", KNOWN[SWAP]
    yield "swapped", seen(SWAP, (swap,)), NOW, ["create mux-0"], "Muxing", KNOWN[MUX]
    yield "mux tells", seen(MUX, (mux,), (ended(mux, output=OUTPUT),)), NOW, [], "Succeeded", published
    yield "mux says nothing", seen(MUX, (mux,)), NOW, ["create mux-1"], "Muxing", KNOWN[MUX]
    some = replace(job(SWAP), completed_indexes="0,2", active=4)
    yield "some segments are in", seen(SWAP, (some,)), NOW, [], "Swapping", KNOWN[SWAP]
    hole = replace(some, active=0, failed_reason="FailedIndexes", failed_message="maxFailedIndexes")
    lost = ended(hole, 65, 3, reason=names.CORRUPT_SOURCE, message="frame 12", segment=3)
    fails = KNOWN[SWAP] | {kube.FAILED: ("True", names.CORRUPT_SOURCE)}
    yield "some segments failed", seen(SWAP, (hole,), (lost,)), NOW, [], "Failed", fails
    wider = seen(SWAP, (replace(some, parallelism=2),), segments={"maxParallelism": 4})
    yield "more workers", wider, NOW, ["scale swap-0 to 4"], "Swapping", KNOWN[SWAP]


TABLE = [(f"{stage}: {row[0]}", *row[1:]) for stage in BEFORE for row in rows(stage)] + list(ends())


@pytest.mark.parametrize(
    ("observed", "now", "asks", "phase", "facts"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE]
)
def test_what_is_asked_for_and_what_is_said(
    observed: Observed, now: datetime, asks: list[str], phase: str, facts: Facts
) -> None:
    planned = decide(observed, now)
    assert asked(planned) == asks
    assert planned.status.phase == phase
    assert {each.type: (each.status, each.reason) for each in planned.status.conditions} == facts
    assert (planned.status.completion_time is not None) == (phase in ("Succeeded", "Failed"))


@pytest.mark.parametrize(("observed", "now"), [row[1:3] for row in TABLE], ids=[row[0] for row in TABLE])
def test_once_carried_out_there_is_nothing_left_to_write(observed: Observed, now: datetime) -> None:
    planned = decide(observed, now)
    after = carried_out(observed, planned)
    if observed.resource.deleted is not None or observed.resource.spec.get("suspend"):
        # Then cleanup comes, or what the status told of.
        after = carried_out(after, decide(after, now))
    again = decide(after, now + timedelta(seconds=1))
    assert not again.actions and not again.events
    assert again.status == after.resource.status


# What the status keeps, and what it lets go


UNDER_WAY: dict[str, Any] = {
    "segments": SegmentCounts(total=SEGMENTS, succeeded=2, active=4),
    "frames": FrameCounts(total=FRAMES, done=50, per_second=3),
    "estimated_completion_time": NOW,
}
STUCK = fact(kube.STALLED, reason=names.UNSCHEDULABLE)


def test_a_failed_job_waits_for_nothing_any_more() -> None:
    failed = job(SWAP, failed_reason="FailedIndexes", completed_indexes="0-1", active=1)
    last = ended(failed, 65, 3, reason=names.CORRUPT_SOURCE, message="x" * 9000, segment=3)
    status = decide(Observed(resource(was_split(STUCK, **UNDER_WAY)), (failed,), (last,))).status
    assert status.segments == SegmentCounts(total=SEGMENTS, succeeded=2, active=0, failed=1)
    assert status.estimated_completion_time is None and status.condition(kube.STALLED) is None
    assert status.failure is not None and len(status.failure.message) == 4096
    assert JobStatus.model_validate(status.model_dump()) == status, "the API server takes it"


def test_a_suspended_job_waits_for_nothing_either() -> None:
    status = decide(Observed(resource(was_split(STUCK, **UNDER_WAY), suspend=True), (job(SWAP),))).status
    assert status.segments == SegmentCounts(total=SEGMENTS, succeeded=2)
    assert status.estimated_completion_time is None and status.condition(kube.STALLED) is None


def test_a_stage_that_ends_is_not_stuck_any_more() -> None:
    swap = job(SWAP, complete=True, active=0)
    status = decide(Observed(resource(was_split(STUCK, **UNDER_WAY)), (swap,))).status
    assert status.condition(kube.STALLED) is None and status.estimated_completion_time is None


def test_all_frames_are_done_when_swap_is_even_where_nobody_saw_it_start() -> None:
    status = decide(Observed(resource(was_split()), (job(SWAP, complete=True, started=None),))).status
    assert status.frames.done == FRAMES


def test_mux_tells_what_it_published() -> None:
    mux = job(MUX, complete=True)
    told = ended(mux, message="done", output=OUTPUT | {"droppedTracks": ["data 2: mp4 cannot hold it"]})
    status = decide(Observed(resource(was_swapped()), (mux,), (told,))).status
    assert (status.encoder, status.faces_swapped) == ("libx264", 7)
    assert status.dropped_tracks == ("data 2: mp4 cannot hold it",)
    assert status.output is not None and (status.output.uri, status.output.size) == (OUTPUT["uri"], 9)


def test_frames_that_did_not_decode_whole_are_counted_and_the_first_are_named() -> None:
    mux = job(MUX, complete=True)
    bad = {"count": 24, "first": ["frames 120 to 143, from 4.800 s on: frame 119 repeated"]}
    words = "s3://b/k: 200 frames, 9 bytes, 24 did not decode whole"
    told = ended(mux, message=words, output=OUTPUT | {"badFrames": bad})
    decided = decide(Observed(resource(was_swapped()), (mux,), (told,)))
    assert decided.status.bad_frames is not None
    assert decided.status.bad_frames.model_dump(mode="json") == bad
    assert [event.message for event in decided.events] == [words]


def test_a_poisoned_segment_and_its_frames_time_are_in_status_condition_and_event() -> None:
    swap = job(SWAP, failed_reason="FailedIndexes")
    words = "segment 2: frame 51, at 2.040 s (pts 3040), does not decode whole: copy the source again"
    told = ended(swap, 65, index=2, reason=names.BAD_FRAMES, message=words, segment=2)
    decided = decide(Observed(resource(was_split()), (swap,), (told,)))
    failure = decided.status.failure
    assert failure is not None and (failure.code, failure.reason, failure.segment) == (65, names.BAD_FRAMES, 2)
    assert failure.message == f"swap: {words}"
    failed = decided.status.condition(kube.FAILED)
    assert failed is not None and (failed.reason, failed.message) == (names.BAD_FRAMES, failure.message)
    assert [(event.reason, event.message) for event in decided.events] == [(names.BAD_FRAMES, failure.message)]
    assert not [each for each in asked(decided) if each.startswith("create")], "not tried again"


def test_a_report_of_a_pod_that_failed_is_none_of_a_complete_stage() -> None:
    split = job(SPLIT, complete=True)
    failed = ended(split, 75, reason=names.TRY_AGAIN, message="later", run="another")
    assert asked(decide(Observed(resource(begun()), (split,), (failed,)))) == ["create split-1"]
    told = ended(split, run=RUN, segments=SEGMENTS, frames=FRAMES)
    assert decide(Observed(resource(begun()), (split,), (failed, told))).status.run == RUN


def test_the_run_is_known_where_split_finds_the_output_published() -> None:
    split = job(SPLIT, complete=True)
    status = decide(Observed(resource(begun()), (split,), (ended(split, run=RUN, output=OUTPUT),))).status
    assert (status.phase, status.run) == ("Succeeded", RUN)


def test_a_split_that_is_done_anew_sets_nothing_back() -> None:
    before = begun(**UNDER_WAY)
    split = job(SPLIT, complete=True)
    told = ended(split, run=RUN, segments=SEGMENTS, frames=FRAMES)
    status = decide(Observed(resource(before), (split,), (told,))).status
    assert (status.segments.succeeded, status.frames.done, status.progress) == (2, 50, "2/6")


@pytest.mark.parametrize("stage", [NORMALISE, SWAP, MUX])
def test_a_stage_is_told_the_run_and_swap_how_many_segments_there_are(stage: str) -> None:
    (action,) = decide(seen(stage)).actions
    assert isinstance(action, CreateJob)
    environment = action.manifest["spec"]["template"]["spec"]["containers"][0]["env"]
    assert json.loads(environment[0]["value"])["run"] == RUN
    assert action.manifest["spec"]["completions"] == (SEGMENTS if stage == SWAP else 1)


# More of why it failed


def culprit(*pods: Pod) -> Pod:
    failed = job(SWAP, failed_reason="FailedIndexes", failed_message="limit")
    failure = decide(Observed(resource(was_split()), (failed,), pods)).status.failure
    assert failure is not None
    return next(each for each in pods if each.name == failure.pod)


def test_the_last_of_those_that_say_something_is_told() -> None:
    of = job(SWAP)
    silent = replace(ended(of, 137, 1), finished=NOW + timedelta(hours=1))
    first = replace(ended(of, 75, 2, reason=names.STALLED, message="a"), finished=BEGAN)
    last = ended(of, 75, 3, reason=names.STALLED, message="b")
    for pods in ((silent, last, first), (first, last, silent)):
        assert culprit(*pods) == last


def test_a_pod_that_was_only_stopped_is_not_to_blame() -> None:
    failed = job(SPLIT, failed_reason="BackoffLimitExceeded", failed_message="limit")
    stopped = ended(failed, 143, reason=names.TERMINATED, message="stopped by a signal")
    failure = decide(Observed(resource(begun()), (failed,), (stopped,))).status.failure
    assert failure is not None and (failure.reason, failure.code, failure.pod) == (names.STAGE_FAILED, 75, None)


def test_only_a_worker_fails_a_segment() -> None:
    failed = job(MUX, failed_reason="BackoffLimitExceeded")
    last = ended(failed, 75, reason=names.PART_MISMATCH, message="a frame is missing", segment=3)
    status = decide(Observed(resource(was_swapped()), (failed,), (last,))).status
    assert status.failure is not None and status.failure.segment is None
    assert status.segments.failed == 0 and "segment 3" not in status.failure.message


def test_where_a_job_fails_it_is_neither_scaled_nor_held_first() -> None:
    narrow = job(SWAP, parallelism=1, suspended=True)
    planned = decide(Observed(resource(was_split(), storage=NEVER), (narrow,), (), namespace_ends=True))
    assert asked(planned) == ["delete swap-0"]


# More of suspending


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


# More of the end


def test_parallelism_may_be_more_than_there_are_segments() -> None:
    assert not decide(Observed(resource(was_split(), segments={"maxParallelism": 99}), (job(SWAP),))).actions


def test_a_job_that_is_held_already_is_not_held_again() -> None:
    held = replace(resource(storage=NEVER), finalizers=("another", kube.FINALIZER))
    assert asked(decide(Observed(held))) == ["create split-0"]


@pytest.mark.parametrize(
    ("retain", "status", "asks"),
    [
        ("Never", was_split(fact(kube.FAILED), phase="Failed", completion_time=NOW), ["create cleanup-0"]),
        ("OnFailure", was_split(fact(kube.FAILED), phase="Failed", completion_time=NOW), []),
        ("Never", done(), []),
        # Its spec was wrong: it has written nothing.
        ("Never", JobStatus(conditions=(fact(kube.FAILED),), phase="Failed", completion_time=NOW), []),
    ],
    ids=["failed", "failed and kept", "succeeded", "never began"],
)
def test_scratch_of_a_failed_job_goes_where_that_was_asked_for(retain: str, status: JobStatus, asks: list[str]) -> None:
    finished = Observed(resource(status, storage=NEVER | {"retain": retain}))
    planned = decide(finished)
    assert asked(planned) == asks and planned.status == status
    assert not decide(carried_out(finished, planned)).actions


def test_a_failed_job_whose_scratch_went_needs_no_second_cleanup() -> None:
    failed = was_split(fact(kube.FAILED), phase="Failed", completion_time=NOW)
    assert asked(decide(deleted(failed, (job(kube.CLEANUP, complete=True),)))) == ["let go"]


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


def test_an_attempt_that_was_begun_by_a_killed_controller_is_gone_on_with() -> None:
    assert asked(decide(Observed(resource(was_split()), (job(SWAP, 1),)))) == []


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


def test_an_output_that_is_published_is_no_missed_deadline() -> None:
    mux = job(MUX, complete=True)
    seen = Observed(resource(was_swapped(), deadlineSeconds=200), (mux,), (ended(mux, output=OUTPUT),))
    assert decide(seen).status.phase == "Succeeded"


def test_what_an_earlier_attempt_did_is_kept_apart() -> None:
    gpu = GpuSeconds(spent=300, lost=20)
    status = was_split(segments=SegmentCounts(total=6, succeeded=3), gpu_seconds=gpu)
    again = decide(Observed(resource(status), (job(SWAP, deleting=True),)))
    assert created(again) == ["swap-1"]
    assert (again.status.earlier.segments, again.status.earlier.gpu_seconds) == (3, gpu)
    held = was_split(fact(kube.SUSPENDED), segments=SegmentCounts(total=6, succeeded=3), gpu_seconds=gpu)
    resumed = decide(Observed(resource(held), (job(SWAP, suspended=True, active=0),)))
    assert (resumed.status.earlier.segments, resumed.status.earlier.gpu_seconds) == (3, GpuSeconds())
