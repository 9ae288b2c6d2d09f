"""How a job goes from stage to stage, and what its status says on the way."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from controller.planning.actions import Action, CreateJob, ScaleJob, SetFinalizer
from controller.planning.observed import Observed
from recast import names
from recast.kube import names as kube
from recast.status import Attempts, GpuSeconds, SegmentCounts
from tests.controller.builders import (
    BEFORE,
    BEGAN,
    FRAMES,
    MUX,
    NEVER,
    NORMALISE,
    NOW,
    OUTPUT,
    RUN,
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
    fact,
    job,
    pod,
    resource,
    said,
    seen_in,
    was_split,
    was_swapped,
)


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


@pytest.mark.parametrize(
    ("segments", "frames", "message"), [(1, 1, "split: 1 segment, 1 frame"), (6, 150, "split: 6 segments, 150 frames")]
)
def test_one_is_said_as_one(segments: int, frames: int, message: str) -> None:
    split = job(SPLIT, complete=True)
    done = ended(split, run=RUN, segments=segments, frames=frames)
    events = decide(Observed(resource(begun()), (split,), (done,))).events
    assert [event.message for event in events if event.reason == names.STAGE_COMPLETE] == [message]


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


def test_a_part_that_was_lost_is_made_again() -> None:
    mux = job(MUX, failed_reason="PodFailurePolicy")
    last = ended(mux, 75, reason=names.NOT_READY, message="parts/000003 is not there")
    planned = decide(Observed(resource(was_swapped()), (mux,), (last,)))
    assert created(planned) == ["swap-1"]
    assert planned.status.attempts == Attempts(swap=1, mux=1)
    assert said(planned, kube.SWAP_COMPLETE) == ("False", names.NOT_READY)


def test_a_job_of_an_earlier_attempt_counts_for_nothing() -> None:
    status = was_split(attempts=Attempts(swap=1))
    old = job(SWAP, 0, complete=True, deleting=True)
    planned = decide(Observed(resource(status), (old, job(SWAP, 1))))
    assert not planned.actions and planned.status.phase == "Swapping"


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


def test_parallelism_follows_the_spec() -> None:
    swap = job(SWAP, parallelism=6)
    planned = decide(Observed(resource(was_split(), segments={"maxParallelism": 2}), (swap,)))
    assert planned.actions == (ScaleJob(swap.name, 2),)


def test_pods_that_are_gone_are_counted_while_their_job_goes_on() -> None:
    swap = job(SWAP, completed_indexes="2", succeeded=1)
    gone = replace(pod(swap, 2), gpus=1, finished=BEGAN + timedelta(seconds=50))
    planned = decide(Observed(resource(was_split()), (swap,), (pod(swap),), (gone,)))
    assert planned.status.gpu_seconds == GpuSeconds(spent=50)


def test_scratch_that_is_to_go_holds_the_job_before_anything_is_written() -> None:
    planned = decide(Observed(resource(storage=NEVER)))
    assert isinstance(planned.actions[0], SetFinalizer) and created(planned) == ["split-0"]


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
    (action,) = decide(seen_in(stage)).actions
    assert isinstance(action, CreateJob)
    environment = action.manifest["spec"]["template"]["spec"]["containers"][0]["env"]
    assert json.loads(environment[0]["value"])["run"] == RUN
    assert action.manifest["spec"]["completions"] == (SEGMENTS if stage == SWAP else 1)


def test_parallelism_may_be_more_than_there_are_segments() -> None:
    assert not decide(Observed(resource(was_split(), segments={"maxParallelism": 99}), (job(SWAP),))).actions


def test_a_job_that_is_held_already_is_not_held_again() -> None:
    held = replace(resource(storage=NEVER), finalizers=("another", kube.FINALIZER))
    assert asked(decide(Observed(held))) == ["create split-0"]


def test_an_attempt_that_was_begun_by_a_killed_controller_is_gone_on_with() -> None:
    assert asked(decide(Observed(resource(was_split()), (job(SWAP, 1),)))) == []


def test_what_an_earlier_attempt_did_is_kept_apart() -> None:
    gpu = GpuSeconds(spent=300, lost=20)
    status = was_split(segments=SegmentCounts(total=6, succeeded=3), gpu_seconds=gpu)
    again = decide(Observed(resource(status), (job(SWAP, deleting=True),)))
    assert created(again) == ["swap-1"]
    assert (again.status.earlier.segments, again.status.earlier.gpu_seconds) == (3, gpu)
    held = was_split(fact(kube.SUSPENDED), segments=SegmentCounts(total=6, succeeded=3), gpu_seconds=gpu)
    resumed = decide(Observed(resource(held), (job(SWAP, suspended=True, active=0),)))
    assert (resumed.status.earlier.segments, resumed.status.earlier.gpu_seconds) == (3, GpuSeconds())


DOUBT = ("s3://studio/faces/cat.png: this may be no face",)


@pytest.mark.parametrize(
    ("notices", "before", "after", "events"),
    [
        (None, None, None, []),
        ((), None, (), []),
        (DOUBT, None, DOUBT, [names.PHOTO_IN_DOUBT]),
        (DOUBT, DOUBT, DOUBT, []),
    ],
)
def test_photos_in_doubt_are_told_of_once_while_the_others_work(
    notices: tuple[str, ...] | None,
    before: tuple[str, ...] | None,
    after: tuple[str, ...] | None,
    events: list[str],
) -> None:
    swap = job(SWAP, completed_indexes="0")
    decided = decide(Observed(resource(was_split(notices=before)), (swap,), (pod(swap, 1),), notices=notices))
    assert decided.status.notices == after and [event.reason for event in decided.events] == events


def test_photos_in_doubt_are_told_of_at_the_latest_when_all_workers_are_done() -> None:
    swap = job(SWAP, complete=True)
    decided = decide(Observed(resource(was_split()), (swap,), (ended(swap, reason="Succeeded", notices=list(DOUBT)),)))
    assert decided.status.notices == DOUBT
