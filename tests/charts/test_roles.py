"""The chart's Roles for two namespaces are enough for a controller, and for no more than these two."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from recast.kube.names import LABEL_STAGE, SWAP
from recast.process.children import spawn
from tests.charts.helm import CHART, Helm, container_of
from tests.charts.test_manifests import CI, ci_commands
from tests.cluster import played
from tests.cluster.api import Json
from tests.cluster.controlplane import ControlPlane
from tests.cluster.fixtures import StartKwok
from tests.cluster.objects import pods_of
from tests.cluster.system import Controller, sample, status_of
from tests.cluster.waiting import wait_for

IMAGE = {"registry": "localhost:5000", "controller": {"tag": "one"}, "segmentWorker": {"tag": "two"}}
TOLERATION = {"key": "dedicated", "operator": "Exists"}


class Deployed(Controller):
    """The controller of a rendered Deployment, as a process under the Deployment's own account.

    Args:
        deployment: what the chart made.
    """

    def __init__(self, control_plane: ControlPlane, folder: Path, deployment: Json) -> None:
        metadata, container = deployment["metadata"], container_of(deployment)
        account = deployment["spec"]["template"]["spec"]["serviceAccountName"]
        self.user = f"system:serviceaccount:{metadata['namespace']}:{account}"
        groups = ["system:serviceaccounts", f"system:serviceaccounts:{metadata['namespace']}"]
        fields = {"metadata.name": "controller-a", "metadata.namespace": metadata["namespace"]}
        environment = {
            each["name"]: each["value"].replace("$$", "$")
            if "value" in each
            else fields[each["valueFrom"]["fieldRef"]["fieldPath"]]
            for each in container["env"]
        }
        super().__init__(
            control_plane, folder, kubeconfig=control_plane.kubeconfig_for(self.user, groups), environment=environment
        )
        self._command = [
            sys.executable, *container["command"][1:], *container["args"],
            "--kubeconfig", str(self._kubeconfig), "--health", "127.0.0.1:0",
        ]  # fmt: skip

    @property
    def port(self) -> int:
        """Where its health is."""
        (found,) = [match[1] for line in self.lines() if (match := re.search(r'"health": "127.0.0.1:(\d+)"', line))]
        return int(found)

    def start(self) -> None:
        """Start it."""
        with self.log.open("ab") as log:
            self.process = spawn(self._command, env=self._environment, stdout=log, stderr=log)


@pytest.fixture
def places(known: ControlPlane) -> Iterator[tuple[str, str, str]]:
    """A namespace for the release, and two for jobs, whose pods go to fake nodes."""
    with known.namespace("system") as system, known.namespace(on="kwok") as one, known.namespace(on="kwok") as two:
        yield system, one, two


@pytest.fixture
def deployment(helm: Helm, known: ControlPlane, places: tuple[str, str, str], tmp_path: Path) -> Iterator[Json]:
    """The Deployment of a release for the two namespaces."""
    system, *teams = places
    values: dict[str, Any] = {
        "crd": {"install": False},
        "watchNamespaces": teams,
        "image": IMAGE,
        "podDefaults": {"labels": {"cost": "video"}, "stage": {"tolerations": [TOLERATION]}},
    }
    installer = Helm(helm.program, tmp_path, known.kubeconfig)
    installer.run("install", "recast", str(CHART), "--namespace", system, values=values)
    yield known.api.get(f"/apis/apps/v1/namespaces/{system}/deployments/recast-controller")
    installer.run("uninstall", "recast", "--namespace", system)


def refused(control_plane: ControlPlane, user: str, since: int) -> list[str]:
    """What an account was refused for want of a right."""
    return [
        f"{event['verb']} {event['requestURI']}"
        for event in control_plane.audit.events(user=user, since=since)
        if event.get("annotations", {}).get("authorization.k8s.io/decision") == "forbid"
    ]


def submit(control_plane: ControlPlane, namespace: str, pipeline: str, tmp_path: Path) -> "subprocess.Popen[bytes]":
    """Run a pipeline's command under the Role of the sample."""
    account = f"system:serviceaccount:{namespace}:recast-ci"
    text = (CI / "rbac.yaml").read_text().replace("namespace: studio", f"namespace: {namespace}")
    control_plane.kubectl("apply", "-f", "-", stdin=text)
    kubeconfig = control_plane.kubeconfig_for(account, ["system:serviceaccounts"])
    file = tmp_path / f"{pipeline}.yaml"
    file.write_text(yaml.safe_dump(sample(pipeline)))
    words = [str(file) if word.endswith(".yaml") else word for word in ci_commands()[pipeline]]
    if "--namespace" in words:
        words[words.index("--namespace") + 1] = namespace
    else:
        # A pod's own is known there.
        words += ["--namespace", namespace]
    command = [sys.executable, "-m", "recast.cli", *words[1:], "--kubeconfig", str(kubeconfig)]
    with (tmp_path / f"{pipeline}.log").open("wb") as log:
        return spawn(command, env=os.environ, stdout=log, stderr=log)


