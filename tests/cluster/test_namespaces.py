"""Of several namespaces that a controller watches, one that it may not read, or that is gone, holds up no other."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster import played
from tests.cluster.controlplane import ControlPlane
from tests.cluster.fixtures import StartKwok
from tests.cluster.objects import jobs_path
from tests.cluster.system import Controller, apply, install, sample, status_of, wait_for_job_phase
from tests.cluster.waiting import wait_for

USER = "tenants-controller"


@pytest.fixture
def places(control_plane: ControlPlane, start_kwok: StartKwok) -> Iterator[tuple[str, str]]:
    """Two namespaces with the controller's rights in each."""
    install(control_plane)
    start_kwok(*played.stages(2))
    with control_plane.namespace(on="kwok") as first, control_plane.namespace(on="kwok") as second:
        for each in (first, second):
            allow(control_plane, each)
        yield first, second


def allow(control_plane: ControlPlane, namespace: str) -> None:
    control_plane.api.create(
        bindings(namespace),
        {
            "metadata": {"name": "recast"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "recast-controller"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": USER}],
        },
    )


def bindings(namespace: str) -> str:
    return f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/rolebindings"


def of_both(control_plane: ControlPlane, folder: Path, *namespaces: str) -> Controller:
    return Controller(
        control_plane,
        folder,
        *("--no-leader-election", "--watch-seconds", "2", "--namespaces", ",".join(namespaces)),
        kubeconfig=control_plane.kubeconfig_for(USER),
    )


def stages(control_plane: ControlPlane, namespace: str) -> Counter[str]:
    items = control_plane.api.get(jobs_path(namespace))["items"]
    return Counter(each["metadata"]["labels"]["recast.video/stage"] for each in items)


def refused(controller: Controller, namespace: str) -> bool:
    return f'recast_namespace_refused{{watched="{namespace}"}} 1.0' in controller.get("/metrics")


def test_rights_that_are_gone_for_a_while_hold_up_their_own_namespace_only(
    control_plane: ControlPlane, places: tuple[str, str], tmp_path: Path
) -> None:
    kept, lost = places
    with of_both(control_plane, tmp_path, kept, lost) as controller:
        apply(control_plane, lost, sample("before"))
        wait_for_job_phase(control_plane, lost, "before", "Splitting", "Swapping", "Muxing")
        control_plane.api.delete(f"{bindings(lost)}/recast")
        wait_for(lambda: refused(controller, lost), "it is refused")
        apply(control_plane, lost, sample("meanwhile"))
        apply(control_plane, kept, sample("job"))
        wait_for_job_phase(control_plane, kept, "job", "Succeeded")
        assert status_of(control_plane, lost, "meanwhile") == {"observedGeneration": 0}
        assert (controller.get("/healthz"), controller.get("/readyz")) == ("ok\n", "ok\n")
        allow(control_plane, lost)
        for name in ("before", "meanwhile"):
            wait_for_job_phase(control_plane, lost, name, "Succeeded", seconds=90)
        assert not refused(controller, lost)
    assert stages(control_plane, lost) == {"split": 2, "swap": 2, "mux": 2}, "nothing is made anew"


def test_a_namespace_that_is_gone_keeps_no_controller_from_its_start(
    control_plane: ControlPlane, places: tuple[str, str], tmp_path: Path
) -> None:
    kept, gone = places
    control_plane.delete_namespace(gone)
    with of_both(control_plane, tmp_path, kept, gone) as controller:
        apply(control_plane, kept, sample("job"))
        wait_for_job_phase(control_plane, kept, "job", "Succeeded")
        assert controller.get("/readyz") == "ok\n" and refused(controller, gone)
        assert any("watch is refused" in line and gone in line for line in controller.lines())
        # It comes back, and with it the rights there.
        control_plane.api.create("/api/v1/namespaces", {"metadata": {"name": gone}})
        allow(control_plane, gone)
        wait_for(lambda: not refused(controller, gone), "it is watched again", seconds=90)


def test_one_that_may_read_nothing_is_not_ready(
    control_plane: ControlPlane, places: tuple[str, str], tmp_path: Path
) -> None:
    for each in places:
        control_plane.api.delete(f"{bindings(each)}/recast")
    with of_both(control_plane, tmp_path, *places) as controller:
        wait_for(lambda: any("watch is refused" in line for line in controller.lines()), "it was refused")
        with pytest.raises(OSError, match="503"):
            controller.get("/readyz")
        assert not any("caches are filled" in line for line in controller.lines())
