"""Who talks to whom, where a network enforces the chart's NetworkPolicies."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from recast.process.children import spawn
from recast.storage.embedded import EmbeddedStore
from tests.cluster.api import Json
from tests.cluster.objects import pod, pods_of, pods_path, wait_for_phase
from tests.cluster.system import SYSTEM
from tests.cluster.waiting import wait_for
from tests.e2e.images import CONTROLLER
from tests.e2e.network import NODE_ADDRESS, link_local
from tests.e2e.node import API_SERVICE, Node
from tests.e2e.studio import Studio, worker_process

REACH = Path(__file__).with_name("reach.py")
ANSWER = Path(__file__).with_name("answer.py")
METADATA = "169.254.170.23"
"""Where some clouds have credentials for pods; nothing of a machine's own is there."""
PORT = 9000
RESTRICTED = {
    "runAsNonRoot": True,
    "runAsUser": 10001,
    "seccompProfile": {"type": "RuntimeDefault"},
    "sysctls": [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "53"}],
}
CONFINED = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}

Places = dict[str, str]
"""Addresses to try, by what is there."""


def answering(node: Node, namespace: str, name: str, *ports: int) -> str:
    """Start a pod that answers at ports; give its address."""
    command = ["python", "-c", ANSWER.read_text(), *map(str, ports)]
    made = pod(name, command, image=CONTROLLER, imagePullPolicy="Never", securityContext=CONFINED)
    made["spec"] |= {"securityContext": RESTRICTED, "automountServiceAccountToken": False}
    node.api.create(pods_path(namespace), made)
    address: str = wait_for_phase(node, namespace, name, "Running")["status"]["podIP"]
    return address


def reached(node: Node, namespace: str, name: str, places: Places) -> set[str]:
    """Which of the places a pod reaches."""
    said = node.kubectl("exec", "-n", namespace, name, "--", "python", "-c", REACH.read_text(), *places.values()).stdout
    answers = json.loads(said)
    return {place for place, address in places.items() if answers[address]}


def reached_from_here(address: str) -> bool:
    """Whether the node itself, which policies let through, reaches an address."""
    _, host, port = address.split(":")
    with suppress(OSError), socket.create_connection((host, int(port)), timeout=2):
        return True
    return False


def controllers(node: Node) -> list[Json]:
    """The controllers' pods."""
    return [each for each in pods_of(node, SYSTEM) if each["metadata"]["name"].startswith("recast-controller-")]


def metrics_of(controller: Json) -> str:
    """Where a controller shows its metrics."""
    return f"tcp:{controller['status']['podIP']}:8080"


@pytest.fixture(scope="module")
def places(release: Node, studio: Studio, s3: EmbeddedStore) -> Iterator[Places]:
    """All that there is to reach; a pod without policies is in the studio, another in kube-system."""
    neighbour = answering(release, studio.namespace, "neighbour", PORT)
    resolver = answering(release, "kube-system", "resolver", 53, PORT)
    with link_local(METADATA), socket.create_server((METADATA, 80)):
        yield {
            "API server": f"tcp:{API_SERVICE}:443",
            "API server's own address": f"tcp:{NODE_ADDRESS}:{urlsplit(release.server).port}",
            "S3": f"tcp:{NODE_ADDRESS}:{urlsplit(s3.endpoint).port}",
            "DNS": f"udp:{resolver}:53",
            "DNS by TCP": f"tcp:{resolver}:53",
            "beside DNS": f"tcp:{resolver}:{PORT}",
            "metadata": f"tcp:{METADATA}:80",
            "neighbour": f"tcp:{neighbour}:{PORT}",
            "controller": metrics_of(controllers(release)[0]),
        }
    release.api.delete(f"{pods_path(studio.namespace)}/neighbour", gracePeriodSeconds=0)
    release.api.delete(f"{pods_path('kube-system')}/resolver", gracePeriodSeconds=0)


@contextmanager
def stopped(studio: Studio, name: str) -> Iterator[Json]:
    """A job's worker that stands still meanwhile."""
    worker = studio.working(name)
    process = worker_process(worker)
    os.kill(process, signal.SIGSTOP)
    try:
        yield worker
    finally:
        os.kill(process, signal.SIGCONT)


@contextmanager
def answering_inside(worker: Json) -> Iterator[str]:
    """Have something in a worker's pod answer; give its place."""
    command = ["nsenter", "-t", str(worker_process(worker)), "-n", sys.executable, str(ANSWER), str(PORT)]
    process = spawn(command, stdout=subprocess.DEVNULL)
    try:
        yield f"tcp:{worker['status']['podIP']}:{PORT}"
    finally:
        process.kill()
        process.wait()


def test_pods_without_a_policy_reach_all_but_the_controllers(studio: Studio, places: Places) -> None:
    """The places are there: what others do not reach, a policy keeps from them."""
    everywhere = set(places) - {"controller"}
    wait_for(
        lambda: reached(studio.node, studio.namespace, "neighbour", places) == everywhere,
        "the neighbour reaches all others",
        otherwise=lambda: reached(studio.node, studio.namespace, "neighbour", places),
    )
    assert reached(studio.node, "kube-system", "resolver", places) == set(places), "metrics may be scraped from there"


def test_stage_pods_reach_dns_and_s3_and_are_reached_by_nobody(studio: Studio, places: Places) -> None:
    wanted = studio.undisturbed()
    name = studio.apply(studio.job("fenced"))
    with stopped(studio, name) as worker:
        assert reached(studio.node, studio.namespace, worker["metadata"]["name"], places) == {"S3", "DNS", "DNS by TCP"}
        with answering_inside(worker) as inside:
            wait_for(lambda: reached_from_here(inside), "its node reaches it")
            assert reached(studio.node, studio.namespace, "neighbour", {"worker": inside}) == set()
            assert reached(studio.node, "kube-system", "resolver", {"worker": inside}) == set()
    assert studio.done(name)["output"]["sha256"] == wanted


def test_controllers_reach_the_api_server_alone(studio: Studio, places: Places) -> None:
    one, two = controllers(studio.node)
    for own, other in ((one, two), (two, one)):
        there = places | {"controller": metrics_of(other)}
        found = reached(studio.node, SYSTEM, own["metadata"]["name"], there)
        assert found == {"API server", "API server's own address"}
