"""One node, the images, the chart installed, an S3 that its pods reach. `make e2e` runs these tests, no other does."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from recast.storage.embedded import EmbeddedStore
from recast.storage.storage import Storage
from tests.charts.helm import Helm
from tests.cluster.build import ROUTER, Programs, Unavailable, build_one
from tests.e2e.images import default_store
from tests.e2e.install import install_chart
from tests.e2e.network import NODE_ADDRESS
from tests.e2e.node import Node
from tests.e2e.studio import TENANTS, Studio
from tests.s3_fixture import signed_in

SWITCH = "RECAST_E2E"
COLD_SECONDS = 2400


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The first test waits for everything to be built."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(COLD_SECONDS))


@pytest.fixture(scope="session")
def node(request: pytest.FixtureRequest) -> Iterator[Node]:
    """The node, with the project's images as they are now."""
    if not os.environ.get(SWITCH):
        pytest.skip("make e2e")
    capture = request.config.pluginmanager.getplugin("capturemanager")

    def say(line: str) -> None:
        with capture.global_and_fixture_disabled():
            print(f"\n{line}", file=sys.stderr, flush=True)

    programs: Programs = request.getfixturevalue("programs")
    store = default_store(say)
    try:
        made = Node(programs, build_one(ROUTER, say), store.containerd)
    except Unavailable as error:
        pytest.skip(str(error))
    store.build()
    with made as running:
        store.hand_over(running)
        yield running


@pytest.fixture(scope="session")
def s3(node: Node, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedStore]:
    """An S3 with access keys, at the node's address."""
    with EmbeddedStore(tmp_path_factory.mktemp("s3"), NODE_ADDRESS) as store, signed_in(store):
        yield store


@pytest.fixture(scope="session")
def helm(node: Node, programs: Programs, tmp_path_factory: pytest.TempPathFactory) -> Helm:
    """Helm at the node's cluster."""
    return Helm(programs.helm, tmp_path_factory.mktemp("helm"), node.kubeconfig)


@pytest.fixture(scope="session")
def release(node: Node, helm: Helm, s3: EmbeddedStore) -> Node:
    """The node, recast installed by its chart, and two tenants' namespaces."""
    install_chart(node, helm, s3, TENANTS)
    return node


@pytest.fixture(scope="session")
def studio(release: Node, s3: EmbeddedStore, storage: Storage, tmp_path_factory: pytest.TempPathFactory) -> Studio:
    """The first tenant, with a clip and a face in the store."""
    return Studio(release, TENANTS[0], s3, storage, tmp_path_factory.mktemp("studio"))
