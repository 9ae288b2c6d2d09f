from datetime import UTC, datetime
from typing import Any

import pytest

from controller.planning.observed import Observed, count_indexes, project_job, project_pod
from recast.kube import names as kube
from tests.controller.builders import UID, job, pod, resource

TIME = "2026-01-15T12:00:00Z"
NOON = datetime(2026, 1, 15, 12, tzinfo=UTC)
OWNER = [{"uid": "other"}, {"uid": UID, "controller": True}]


def a_job(**status: Any) -> dict[str, Any]:
    labels = {kube.LABEL_STAGE: "swap", kube.LABEL_ATTEMPT: "2", kube.LABEL_QUEUE: "renders"}
    metadata: dict[str, Any] = {"namespace": "studio", "name": "j", "uid": "1", "creationTimestamp": TIME}
    metadata |= {"labels": labels, "ownerReferences": OWNER}
    return {"metadata": metadata, "spec": {"parallelism": 3, "completions": 9, "suspend": True}, "status": status}


def a_pod(state: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "p", "labels": {}, "creationTimestamp": TIME, **more},
        "spec": {"nodeName": "n", "containers": [{"resources": {"limits": {"nvidia.com/gpu": "2"}}}]},
        "status": {
            "phase": "Running",
            "containerStatuses": [{"name": "proxy", "state": {"running": {}}}, {"name": "stage", "state": state}],
        },
    }


def test_a_job_in_the_fields_that_matter() -> None:
    job = project_job(a_job(active=2, completedIndexes="0-4", succeeded=5))
    assert (job.owner, job.stage, job.attempt, job.queue) == (UID, "swap", 2, "renders")
    assert (job.suspended, job.parallelism, job.completions, job.active) == (True, 3, 9, 2)
    assert job.live and job.completed_indexes == "0-4"


@pytest.mark.parametrize(("type_", "complete", "failed"), [("Complete", True, None), ("Failed", False, "Why")])
def test_how_a_job_ended(type_: str, complete: bool, failed: str | None) -> None:
    false = {"type": "Failed", "status": "False", "reason": "No"}
    job = project_job(a_job(conditions=[false, {"type": type_, "status": "True", "reason": "Why", "message": "m"}]))
    assert (job.complete, job.failed_reason, job.live) == (complete, failed, False)


def test_a_pod_that_ended_with_its_words() -> None:
    state = {"terminated": {"exitCode": 65, "startedAt": TIME, "finishedAt": TIME, "message": '{"code": 65, "x": 1}'}}
    pod = project_pod(a_pod(state, annotations={"batch.kubernetes.io/job-completion-index": "7"}))
    assert (pod.exit_code, pod.index, pod.gpus, pod.node) == (65, 7, 2, "n")
    assert pod.result is not None and pod.result.code == 65


@pytest.mark.parametrize(
    ("terminated", "status", "ended_by"),
    [
        ({"reason": "OOMKilled", "exitCode": 137}, {}, "OOMKilled"),
        ({"reason": "Error", "exitCode": 75}, {}, ""),
        ({"reason": "Completed", "exitCode": 0}, {}, ""),
        ({}, {"reason": "UnexpectedAdmissionError", "message": "no GPU"}, "UnexpectedAdmissionError: no GPU"),
        ({"reason": "Error", "exitCode": 143}, {"reason": "Evicted", "message": "disk"}, "Evicted: disk"),
    ],
)
def test_who_ended_a_pod(terminated: dict[str, Any], status: dict[str, Any], ended_by: str) -> None:
    item = a_pod({"terminated": terminated} if terminated else {})
    item["status"] |= status
    assert project_pod(item).ended_by == ended_by


def test_a_pod_that_waits() -> None:
    pod = project_pod(a_pod({"waiting": {"reason": "ImagePullBackOff", "message": "m"}}))
    assert (pod.waiting_reason, pod.waiting_message, pod.exit_code) == ("ImagePullBackOff", "m", None)


@pytest.mark.parametrize(("text", "indexes"), [("", []), ("3", [3]), ("0-2,5,7-8", [0, 1, 2, 5, 7, 8])])
def test_indexes_as_the_job_controller_writes_them(text: str, indexes: list[int]) -> None:
    assert count_indexes(text) == indexes


def test_a_job_whose_workers_do_several_segments() -> None:
    item = a_job(startTime=TIME, terminating=1)
    item["metadata"]["annotations"] = {"recast.video/segments-per-pod": "4"}
    job = project_job(item)
    assert (job.segments_per_pod, job.started, job.created, job.terminating) == (4, NOON, NOON, 1)
    assert project_job(a_job()).segments_per_pod == 1


def test_a_job_that_is_being_deleted_is_not_live() -> None:
    item = a_job()
    item["metadata"]["deletionTimestamp"] = TIME
    job = project_job(item)
    assert job.deleting and not job.live


def test_a_job_says_why_it_failed() -> None:
    words = {"type": "Failed", "status": "True", "reason": "FailedIndexes", "message": "too many"}
    job = project_job(a_job(conditions=[words]))
    assert (job.failed_reason, job.failed_message) == ("FailedIndexes", "too many")


def test_a_job_of_which_nothing_is_known_yet() -> None:
    bare = {"metadata": {"namespace": "studio", "name": "j", "uid": "1", "creationTimestamp": TIME}, "spec": {}}
    job = project_job(bare)
    assert (job.owner, job.stage, job.attempt, job.queue) == ("", "", 0, None)
    assert job.live and not job.suspended and (job.parallelism, job.completions, job.started) == (1, 1, None)


@pytest.mark.parametrize("state", ["running", "terminated"])
def test_when_a_pod_began(state: str) -> None:
    assert project_pod(a_pod({state: {"startedAt": TIME, "exitCode": 0}})).started == NOON


def test_a_pod_that_is_being_deleted_and_was_evicted_before() -> None:
    annotations = {"batch.kubernetes.io/job-index-ignored-failure-count": "12"}
    pod = project_pod(a_pod({}, deletionTimestamp=TIME, annotations=annotations))
    assert (pod.gone_at, pod.ignored_failures, pod.index) == (NOON, 12, 0)


def test_a_pod_that_no_node_takes() -> None:
    item = a_pod({})
    item["status"]["conditions"] = [
        {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3"}
    ]
    assert project_pod(item).unschedulable == "0/3"
    item["status"]["conditions"] = [{"type": "PodScheduled", "status": "True"}]
    assert project_pod(item).unschedulable is None
    item["status"]["conditions"][0] |= {"status": "False", "reason": "SchedulingGated"}
    assert project_pod(item).unschedulable is None


def test_a_pod_that_was_just_made() -> None:
    pod = project_pod({"metadata": {"name": "p"}, "spec": {}})
    assert (pod.phase, pod.node, pod.gpus, pod.owner, pod.ended) == ("Pending", None, 0, "", False)


def test_a_pod_is_known_by_its_labels() -> None:
    labels = {"recast.video/job-uid": UID, "recast.video/stage": "mux", "batch.kubernetes.io/job-name": "j"}
    pod = project_pod(a_pod({}, labels=labels))
    assert (pod.owner, pod.stage, pod.job) == (UID, "mux", "j")


def test_jobs_and_pods_are_found_by_stage_attempt_and_name() -> None:
    jobs = (job("swap", 0), job("swap", 1), job("mux", 0))
    pods = tuple(pod(each) for each in jobs)
    seen = Observed(resource(), jobs, pods)
    assert seen.job("swap", 1) == jobs[1] and seen.job("mux", 1) is None
    assert seen.pods_of(jobs[1]) == (pods[1],)
    assert seen.pods_but("swap") == (pods[2],)
