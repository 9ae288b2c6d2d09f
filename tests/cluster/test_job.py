"""FaceSwapJobs with the real stages, from `kubectl apply` to a video."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from recast.embedded import EmbeddedStore
from recast.storage import Storage
from recast.verify.report import verify
from tests import faces
from tests.cluster.controlplane import ControlPlane
from tests.cluster.podrunner import PodRunner
from tests.cluster.system import (
    Controller,
    apply,
    condition,
    create_secret,
    install,
    sample,
    stored,
    wait_for_job_phase,
    watched_phases,
)


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


def test_a_face_is_swapped_from_apply_to_video(
    controller: Controller, control_plane: ControlPlane, place: str, s3: EmbeddedStore, storage: Storage, tmp_path: Path
) -> None:
    clip = faces.talking_head(tmp_path)
    storage.upload(f"s3://{s3.bucket}/{place}/in.mp4", clip)
    storage.upload(f"s3://{s3.bucket}/{place}/face.png", faces.photo())
    job = sample(
        "interview",
        source={"uri": f"s3://{s3.bucket}/{place}/in.mp4"},
        output={"uri": f"s3://{s3.bucket}/{place}/out.mp4"},
        engine={"name": "Mesh"},
        faces=[{"source": [f"s3://{s3.bucket}/{place}/face.png"]}],
        consent={"reference": "a test"},
        segments={"targetSeconds": 0.5, "maxParallelism": 2},
        storage=stored(s3),
    )
    with watched_phases(control_plane, place, "interview") as phases:
        apply(control_plane, place, job)
        status = wait_for_job_phase(control_plane, place, "interview", "Succeeded", "Failed", seconds=90)
    assert status["phase"] == "Succeeded", status
    assert [each for each in phases if each not in ("Pending", "Succeeded")] == ["Splitting", "Swapping", "Muxing"]
    assert status["segments"]["succeeded"] == status["segments"]["total"] > 1
    assert status["frames"]["done"] == status["frames"]["total"]
    assert status["facesSwapped"] > 0
    assert condition(status, "Complete")["status"] == "True"
    output = tmp_path / "out.mp4"
    storage.download(status["output"]["uri"], output, sha256=status["output"]["sha256"])
    assert [check for check in verify(clip, output) if not check.ok] == []
