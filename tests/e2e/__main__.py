"""A cluster to try recast on: one node for real, the images in containers, the chart installed, S3.

    make cluster

Where the machine cannot be a node it says why, and pods are processes instead (tests/cluster). It ends with Ctrl-C, and
leaves nothing but its folder and the built images.
"""

import sys
from contextlib import ExitStack

from recast.storage.embedded import EmbeddedStore
from tests.charts.helm import Helm
from tests.cluster.__main__ import start as start_processes
from tests.cluster.build import ROUTER, build, build_one
from tests.cluster.playground import FOLDER, NAMESPACE, furnish, play, say
from tests.e2e.images import default_store
from tests.e2e.install import install_chart
from tests.e2e.network import NODE_ADDRESS
from tests.e2e.node import Node, why_not


def start(held: ExitStack) -> None:
    """Start all, and say what to type."""
    if reason := why_not():
        say(f"{reason}; pods are processes instead")
        return start_processes(held)
    images, programs, router = default_store(say), build(say), build_one(ROUTER, say)
    images.build()
    node = held.enter_context(Node(programs, router, images.containerd))
    images.hand_over(node)
    store = held.enter_context(EmbeddedStore(FOLDER / "s3", NODE_ADDRESS))
    install_chart(node, Helm(programs.helm, FOLDER, node.kubeconfig), store, [NAMESPACE])
    furnish(node, store)


if __name__ == "__main__":
    sys.exit(play(start))
