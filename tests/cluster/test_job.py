"""FaceSwapJobs with the real stages, from `kubectl apply` to a video."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from recast.storage.embedded import EmbeddedStore
from recast.storage.storage import Storage
from recast.verify.report import verify
from tests import faces
from tests.cluster.api import Json
from tests.cluster.controlplane import ControlPlane
from tests.cluster.objects import pods_of, pods_path
from tests.cluster.podrunner import PodRunner
from tests.cluster.system import (
    Controller,
    apply,
    condition,
    create_secret,
    install,
    sample,
    status_of,
    stored,
    wait_for_job_phase,
    watched,
)
from tests.cluster.waiting import wait_for


@pytest.fixture
def controller(control_plane: ControlPlane, tmp_path: Path) -> Iterator[Controller]:
    install(control_plane)
    with Controller(control_plane, tmp_path / "controller") as running:
        yield running


@pytest.fixture
def place(control_plane: ControlPlane, pod_runner: PodRunner, s3: EmbeddedStore) -> Iterator[str]:
    """A namespace whose pods are processes, with the store's Secret."""
    with control_plane.namespace(on="runner") as name:
        create_secret(control_plane, name, s3)
        yield name


class Studio:
    """One namespace's objects in the store: a clip, a face, and the job that brings them together."""

    def __init__(self, place: str, s3: EmbeddedStore, storage: Storage, folder: Path) -> None:
        self._folder, self._storage, self._store, self._base = folder, storage, s3, f"s3://{s3.bucket}/{place}"
        self.clip = faces.talking_head(folder, frames=45)
        storage.upload(f"{self._base}/in.mp4", self.clip)
        storage.upload(f"{self._base}/face.png", faces.photo())

    def job(self, name: str, **segments: object) -> Json:
        """A FaceSwapJob with the mesh engine."""
        return sample(
            name,
            source={"uri": f"{self._base}/in.mp4"},
            output={"uri": f"{self._base}/{name}.mp4"},
            engine={"name": "Mesh"},
            faces=[{"source": [f"{self._base}/face.png"]}],
            consent={"reference": "a test"},
            segments=segments,
            storage=stored(self._store),
        )

    def faults(self, status: Json) -> list[object]:
        """What `recast verify` finds wrong with the output."""
        output = self._folder / "out.mp4"
        self._storage.download(status["output"]["uri"], output, sha256=status["output"]["sha256"])
        return [check for check in verify(self.clip, output) if not check.ok]


@pytest.fixture
def studio(place: str, s3: EmbeddedStore, storage: Storage, tmp_path: Path) -> Studio:
    return Studio(place, s3, storage, tmp_path)


@pytest.mark.usefixtures("controller")
def test_a_face_is_swapped_from_apply_to_video(control_plane: ControlPlane, place: str, studio: Studio) -> None:
    with watched(lambda: status_of(control_plane, place, "interview").get("phase")) as phases:
        apply(control_plane, place, studio.job("interview", targetSeconds=1, maxParallelism=2))
        status = wait_for_job_phase(control_plane, place, "interview", "Succeeded", "Failed", seconds=90)
    assert status["phase"] == "Succeeded", status
    assert [each for each in phases if each not in (None, "Pending", "Succeeded")] == [
        "Splitting",
        "Swapping",
        "Muxing",
    ]
    assert status["segments"]["succeeded"] == status["segments"]["total"] > 1
    assert status["frames"]["done"] == status["frames"]["total"]
    assert status["facesSwapped"] > 0 and status["notices"] == [], "its photo is beyond doubt"
    assert condition(status, "Complete")["status"] == "True"
    assert studio.faults(status) == []


@pytest.mark.timeout(300)
@pytest.mark.usefixtures("controller")
def test_twenty_segments_by_four_pods_at_once_one_evicted_and_one_deleted(
    control_plane: ControlPlane, place: str, studio: Studio
) -> None:
    job = studio.job("short", targetSeconds="0.034", perPod=1, maxParallelism=4, retries=0)
    with watched(lambda: frozenset(workers_of(control_plane, place))) as live:
        apply(control_plane, place, job)
        for by in (evict, delete):
            lose_a_worker(control_plane, place, by)
        status = wait_for_job_phase(control_plane, place, "short", "Succeeded", "Failed", seconds=240)
    assert status["phase"] == "Succeeded", status
    assert status["segments"]["total"] >= 20
    assert max(map(len, live)) == 4
    # One that ended just then had done its work, and is not replaced.
    assert len(frozenset().union(*live)) > status["segments"]["total"], "none was replaced"
    assert studio.faults(status) == []


def workers_of(control_plane: ControlPlane, namespace: str, *phases: str) -> list[str]:
    """Swap pods that live, or are in one of these phases."""
    return [
        pod["metadata"]["name"]
        for pod in pods_of(control_plane, namespace)
        if pod["status"]["phase"] in (phases or ("Pending", "Running")) and "-swap-" in pod["metadata"]["name"]
    ]


def lose_a_worker(control_plane: ControlPlane, namespace: str, by: Callable[[ControlPlane, str, str], None]) -> None:
    """Take a worker away while it works."""
    name = wait_for(lambda: workers_of(control_plane, namespace, "Running"), "a worker", seconds=60)[-1]
    by(control_plane, namespace, name)


def evict(control_plane: ControlPlane, namespace: str, name: str) -> None:
    """As `kubectl drain` does."""
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": namespace}}
    control_plane.api.create(f"{pods_path(namespace)}/{name}/eviction", eviction)


def delete(control_plane: ControlPlane, namespace: str, name: str) -> None:
    """As `kubectl delete pod` does."""
    control_plane.api.delete(f"{pods_path(namespace)}/{name}")
