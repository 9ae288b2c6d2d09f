"""recast on the test cluster: fixtures of the tests in this folder."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.controlplane import ControlPlane
from tests.cluster.proxy import ApiProxy
from tests.cluster.system import Controller, account_kubeconfig, install


@pytest.fixture
def controller(control_plane: ControlPlane, tmp_path: Path) -> Iterator[Controller]:
    """A controller as a process; it waits for no lease."""
    install(control_plane)
    with Controller(control_plane, tmp_path / "controller", "--no-leader-election") as running:
        yield running


@pytest.fixture
def fake(control_plane: ControlPlane) -> Iterator[str]:
    """A namespace whose pods go to fake nodes."""
    install(control_plane)
    with control_plane.namespace(on="kwok") as name:
        yield name


@pytest.fixture
def proxy(control_plane: ControlPlane, tmp_path: Path) -> Iterator[ApiProxy]:
    """A proxy before the API server, that the controller goes through."""
    with ApiProxy(account_kubeconfig(control_plane), tmp_path) as running:
        yield running