def check_pods(pods: list[Json]) -> None:
    """Pods have the images and the defaults that the values name."""
    assert len(pods) == 4
    for pod in pods:
        assert pod["metadata"]["labels"]["cost"] == "video"
        worker = pod["metadata"]["labels"][LABEL_STAGE] == SWAP
        image = "segment-worker:two" if worker else "controller:one"
        assert pod["spec"]["containers"][0]["image"] == f"localhost:5000/recast-video/recast-{image}"
        assert (TOLERATION in pod["spec"]["tolerations"]) != worker


def helm_test(helm: Helm, namespace: str, controller: Deployed) -> "subprocess.CompletedProcess[str]":
    """Run what the pod of `helm test` runs, with the variables of a Service that leads to this controller."""
    (container,) = helm.objects(namespace=namespace).one("Pod")["spec"]["containers"]
    address = {
        "RECAST_CONTROLLER_SERVICE_HOST": "127.0.0.1",
        "RECAST_CONTROLLER_SERVICE_PORT": str(controller.port),
    }
    command = [sys.executable, *container["command"][1:]]
    return subprocess.run(command, env=os.environ | address, capture_output=True, text=True, timeout=30)


def test_jobs_of_both_namespaces_get_to_their_end(
    known: ControlPlane,
    deployment: Json,
    places: tuple[str, str, str],
    helm: Helm,
    start_kwok: StartKwok,
    tmp_path: Path,
) -> None:
    start_kwok(*played.stages(2))
    since = known.audit.position()
    with Deployed(known, tmp_path, deployment) as controller:
        wait_for(lambda: any("caches are filled" in line for line in controller.lines()), "it is up")
        pipelines = dict(zip(("github", "argo"), places[1:], strict=True))
        running = [submit(known, namespace, name, tmp_path) for name, namespace in pipelines.items()]
        codes = [each.wait(120) for each in running]
        assert codes == [0, 0], [(tmp_path / f"{name}.log").read_text() for name in pipelines]
        for name, namespace in pipelines.items():
            assert status_of(known, namespace, name)["phase"] == "Succeeded"
            check_pods(pods_of(known, namespace))
        assert known.api.get(f"/apis/coordination.k8s.io/v1/namespaces/{places[0]}/leases/recast-controller")
        done = helm_test(helm, places[0], controller)
        assert (done.stderr, done.stdout) == ("", "/readyz: ok\n/metrics: ok\n")
    assert known.audit.count(user=controller.user, since=since) > 20
    assert refused(known, controller.user, since) == []
    for namespace, what, may in ((places[1], "pods", "yes"), (places[1], "secrets", "no"), (places[0], "pods", "no")):
        done = known.kubectl("auth", "can-i", "list", what, "-n", namespace, f"--as={controller.user}", check=False)
        assert done.stdout.strip() == may, (namespace, what)
