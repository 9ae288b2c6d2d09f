"""The light way for pods: each is a process, and Jobs cannot tell the difference."""

import base64
import os
import sys

import pytest

from tests.cluster.api import Json
from tests.cluster.controlplane import NODE_LOST_SECONDS, ControlPlane
from tests.cluster.objects import (
    indexed_job,
    jobs_path,
    pod,
    pods_of,
    pods_path,
    terminated,
    wait_for_job,
    wait_for_phase,
    waiting_reason,
)
from tests.cluster.podrunner import PodRunner
from tests.cluster.waiting import wait_for

REPORT = """
import json, os, sys
from pathlib import Path
work = Path(os.environ["HOME"])
(work / "file").write_text("kept")
print("argument", sys.argv[1], Path(sys.argv[2]).read_text())
names = ["KEY", "POD", "NODE", "WORDS"]
message = {name: os.environ[name] for name in names} | {"secret": "OPTIONAL" in os.environ, "ca": Path(os.environ["CA"]).read_text()}
Path(os.environ["RECAST_TERMINATION_LOG"]).write_text(json.dumps(message, sort_keys=True))
"""  # noqa: E501
TRAP = 'trap "exit 143" TERM; while :; do sleep 0.1; done'
DEAF = 'trap "" TERM; while :; do sleep 0.1; done'


def sh(script: str) -> list[str]:
    return ["sh", "-c", script]


def create_pod(control_plane: ControlPlane, namespace: str, made: Json) -> str:
    control_plane.api.create(pods_path(namespace), made)
    name: str = made["metadata"]["name"]
    return f"{pods_path(namespace)}/{name}"


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def running_process(control_plane: ControlPlane, runner: PodRunner, namespace: str, name: str) -> int:
    wait_for_phase(control_plane, namespace, name, "Running")
    return wait_for(lambda: runner.process_id(namespace, name), "its process")


def test_a_command_runs_with_its_environment_and_reports(
    control_plane: ControlPlane, namespace: str, pod_runner: PodRunner
) -> None:
    secret = {"metadata": {"name": "s3"}, "data": {"key": base64.b64encode(b"hidden").decode()}}
    control_plane.api.create(f"/api/v1/namespaces/{namespace}/secrets", secret)
    bundle = {"metadata": {"name": "bundle"}, "data": {"pem": "certificate"}}
    control_plane.api.create(f"/api/v1/namespaces/{namespace}/configmaps", bundle)
    made = pod("reports", ["python", "-c", REPORT], args=["$(POD)-$(UNKNOWN)-$$", "/tmp/ca-copy/ca.crt"])
    container = made["spec"]["containers"][0]
    container["terminationMessagePath"] = "/dev/termination-log"
    container["env"] = [
        {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "s3", "key": "key"}}},
        {"name": "OPTIONAL", "valueFrom": {"secretKeyRef": {"name": "s3", "key": "token", "optional": True}}},
        {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
        {"name": "WORDS", "value": "the pod $(POD)"},
        {"name": "HOME", "value": "/tmp"},
        {"name": "CA", "value": "/tmp/ca-copy/ca.crt"},
        {"name": "RECAST_TERMINATION_LOG", "value": "/dev/termination-log"},
    ]
    container["volumeMounts"] = [{"name": "work", "mountPath": "/tmp"}, {"name": "ca", "mountPath": "/tmp/ca-copy"}]
    items = [{"key": "pem", "path": "ca.crt"}]
    made["spec"]["volumes"] = [
        {"name": "work", "emptyDir": {}},
        {"name": "ca", "configMap": {"name": "bundle", "items": items}},
    ]
    create_pod(control_plane, namespace, made)
    ended = terminated(wait_for_phase(control_plane, namespace, "reports", "Succeeded"))
    assert (ended["exitCode"], ended["reason"]) == (0, "Completed")
    words = '"KEY": "hidden", "NODE": "runner-node", "POD": "reports", "WORDS": "the pod reports"'
    assert ended["message"] == f'{{{words}, "ca": "certificate", "secret": false}}'
    assert pod_runner.log(namespace, "reports") == "argument reports-$(UNKNOWN)-$ certificate\n"


def test_python_is_this_one(control_plane: ControlPlane, namespace: str, pod_runner: PodRunner) -> None:
    create_pod(control_plane, namespace, pod("python", ["python", "-c", "import sys; print(sys.executable)"]))
    wait_for_phase(control_plane, namespace, "python", "Succeeded")
    assert pod_runner.log(namespace, "python").strip() == sys.executable


def test_an_indexed_job_completes_and_exit_65_fails_its_index(
    control_plane: ControlPlane, namespace: str, pod_runner: PodRunner
) -> None:
    script = 'test "$JOB_COMPLETION_INDEX" != 1 || exit 65'
    control_plane.api.create(jobs_path(namespace), indexed_job("swap", 3, sh(script)))
    job = wait_for_job(control_plane, namespace, "swap", "Failed")
    assert (job["status"]["completedIndexes"], job["status"]["failedIndexes"]) == ("0,2", "1")
    assert job["status"]["failed"] == 1


@pytest.mark.parametrize(("script", "grace", "code"), [(TRAP, 20, 143), (DEAF, 1, 137)])
def test_a_deleted_pod_is_asked_to_stop_and_then_killed(
    control_plane: ControlPlane, namespace: str, pod_runner: PodRunner, script: str, grace: int, code: int
) -> None:
    made = pod("deleted", sh(script))
    # Holds the object, so that its last status can be seen.
    made["metadata"]["finalizers"] = ["recast.video/test"]
    path = create_pod(control_plane, namespace, made)
    process = running_process(control_plane, pod_runner, namespace, "deleted")
    control_plane.api.delete(path, gracePeriodSeconds=grace)
    ended = terminated(wait_for_phase(control_plane, namespace, "deleted", "Failed"))
    assert (ended["exitCode"], ended["reason"]) == (code, "Error")
    assert not is_alive(process)
    control_plane.api.merge(path, {"metadata": {"finalizers": None}})
    wait_for(lambda: control_plane.api.find(path) is None, "the pod is gone")


