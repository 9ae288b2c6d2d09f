"""Every stuck state has a name within 30 s, and a sentence that says what to do; each goes on once it is mended."""

import pytest

from recast import names
from recast.kube.names import FIELD_MANAGER, LABEL_ATTEMPT, LABEL_MANAGED_BY, LABEL_QUEUE, SWAP
from tests.cluster import played
from tests.cluster.controlplane import ControlPlane
from tests.cluster.fixtures import StartKwok
from tests.cluster.kueue import Kueue
from tests.cluster.objects import jobs_path, pods_of, pods_path
from tests.cluster.podrunner import PodRunner
from tests.cluster.system import apply, condition, sample, status_of, wait_for_job_phase, wait_for_stalled
from tests.cluster.waiting import wait_for

pytestmark = pytest.mark.usefixtures("controller")


def test_an_image_that_cannot_be_pulled(control_plane: ControlPlane, fake: str, start_kwok: StartKwok) -> None:
    start_kwok(played.waits("split", "ImagePullBackOff"))
    apply(control_plane, fake, sample("job"))
    said = wait_for_stalled(control_plane, fake, "job", names.IMAGE_PULL_FAILED)
    assert "worker.imagePullSecrets" in said


def test_a_missing_secret_and_its_cure(control_plane: ControlPlane, pod_runner: PodRunner) -> None:
    with control_plane.namespace(on="runner") as namespace:
        storage = {"endpoint": "http://127.0.0.1:1", "scratch": "s3://scratch/recast", "credentialsSecret": "gone"}
        apply(control_plane, namespace, sample("job", storage=storage))
        said = wait_for_stalled(control_plane, namespace, "job", names.CONTAINER_CONFIG)
        assert '"gone"' in said and "storage.credentialsSecret" in said
        control_plane.api.create(f"/api/v1/namespaces/{namespace}/secrets", {
            "metadata": {"name": "gone"}, "stringData": {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"},
        })  # fmt: skip
        wait_for(lambda: not condition(status_of(control_plane, namespace, "job"), "Stalled"), "it goes on", seconds=30)


def test_no_node_with_a_gpu(control_plane: ControlPlane, fake: str, start_kwok: StartKwok) -> None:
    start_kwok(*played.stages(2), gpus=0)
    apply(control_plane, fake, sample("job", worker={"gpus": 1}))
    said = wait_for_stalled(control_plane, fake, "job", names.UNSCHEDULABLE)
    assert "nvidia.com/gpu" in said and "worker.gpus" in said


def test_quota_that_is_not_reserved(control_plane: ControlPlane, fake: str, start_kwok: StartKwok) -> None:
    start_kwok(*played.stages(2), gpus=1)
    job = sample("job")
    job["metadata"]["labels"] = {LABEL_QUEUE: "renders"}
    with Kueue(control_plane, fake) as kueue:
        apply(control_plane, fake, job)
        status = wait_for_job_phase(control_plane, fake, "job", "Queued", seconds=30)
        found = condition(status, "QuotaReserved")
        assert (found["status"], found["reason"]) == ("False", names.QUOTA_PENDING)
        assert "renders" in found["message"]
        kueue.admit = True
        status = wait_for_job_phase(control_plane, fake, "job", "Succeeded", seconds=60)
    assert condition(status, "QuotaReserved")["status"] == "True"


def test_pods_that_pod_security_refuses(control_plane: ControlPlane, fake: str, start_kwok: StartKwok) -> None:
    start_kwok(*played.stages(2))
    control_plane.api.create(f"/api/v1/namespaces/{fake}/resourcequotas", {
        "metadata": {"name": "none"}, "spec": {"hard": {"pods": "0"}},
    })  # fmt: skip
    apply(control_plane, fake, sample("job"))
    said = wait_for_stalled(control_plane, fake, "job", names.PODS_REFUSED)
    assert "exceeded quota" in said


def test_a_pod_that_is_evicted_again_and_again(control_plane: ControlPlane, fake: str, start_kwok: StartKwok) -> None:
    start_kwok(played.split(1), played.swap(seconds=None))
    apply(control_plane, fake, sample("job"))
    wait_for_job_phase(control_plane, fake, "job", "Swapping")
    pod = wait_for(lambda: running(control_plane, fake, SWAP), "it runs")[0]
    # The Job controller counts; ten evictions at ten seconds each are too long for a test.
    annotation = {"batch.kubernetes.io/job-index-ignored-failure-count": "10"}
    control_plane.api.merge(f"{pods_path(fake)}/{pod}", {"metadata": {"annotations": annotation}})
    said = wait_for_stalled(control_plane, fake, "job", names.EVICTED_REPEATEDLY)
    assert "evicted 10 times" in said
    annotation = {"batch.kubernetes.io/job-index-ignored-failure-count": "30"}
    control_plane.api.merge(f"{pods_path(fake)}/{pod}", {"metadata": {"annotations": annotation}})
    status = wait_for_job_phase(control_plane, fake, "job", "Failed", seconds=45)
    assert status["failure"]["reason"] == names.EVICTED_REPEATEDLY


def test_a_lost_node(control_plane: ControlPlane, fake: str, start_kwok: StartKwok) -> None:
    kwok = start_kwok(played.split(2), played.swap(seconds=None), nodes=2, gpus=1)
    apply(control_plane, fake, sample("job", worker={"gpus": 1}))
    wait_for_job_phase(control_plane, fake, "job", "Swapping")
    wait_for(
        lambda: [each for each in pods_of(control_plane, fake) if each["status"]["phase"] == "Running"], "they run"
    )
    kwok.lose_node(kwok.nodes[0])
    said = wait_for_stalled(control_plane, fake, "job", names.NODE_LOST, seconds=90)
    assert f"kubectl delete node {kwok.nodes[0]}" in said


def test_split_says_why_the_input_is_bad(control_plane: ControlPlane, fake: str, start_kwok: StartKwok) -> None:
    start_kwok(played.fails("split", 65, names.CORRUPT_SOURCE, "s3://studio/in/job.mov: cut off at 7 s"))
    apply(control_plane, fake, sample("job"))
    status = wait_for_job_phase(control_plane, fake, "job", "Failed", seconds=30)
    failure = status["failure"]
    assert (failure["code"], failure["reason"]) == (65, names.CORRUPT_SOURCE)
    assert "cut off at 7 s" in failure["message"] and "-split-0" in failure["pod"]
    assert condition(status, "Failed")["reason"] == names.CORRUPT_SOURCE


def test_an_output_that_exists_already(control_plane: ControlPlane, fake: str, start_kwok: StartKwok) -> None:
    start_kwok(played.fails("split", 78, names.OUTPUT_EXISTS, "s3://studio/out/job.mp4: exists already"))
    apply(control_plane, fake, sample("job"))
    status = wait_for_job_phase(control_plane, fake, "job", "Failed", seconds=30)
    assert (status["failure"]["code"], status["failure"]["reason"]) == (78, names.OUTPUT_EXISTS)


def test_a_segment_with_bad_input_fails_the_job_and_is_named(
    control_plane: ControlPlane, fake: str, start_kwok: StartKwok
) -> None:
    bad = played.fails("swap", 65, names.CORRUPT_SOURCE, "frame 12 does not decode", index=3)
    start_kwok(played.split(8), bad, played.swap(seconds=None))
    apply(control_plane, fake, sample("job"))
    status = wait_for_job_phase(control_plane, fake, "job", "Failed", seconds=30)
    assert (status["failure"]["segment"], status["failure"]["code"]) == (3, 65)
    assert "segment 3" in status["failure"]["message"]
    wait_for(lambda: not running(control_plane, fake), "no pod runs on", seconds=30)


def test_a_transient_failure_is_tried_again_within_its_own_segment(
    control_plane: ControlPlane, fake: str, start_kwok: StartKwok
) -> None:
    weak = played.fails("swap", 75, names.STALLED, "nothing moved", index=1, first_try=True)
    start_kwok(played.split(4), weak, played.swap(), played.mux())
    apply(control_plane, fake, sample("job", segments={"retries": 1}))
    status = wait_for_job_phase(control_plane, fake, "job", "Succeeded", "Failed", seconds=60)
    assert status["phase"] == "Succeeded"
    job = next(each for each in control_plane.api.get(jobs_path(fake))["items"] if "-swap-" in each["metadata"]["name"])
    assert job["status"]["failed"] == 1 and not job["status"].get("failedIndexes")


def test_a_plainly_deleted_pod_costs_no_retry(control_plane: ControlPlane, fake: str, start_kwok: StartKwok) -> None:
    start_kwok(played.split(1), played.swap(seconds=None), played.mux())
    apply(control_plane, fake, sample("job", segments={"retries": 0}))
    wait_for_job_phase(control_plane, fake, "job", "Swapping")
    first = wait_for(lambda: running(control_plane, fake, SWAP), "it runs")[0]
    control_plane.api.delete(f"{pods_path(fake)}/{first}")
    again = wait_for(lambda: [name for name in running(control_plane, fake, SWAP) if name != first], "it is replaced")
    assert again and status_of(control_plane, fake, "job")["phase"] == "Swapping"


def running(control_plane: ControlPlane, namespace: str, stage: str = "") -> list[str]:
    """Names of the pods that run."""
    return [
        pod["metadata"]["name"]
        for pod in pods_of(control_plane, namespace)
        if pod["status"]["phase"] == "Running" and f"-{stage}" in pod["metadata"]["name"]
    ]


def test_a_quota_that_takes_no_job_is_said_and_gone_on_from_once_it_is_lifted(
    control_plane: ControlPlane, fake: str, start_kwok: StartKwok
) -> None:
    start_kwok(*played.stages(2))
    quotas = f"/api/v1/namespaces/{fake}/resourcequotas"
    control_plane.api.create(quotas, {"metadata": {"name": "none"}, "spec": {"hard": {"count/jobs.batch": "0"}}})
    apply(control_plane, fake, sample("job"))
    said = wait_for_stalled(control_plane, fake, "job", names.PODS_REFUSED)
    assert "count/jobs.batch" in said and status_of(control_plane, fake, "job")["startTime"]
    control_plane.api.delete(f"{quotas}/none")
    wait_for_job_phase(control_plane, fake, "job", "Succeeded", seconds=60)


def test_a_job_that_somebody_labels_as_ours_stops_nobody(
    control_plane: ControlPlane, fake: str, start_kwok: StartKwok
) -> None:
    start_kwok(*played.stages(2))
    labels = {LABEL_MANAGED_BY: FIELD_MANAGER, LABEL_ATTEMPT: "v1"}
    container = {"name": "c", "image": "i"}
    pod = {"spec": {"restartPolicy": "Never", "containers": [container]}}
    control_plane.api.create(f"/apis/batch/v1/namespaces/{fake}/jobs", {
        "metadata": {"name": "odd", "labels": labels}, "spec": {"suspend": True, "template": pod},
    })  # fmt: skip
    apply(control_plane, fake, sample("job"))
    wait_for_job_phase(control_plane, fake, "job", "Succeeded", seconds=60)
