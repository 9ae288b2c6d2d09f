"""recast on the node, by its chart, with the images of this checkout."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from recast.storage.embedded import EmbeddedStore
from tests.charts.helm import CHART, Helm
from tests.cluster.system import SYSTEM, create_secret
from tests.cluster.waiting import wait_for
from tests.e2e.images import CONTROLLER, WORKER
from tests.e2e.network import NODE_ADDRESS
from tests.e2e.node import Node

RESTRICTED = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}
READY_SECONDS = 60.0
KUBE_SYSTEM = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}}


def install_chart(node: Node, helm: Helm, store: EmbeddedStore, tenants: Sequence[str]) -> None:
    """Install, and wait for both controllers; namespaces that are not there are made, of restricted Pod Security.

    Args:
        node: where.
        helm: at its cluster.
        store: the S3; its keys become a Secret of each tenant.
        tenants: namespaces with jobs; each may name its own folder of the store and no other.
    """
    for name in (SYSTEM, *tenants):
        if node.api.find(f"/api/v1/namespaces/{name}") is None:
            node.api.create("/api/v1/namespaces", {"metadata": {"name": name, "labels": RESTRICTED}})
            if name in tenants:
                create_secret(node, name, store)
    helm.run("install", "recast", str(CHART), "--namespace", SYSTEM, values=_values(node, store, tenants))
    deployment = f"/apis/apps/v1/namespaces/{SYSTEM}/deployments/recast-controller"
    wait_for(
        lambda: node.api.get(deployment)["status"].get("readyReplicas") == 2,
        "the controllers are ready",
        seconds=READY_SECONDS,
        otherwise=lambda: node.kubectl("describe", "pods", "--namespace", SYSTEM).stdout[-3000:],
    )


def _values(node: Node, store: EmbeddedStore, tenants: Sequence[str]) -> dict[str, Any]:
    return {
        "image": {
            "registry": "",
            "pullPolicy": "Never",
            "controller": _image(CONTROLLER),
            "segmentWorker": _image(WORKER),
        },
        "networkPolicy": {
            "apiServer": {"cidrs": [f"{NODE_ADDRESS}/32"], "ports": [urlsplit(node.server).port]},
            "metricsFrom": [KUBE_SYSTEM],
            "stagePods": {
                "namespaces": list(tenants),
                "s3": [
                    {
                        "to": [{"ipBlock": {"cidr": f"{NODE_ADDRESS}/32"}}],
                        "ports": [{"port": urlsplit(store.endpoint).port, "protocol": "TCP"}],
                    }
                ],
            },
        },
        "admissionPolicy": {
            "enabled": True,
            "consent": {"required": False},
            "namespaces": {
                name: {"buckets": [f"{store.bucket}/{name}/"], "endpoints": [store.endpoint]} for name in tenants
            },
        },
    }


def _image(name: str) -> dict[str, str]:
    repository, tag = name.rsplit(":", 1)
    return {"repository": repository, "tag": tag}
