from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from controller.planning.gputime import gpu_seconds
from controller.planning.observed import Pod
from recast.kube import names as kube
from recast.status import Earlier, GpuSeconds
from tests.controller.builders import BEGAN, NOW, ended, job, pod, was_split

SWAP = job(kube.SWAP)


def at(seconds: float) -> Any:
    return BEGAN + timedelta(seconds=seconds)


def running(index: int = 0, name: str = "a", began: float = 0, **changes: Any) -> Pod:
    return replace(pod(SWAP, index), name=name, gpus=1, started=at(began), **changes)


def gone(index: int = 0, name: str = "a", began: float = 0, until: float = 100) -> Pod:
    return running(index, name, began, phase="Failed", finished=at(until))


def test_pods_count_by_how_they_ended_times_their_gpus() -> None:
    good, bad = replace(ended(SWAP), gpus=2), replace(ended(SWAP, 143, 1), gpus=2)
    assert gpu_seconds(was_split(), SWAP, (good, bad, running(2)), (), NOW) == GpuSeconds(spent=600, lost=600)


def test_neither_goes_back_and_earlier_jobs_are_added() -> None:
    before = GpuSeconds(spent=900, lost=30)
    status = was_split(gpu_seconds=before, earlier=Earlier(gpu_seconds=GpuSeconds(spent=700, lost=10)))
    assert gpu_seconds(status, SWAP, (), (), NOW) == before
    assert gpu_seconds(status, SWAP, (replace(ended(SWAP), gpus=1),), (), NOW) == GpuSeconds(spent=1_000, lost=30)


@pytest.mark.parametrize(
    ("indexes", "more", "expected"),
    [
        ("0", (), (100, 0)),
        ("", (), (0, 0)),
        ("", (running(0, "b", 150),), (0, 100)),
        ("", (replace(running(0, "b"), phase="Pending", started=None),), (0, 100)),
        ("0", (replace(ended(SWAP), name="b", gpus=1, started=at(150), finished=at(200)),), (50, 100)),
        ("1", (running(1, "b"),), (0, 0)),
    ],
    ids=["its index is done", "not known yet", "another runs", "another waits", "another did it", "of another index"],
)
def test_a_pod_that_is_gone_was_lost_unless_its_index_is_done(
    indexes: str, more: tuple[Pod, ...], expected: tuple[int, int]
) -> None:
    swap = replace(SWAP, completed_indexes=indexes)
    found = gpu_seconds(was_split(), swap, more, (gone(),), NOW)
    assert (found.spent, found.lost) == expected


def test_of_several_that_are_gone_the_last_did_the_work() -> None:
    swap = replace(SWAP, completed_indexes="0")
    both = (gone(name="b", began=200, until=260), gone())
    assert gpu_seconds(was_split(), swap, (), both, NOW) == GpuSeconds(spent=60, lost=100)


def test_what_is_not_known_yet_is_lost_once_the_job_is_over() -> None:
    failed = replace(SWAP, failed_reason="FailedIndexes")
    assert gpu_seconds(was_split(), failed, (), (gone(),), NOW) == GpuSeconds(lost=100)


def test_what_is_stopped_is_lost_with_the_time_until_then() -> None:
    pods = (running(), replace(running(1, "b"), started=None, phase="Pending"))
    found = gpu_seconds(was_split(), SWAP, pods, (gone(2, "c"),), NOW, stops=True)
    assert found == GpuSeconds(lost=400)
    assert gpu_seconds(was_split(), SWAP, pods, (), NOW) == GpuSeconds()
