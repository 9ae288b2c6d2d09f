"""Fake nodes: pods run and finish as scripted."""

import json

from tests.cluster.api import Json
from tests.cluster.controlplane import NODE_LOST_SECONDS, ControlPlane
from tests.cluster.fixtures import StartKwok
from tests.cluster.objects import (
    INDEX_ANNOTATION,
    indexed_job,
    jobs_path,
    pods_of,
    terminated,
    wait_for_job,
    waiting_reason,
)
from tests.cluster.stages import INDEX, Script
from tests.cluster.waiting import wait_for


def test_an_indexed_job_completes_and_its_pods_report(
    control_plane: ControlPlane, namespace: str, start_kwok: StartKwok
) -> None:
    message = {"code": 0, "run": "0123456789ab", "frames": 250, "segment": INDEX}
    start_kwok(Script(message=message, seconds=0.3), nodes=2, gpus=8)
    control_plane.api.create(jobs_path(namespace), indexed_job("swap", 10))
    job = wait_for_job(control_plane, namespace, "swap", "Complete")
    assert job["status"]["succeeded"] == 10
    assert job["status"]["completedIndexes"] == "0-9"
    reported = {
        int(pod["metadata"]["annotations"][INDEX_ANNOTATION]): json.loads(terminated(pod)["message"])
        for pod in pods_of(control_plane, namespace)
    }
    assert reported == {index: message | {"segment": index} for index in range(10)}


def test_pods_fail_and_hang_as_scripted(control_plane: ControlPlane, namespace: str, start_kwok: StartKwok) -> None:
    start_kwok(
        Script(labels={"stage": "swap"}, index=0, code=65, message={"code": 65, "reason": "BadInput"}, seconds=0),
        Script(labels={"stage": "swap"}, index=1, waiting="ImagePullBackOff"),
        Script(labels={"stage": "swap"}, index=2, seconds=None),
        Script(labels={"stage": "mux"}, code=78),
        Script(index=3, first_try=True, code=1),
    )
    control_plane.api.create(jobs_path(namespace), indexed_job("swap", 5, labels={"stage": "swap"}))

    def settled() -> bool:
        status = control_plane.api.get(f"{jobs_path(namespace)}/swap")["status"]
        return (status.get("failedIndexes"), status.get("completedIndexes")) == ("0", "3,4")

    # The failed index 3 is tried again after ten seconds.
    wait_for(settled, "indexes end as scripted", seconds=40)
    pods = pods_of(control_plane, namespace)
    by_index = {int(pod["metadata"]["annotations"][INDEX_ANNOTATION]): pod for pod in pods}
    assert terminated(by_index[0])["exitCode"] == 65
    assert waiting_reason(by_index[1]) == "ImagePullBackOff"
    assert (by_index[1]["status"]["phase"], by_index[2]["status"]["phase"]) == ("Pending", "Running")
    assert len(pods) == 6


def test_a_deleted_fake_pod_reports_its_end_first(
    control_plane: ControlPlane, namespace: str, start_kwok: StartKwok
) -> None:
    start_kwok(Script(seconds=None))
    control_plane.api.create(jobs_path(namespace), indexed_job("swap", 1))
    pod = wait_for(lambda: pods_of(control_plane, namespace), "a pod")[0]
    path = f"/api/v1/namespaces/{namespace}/pods/{pod['metadata']['name']}"
    wait_for(lambda: control_plane.api.get(path)["status"]["phase"] == "Running", "the pod runs")
    control_plane.api.delete(path)
    wait_for(lambda: control_plane.api.find(path) is None, "the pod is gone")
    job = control_plane.api.get(f"{jobs_path(namespace)}/swap")
    # Exit code 143 is ignored by the Job's rules.
    assert job["status"].get("failedIndexes", "") == ""
    wait_for(lambda: len(pods_of(control_plane, namespace)) == 1, "the index is tried again", seconds=30)


def test_a_lost_node_freezes_its_pods(control_plane: ControlPlane, namespace: str, start_kwok: StartKwok) -> None:
    kwok = start_kwok(Script(seconds=None), nodes=2, gpus=1)
    control_plane.api.create(jobs_path(namespace), indexed_job("swap", 2))

    def state() -> Json:
        found: Json = control_plane.api.get(f"{jobs_path(namespace)}/swap")["status"]
        return found

    def status(name: str) -> int:
        found: int = state().get(name, 0)
        return found

    wait_for(lambda: status("ready") == 2, "both pods run")
    kwok.lose_node(kwok.nodes[0])
    wait_for(lambda: not kwok.is_ready(kwok.nodes[0]), "the node is lost", seconds=3 * NODE_LOST_SECONDS)
    wait_for(
        lambda: (status("active"), status("terminating")) == (1, 1),
        "its pod is terminating",
        seconds=30,
        otherwise=state,
    )
    kwok.find_node(kwok.nodes[0])
    wait_for(lambda: status("ready") == 2, "the pod was replaced", seconds=40)
