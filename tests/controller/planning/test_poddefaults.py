"""What the administrator sets for the pods of all jobs, and how a job's own spec stands above it."""

import json
from typing import Any

import pytest

from controller.planning.objects import PodSettings, make_job
from controller.planning.observed import project_pod
from controller.planning.poddefaults import PodDefaults, parse_pod_defaults
from controller.settings import read_settings
from recast.errors import BadConfig
from recast.kube import names as kube
from recast.spec import JobSpec
from tests.controller.builders import IMAGES, RUN, resource, spec

TAINT = {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}
GPU = {"gpus": 1}
DEFAULTS = {
    "stage": {"nodeSelector": {"pool": "small"}, "priorityClassName": "low"},
    "worker": {"nodeSelector": {"pool": "large"}, "tolerations": [{"key": "spot", "operator": "Exists"}]},
    "gpuWorker": {"nodeSelector": {"pool": "gpu"}, "tolerations": [TAINT], "runtimeClassName": "nvidia"},
}


def pod_of(stage: str, defaults: dict[str, Any], **worker: Any) -> dict[str, Any]:
    """The pod of a job's stage under these defaults."""
    settings = PodSettings(IMAGES, defaults=parse_pod_defaults(json.dumps(defaults)))
    checked = JobSpec.model_validate(spec(worker=worker))
    made = make_job(resource(), checked, stage, attempt=0, run=RUN, segments=9, settings=settings)
    pod: dict[str, Any] = made["spec"]["template"]["spec"]
    return pod


@pytest.mark.parametrize(
    ("stage", "worker", "expected"),
    [
        (kube.SPLIT, {}, {"nodeSelector": {"pool": "small"}, "priorityClassName": "low"}),
        (kube.MUX, GPU, {"nodeSelector": {"pool": "small"}, "priorityClassName": "low"}),
        (kube.CLEANUP, {}, {"nodeSelector": {"pool": "small"}, "priorityClassName": "low"}),
        (kube.SWAP, {}, DEFAULTS["worker"]),
        (kube.SWAP, GPU, DEFAULTS["gpuWorker"]),
    ],
)
def test_each_kind_of_pod_has_its_own(stage: str, worker: dict[str, Any], expected: dict[str, Any]) -> None:
    pod = pod_of(stage, DEFAULTS, **worker)
    placement = ("nodeSelector", "tolerations", "runtimeClassName", "priorityClassName", "affinity", "resourceClaims")
    assert {key: pod[key] for key in placement if key in pod} == expected


def test_a_jobs_own_placement_is_above_it() -> None:
    own = {"key": "team", "operator": "Equal", "value": "vfx"}
    pod = pod_of(
        kube.SWAP,
        DEFAULTS,
        gpus=1,
        nodeSelector={"pool": "mine", "zone": "a"},
        tolerations=[own, TAINT],
        runtimeClassName="other",
        priorityClassName="high",
    )
    assert pod["nodeSelector"] == {"pool": "mine", "zone": "a"}
    assert pod["tolerations"] == [TAINT, own], "one that both name is there once"
    assert (pod["runtimeClassName"], pod["priorityClassName"]) == ("other", "high")


def test_pull_secrets_are_those_of_both() -> None:
    defaults = {"imagePullSecrets": [{"name": "company"}, {"name": "shared"}]}
    for stage in (kube.SPLIT, kube.SWAP):
        pod = pod_of(stage, defaults, imagePullSecrets=[{"name": "shared"}, {"name": "mine"}])
        assert [each["name"] for each in pod["imagePullSecrets"]] == ["company", "shared", "mine"]


@pytest.mark.parametrize("stage", kube.STAGES)
def test_variables_go_into_each_stage_and_replace_none_of_ours(stage: str) -> None:
    plain = pod_of(stage, {})["containers"][0]["env"]
    given = [{"name": "HTTPS_PROXY", "value": "http://proxy:3128"}, {"name": "HOME", "value": "/root"}]
    env = pod_of(stage, {"env": [*given, {"name": "RECAST_STAGE", "value": "{}"}]})["containers"][0]["env"]
    assert env == [given[0], *plain]
    twice = [*given, {"name": "HTTPS_PROXY", "value": "http://other:3128"}]
    last = pod_of(stage, {"env": twice})["containers"][0]["env"][0]
    assert last == {"name": "HTTPS_PROXY", "value": "http://other:3128"}


@pytest.mark.parametrize("gpus", [0, 1])
def test_gpus_are_claimed_where_the_cluster_gives_them_by_claims(gpus: int) -> None:
    pod = pod_of(kube.SWAP, {"gpuWorker": {"resourceClaimTemplateName": "gpu"}}, gpus=gpus)
    names = [f"gpu-{number}" for number in range(gpus)]
    claims = [{"name": name, "resourceClaimTemplateName": "gpu"} for name in names]
    resources = pod["containers"][0]["resources"]
    assert pod.get("resourceClaims", []) == claims
    assert resources.get("claims", []) == [{"name": name} for name in names]
    assert "nvidia.com/gpu" not in resources["limits"]
    assert project_pod({"metadata": {"name": "x"}, "spec": pod, "status": {}}).gpus == gpus, "their time is counted"


def test_stages_without_a_gpu_claim_none() -> None:
    assert "resourceClaims" not in pod_of(kube.MUX, {"gpuWorker": {"resourceClaimTemplateName": "gpu"}}, gpus=1)


def test_flag_and_variable_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    images = ["--stage-image", "a", "--worker-image", "b"]
    text = json.dumps(DEFAULTS)
    by_flag = read_settings([*images, "--pod-defaults", text]).pods.defaults
    monkeypatch.setenv("RECAST_POD_DEFAULTS", text)
    assert read_settings(images).pods.defaults == by_flag
    assert by_flag.gpu_worker.runtime_class_name == "nvidia"
    monkeypatch.delenv("RECAST_POD_DEFAULTS")
    assert read_settings(images).pods.defaults == PodDefaults()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "Invalid JSON"),
        ('{"worker": {"nodeSelectors": {}}}', "worker.nodeSelectors: Extra inputs"),
        ('{"env": [{"name": "A=B", "value": "c"}]}', "env.0.name: String should match"),
        ('{"gpuWorker": {"runtimeClassName": "-"}}', "gpuWorker.runtimeClassName: String should match"),
    ],
)
def test_what_cannot_be_read_is_named(text: str, said: str) -> None:
    with pytest.raises(BadConfig, match=said):
        parse_pod_defaults(text)
