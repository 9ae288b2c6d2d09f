"""Helm, and a cluster that knows all kinds that the chart makes objects of."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.charts.crds import others_crds
from tests.charts.helm import Helm
from tests.cluster.api import ApiError
from tests.cluster.build import Programs
from tests.cluster.controlplane import ControlPlane
from tests.cluster.system import install
from tests.cluster.waiting import wait_for

RESTRICTED = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}


@dataclass(frozen=True)
class Site:
    """Namespaces to install into, all of restricted Pod Security.

    Attributes:
        system: the release's.
        teams: two with jobs.
    """

    cluster: ControlPlane
    system: str
    teams: tuple[str, str]

    def dry_run(self, text: str) -> str:
        """Have the API server check objects as if they were applied; give its warnings.

        Raises:
            AssertionError: it refuses one, or knows one of its fields not.
        """
        return self.cluster.kubectl(
            "apply",
            "--server-side",
            "--force-conflicts",
            "--dry-run=server",
            "--validate=strict",
            "-f",
            "-",
            stdin=text,
        ).stderr


@pytest.fixture(scope="session")
def helm(programs: Programs, tmp_path_factory: pytest.TempPathFactory) -> Helm:
    """Helm without a cluster."""
    return Helm(programs.helm, tmp_path_factory.mktemp("helm"))


@pytest.fixture(scope="session")
def known(control_plane: ControlPlane) -> ControlPlane:
    """The cluster, with recast's CRD and those of others."""
    install(control_plane)
    text = yaml.safe_dump_all(others_crds())
    control_plane.kubectl("apply", "--server-side", "-f", "-", stdin=text)
    for crd in others_crds():
        spec = crd["spec"]
        path = f"/apis/{spec['group']}/{spec['versions'][0]['name']}/{spec['names']['plural']}"
        wait_for(lambda path=path: _is_served(control_plane, path), f"{path} is served")
    return control_plane


def _is_served(cluster: ControlPlane, path: str) -> bool:
    try:
        return cluster.api.find(path) is not None
    except ApiError:
        return False


@contextmanager
def open_site(known: ControlPlane) -> Iterator[Site]:
    """Make three namespaces, and delete them in the end."""
    names = [known.create_namespace(prefix, labels=RESTRICTED) for prefix in ("system", "team", "team")]
    yield Site(known, names[0], (names[1], names[2]))
    for name in names:
        known.delete_namespace(name, wait=False)


@contextmanager
def installing(helm: Helm, site: Site, folder: Path) -> Iterator[Helm]:
    """Give Helm at the site's cluster; releases that are there in the end are uninstalled."""
    made = Helm(helm.program, folder, site.cluster.kubeconfig)
    yield made
    for release in made.run("list", "--short", "--namespace", site.system).split():
        made.run("uninstall", release, "--namespace", site.system)


@pytest.fixture(scope="module")
def site(known: ControlPlane) -> Iterator[Site]:
    """Namespaces that a file's tests share."""
    with open_site(known) as made:
        yield made


@pytest.fixture
def own_site(known: ControlPlane) -> Iterator[Site]:
    """Namespaces of a test's own."""
    with open_site(known) as made:
        yield made


@pytest.fixture
def installer(helm: Helm, own_site: Site, tmp_path: Path) -> Iterator[Helm]:
    """Helm at the test's own site."""
    with installing(helm, own_site, tmp_path) as made:
        yield made
