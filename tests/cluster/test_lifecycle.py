"""Suspending, Kueue, deadlines, time to live, deleting: a FaceSwapJob's life beside its stages."""

import copy
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from recast import names
from recast.kube.names import FINALIZER, GROUP, LABEL_QUEUE, PLURAL, SWAP
from recast.storage.embedded import EmbeddedStore
from recast.storage.storage import Storage
from tests import clips
from tests.cluster import played
from tests.cluster.api import ApiError, Json
from tests.cluster.controlplane import ControlPlane
from tests.cluster.fixtures import StartKwok
from tests.cluster.kueue import Kueue
from tests.cluster.objects import jobs_path, pods_of
from tests.cluster.podrunner import PodRunner
from tests.cluster.system import (
    apply,
    condition,
    create_secret,
    path_of,
    sample,
    status_of,
    stored,
    wait_for_job_phase,
    wait_for_stalled,
)
from tests.cluster.waiting import wait_for

pytestmark = pytest.mark.usefixtures("controller")


def patch(control_plane: ControlPlane, namespace: str, **spec: object) -> None:
    control_plane.api.merge(path_of(namespace, "job"), {"spec": spec})


def live_pods(control_plane: ControlPlane, namespace: str) -> list[str]:
    return [
        pod["metadata"]["name"]
        for pod in pods_of(control_plane, namespace)
        if pod["status"]["phase"] in ("Pending", "Running")
    ]


def swap_job(control_plane: ControlPlane, namespace: str) -> Json:
    items = control_plane.api.get(jobs_path(namespace))["items"]
    return next((each for each in items if f"-{SWAP}-" in each["metadata"]["name"]), {})


def test_suspended_it_has_no_pod_and_goes_on_where_it_was(
    control_plane: ControlPlane, fake: str, start_kwok: StartKwok
) -> None:
    start_kwok(played.split(4), played.swap(seconds=5), played.mux())
    apply(control_plane, fake, sample("job", segments={"maxParallelism": 2}))
    wait_for(
        lambda: status_of(control_plane, fake, "job").get("progress") in ("2/4", "1/4"), "some are done", seconds=40
    )
    patch(control_plane, fake, suspend=True)
    status = wait_for_job_phase(control_plane, fake, "job", "Suspended", seconds=20)
    assert condition(status, "Suspended")["reason"] == names.JOB_SUSPENDED
    wait_for(lambda: not live_pods(control_plane, fake), "no pod", seconds=20)
    done = swap_job(control_plane, fake)["status"]["succeeded"]
    patch(control_plane, fake, suspend=False)
    status = wait_for_job_phase(control_plane, fake, "job", "Succeeded", seconds=60)
    assert condition(status, "Suspended")["status"] == "False"
    assert done >= 1 and len([each for each in pods_of(control_plane, fake) if SWAP in each["metadata"]["name"]]) <= 6


def test_what_kueue_does_to_a_job_is_never_fought(
    control_plane: ControlPlane, fake: str, start_kwok: StartKwok
) -> None:
    start_kwok(played.split(4), played.swap(seconds=2), played.mux())
    job = sample("job", segments={"maxParallelism": 4, "perPod": 1})
    job["metadata"]["labels"] = {LABEL_QUEUE: "renders"}
    with Kueue(control_plane, fake) as kueue:
        kueue.admit, kueue.parallelism = True, 2
        apply(control_plane, fake, job)
        wait_for(lambda: swap_job(control_plane, fake).get("status", {}).get("active") == 2, "two at once", seconds=60)
        # Past a few looks of the controller's.
        status = wait_for_job_phase(control_plane, fake, "job", "Succeeded", seconds=60)
        assert swap_job(control_plane, fake)["spec"]["parallelism"] == 2
        assert status["attempts"]["swap"] == 0


def test_what_somebody_else_suspends_is_left_so_and_named(
    control_plane: ControlPlane, fake: str, start_kwok: StartKwok
) -> None:
    start_kwok(played.split(2), played.swap(seconds=4), played.mux())
    apply(control_plane, fake, sample("job"))
    wait_for(lambda: swap_job(control_plane, fake).get("status", {}).get("active"), "it swaps", seconds=60)
    held = f"{jobs_path(fake)}/{swap_job(control_plane, fake)['metadata']['name']}"
    control_plane.api.merge(held, {"spec": {"suspend": True}})
    said = wait_for_stalled(control_plane, fake, "job", names.JOB_HELD)
    assert "kubectl patch job" in said and status_of(control_plane, fake, "job")["phase"] == "Queued"
    # Past a look of the controller's.
    time.sleep(12)
    assert control_plane.api.get(held)["spec"]["suspend"] is True and not live_pods(control_plane, fake)
    control_plane.api.merge(held, {"spec": {"suspend": False}})
    status = wait_for_job_phase(control_plane, fake, "job", "Succeeded", seconds=60)
    assert not condition(status, "Stalled") and status["attempts"]["swap"] == 0


