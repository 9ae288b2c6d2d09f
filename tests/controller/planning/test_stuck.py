from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from controller.planning.stuck import find_held, find_stuck, hopeless_evictions
from recast import names
from recast.kube import names as kube
from tests.controller.builders import BEGAN, NOW, job, pod

SWAP = job(kube.SWAP)
PENDING: dict[str, Any] = {"phase": "Pending", "started": None, "node": None}


@pytest.mark.parametrize(
    ("changes", "reason", "tells"),
    [
        ({"waiting_reason": "ImagePullBackOff", "waiting_message": "no such tag"}, names.IMAGE_PULL_FAILED, "no such"),
        ({"waiting_reason": "InvalidImageName"}, names.IMAGE_PULL_FAILED, "keeps the images that it began with"),
        (
            {"waiting_reason": "CreateContainerConfigError", "waiting_message": 'secret "a" not found'},
            names.CONTAINER_CONFIG,
            "storage.credentialsSecret",
        ),
        ({"gone_at": NOW - timedelta(seconds=6), "node": "node-7"}, names.NODE_LOST, "kubectl delete node node-7"),
        ({"phase": "Running", "ignored_failures": 10}, names.EVICTED_REPEATEDLY, "evicted 10 times"),
    ],
)
def test_each_has_its_name_and_what_to_do(changes: dict[str, Any], reason: str, tells: str) -> None:
    found = find_stuck(SWAP, [pod(SWAP), pod(SWAP, 1, **{**PENDING, **changes})], (), NOW)
    assert found is not None and found.reason == reason
    assert tells in found.message and f"{SWAP.name}-1" in found.message


@pytest.mark.parametrize(
    ("changes", "reason", "tells"),
    [
        ({"unschedulable": "0/3 nodes: nvidia.com/gpu"}, names.UNSCHEDULABLE, "worker.gpus"),
        ({"node": "node-1"}, names.STARTING_SLOWLY, "5 minutes"),
    ],
)
def test_a_pod_that_waits_is_a_stalled_job_only_where_none_runs(
    changes: dict[str, Any], reason: str, tells: str
) -> None:
    waits = pod(SWAP, 1, **{**PENDING, **changes})
    found = find_stuck(SWAP, [waits], (), NOW)
    assert found is not None and found.reason == reason and tells in found.message
    assert find_stuck(SWAP, [pod(SWAP), waits], (), NOW) is None
    going = pod(SWAP, gone_at=NOW + timedelta(seconds=20))
    assert find_stuck(SWAP, [going, waits], (), NOW) == found


def test_no_room_for_a_stage_is_about_its_own_resources() -> None:
    for stage, where in ((kube.SPLIT, "stages.split.resources"), (kube.MUX, "stages.mux.resources")):
        found = find_stuck(job(stage), [pod(job(stage), **PENDING, unschedulable="no room")], (), NOW)
        assert found is not None and found.message.endswith(where)


@pytest.mark.parametrize(
    "changes",
    [
        {"phase": "Running", "node": "node-1"},
        {"waiting_reason": "ContainerCreating", "node": "node-1", "created": NOW},
        {"unschedulable": "no node", "created": NOW - timedelta(seconds=9)},
        {"gone_at": NOW + timedelta(seconds=20), "phase": "Running", "node": "node-1"},
        {"phase": "Running", "node": "node-1", "ignored_failures": 9},
        {"phase": "Failed", "waiting_reason": "ImagePullBackOff"},
    ],
)
def test_what_may_pass_by_itself_has_no_name(changes: dict[str, Any]) -> None:
    assert find_stuck(SWAP, [pod(SWAP, **{**PENDING, **changes})], (), NOW) is None


def test_pods_that_are_refused_are_told_by_the_last_event() -> None:
    waiting = replace(SWAP, created=BEGAN)
    found = find_stuck(waiting, (), ("first", "exceeded quota: pods=0"), NOW)
    assert found is not None and found.reason == names.PODS_REFUSED and "exceeded quota" in found.message
    assert find_stuck(replace(waiting, suspended=True), (), ("x",), NOW) is None
    assert find_stuck(replace(waiting, created=NOW), (), ("x",), NOW) is None


