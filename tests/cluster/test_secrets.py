"""The S3 keys of jobs, one done and two failed: in the Secret and in the pods' environment, nowhere else."""

import base64
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from recast.storage.embedded import EmbeddedStore
from recast.storage.storage import Storage
from tests import clips
from tests.cluster.api import Json
from tests.cluster.cluster import Cluster
from tests.cluster.controlplane import ControlPlane
from tests.cluster.objects import pods_of
from tests.cluster.podrunner import PodRunner
from tests.cluster.system import (
    SECRET,
    Controller,
    apply,
    create_secret,
    install,
    path_of,
    sample,
    stored,
    wait_for_job_phase,
    watched,
)
from tests.leaks import command_lines, leaks

WRONG = "wrong-s3"
STRANGER = "stranger-s3"
TOKEN = "marked-session-token-93d0"
WRONG_KEY = "marked-secret-access-key-4e7a"
STRANGERS_ID = "MARKEDACCESSKEYID27C5"


@pytest.fixture
def controller(control_plane: ControlPlane, tmp_path: Path) -> Iterator[Controller]:
    install(control_plane)
    folder = tmp_path / "controller"
    with Controller(control_plane, folder, "--no-leader-election", environment={"RECAST_LOG": "debug"}) as running:
        yield running


@pytest.fixture
def place(control_plane: ControlPlane, pod_runner: PodRunner, s3: EmbeddedStore) -> Iterator[str]:
    """A namespace whose pods are processes, with three Secrets: the store's, and two that it refuses."""
    own = os.environ["AWS_ACCESS_KEY_ID"]
    with control_plane.namespace(on="runner") as name:
        create_secret(control_plane, name, s3)
        create_keys(control_plane, name, WRONG, own, WRONG_KEY)
        create_keys(control_plane, name, STRANGER, STRANGERS_ID, WRONG_KEY, TOKEN)
        yield name


def create_keys(cluster: Cluster, namespace: str, name: str, access: str, secret: str, token: str = "") -> None:
    keys = {"AWS_ACCESS_KEY_ID": access, "AWS_SECRET_ACCESS_KEY": secret} | (
        {"AWS_SESSION_TOKEN": token} if token else {}
    )
    data = {key: base64.b64encode(value.encode()).decode() for key, value in keys.items()}
    cluster.api.create(f"/api/v1/namespaces/{namespace}/secrets", {"metadata": {"name": name}, "data": data})


def kinds(cluster: Cluster) -> Iterator[str]:
    """Paths of everything in namespaces that can be listed, `/apis/GROUP/VERSION/%s/KIND`."""
    groups = [each["preferredVersion"]["groupVersion"] for each in cluster.api.get("/apis")["groups"]]
    for base in ("/api/v1", *(f"/apis/{group}" for group in groups)):
        for kind in cluster.api.get(base)["resources"]:
            if kind["namespaced"] and "list" in kind["verbs"]:
                yield f"{base}/namespaces/%s/{kind['name']}"


def objects(cluster: Cluster, namespace: str) -> Iterator[tuple[str, Json]]:
    """Everything in a namespace, as the API gives it: managed fields too."""
    for path in kinds(cluster):
        for each in cluster.api.get(path % namespace).get("items", ()):
            yield f"{path.rpartition('/')[2]} {each['metadata']['name']}", each


def scratch_and_outputs(storage: Storage, store: EmbeddedStore, namespace: str) -> dict[str, bytes]:
    """Everything that the jobs of a namespace left in the store, and what stands beside it."""
    seen = {}
    for folder in (f"s3://{store.bucket}/scratch/{namespace}/", f"s3://{store.bucket}/{namespace}/"):
        for info in storage.list(folder):
            seen[info.uri] = storage.get(info.uri)
            seen[f"{info.uri} metadata"] = json.dumps(dict(storage.head(info.uri).metadata)).encode()
    return seen


def logs(*folders: Path) -> dict[str, bytes]:
    """All logs in folders."""
    return {str(path): path.read_bytes() for folder in folders for path in folder.rglob("*.log")}


def as_bytes(found: Json) -> bytes:
    return json.dumps(found).encode()


def test_keys_are_in_no_object_log_report_or_command_line(
    control_plane: ControlPlane,
    controller: Controller,
    pod_runner: PodRunner,
    place: str,
    s3: EmbeddedStore,
    storage: Storage,
    tmp_path: Path,
) -> None:
    base = f"s3://{s3.bucket}/{place}"
    storage.upload(f"{base}/in.mp4", clips.build("cfr"))
    wanted = {"done": (SECRET, "Succeeded"), "wrong": (WRONG, "Failed"), "stranger": (STRANGER, "Failed")}
    seen: dict[str, bytes] = {}
    mark = f"{tempfile.gettempdir()}/recast-pods-"
    with (
        command_lines(mark, tmp_path) as lines,
        watched(lambda: [control_plane.api.get(path_of(place)), pods_of(control_plane, place)]) as states,
    ):
        for name, (secret, _) in wanted.items():
            storage_of = stored(s3) | {"credentialsSecret": secret, "retain": "Always"}
            places = {"source": {"uri": f"{base}/in.mp4"}, "output": {"uri": f"{base}/{name}.mp4"}}
            apply(control_plane, place, sample(name, **places, storage=storage_of, segments={"targetSeconds": 1}))
        for name, (_, phase) in wanted.items():
            status = wait_for_job_phase(control_plane, place, name, "Succeeded", "Failed", seconds=120)
            assert status["phase"] == phase, status
        assert controller.process is not None
        lines.add(Path(f"/proc/{controller.process.pid}/cmdline").read_bytes())

    seen |= {f"state {number}": as_bytes({"seen": state}) for number, state in enumerate(states)}
    seen |= {name: as_bytes(each) for name, each in objects(control_plane, place)}
    held = {name: seen.pop(name) for name in list(seen) if name.startswith("secrets ")}
    seen |= logs(pod_runner.folder, controller.log.parent, control_plane.folder)
    seen |= {"metrics": controller.get("/metrics").encode()}
    seen |= {f"command line {line!r}": line for line in lines}
    seen |= scratch_and_outputs(storage, s3, place)

    secrets = [os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"], STRANGERS_ID, WRONG_KEY, TOKEN]
    found = leaks(secrets, seen)
    assert not found, "\n".join(found)
    # All of it was looked at, and a key is known in an object where there is one.
    assert set(leaks(secrets, held)) == {f"secrets {each}" for each in (SECRET, WRONG, STRANGER)}
    looked_at = "\n".join(seen)
    parts = ("faceswapjobs done", "events ", "jobs ", "pods ", "/plan", "/parts/", "/done.mp4", "controller-a.log")
    assert [part for part in (*parts, f"/{place}/", "apiserver") if part not in looked_at] == []
    assert any(b"segment_worker" in line for line in lines) and any(b"-nostdin" in line for line in lines)
    print(f"{len(seen)} places, {len(lines)} command lines")
