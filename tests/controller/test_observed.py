from typing import Any

import pytest

from controller.observed import count_indexes, project_job, project_pod, project_resource, read_result
from recast import kubenames as kube
from tests.controller.builders import UID

TIME = "2026-01-15T12:00:00Z"
OWNER = [{"uid": "other"}, {"uid": UID, "controller": True}]


def a_job(**status: Any) -> dict[str, Any]:
    labels = {kube.LABEL_STAGE: "swap", kube.LABEL_ATTEMPT: "2", kube.LABEL_QUEUE: "renders"}
    metadata = {"name": "j", "uid": "1", "creationTimestamp": TIME, "labels": labels, "ownerReferences": OWNER}
    return {"metadata": metadata, "spec": {"parallelism": 3, "completions": 9, "suspend": True}, "status": status}


def a_pod(state: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "p", "labels": {}, "creationTimestamp": TIME, **more},
        "spec": {"nodeName": "n", "containers": [{"resources": {"limits": {"nvidia.com/gpu": "2"}}}]},
        "status": {"phase": "Running", "containerStatuses": [{"state": state}]},
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


def test_a_pod_that_waits() -> None:
    pod = project_pod(a_pod({"waiting": {"reason": "ImagePullBackOff", "message": "m"}}))
    assert (pod.waiting_reason, pod.waiting_message, pod.exit_code) == ("ImagePullBackOff", "m", None)


@pytest.mark.parametrize("message", ["", "Killed", "[1]", "{", "null", '"x"'])
def test_words_that_are_not_ours_are_none(message: str) -> None:
    assert read_result(message) is None


def test_a_status_that_cannot_be_read_is_observed_anew() -> None:
    metadata = {"name": "a", "namespace": "b", "uid": UID, "creationTimestamp": TIME}
    read = project_resource({"metadata": metadata, "spec": {}, "status": {"phase": "Elsewhere"}})
    assert read.status.phase == "Pending"


@pytest.mark.parametrize(("text", "indexes"), [("", []), ("3", [3]), ("0-2,5,7-8", [0, 1, 2, 5, 7, 8])])
def test_indexes_as_the_job_controller_writes_them(text: str, indexes: list[int]) -> None:
    assert count_indexes(text) == indexes
