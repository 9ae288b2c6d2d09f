"""From `kubectl apply` to a video, by the images, under restricted security."""

import json
from pathlib import Path

import pytest

from recast.storage.embedded import EmbeddedStore
from tests.cluster.api import ApiError, Json
from tests.cluster.objects import pods_of
from tests.cluster.system import SYSTEM, apply, condition, wait_for_stalled, watched
from tests.cluster.waiting import wait_for
from tests.e2e.node import API_SERVICE, Node
from tests.e2e.studio import SEGMENTS, Studio

INSIDE = Path(__file__).with_name("inside.py")


def test_a_face_is_swapped_from_apply_to_video(studio: Studio) -> None:
    node, name = studio.node, "interview"
    with watched(lambda: studio.status(name).get("phase")) as phases:
        studio.apply(studio.job(name))
        status = studio.done(name)
    seen = [phase for phase in phases if phase not in (None, "Pending", "Succeeded")]
    assert seen == ["Splitting", "Swapping", "Muxing"]
    assert studio.faults(status) == []
    assert status["facesSwapped"] > 0 and status["segments"]["total"] == status["segments"]["succeeded"] == SEGMENTS
    assert condition(status, "Complete")["status"] == "True" and status["contentCheck"]["state"] == "Off"
    table = node.kubectl("get", "fsj", "--namespace", studio.namespace, name).stdout
    print(table)
    assert "Succeeded" in table and f"{SEGMENTS}/{SEGMENTS}" in table and "PHASE" in table
    events = node.kubectl(
        "get", "events", "--namespace", studio.namespace, "--field-selector", f"involvedObject.name={name}"
    )
    print(events.stdout)
    assert all(word in events.stdout for word in ("StageStarted", "StageComplete", "Succeeded"))


def test_metrics_come_from_the_pod(release: Node, studio: Studio) -> None:
    studio.undisturbed()
    scraped = ""
    for pod in pods_of(release, SYSTEM):
        scraped += str(
            release.api.get(f"/api/v1/namespaces/{SYSTEM}/pods/{pod['metadata']['name']}:8080/proxy/metrics")
        )
    leaders = [line for line in scraped.splitlines() if line.startswith("recast_leader ")]
    assert sorted(leaders) == ["recast_leader 0.0", "recast_leader 1.0"]
    assert 'recast_jobs{phase="Succeeded"}' in scraped and "recast_reconciles_total" in scraped
    for pod in pods_of(release, SYSTEM):
        logs = release.kubectl("logs", "--namespace", SYSTEM, pod["metadata"]["name"]).stdout
        assert all(json.loads(line)["level"] in ("info", "warning") for line in logs.splitlines()), logs[-2000:]


def test_stage_pods_can_do_nothing_but_their_work(studio: Studio) -> None:
    name = studio.apply(studio.job("confined"))
    pod = studio.working(name)["metadata"]["name"]
    said = studio.node.kubectl(
        "exec", "--namespace", studio.namespace, pod, "--", "python", "-c", INSIDE.read_text(), API_SERVICE
    ).stdout
    assert json.loads(said) == {
        "user": 10001,
        "groups": [10001],
        "capabilities": ["0" * 16] * 3,
        "no_new_privileges": "1",
        "seccomp": "2",
        "root": "OSError",
        "home": "done",
        "token": False,
        "api": "ConnectionRefusedError",
    }
    pods = [pod for pod in pods_of(studio.node, studio.namespace) if name in pod["metadata"]["name"]]
    assert all(limits_of(pod).keys() >= {"memory"} for pod in pods)
    assert all(pod["spec"]["automountServiceAccountToken"] is False for pod in pods)
    studio.done(name)


def limits_of(pod: Json) -> Json:
    """The limits of a pod's container."""
    limits: Json = pod["spec"]["containers"][0]["resources"]["limits"]
    return limits


def test_gpus_are_counted_by_the_scheduler(studio: Studio) -> None:
    """None is used: the node only says that it has four."""
    worker = studio.job("counted")["spec"]["worker"] | {"gpus": 1}
    name = studio.apply(studio.job("counted", worker=worker))
    status = studio.done(name)
    assert status["gpuSeconds"]["spent"] > 0
    slices = studio.apply(studio.job("slices", worker=worker | {"gpuResource": "nvidia.com/mig-1g.10gb"}))
    says = wait_for_stalled(studio.node, studio.namespace, slices, "Unschedulable")
    assert "nvidia.com/mig-1g.10gb" in says
    studio.node.kubectl("delete", "fsj", "--namespace", studio.namespace, slices)


def test_tenants_reach_neither_each_others_secrets_nor_folders(
    release: Node, studio: Studio, s3: EmbeddedStore
) -> None:
    own = {"metadata": {"name": "studio-own"}, "data": {}}
    release.api.create("/api/v1/namespaces/studio/secrets", own)
    theirs = json.loads(json.dumps(studio.job("thief")).replace(f"{s3.bucket}/studio/", f"{s3.bucket}/rival/"))
    theirs["spec"]["storage"]["credentialsSecret"] = "studio-own"
    for uri in ("in.mp4", "face.png"):
        studio.storage.put(f"s3://{s3.bucket}/rival/{uri}", studio.storage.get(f"{studio.base}/{uri}"))
    apply(release, "rival", theirs)
    says = wait_for_stalled(release, "rival", "thief", "ContainerConfig")
    assert "studio-own" in says
    release.kubectl("delete", "fsj", "--namespace", "rival", "thief")
    with pytest.raises(AssertionError, match=r"(?s)studio/.*namespace rival|namespace rival.*studio/"):
        apply(release, "rival", studio.job("reader"))
    with pytest.raises(ApiError):
        release.client_for("system:serviceaccount:rival:default").get("/api/v1/namespaces/studio/secrets/studio-s3")


def test_helms_own_test_passes(release: Node, request: pytest.FixtureRequest) -> None:
    helm = request.getfixturevalue("helm")
    assert "Succeeded" in helm.run("test", "recast", "--namespace", SYSTEM, "--timeout", "60s")


def test_a_secret_that_is_not_there_is_named(studio: Studio) -> None:
    name = studio.apply(
        studio.job("no-secret", storage=studio.job("x")["spec"]["storage"] | {"credentialsSecret": "none"})
    )
    says = wait_for_stalled(studio.node, studio.namespace, name, "ContainerConfig")
    assert "none" in says
    studio.node.kubectl("delete", "fsj", "--namespace", studio.namespace, name)
    wait_for(lambda: not studio.pods(stage="split"), "its pod is gone", seconds=30)
