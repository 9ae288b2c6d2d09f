"""manifests/, its overlays and the samples: the API server takes them all, and the objects are the chart's."""

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from recast.cli import make_parser
from recast.kube.documents import parse_jobs
from tests.charts.conftest import Site
from tests.charts.helm import ROOT, Helm, Objects, container_of
from tests.cluster.api import ApiError, Json
from tests.cluster.build import Unavailable
from tests.cluster.controlplane import ControlPlane
from tests.cluster.modules import module_folder
from tests.cluster.waiting import wait_for

MANIFESTS = ROOT / "manifests"
SAMPLES = MANIFESTS / "samples"
BUILDS = {"whole": ".", "one-namespace": "overlays/one-namespace", "dev": "overlays/dev"}
CI = SAMPLES / "ci"
PIPELINES = (CI / "argo-workflow.yaml", CI / "github-actions.yaml")
WORKFLOWS = "manifests/base/crds/full/argoproj.io_workflows.yaml"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


@pytest.fixture
def named(known: ControlPlane) -> ControlPlane:
    """The cluster, with the namespaces that manifests name."""
    for name in ("recast-system", "studio", "storage"):
        with suppress(ApiError):
            known.api.create("/api/v1/namespaces", {"metadata": {"name": name}})
    return known


def built(cluster: ControlPlane, build: str) -> Objects:
    """What kustomize makes of a folder."""
    return Objects(cluster.kubectl("kustomize", str(MANIFESTS / BUILDS[build])).stdout)


@pytest.mark.parametrize("build", BUILDS)
def test_the_api_server_takes_each_build(build: str, named: ControlPlane) -> None:
    done = named.kubectl(
        "apply", "--server-side", "--force-conflicts", "--dry-run=server", "--validate=strict",
        "-k", str(MANIFESTS / BUILDS[build]),
    )  # fmt: skip
    assert done.stderr == ""
    assert "customresourcedefinition" in done.stdout and "deployment.apps/recast-controller" in done.stdout


@pytest.mark.parametrize("build", BUILDS)
def test_its_pods_are_allowed_where_pod_security_is_restricted(build: str, site: Site) -> None:
    objects = built(site.cluster, build)
    for namespace in objects.of("Namespace"):
        assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    pods = [each["spec"]["template"]["spec"] for each in objects.of("Deployment")]
    for pod in pods:
        # Of the namespace that it is tried in.
        pod["serviceAccountName"] = "default"
        made = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x", "namespace": site.system}, "spec": pod}
        site.dry_run(yaml.safe_dump(made))
    assert pods


def test_the_overlay_in_operations_md_names_all_images(named: ControlPlane, tmp_path: Path) -> None:
    found = re.search(r"```yaml\n(resources: .*?)```", (ROOT / "docs" / "operations.md").read_text(), re.DOTALL)
    assert found
    text = found[1].replace("../recast/manifests", os.path.relpath(MANIFESTS, tmp_path))
    (tmp_path / "kustomization.yaml").write_text(text)
    made = named.kubectl("kustomize", str(tmp_path)).stdout
    assert "ghcr.io" not in made
    assert made.count("registry.example.com/studio/recast-controller:1.0") == 2
    assert made.count("registry.example.com/studio/recast-segment-worker:1.0") == 1


def test_one_namespace_gives_no_right_beyond_it(named: ControlPlane) -> None:
    objects = built(named, "one-namespace")
    assert not objects.kinds() & {"ClusterRole", "ClusterRoleBinding"}
    own = [each for each in objects if each["kind"] not in {"CustomResourceDefinition", "Namespace"}]
    assert {each["metadata"]["namespace"] for each in own} == {"studio"}
    binding = objects.one("RoleBinding", name="recast-controller")
    assert binding["roleRef"] == {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "recast-controller"}
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "recast-controller", "namespace": "studio"}]
    whole = built(named, "whole").one("ClusterRole", name="recast-controller")
    assert objects.one("Role", name="recast-controller")["rules"] == whole["rules"]
    environment = {each["name"]: each for each in container_of(objects.one("Deployment"))["env"]}
    assert environment["RECAST_NAMESPACES"]["valueFrom"] == environment["POD_NAMESPACE"]["valueFrom"]


