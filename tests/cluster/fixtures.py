"""The cluster of a test worker: a control plane of its own, or the one that RECAST_TEST_KUBECONFIG names.

tests/conftest.py names these fixtures, so that all folders of tests share one cluster.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.cluster.build import Programs, Unavailable, build
from tests.cluster.cluster import Cluster, ExistingCluster, user_cluster
from tests.cluster.controlplane import ControlPlane
from tests.cluster.kwok import Kwok
from tests.cluster.podrunner import PodRunner
from tests.cluster.stages import Script

StartKwok = Callable[..., Kwok]


@pytest.fixture(scope="session")
def programs(request: pytest.FixtureRequest) -> Programs:
    """Give the programs, built where they have not been before."""
    capture = request.config.pluginmanager.getplugin("capturemanager")

    def say(line: str) -> None:
        with capture.global_and_fixture_disabled():
            print(f"\n{line}", file=sys.stderr, flush=True)

    try:
        return build(say)
    except Unavailable as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Give a cluster: the user's own where there is one."""
    with ExitStack() as held:
        found: Cluster
        try:
            if kubeconfig := user_cluster():
                found = ExistingCluster(kubeconfig, tmp_path_factory.mktemp("cluster"))
            else:
                found = held.enter_context(ControlPlane(request.getfixturevalue("programs")))
        except Unavailable as error:
            pytest.skip(str(error))
        yield found


@pytest.fixture(scope="session")
def control_plane(cluster: Cluster) -> ControlPlane:
    """Give a control plane that a test may do anything to: kill it, bring nodes, sign in as anybody."""
    if not isinstance(cluster, ControlPlane):
        pytest.skip("needs a control plane of the tests' own: unset RECAST_TEST_KUBECONFIG")
    return cluster


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    """Give a namespace of this test's own."""
    with cluster.namespace() as name:
        yield name


@pytest.fixture
def start_kwok(control_plane: ControlPlane, tmp_path: Path) -> Iterator[StartKwok]:
    """Give a function that starts KWOK, `start_kwok(*scripts, nodes=1, gpus=8)`: fake nodes while the test lasts."""
    with ExitStack() as held:

        def start(*scripts: Script, nodes: int = 1, gpus: int = 8) -> Kwok:
            kwok = held.enter_context(Kwok(control_plane, control_plane.programs.kwok, tmp_path, scripts))
            kwok.add_nodes(nodes, gpus=gpus)
            return kwok

        yield start


@pytest.fixture
def pod_runner(control_plane: ControlPlane, tmp_path: Path) -> Iterator[PodRunner]:
    """Give a node whose pods are processes, while the test lasts."""
    with PodRunner(control_plane, tmp_path / "pods") as runner:
        yield runner
