"""The controller asks for nothing outside its role, may not read Secrets, and shows how it is over HTTP."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster import played
from tests.cluster.controlplane import ControlPlane
from tests.cluster.fixtures import StartKwok
from tests.cluster.system import ACCOUNT, SYSTEM, Controller, apply, install, path_of, sample, wait_for_job_phase
from tests.cluster.waiting import wait_for


@pytest.fixture
def fake(control_plane: ControlPlane) -> Iterator[str]:
    install(control_plane)
    with control_plane.namespace(on="kwok") as name:
        yield name


def audited(control_plane: ControlPlane) -> list[str]:
    """The API server's audit log."""
    return (control_plane.folder / "audit.log").read_text().splitlines()


def refused(lines: list[str]) -> list[str]:
    """What the controller was refused for want of a right, by lines of the audit log."""
    events = [json.loads(line) for line in lines if line.endswith("}")]
    return [
        f"{event['verb']} {event['requestURI']}"
        for event in events
        if event["user"]["username"] == ACCOUNT and event.get("responseStatus", {}).get("code") == 403
        if event.get("annotations", {}).get("authorization.k8s.io/decision") == "forbid"
    ]


def test_a_whole_life_stays_inside_the_role(
    control_plane: ControlPlane, fake: str, start_kwok: StartKwok, tmp_path: Path
) -> None:
    start_kwok(played.split(2), played.swap(seconds=1), played.mux())
    storage = {"endpoint": "http://127.0.0.1:1", "scratch": "s3://scratch/recast", "retain": "Never"}
    # A server that another test has just restarted knows no role yet, and refuses everything for a moment.
    before = len(audited(control_plane))
    with Controller(control_plane, tmp_path):
        apply(control_plane, fake, sample("job", storage=storage))
        wait_for_job_phase(control_plane, fake, "job", "Swapping")
        control_plane.api.merge(path_of(fake, "job"), {"spec": {"suspend": True}})
        wait_for_job_phase(control_plane, fake, "job", "Suspended")
        control_plane.api.merge(path_of(fake, "job"), {"spec": {"suspend": False, "segments": {"maxParallelism": 1}}})
        wait_for_job_phase(control_plane, fake, "job", "Succeeded")
        control_plane.kubectl("delete", "fsj", "job", "--namespace", fake, "--timeout=60s")
    lines = audited(control_plane)[before:]
    assert any(ACCOUNT in line for line in lines)
    assert refused(lines) == []


@pytest.mark.parametrize(
    ("verb", "what", "may"),
    [
        ("get", "secrets", False),
        ("list", "secrets", False),
        ("create", "pods", False),
        ("get", "configmaps", False),
        ("delete", "pods", False),
        ("create", "faceswapjobs.recast.video", False),
        ("update", "faceswapjobs.recast.video", False),
        ("escalate", "roles.rbac.authorization.k8s.io", False),
        ("create", "jobs.batch", True),
        ("update", "faceswapjobs.recast.video/status", True),
        ("patch", "faceswapjobs.recast.video/status", False),
    ],
)
def test_the_role_allows_what_is_needed_and_no_more(
    verb: str, what: str, may: bool, control_plane: ControlPlane, fake: str
) -> None:
    resource, _, subresource = what.partition("/")
    asked = ["auth", "can-i", verb, resource, f"--subresource={subresource}", "--namespace", fake, f"--as={ACCOUNT}"]
    done = control_plane.kubectl(*asked, check=False)
    assert done.stdout.strip() == ("yes" if may else "no")


def test_leases_of_others_are_out_of_reach(control_plane: ControlPlane, fake: str) -> None:
    for name, may in (("recast-controller", "yes"), ("kube-scheduler", "no")):
        done = control_plane.kubectl(
            "auth", "can-i", "update", f"leases.coordination.k8s.io/{name}", "--namespace", SYSTEM, f"--as={ACCOUNT}",
            check=False,
        )  # fmt: skip
        assert done.stdout.strip() == may


def test_its_health_and_metrics_are_shown(
    control_plane: ControlPlane, fake: str, start_kwok: StartKwok, tmp_path: Path
) -> None:
    start_kwok(*played.stages(4))
    with Controller(control_plane, tmp_path, "--no-leader-election", "--namespaces", fake) as controller:
        wait_for(lambda: any("caches are filled" in line for line in controller.lines()), "it is up", seconds=30)
        assert (controller.get("/healthz"), controller.get("/readyz")) == ("ok\n", "ok\n")
        apply(control_plane, fake, sample("job"))
        wait_for_job_phase(control_plane, fake, "job", "Succeeded")

        def value(name: str) -> float | None:
            found = re.search(rf"^{re.escape(name)} (\S+)$", controller.get("/metrics"), re.MULTILINE)
            return float(found[1]) if found else None

        wait_for(lambda: value('recast_jobs{phase="Succeeded"}'), "it is counted")
        assert value("recast_segments_done_total") == 4
        assert value("recast_frames_done_total") == 4 * played.FRAMES
        assert value("recast_leader") == 1
        assert value("recast_queue_depth") is not None
        assert (value('recast_reconciles_total{result="ok"}') or 0) > 3
        assert value('recast_api_requests_total{code="201",resource="jobs",verb="POST"}') == 3
        said = [json.loads(line) for line in controller.lines()]
        assert all(line["job"] == f"{fake}/job" for line in said if line["message"] in ("action", "phase"))
    assert controller.lines()[-1].count("controller stopped")