def test_the_manifests_are_the_charts_objects(named: ControlPlane, helm: Helm) -> None:
    ours, charts = built(named, "whole"), helm.objects()
    for kind in ("Deployment", "Service", "PodDisruptionBudget", "NetworkPolicy"):
        assert normal(ours.one(kind), ours) == normal(charts.one(kind), charts), kind
    for name in ("recast-controller", "recast-edit", "recast-view"):
        assert ours.one("ClusterRole", name=name)["rules"] == charts.one("ClusterRole", name=name)["rules"]
    for kind in ("ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "CustomResourceDefinition"):
        assert {each["metadata"]["name"] for each in ours.of(kind)} == {
            each["metadata"]["name"] for each in charts.of(kind)
        }


def normal(made: Json, objects: Objects) -> Any:
    """The spec of an object, without what Helm must tell apart, and with the environment as it is in the container."""
    spec = json.loads(json.dumps(made["spec"]).replace('"app.kubernetes.io/instance": "recast", ', ""))
    if made["kind"] == "Deployment":
        container = spec["template"]["spec"]["containers"][0]
        environment = {each["name"]: each.get("value", each.get("valueFrom")) for each in container.pop("env")}
        for each in container.pop("envFrom", ()):
            environment |= objects.one("ConfigMap", name=each["configMapRef"]["name"])["data"]
        container["env"] = {"RECAST_LOG": "info"} | environment
    return spec


def test_the_api_server_takes_each_sample(named: ControlPlane) -> None:
    files = [path for path in SAMPLES.rglob("*.yaml") if path not in PIPELINES]
    assert len(files) >= 11
    given = [word for file in files for word in ("-f", str(file))]
    done = named.kubectl("apply", "--dry-run=server", "--validate=strict", "--namespace", "studio", *given)
    count = sum(len(list(Objects(file.read_text()))) for file in files)
    assert (done.stderr, len(done.stdout.splitlines())) == ("", count)


def test_every_sample_is_named_in_the_list() -> None:
    text = (SAMPLES / "README.md").read_text()
    for path in SAMPLES.rglob("*.yaml"):
        assert f"({path.relative_to(SAMPLES)})" in text, path


def test_samples_name_what_the_playground_has(named: ControlPlane) -> None:
    objects = built(named, "dev")
    server = container_of(objects.one("Deployment", name="s3"))
    (buckets,) = [each.partition("=")[2].split(",") for each in server["command"] if each.startswith("-bucket=")]
    service = objects.one("Service", name="s3")
    endpoint = f"http://s3.{service['metadata']['namespace']}:{service['spec']['ports'][0]['port']}"
    secret = objects.one("Secret", namespace="studio")
    for path in SAMPLES.glob("*.yaml"):
        if path.stem == "all-fields":
            continue
        text = path.read_text()
        storage = yaml.safe_load(text)["spec"]["storage"]
        assert (storage["endpoint"], storage["credentialsSecret"]) == (endpoint, secret["metadata"]["name"]), path
        assert {line.split("/")[0] for line in text.split("s3://")[1:]} <= set(buckets), path


def ci_commands() -> dict[str, list[str]]:
    """What the pipelines run, from `recast` on."""
    actions = yaml.safe_load((CI / "github-actions.yaml").read_text())
    steps = [each for each in actions["jobs"]["render"]["steps"] if "recast submit" in each.get("run", "")]
    (words,) = [shlex.split(each["run"]) for each in steps]
    workflow = yaml.safe_load((CI / "argo-workflow.yaml").read_text())["spec"]
    (template,) = [each for each in workflow["templates"] if each["name"] == workflow["entrypoint"]]
    return {"github": words[words.index("recast") :], "argo": template["container"]["command"]}


@pytest.mark.parametrize("pipeline", ["github", "argo"])
def test_pipelines_submit_and_wait(pipeline: str) -> None:
    command = ci_commands()[pipeline]
    options = make_parser("submit").parse_args(command[1:])
    assert command[0] == "recast" and options.wait and options.timeout == 7200


def test_the_job_in_the_workflow_is_one(tmp_path: Path) -> None:
    workflow = yaml.safe_load((CI / "argo-workflow.yaml").read_text())["spec"]
    (artifact,) = workflow["templates"][0]["inputs"]["artifacts"]
    assert artifact["path"] in ci_commands()["argo"]
    parsed = parse_jobs(artifact["raw"]["data"], artifact["path"])
    assert parsed.problems == [] and len(parsed.jobs) == 1
    accounts = Objects((CI / "rbac.yaml").read_text())
    assert workflow["serviceAccountName"] == accounts.one("ServiceAccount")["metadata"]["name"]


def without_descriptions(value: Any) -> Any:
    """A schema without its texts, which are most of Argo's megabytes."""
    if isinstance(value, list):
        return [without_descriptions(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        key: without_descriptions(each)
        for key, each in value.items()
        if not (key == "description" and isinstance(each, str))
    }


@pytest.fixture(scope="module")
def argo(known: ControlPlane) -> Iterator[ControlPlane]:
    """The cluster, with Argo's own CRD of Workflows."""
    try:
        text = (module_folder("argo") / WORKFLOWS).read_text()
    except Unavailable as error:
        pytest.skip(str(error))
    crd = without_descriptions(yaml.load(text, yaml.CSafeLoader))
    known.api.create(CRDS, crd)
    wait_for(lambda: not known.kubectl("get", "workflows", check=False).returncode, "Workflows are known to kubectl")
    yield known
    path = f"{CRDS}/{crd['metadata']['name']}"
    known.api.delete(path)
    # The module's tests may come back to this process later.
    wait_for(lambda: known.kubectl("get", "crd", crd["metadata"]["name"], check=False).returncode, "the CRD is gone")


@pytest.mark.parametrize(
    ("right", "wrong", "refusal"),
    [
        ("", "", None),
        (
            "retryStrategy:\n      limit:",
            "retryStrategy:\n      limits:",
            'unknown field "spec.templates[0].retryStrategy',
        ),
        ("raw:", "row:", 'unknown field "spec.templates[0].inputs.artifacts[0].row"'),
        ("generateName: render-", "name: render", None),
        ("entrypoint: render", "entrypoint: [render]", "spec.entrypoint"),
    ],
)
def test_argo_takes_the_workflow(
    right: str, wrong: str, refusal: str | None, argo: ControlPlane, named: ControlPlane
) -> None:
    text = (CI / "argo-workflow.yaml").read_text()
    assert right in text
    done = argo.kubectl(
        "create", "--dry-run=server", "--validate=strict", "-f", "-", stdin=text.replace(right, wrong, 1), check=False
    )
    if refusal is None:
        assert (done.returncode, done.stderr) == (0, "")
    else:
        assert refusal in done.stderr and done.returncode


@pytest.mark.parametrize(
    ("right", "wrong", "code"),
    [
        ("", "", 0),
        ("runs-on:", "run-on:", 1),
        ("timeout-minutes: 130", "timeout-minutes: [2h]", 1),
        ("uses:", "use:", 1),
    ],
)
def test_github_takes_the_workflow(right: str, wrong: str, code: int, tmp_path: Path) -> None:
    text = (CI / "github-actions.yaml").read_text()
    assert right in text
    file = tmp_path / "render.yaml"
    file.write_text(text.replace(right, wrong, 1))
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == code, done.stdout