def test_an_evicted_pod_of_a_job_costs_no_retry(
    control_plane: ControlPlane, namespace: str, pod_runner: PodRunner
) -> None:
    control_plane.api.create(jobs_path(namespace), indexed_job("swap", 1, sh(TRAP)))
    name = wait_for(lambda: pods_of(control_plane, namespace), "a pod")[0]["metadata"]["name"]
    running_process(control_plane, pod_runner, namespace, name)
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": namespace}}
    control_plane.api.create(f"{pods_path(namespace)}/{name}/eviction", eviction)

    def replacement() -> Json | None:
        pods = [pod for pod in pods_of(control_plane, namespace) if pod["metadata"]["name"] != name]
        return pods[0] if pods else None

    annotations = wait_for(replacement, "a replacement", seconds=40)["metadata"]["annotations"]
    assert annotations["batch.kubernetes.io/job-index-failure-count"] == "0"
    assert annotations["batch.kubernetes.io/job-index-ignored-failure-count"] == "1"


def test_a_pod_deleted_by_force_is_killed(control_plane: ControlPlane, namespace: str, pod_runner: PodRunner) -> None:
    path = create_pod(control_plane, namespace, pod("forced", sh(DEAF)))
    process = running_process(control_plane, pod_runner, namespace, "forced")
    control_plane.api.delete(path, gracePeriodSeconds=0)
    wait_for(lambda: not is_alive(process), "its process is gone", seconds=10)


def test_a_missing_secret_holds_the_pod_until_it_is_there(
    control_plane: ControlPlane, namespace: str, pod_runner: PodRunner
) -> None:
    env = [{"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "late", "key": "key"}}}]
    path = create_pod(control_plane, namespace, pod("waits", sh('test "$KEY" = there'), env=env))

    def waits() -> bool:
        return waiting_reason(control_plane.api.get(path)) == "CreateContainerConfigError"

    wait_for(waits, "it waits")
    state = control_plane.api.get(path)["status"]
    assert state["phase"] == "Pending"
    assert state["containerStatuses"][0]["state"]["waiting"]["message"] == 'secret "late" not found'
    secret = {"metadata": {"name": "late"}, "stringData": {"key": "there"}}
    control_plane.api.create(f"/api/v1/namespaces/{namespace}/secrets", secret)
    wait_for_phase(control_plane, namespace, "waits", "Succeeded")


def test_a_missing_image_is_never_pulled_and_such_a_pod_can_be_deleted(
    control_plane: ControlPlane, namespace: str, pod_runner: PodRunner
) -> None:
    path = create_pod(control_plane, namespace, pod("stuck", ["true"], image="missing/image:1"))
    for reason in ("ErrImagePull", "ImagePullBackOff"):
        wait_for(lambda reason=reason: waiting_reason(control_plane.api.get(path)) == reason, reason)  # type: ignore[misc]
    control_plane.api.delete(path)
    wait_for(lambda: control_plane.api.find(path) is None, "the pod is gone")


def test_a_program_that_is_not_there_fails_the_pod(
    control_plane: ControlPlane, namespace: str, pod_runner: PodRunner
) -> None:
    create_pod(control_plane, namespace, pod("nothing", ["no-such-program"]))
    ended = terminated(wait_for_phase(control_plane, namespace, "nothing", "Failed"))
    assert ended["exitCode"] == 128
    assert "no-such-program" in ended["message"]


def test_a_pod_outlives_its_apiserver(control_plane: ControlPlane, namespace: str, pod_runner: PodRunner) -> None:
    create_pod(control_plane, namespace, pod("outlives", sh("sleep 1; exit 3")))
    wait_for_phase(control_plane, namespace, "outlives", "Running")
    control_plane.restart_apiserver()
    assert terminated(wait_for_phase(control_plane, namespace, "outlives", "Failed"))["exitCode"] == 3


def test_a_frozen_node_is_lost_and_found_again(
    control_plane: ControlPlane, namespace: str, pod_runner: PodRunner
) -> None:
    create_pod(control_plane, namespace, pod("frozen", sh(TRAP)))
    process = running_process(control_plane, pod_runner, namespace, "frozen")
    pod_runner.freeze()

    def ready() -> str:
        conditions = control_plane.api.get("/api/v1/nodes/runner-node")["status"]["conditions"]
        word: str = next(each["status"] for each in conditions if each["type"] == "Ready")
        return word

    wait_for(lambda: ready() == "Unknown", "the node is lost", seconds=3 * NODE_LOST_SECONDS)
    assert is_alive(process)
    pod_runner.thaw()
    wait_for(lambda: ready() == "True", "the node is found")


def test_nothing_runs_on_without_the_runner(control_plane: ControlPlane, namespace: str, pod_runner: PodRunner) -> None:
    # Its child is another process of the container.
    create_pod(control_plane, namespace, pod("left", sh("sleep 600 & echo $!; wait")))
    process = running_process(control_plane, pod_runner, namespace, "left")
    child = int(wait_for(lambda: pod_runner.log(namespace, "left").strip(), "its child"))
    pod_runner.stop()
    assert not is_alive(process)
    wait_for(lambda: not is_alive(child), "its child is gone", seconds=5)
