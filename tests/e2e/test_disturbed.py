"""Whatever is done to a job's pods, its node or its controller: the same bytes come out, or nothing."""

import os
import signal
import time
from collections.abc import Callable

import pytest

from tests.cluster.api import Json
from tests.cluster.objects import pods_of, pods_path
from tests.cluster.system import SYSTEM, path_of, wait_for_job_phase
from tests.cluster.waiting import wait_for
from tests.e2e.node import NODE, Node
from tests.e2e.studio import Studio, worker_process

AWAY_SECONDS = 60
GONE_SECONDS = 30.0
TAINT = {"key": "recast.video/test", "effect": "NoExecute"}


def delete_worker(node: Node, pod: Json) -> None:
    """As `kubectl delete pod` does."""
    node.api.delete(f"{pods_path(pod['metadata']['namespace'])}/{pod['metadata']['name']}")


def taint_node(node: Node, pod: Json) -> None:
    """As where a node is drained of all that does not tolerate it, the controllers among them."""
    path = f"/api/v1/nodes/{NODE}"
    own = f"{pods_path(pod['metadata']['namespace'])}/{pod['metadata']['name']}"
    before = node.api.get(path)["spec"].get("taints", [])
    node.api.merge(path, {"spec": {"taints": [*before, TAINT]}})
    try:
        wait_for(lambda: is_over(node, own), "the worker is evicted", seconds=60)
    finally:
        kept = [each for each in node.api.get(path)["spec"].get("taints", []) if each["key"] != TAINT["key"]]
        node.api.merge(path, {"spec": {"taints": kept}})


def kill_process(node: Node, pod: Json) -> None:
    """As where memory runs out: the process has no time for anything."""
    del node
    os.kill(worker_process(pod), signal.SIGKILL)


def hang_node(node: Node, pod: Json) -> None:
    """The kubelet is gone for a minute; containers go on."""
    del pod
    node.stop_kubelet()
    time.sleep(AWAY_SECONDS)
    node.start_kubelet()
    node.await_ready()
    node.offer_gpus()


def delete_controllers(node: Node, pod: Json) -> None:
    """Both of them at once."""
    del pod
    for each in pods_of(node, SYSTEM):
        node.api.delete(f"{pods_path(SYSTEM)}/{each['metadata']['name']}")


def is_over(node: Node, path: str) -> bool:
    """Whether a pod has ended, or is gone."""
    found = node.api.find(path)
    return found is None or found["status"]["phase"] in ("Succeeded", "Failed")


@pytest.mark.parametrize("disturb", [delete_worker, taint_node, kill_process, hang_node, delete_controllers])
def test_the_same_bytes_come_out(studio: Studio, disturb: Callable[[Node, Json], None]) -> None:
    wanted = studio.undisturbed()
    name = studio.apply(studio.job(disturb.__name__.replace("_", "-")))
    disturb(studio.node, studio.working(name))
    status = studio.done(name)
    assert status["output"]["sha256"] == wanted
    assert studio.faults(status) == []


def test_deleted_mid_swap_its_pods_and_its_scratch_go(studio: Studio) -> None:
    before = set(studio.scratch())
    name = studio.apply(studio.job("deleted", retain="Never"))
    studio.working(name)
    studio.node.kubectl("delete", "fsj", "--namespace", studio.namespace, name, "--wait=false")
    wait_for(lambda: not studio.pods(), "its workers are gone", seconds=GONE_SECONDS)
    path = path_of(studio.namespace, name)
    wait_for(lambda: studio.node.api.find(path) is None, "it is gone, its scratch cleaned up", seconds=90)
    assert set(studio.scratch()) <= before
    assert not studio.storage.exists(f"{studio.base}/{name}.mp4")


def test_suspended_and_resumed_it_does_nothing_twice(studio: Studio) -> None:
    wanted, path = studio.undisturbed(), path_of(studio.namespace, "paused")
    name = studio.apply(studio.job("paused", retain="Always"))
    studio.working(name)
    studio.node.api.merge(path, {"spec": {"suspend": True}})
    wait_for_job_phase(studio.node, studio.namespace, name, "Suspended")
    wait_for(lambda: not studio.pods(), "no worker is left", seconds=GONE_SECONDS)
    done = {uri: studio.storage.head(uri).etag for uri in studio.scratch() if f"/{name}/" in uri and "/parts/" in uri}
    assert done
    studio.node.api.merge(path, {"spec": {"suspend": False}})
    assert studio.done(name)["output"]["sha256"] == wanted
    times = {uri: studio.storage.head(uri).etag for uri in done}
    assert times == done, "parts that were there are not written again"
