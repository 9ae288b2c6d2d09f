"""A cluster as tests see it, whoever runs it: an API, kubectl, namespaces."""

import http
import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.cluster.api import Api, ApiError, Json, from_kubeconfig
from tests.cluster.build import Unavailable
from tests.cluster.waiting import wait_for

AGENT = "recast-test"
NODES_LABEL = "recast.video/test-nodes"
"""Nodes that tests bring say here what runs their pods."""
LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
"""Of nodes, by which they say that they live."""
SELECTOR_ANNOTATION = "scheduler.alpha.kubernetes.io/node-selector"
FINAL_PHASES = {"Succeeded", "Failed"}
KUBECTL_SECONDS = 60.0
GONE_SECONDS = 60.0


class Cluster:
    """A cluster to test on.

    Args:
        kubeconfig: of an administrator.
        api: the same administrator's client.
        kubectl_command: program and first arguments.
    """

    def __init__(self, kubeconfig: Path, api: Api, kubectl_command: Sequence[str]) -> None:
        self.kubeconfig = kubeconfig
        self.api = api
        self._kubectl = list(kubectl_command)

    def kubectl(
        self, *arguments: str, stdin: str | None = None, kubeconfig: Path | None = None, check: bool = True
    ) -> "subprocess.CompletedProcess[str]":
        """Run kubectl; its error is this one's.

        Raises:
            AssertionError: it failed, and `check` is set.
        """
        config = ["--kubeconfig", str(kubeconfig or self.kubeconfig), "--cache-dir", str(self._cache())]
        done = subprocess.run(
            [*self._kubectl, *config, *arguments], input=stdin, capture_output=True, text=True, timeout=KUBECTL_SECONDS
        )
        if check and done.returncode:
            raise AssertionError(f"kubectl {' '.join(arguments)}: {done.returncode}: {done.stderr.strip()}")
        return done

    def create_namespace(
        self, prefix: str = "test", *, on: str | None = None, labels: Mapping[str, str] | None = None
    ) -> str:
        """Make a namespace of a new name that pods can be made in.

        Args:
            prefix: of its name.
            on: the only nodes that its pods go to, by the value of `NODES_LABEL`.
            labels: of the namespace.
        """
        name = f"{prefix}-{secrets.token_hex(4)}"
        annotations = {SELECTOR_ANNOTATION: f"{NODES_LABEL}={on}"} if on else {}
        metadata = {"name": name, "labels": dict(labels or {}), "annotations": annotations}
        self.api.create("/api/v1/namespaces", {"metadata": metadata})
        account = f"/api/v1/namespaces/{name}/serviceaccounts/default"
        wait_for(lambda: self.api.find(account), f"the service account of namespace {name}")
        return name

    def delete_namespace(self, name: str, *, wait: bool = True) -> None:
        """Delete a namespace and all in it."""
        path = f"/api/v1/namespaces/{name}"
        self.api.delete(path)
        if wait:
            wait_for(lambda: self.api.find(path) is None, f"namespace {name} is gone", seconds=GONE_SECONDS)

    @contextmanager
    def namespace(self, prefix: str = "test", *, on: str | None = None) -> Iterator[str]:
        """Make a namespace, and delete it in the end."""
        name = self.create_namespace(prefix, on=on)
        try:
            yield name
        finally:
            self.delete_namespace(name, wait=False)

    def pods_on(self, node: str) -> list[Json]:
        """Give the pods that are bound to a node."""
        pods: list[Json] = self.api.get(f"/api/v1/pods?fieldSelector=spec.nodeName%3D{node}")["items"]
        return pods

    def remove_node(self, name: str) -> None:
        """Delete a node that tests brought, and its pods, which nobody would end any more."""
        for pod in self.pods_on(name):
            with suppress(ApiError):
                # The Job controller holds on to pods that have not ended.
                if pod["status"]["phase"] not in FINAL_PHASES:
                    self.api.strategic(f"{pod_path(pod)}/status", {"status": {"phase": "Failed"}})
                self.api.delete(pod_path(pod), gracePeriodSeconds=0)
        self.api.delete(f"/api/v1/nodes/{name}")
        self.api.delete(f"{LEASES}/{name}")

    def _cache(self) -> Path:
        return self.kubeconfig.parent / "kubectl-cache"


class ExistingCluster(Cluster):
    """A cluster of the user's own.

    Args:
        kubeconfig: its current context is used.
        folder: for files of the tests.

    Raises:
        Unavailable: it cannot be used.
    """

    def __init__(self, kubeconfig: Path, folder: Path) -> None:
        kubectl = shutil.which("kubectl")
        if kubectl is None:
            raise Unavailable("no kubectl on the PATH for the cluster that RECAST_TEST_KUBECONFIG names: install it")
        self._folder = folder
        try:
            super().__init__(kubeconfig, from_kubeconfig(kubeconfig, AGENT), [kubectl])
            self.api.get("/version")
        except (OSError, ValueError, ApiError) as error:
            raise Unavailable(f"{kubeconfig}: cannot be used: {error}") from error

    def _cache(self) -> Path:
        return self._folder / "kubectl-cache"


def pod_path(pod: Json) -> str:
    """The path of a pod in the API."""
    return f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}"


def ignore_gone(error: ApiError) -> None:
    """Go on where the object is gone, or changed hands meanwhile; raise anything else."""
    if error.status not in {http.HTTPStatus.NOT_FOUND, http.HTTPStatus.CONFLICT}:
        raise error


def user_cluster() -> Path | None:
    """The kubeconfig of the user's own cluster to test on; None where there is none."""
    path = os.environ.get("RECAST_TEST_KUBECONFIG")
    return Path(path).expanduser().absolute() if path else None
