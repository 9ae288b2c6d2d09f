"""A cluster to try recast on without containers: a real control plane, one node whose pods are processes, S3.

    make cluster

It ends with Ctrl-C, and leaves nothing but its folder.
"""

import sys
from contextlib import ExitStack

from recast.storage.embedded import EmbeddedStore
from tests.cluster.build import build
from tests.cluster.cluster import NODES_LABEL, SELECTOR_ANNOTATION
from tests.cluster.controlplane import ControlPlane
from tests.cluster.playground import FOLDER, NAMESPACE, furnish, play, say
from tests.cluster.podrunner import VALUE, PodRunner
from tests.cluster.system import Controller, create_secret, install


def start(held: ExitStack) -> None:
    """Start all, and say what to type."""
    control_plane = held.enter_context(ControlPlane(build(say)))
    metadata = {"name": NAMESPACE, "annotations": {SELECTOR_ANNOTATION: f"{NODES_LABEL}={VALUE}"}}
    control_plane.api.create("/api/v1/namespaces", {"metadata": metadata})
    install(control_plane)
    store = held.enter_context(EmbeddedStore(FOLDER / "s3"))
    create_secret(control_plane, NAMESPACE, store)
    held.enter_context(PodRunner(control_plane, FOLDER / "pods"))
    held.enter_context(Controller(control_plane, FOLDER, identity="controller"))
    furnish(control_plane, store)
    say(f"\nLogs: {FOLDER}/controller.log, {FOLDER}/pods/")


if __name__ == "__main__":
    sys.exit(play(start))