def test_thirty_evictions_are_hopeless() -> None:
    assert hopeless_evictions([pod(SWAP, ignored_failures=29)]) is None
    assert hopeless_evictions([pod(SWAP), pod(SWAP, 2, ignored_failures=30)]) is not None


WAITS: dict[str, dict[str, Any]] = {
    "image": {"waiting_reason": "ErrImagePull"},
    "configuration": {"waiting_reason": "CreateContainerError"},
    "lost": {"gone_at": NOW - timedelta(seconds=6), "node": "node-7"},
    "unschedulable": {"unschedulable": "no node"},
    "evicted": {"ignored_failures": 12, "created": NOW},
    "slow": {"node": "node-1"},
}


def test_of_several_the_one_that_a_person_can_cure_first_is_told() -> None:
    reasons = []
    pods = [pod(SWAP, index, **{**PENDING, **changes}) for index, changes in enumerate(WAITS.values())]
    while pods:
        # In whatever order the API lists them.
        found = find_stuck(SWAP, pods[::-1], (), NOW)
        assert found is not None and find_stuck(SWAP, pods, (), NOW) == found
        reasons.append(found.reason)
        pods.pop(0)
    assert reasons == [
        names.IMAGE_PULL_FAILED,
        names.CONTAINER_CONFIG,
        names.NODE_LOST,
        names.UNSCHEDULABLE,
        names.EVICTED_REPEATEDLY,
        names.STARTING_SLOWLY,
    ]


@pytest.mark.parametrize(
    ("waiting", "reason"),
    [(each, names.IMAGE_PULL_FAILED) for each in ("ErrImagePull", "ErrImageNeverPull", "ImageInspectError")]
    + [(each, names.CONTAINER_CONFIG) for each in ("CreateContainerError", "RunContainerError")],
)
def test_all_of_the_kubelets_words(waiting: str, reason: str) -> None:
    found = find_stuck(SWAP, [pod(SWAP, **PENDING, waiting_reason=waiting)], (), NOW)
    assert found is not None and found.reason == reason
    assert f": {waiting}: " in found.message and "None" not in found.message


@pytest.mark.parametrize(
    "changes",
    [
        # No node yet, and nobody says that none takes it.
        {"node": None},
        {"node": "node-1", "created": NOW - timedelta(seconds=299)},
        {"phase": "Failed", "node": "node-1", "ignored_failures": 12},
        {"gone_at": NOW - timedelta(seconds=4), "node": "node-1", "created": NOW},
    ],
)
def test_more_that_may_pass_by_itself(changes: dict[str, Any]) -> None:
    assert find_stuck(SWAP, [pod(SWAP, **{**PENDING, **changes})], (), NOW) is None


def test_pods_were_refused_only_where_there_is_none() -> None:
    assert find_stuck(SWAP, [pod(SWAP)], ("exceeded quota",), NOW) is None
    assert find_stuck(SWAP, [], (), NOW) is None
    assert find_stuck(replace(SWAP, created=NOW - timedelta(seconds=5)), [], ("x",), NOW) is not None


def test_what_somebody_else_suspended_is_told_with_what_lets_it_go() -> None:
    held = replace(SWAP, suspended=True, active=0)
    found = find_held(held, None, NOW)
    assert found is not None and found.reason == names.JOB_HELD
    assert f"kubectl patch job {SWAP.name} -n studio" in found.message and kube.LABEL_QUEUE in found.message
    assert find_held(SWAP, None, NOW) is None
    assert find_held(replace(held, queue="renders"), None, NOW) is None
    assert find_held(held, NOW - timedelta(seconds=4), NOW) is None, "it may have been resumed just now"
    assert find_held(held, NOW - timedelta(seconds=6), NOW) is not None
