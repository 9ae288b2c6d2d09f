"""The control plane is up in seconds, survives the death of its API server, and leaves nothing behind."""

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import astuple, replace
from pathlib import Path

import pytest

from tests.cluster.api import ApiError, from_kubeconfig
from tests.cluster.build import Programs, Unavailable, find_go
from tests.cluster.cluster import Cluster
from tests.cluster.controlplane import FOLDER_PREFIX, ControlPlane
from tests.cluster.waiting import wait_for

UP_SECONDS = 15
PARTS = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"]
UNTIL_KILLED = """
import sys, time
from pathlib import Path
from tests.cluster.build import Programs
from tests.cluster.controlplane import ControlPlane
with ControlPlane(Programs(*map(Path, sys.argv[1:]))) as control_plane:
    print(control_plane.folder, flush=True)
    time.sleep(600)
"""


def processes_about(folder: Path) -> list[str]:
    """Command lines that name the folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            try:
                line = (entry / "cmdline").read_text()
            except OSError:
                continue
            if str(folder) in line:
                found.append(line.replace("\0", " "))
    return found


def test_it_is_up_in_seconds_and_leaves_nothing_behind(programs: Programs) -> None:
    start = time.monotonic()
    with ControlPlane(programs) as control_plane:
        seconds = time.monotonic() - start
        assert control_plane.running == PARTS
        folder = control_plane.folder
        assert len(processes_about(folder)) == len(PARTS)
    assert processes_about(folder) == []
    assert not folder.exists()
    assert seconds < UP_SECONDS


def test_nothing_runs_on_where_the_tests_are_killed_and_the_folder_goes_with_the_next(programs: Programs) -> None:
    command = [sys.executable, "-c", UNTIL_KILLED, *map(str, astuple(programs))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        folder = Path(parent.stdout.readline().strip())
        assert folder.name.startswith(FOLDER_PREFIX)
        assert len(processes_about(folder)) == len(PARTS)
        parent.kill()
    wait_for(lambda: not processes_about(folder), "no process of the killed one runs", seconds=10)
    os.utime(folder, (0, 0))
    with ControlPlane(programs) as later:
        assert not folder.exists()
        assert later.folder.exists()


def test_a_part_that_does_not_start_is_told_with_its_last_words(programs: Programs, tmp_path: Path) -> None:
    broken = tmp_path / "kube"
    broken.write_text('#!/bin/sh\nif [ "$1" = kube-apiserver ]; then echo no flag >&2; exit 3; fi\n')
    broken.write_text(broken.read_text() + f'exec {programs.kube} "$@"\n')
    broken.chmod(0o755)
    before = set(Path(tempfile.gettempdir()).glob(f"{FOLDER_PREFIX}*"))
    with pytest.raises(AssertionError, match=r"kube-apiserver does not start(?s:.*)ended with 3(?s:.*)no flag"):
        ControlPlane(replace(programs, kube=broken)).__enter__()
    assert set(Path(tempfile.gettempdir()).glob(f"{FOLDER_PREFIX}*")) == before


def test_the_apiserver_comes_back_on_the_same_data(control_plane: ControlPlane, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    control_plane.api.create(path, {"metadata": {"name": "kept"}, "data": {"word": "here"}})
    control_plane.kill_apiserver()
    with pytest.raises(OSError):
        control_plane.api.get(f"{path}/kept")
    control_plane.start_apiserver()
    assert control_plane.api.get(f"{path}/kept")["data"] == {"word": "here"}


def test_anybody_can_sign_in_and_gets_what_roles_allow(control_plane: ControlPlane, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    ada = control_plane.client_for("ada/l", ["studio"])
    with pytest.raises(ApiError, match='User "ada/l" cannot list resource "configmaps"') as error:
        ada.get(path)
    assert (error.value.status, error.value.reason) == (403, "Forbidden")
    binding = {
        "metadata": {"name": "studio"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "studio"}],
    }
    bindings = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/rolebindings"
    control_plane.api.create(bindings, binding)

    def allowed() -> bool:
        try:
            return bool(ada.get(path)["items"])
        except ApiError:
            return False

    wait_for(allowed, "the binding is in force", seconds=10)
    whoami = control_plane.kubectl("auth", "whoami", kubeconfig=control_plane.kubeconfig_for("ada/l", ["studio"]))
    assert "ada/l" in whoami.stdout
    assert "studio" in whoami.stdout


def test_requests_are_counted_by_who_sent_them(control_plane: ControlPlane, namespace: str) -> None:
    since = control_plane.audit.position()
    mine = control_plane.client_for("counted", ["system:masters"], agent="recast-counted/1")
    for _ in range(3):
        mine.get(f"/api/v1/namespaces/{namespace}/configmaps")
    audit = control_plane.audit
    wait_for(lambda: audit.count(agent="recast-counted", since=since) == 3, "three requests are in the log", seconds=5)
    assert audit.count(user="counted", verb="list", since=since) == 3
    assert audit.count(user="counted", verb="get", since=since) == 0
    assert audit.count(agent="recast-counted", user="admin", since=since) == 0


def test_kubectl_and_kubeconfigs_work(cluster: Cluster, namespace: str) -> None:
    manifest = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: applied}\ndata: {a: "1"}\n'
    assert cluster.kubectl("-n", namespace, "apply", "-f", "-", stdin=manifest).stdout == "configmap/applied created\n"
    with pytest.raises(AssertionError, match="NotFound"):
        cluster.kubectl("-n", namespace, "get", "configmap", "missing")
    other = from_kubeconfig(cluster.kubeconfig, "recast-test-other")
    assert other.get(f"/api/v1/namespaces/{namespace}/configmaps/applied")["data"] == {"a": "1"}
    assert other.find(f"/api/v1/namespaces/{namespace}/configmaps/missing") is None


def test_without_go_it_is_said_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda *_arguments, **_options: None)
    with pytest.raises(Unavailable, match=r"no Go here to build Kubernetes with: install Go 1\.26"):
        find_go()