def test_suspended_under_kueue_the_job_goes_and_comes_back_as_another(
    control_plane: ControlPlane, fake: str, start_kwok: StartKwok
) -> None:
    start_kwok(played.split(2), played.swap(seconds=4), played.mux())
    job = sample("job")
    job["metadata"]["labels"] = {LABEL_QUEUE: "renders"}
    with Kueue(control_plane, fake) as kueue:
        kueue.admit = True
        apply(control_plane, fake, job)
        wait_for(lambda: swap_job(control_plane, fake).get("status", {}).get("active"), "it swaps", seconds=60)
        patch(control_plane, fake, suspend=True)
        wait_for(lambda: not live_pods(control_plane, fake), "no pod", seconds=20)
        wait_for(lambda: not swap_job(control_plane, fake), "no job", seconds=20)
        patch(control_plane, fake, suspend=False)
        status = wait_for_job_phase(control_plane, fake, "job", "Succeeded", seconds=60)
    assert status["attempts"]["swap"] == 1


def test_parallelism_is_changed_while_it_runs(control_plane: ControlPlane, fake: str, start_kwok: StartKwok) -> None:
    start_kwok(played.split(6), played.swap(seconds=None), played.mux())
    apply(control_plane, fake, sample("job", segments={"maxParallelism": 1, "perPod": 1}))
    wait_for(lambda: swap_job(control_plane, fake).get("status", {}).get("active") == 1, "one at once", seconds=30)
    patch(control_plane, fake, segments={"maxParallelism": 4})
    wait_for(lambda: swap_job(control_plane, fake)["status"].get("active") == 4, "four at once", seconds=20)


def test_the_deadline_ends_it_and_may_be_changed_until_then(
    control_plane: ControlPlane, fake: str, start_kwok: StartKwok
) -> None:
    start_kwok(played.split(2), played.swap(seconds=None))
    apply(control_plane, fake, sample("job"))
    patch(control_plane, fake, deadlineSeconds=5)
    status = wait_for_job_phase(control_plane, fake, "job", "Failed", seconds=30)
    assert (status["failure"]["reason"], status["failure"]["code"]) == (names.DEADLINE_EXCEEDED, 75)
    wait_for(lambda: not live_pods(control_plane, fake), "no pod", seconds=20)


def test_the_deadline_waits_while_it_is_suspended(
    control_plane: ControlPlane, fake: str, start_kwok: StartKwok
) -> None:
    start_kwok(played.split(2), played.swap(seconds=None))
    apply(control_plane, fake, sample("job", deadlineSeconds=8))
    wait_for_job_phase(control_plane, fake, "job", "Swapping")
    patch(control_plane, fake, suspend=True)
    wait_for_job_phase(control_plane, fake, "job", "Suspended")
    time.sleep(12)
    assert status_of(control_plane, fake, "job")["phase"] == "Suspended"
    patch(control_plane, fake, suspend=False)
    wait_for_job_phase(control_plane, fake, "job", "Swapping")
    status = wait_for_job_phase(control_plane, fake, "job", "Failed", seconds=30)
    assert status["failure"]["reason"] == names.DEADLINE_EXCEEDED and status["waited"]["seconds"] >= 11


def test_its_time_to_live_removes_it_with_all_it_made(
    control_plane: ControlPlane, fake: str, start_kwok: StartKwok
) -> None:
    start_kwok(*played.stages(2))
    apply(control_plane, fake, sample("job", ttlSecondsAfterFinished=2))
    wait_for(lambda: control_plane.api.find(path_of(fake, "job")) is None, "it is gone", seconds=40)
    wait_for(lambda: not control_plane.api.get(jobs_path(fake))["items"], "so are its jobs", seconds=20)
    wait_for(lambda: not pods_of(control_plane, fake), "so are its pods", seconds=20)


def test_deleted_it_leaves_nothing(control_plane: ControlPlane, fake: str, start_kwok: StartKwok) -> None:
    start_kwok(played.split(4), played.swap(seconds=None))
    apply(control_plane, fake, sample("job"))
    wait_for(lambda: live_pods(control_plane, fake), "it swaps")
    control_plane.kubectl("delete", "fsj", "job", "--namespace", fake, "--timeout=30s")
    # The garbage collector looks for new kinds of owners every 30 s: ours may be one.
    wait_for(lambda: not pods_of(control_plane, fake), "no pod", seconds=90)
    assert not control_plane.api.get(jobs_path(fake))["items"]


def test_what_cannot_be_done_is_refused_by_the_server_or_fails_with_its_field(
    control_plane: ControlPlane, fake: str
) -> None:
    with pytest.raises(AssertionError, match="cannot be changed"):
        apply(control_plane, fake, sample("job"))
        apply(control_plane, fake, sample("job", source={"uri": "s3://studio/in/other.mov"}))
    bad: Json = sample("bad")
    bad["spec"]["faces"] = []
    bad["spec"]["engine"] = {"name": "Mesh"}
    with pytest.raises(ApiError, match="faces: at least one is needed"):
        control_plane.api.create(path_of(fake), bad)
    with pytest.raises(ApiError, match=r"output\.uri: is the source"):
        control_plane.api.create(path_of(fake), sample("same", output={"uri": "s3://studio/in/same.mov"}))


