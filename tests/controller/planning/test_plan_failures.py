"""A job that fails: with whose words, and what is left of it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from controller.planning.actions import DeleteJob
from controller.planning.observed import Observed, Pod
from recast import names
from recast.kube import names as kube
from recast.status import Attempts, JobStatus, SegmentCounts
from tests.controller.builders import (
    BEFORE,
    BEGAN,
    MUX,
    NEVER,
    NOW,
    SEGMENTS,
    SPLIT,
    STUCK,
    SWAP,
    UNDER_WAY,
    asked,
    begun,
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


def test_a_stage_is_not_begun_anew_for_ever() -> None:
    status = begun(attempts=Attempts(split=19))
    planned = decide(Observed(resource(status), (job(SPLIT, 19, complete=True),)))
    assert planned.status.failure is not None and planned.status.failure.reason == names.STAGE_FAILED


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


FULL = 'Evicted: Usage of EmptyDir volume "work" exceeds the limit "16Gi". '
LOW = "Evicted: The node was low on resource: ephemeral-storage. Threshold quantity: 1Gi, available: 9Mi. "


def overfilled(stage: str, *indexes: int, ended_by: str = FULL) -> tuple[Pod, ...]:
    """Pods of a stage that the kubelet ended."""
    return tuple(pod(job(stage), index, phase="Failed", exit_code=137, ended_by=ended_by) for index in indexes)


@pytest.mark.parametrize(
    ("stage", "words"),
    [
        (SPLIT, "256 MiB and two segments: apply the job again with stages.split.volume.size larger than 20Gi"),
        (SWAP, "two segments and two parts: apply the job again with worker.scratchSize larger than 16Gi"),
        (MUX, "twice the output's video: apply the job again with stages.mux.volume.size larger than 20Gi"),
    ],
)
def test_a_disk_that_is_too_small_fails_the_job_the_second_time(stage: str, words: str) -> None:
    running = job(stage)
    seen = Observed(resource(BEFORE[stage]()), (running,), (pod(running),), overfilled=overfilled(stage, 0, 0))
    planned = decide(seen)
    failure = planned.status.failure
    assert failure is not None and (failure.reason, failure.code) == (names.DISK_TOO_SMALL, 78)
    assert words in failure.message and 'exceeds the limit "16Gi": it holds' in failure.message
    assert planned.actions == (DeleteJob(running.name, running.uid),)


def test_a_disk_that_was_too_small_once_is_tried_again() -> None:
    swap = job(SWAP)
    seen = Observed(resource(was_split()), (swap,), (pod(swap),), overfilled=overfilled(SWAP, 0, 1))
    assert decide(seen).status.failure is None


@pytest.mark.parametrize(("ended_by", "reason"), [(FULL, names.DISK_TOO_SMALL), (LOW, names.SEGMENTS_FAILED)])
def test_a_job_that_ended_for_its_disk_says_which_is_too_small(ended_by: str, reason: str) -> None:
    failed = job(SWAP, failed_reason="FailedIndexes")
    failure = decide(Observed(resource(was_split()), (failed,), overfilled(SWAP, 0, ended_by=ended_by))).status.failure
    assert failure is not None and failure.reason == reason


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


def test_a_failed_job_waits_for_nothing_any_more() -> None:
    failed = job(SWAP, failed_reason="FailedIndexes", completed_indexes="0-1", active=1)
    last = ended(failed, 65, 3, reason=names.CORRUPT_SOURCE, message="x" * 9000, segment=3)
    status = decide(Observed(resource(was_split(STUCK, **UNDER_WAY)), (failed,), (last,))).status
    assert status.segments == SegmentCounts(total=SEGMENTS, succeeded=2, active=0, failed=1)
    stalled = status.condition(kube.STALLED)
    assert status.estimated_completion_time is None and stalled is not None and stalled.reason == names.CORRUPT_SOURCE
    assert status.failure is not None and len(status.failure.message) == 4096
    assert JobStatus.model_validate(status.model_dump()) == status, "the API server takes it"


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
