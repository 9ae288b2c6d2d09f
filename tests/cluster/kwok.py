"""Fake GPU nodes, whose pods run and finish as scripted: KWOK beside a control plane."""

import secrets
import urllib.request
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import yaml

from tests.cluster.api import ApiError, Json
from tests.cluster.cluster import LEASES, NODES_LABEL, Cluster, ignore_gone, pod_path
from tests.cluster.component import Component
from tests.cluster.controlplane import HOST, free_ports
from tests.cluster.podstatus import now_micro
from tests.cluster.stages import LOST, Script, stages
from tests.cluster.waiting import TookTooLong, wait_for

VALUE = "kwok"
"""Of `NODES_LABEL`, on these nodes."""
MANAGED = "kwok.x-k8s.io/node"
LEASE_SECONDS = 16
"""Renewed every quarter of it, twice before a node counts as lost."""
LOST_LEASE_SECONDS = 3600
READY_SECONDS = 60.0


class Kwok:
    """Context manager: KWOK with its nodes, which go with it.

    Args:
        cluster: where its nodes go.
        program: its executable.
        folder: for its settings and log.
        scripts: what pods do there; those that no script fits succeed after a second.
    """

    def __init__(self, cluster: Cluster, program: Path, folder: Path, scripts: Sequence[Script] = ()) -> None:
        self.nodes: list[str] = []
        # Never used again: a cluster remembers a node's pods for a while.
        self._prefix = f"fake-{secrets.token_hex(3)}"
        self._cluster = cluster
        (self._port,) = free_ports(1)
        config = folder / "stages.yaml"
        config.write_text(yaml.safe_dump_all(stages(scripts)))
        options = [
            f"--kubeconfig={cluster.kubeconfig}",
            f"--config={config}",
            "--manage-all-nodes=false",
            f"--manage-nodes-with-annotation-selector={MANAGED}=fake",
            f"--node-lease-duration-seconds={LEASE_SECONDS}",
            f"--server-address={HOST}:{self._port}",
        ]
        self.component = Component("kwok", [str(program), *options], folder)

    def __enter__(self) -> Self:
        """Start it.

        Raises:
            TookTooLong: it did not come up.
        """
        self.component.start()
        try:
            wait_for(self._answers, "kwok is ready", seconds=READY_SECONDS, otherwise=self.component.last_words)
        except BaseException:
            self.component.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove the nodes and their pods, and stop it."""
        try:
            for node in self.nodes:
                self._cluster.remove_node(node)
        finally:
            self.component.stop()

    def add_nodes(self, count: int, *, gpus: int = 8, wait: bool = True) -> list[str]:
        """Make nodes with GPUs; give their names, once they are ready."""
        names = [f"{self._prefix}-{len(self.nodes) + number}" for number in range(count)]
        for name in names:
            self._cluster.api.create("/api/v1/nodes", _node(name, gpus))
            self.nodes.append(name)
        if wait:
            for name in names:
                wait_for(lambda name=name: self.is_ready(name), f"node {name} is ready")  # type: ignore[misc]
        return names

    def is_ready(self, name: str) -> bool:
        """Whether a node is ready."""
        node = self._cluster.api.find(f"/api/v1/nodes/{name}") or {}
        conditions = node.get("status", {}).get("conditions", [])
        return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)

    def lose_node(self, name: str) -> None:
        """Leave a node alone, as if its machine had gone: it is not ready soon, its pods answer no more.

        Pods that were to end by their script after a while still do.
        """
        # KWOK leaves nodes alone whose lease another holds; their pods it does not.
        self._hold_lease(name, holder="nobody", seconds=LOST_LEASE_SECONDS)
        self._mark_pods(name, "true")

    def find_node(self, name: str) -> None:
        """Bring a lost node back."""
        self._mark_pods(name, None)
        self._hold_lease(name, holder=None, seconds=1)

    def _hold_lease(self, name: str, holder: str | None, seconds: int) -> None:
        spec = {"holderIdentity": holder, "leaseDurationSeconds": seconds, "renewTime": now_micro()}
        self._cluster.api.merge(f"{LEASES}/{name}", {"spec": spec})

    def _mark_pods(self, name: str, lost: str | None) -> None:
        for pod in self._cluster.pods_on(name):
            try:
                self._cluster.api.merge(pod_path(pod), {"metadata": {"annotations": {LOST: lost}}})
            except ApiError as error:
                ignore_gone(error)

    def _answers(self) -> bool:
        if not self.component.running:
            raise TookTooLong(f"kwok does not start. {self.component.last_words()}")
        with suppress(OSError), urllib.request.urlopen(f"http://{HOST}:{self._port}/healthz", timeout=2) as answer:
            return bool(answer.status == 200)
        return False


def _node(name: str, gpus: int) -> Json:
    capacity = {"cpu": "64", "memory": "512Gi", "ephemeral-storage": "4Ti", "pods": "1000", "nvidia.com/gpu": str(gpus)}
    return {
        "metadata": {
            "name": name,
            "labels": {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", NODES_LABEL: VALUE},
            "annotations": {MANAGED: "fake"},
        },
        "status": {"capacity": capacity, "allocatable": capacity},
    }