def test_scratch_is_removed_with_the_job_where_that_was_asked_for(
    control_plane: ControlPlane, pod_runner: PodRunner, s3: EmbeddedStore, storage: Storage
) -> None:
    with control_plane.namespace(on="runner") as namespace:
        create_secret(control_plane, namespace, s3)
        storage.upload(f"s3://{s3.bucket}/{namespace}/in.mp4", clips.build("cfr"))
        job = sample(
            "job",
            source={"uri": f"s3://{s3.bucket}/{namespace}/in.mp4"},
            output={"uri": f"s3://{s3.bucket}/{namespace}/out.mp4"},
            segments={"targetSeconds": 1},
            # A worker that never fits: the job stays half done.
            worker={"resources": {"requests": {"cpu": "1000"}}},
            storage=stored(s3) | {"retain": "Never"},
        )
        apply(control_plane, namespace, job)
        wait_for_job_phase(control_plane, namespace, "job", "Swapping")
        scratch = f"s3://{s3.bucket}/scratch/{namespace}/job/"
        assert list(storage.list(scratch))
        assert FINALIZER in json.dumps(control_plane.api.get(path_of(namespace, "job"))["metadata"])
        control_plane.kubectl("delete", "fsj", "job", "--namespace", namespace, "--timeout=60s")
        assert not list(storage.list(scratch))
        assert not storage.exists(f"s3://{s3.bucket}/{namespace}/out.mp4")


def test_a_namespace_that_is_deleted_is_not_held_up(control_plane: ControlPlane, start_kwok: StartKwok) -> None:
    start_kwok(played.split(2), played.swap(seconds=None))
    namespace = control_plane.create_namespace(on="kwok")
    storage = {"endpoint": "http://127.0.0.1:1", "scratch": "s3://scratch/recast", "retain": "Never"}
    apply(control_plane, namespace, sample("job", storage=storage))
    wait_for_job_phase(control_plane, namespace, "job", "Swapping")
    control_plane.delete_namespace(namespace)


@contextmanager
def other_crd(control_plane: ControlPlane, change: Callable[[dict[str, Any]], None]) -> Iterator[None]:
    """While it lasts the API server has another version of the schema."""
    api, path = control_plane.api, f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{PLURAL}.{GROUP}"
    versions = api.get(path)["spec"]["versions"]
    other = copy.deepcopy(versions)
    change(other[0]["schema"]["openAPIV3Schema"]["properties"])
    api.merge(path, {"spec": {"versions": other}})
    try:
        yield
    finally:
        api.merge(path, {"spec": {"versions": versions}})


def test_a_newer_crd_under_this_controller_ends_no_job(
    control_plane: ControlPlane, fake: str, start_kwok: StartKwok
) -> None:
    """Helm applies it before the new controller is up, and other releases' controllers stay as old as they are."""
    start_kwok(*played.stages(2))

    def add_a_field(schema: dict[str, Any]) -> None:
        video = schema["spec"]["properties"]["video"]["properties"]
        video["colourRange"] = {"type": "string", "default": "Source"}

    def has_the_default() -> bool:
        apply(control_plane, fake, sample("job", video={"quality": 20}))
        return "colourRange" in control_plane.api.get(path_of(fake, "job"))["spec"]["video"]

    with other_crd(control_plane, add_a_field):
        wait_for(has_the_default, "the API server has the new CRD", seconds=30)
        wait_for_job_phase(control_plane, fake, "job", "Succeeded", seconds=60)


def test_under_an_older_crd_a_job_succeeds_without_what_that_does_not_know(
    control_plane: ControlPlane, fake: str, start_kwok: StartKwok
) -> None:
    """Where a chart brings no CRD, that of another release may be older than the controller."""
    start_kwok(*played.stages(2))
    api = control_plane.api

    def drop_fields(schema: dict[str, Any]) -> None:
        for field in ("images", "progress"):
            del schema["status"]["properties"][field]

    def is_older() -> bool:
        schemas = api.get(f"/openapi/v3/apis/{GROUP}/v1alpha1")["components"]["schemas"]
        return "images" not in json.dumps([schema for name, schema in schemas.items() if name.endswith("FaceSwapJob")])

    with other_crd(control_plane, drop_fields):
        wait_for(is_older, "the API server has the old CRD", seconds=30)
        apply(control_plane, fake, sample("job"))
        wait_for_job_phase(control_plane, fake, "job", "Succeeded", seconds=60)
        status = api.get(path_of(fake, "job"))["status"]
        assert status["startTime"] and not {"images", "progress"} & status.keys()
