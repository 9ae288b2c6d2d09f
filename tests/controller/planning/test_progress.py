from dataclasses import replace
from datetime import timedelta

from controller.planning.progress import with_swap_progress
from recast.kube import names as kube
from recast.status import Attempts, Earlier, FrameCounts, GpuSeconds, SegmentCounts
from tests.controller.builders import BEGAN, NOW, ended, job, pod, was_split

SWAP = job(kube.SWAP)


def test_a_pod_that_is_done_counts_for_all_its_segments() -> None:
    # Four pods for fourteen segments; the last has two.
    status = was_split(segments=SegmentCounts(total=14), frames=FrameCounts(total=140))
    swap = job(kube.SWAP, segments_per_pod=4, completions=4, completed_indexes="0,3", active=2)
    after = with_swap_progress(status, swap, (), NOW)
    assert after.segments == SegmentCounts(total=14, succeeded=6, active=8)
    assert (after.progress, after.frames.done) == ("6/14", 60)


def test_a_second_job_that_has_done_less_does_not_set_it_back() -> None:
    status = was_split(segments=SegmentCounts(total=6, succeeded=5), frames=FrameCounts(total=150, done=125))
    after = with_swap_progress(status, job(kube.SWAP, 1, completed_indexes="0"), (), NOW)
    assert (after.segments.succeeded, after.frames.done) == (5, 125)


def test_speed_and_end_are_estimated_from_what_this_job_did() -> None:
    swap = job(kube.SWAP, completed_indexes="0-2")
    after = with_swap_progress(was_split(), swap, (), BEGAN + timedelta(seconds=25))
    assert after.frames == FrameCounts(total=150, done=75, per_second=3)
    assert after.estimated_completion_time == BEGAN + timedelta(seconds=50)


def test_a_second_attempt_is_not_praised_for_the_first_ones_work() -> None:
    status = was_split(
        attempts=Attempts(swap=1),
        earlier=Earlier(segments=4),
        segments=SegmentCounts(total=6, succeeded=4),
        frames=FrameCounts(total=150, done=100),
    )
    after = with_swap_progress(status, job(kube.SWAP, 1, completed_indexes="0-4"), (), BEGAN + timedelta(seconds=25))
    assert after.frames.per_second == 1


def test_times_are_not_made_anew_where_nothing_was_finished() -> None:
    status = with_swap_progress(was_split(), job(kube.SWAP, completed_indexes="0-2"), (), NOW)
    later = with_swap_progress(status, job(kube.SWAP, completed_indexes="0-2"), (), NOW + timedelta(minutes=9))
    assert later == status


def test_gpu_time_is_counted_by_how_it_ended_and_never_goes_back() -> None:
    good = [ended(SWAP), ended(SWAP, 143, 1), pod(SWAP, 2)]
    pods = [each.__class__(**{**each.__dict__, "gpus": 2}) for each in good]
    after = with_swap_progress(was_split(), SWAP, pods, NOW)
    assert after.gpu_seconds == GpuSeconds(spent=600, lost=600)
    assert with_swap_progress(after, SWAP, (), NOW).gpu_seconds == after.gpu_seconds


def test_a_job_that_is_complete_has_done_all_whatever_its_indexes_say() -> None:
    swap = job(kube.SWAP, complete=True, completed_indexes="0-1", active=2)
    after = with_swap_progress(was_split(), swap, (), NOW)
    assert after.segments == SegmentCounts(total=6, succeeded=6, active=0)
    assert (after.progress, after.frames.done) == ("6/6", 150)


def test_no_more_are_active_than_are_left() -> None:
    swap = job(kube.SWAP, segments_per_pod=4, completions=2, completed_indexes="0", active=1)
    assert with_swap_progress(was_split(), swap, (), NOW).segments == SegmentCounts(total=6, succeeded=4, active=2)


def test_frames_never_go_back_where_segments_go_on() -> None:
    status = was_split(frames=FrameCounts(total=150, done=140))
    after = with_swap_progress(status, job(kube.SWAP, completed_indexes="0"), (), NOW)
    assert (after.segments.succeeded, after.frames.done) == (1, 140)


def test_a_job_that_nobody_saw_start_has_no_speed() -> None:
    after = with_swap_progress(was_split(), job(kube.SWAP, completed_indexes="0", started=None), (), NOW)
    assert after.segments.succeeded == 1
    assert after.frames.per_second == 0 and after.estimated_completion_time is None


def test_a_speed_of_nothing_promises_no_end() -> None:
    status = was_split(frames=FrameCounts(total=6))
    after = with_swap_progress(status, job(kube.SWAP, completed_indexes="0"), (), BEGAN + timedelta(hours=1))
    assert after.frames == FrameCounts(total=6, done=1, per_second=0)
    assert after.estimated_completion_time is None


def test_what_is_done_in_no_time_has_a_speed_all_the_same() -> None:
    after = with_swap_progress(was_split(), job(kube.SWAP, completed_indexes="0"), (), BEGAN)
    assert after.frames.per_second == 25


def test_a_pod_without_a_gpu_spends_none() -> None:
    after = with_swap_progress(was_split(), SWAP, [ended(SWAP), ended(SWAP, 75, 1)], NOW)
    assert after.gpu_seconds == GpuSeconds()


def test_speed_in_a_second_attempt_stays_what_it_is() -> None:
    status = was_split(
        attempts=Attempts(swap=1),
        segments=SegmentCounts(total=6, succeeded=2),
        frames=FrameCounts(total=150, done=50),
        earlier=Earlier(segments=2),
    )
    for seconds, indexes in ((5, "0-2"), (10, "0-3"), (15, "0-4")):
        swap = job(kube.SWAP, 1, completed_indexes=indexes)
        status = with_swap_progress(status, swap, (), BEGAN + timedelta(seconds=seconds))
        assert status.frames.per_second == 5


def test_gpu_time_of_two_attempts_is_added() -> None:
    earlier = Earlier(gpu_seconds=GpuSeconds(spent=300, lost=100))
    status = was_split(attempts=Attempts(swap=1), gpu_seconds=earlier.gpu_seconds, earlier=earlier)
    second = job(kube.SWAP, 1)
    after = with_swap_progress(status, second, (replace(ended(second), gpus=1),), NOW)
    assert after.gpu_seconds == GpuSeconds(spent=600, lost=100)
