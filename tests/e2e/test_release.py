"""The chart over its life, with a job running."""

import shutil
from pathlib import Path

from recast.storage.embedded import EmbeddedStore
from tests.charts.helm import CHART, Helm
from tests.cluster.objects import pods_of
from tests.cluster.system import RESOURCES, SYSTEM
from tests.cluster.waiting import wait_for
from tests.e2e.install import install_chart
from tests.e2e.node import Node
from tests.e2e.studio import TENANTS, Studio


def older_chart(folder: Path) -> Path:
    """The chart as a version before this one."""
    older = folder / "older"
    shutil.copytree(CHART, older)
    file = older / "Chart.yaml"
    lines = file.read_text().splitlines()
    file.write_text("\n".join("version: 0.0.9" if line.startswith("version:") else line for line in lines) + "\n")
    return older


def controllers(node: Node) -> list[str]:
    """The controllers' pods; Helm's tests leave theirs behind."""
    names = [pod["metadata"]["name"] for pod in pods_of(node, SYSTEM)]
    return [name for name in names if name.startswith("recast-controller")]


def test_upgraded_mid_job_the_job_goes_on_and_uninstalled_the_jobs_stay(
    release: Node, studio: Studio, helm: Helm, s3: EmbeddedStore, tmp_path: Path
) -> None:
    wanted = studio.undisturbed()
    take = ("--namespace", SYSTEM, "--reuse-values")
    helm.run("upgrade", "recast", str(older_chart(tmp_path)), *take)
    name = studio.apply(studio.job("upgraded"))
    studio.working(name)
    helm.run("upgrade", "recast", str(CHART), *take, values={"controller": {"logLevel": "debug"}})
    assert studio.done(name)["output"]["sha256"] == wanted
    helm.run("uninstall", "recast", "--namespace", SYSTEM)
    wait_for(lambda: not controllers(release), "the controllers are gone", seconds=60)
    assert release.api.get(RESOURCES)["resources"], "the CRD stays"
    assert studio.status(name)["phase"] == "Succeeded"
    install_chart(release, helm, s3, TENANTS)
    assert studio.done(studio.apply(studio.job("again")))["output"]["sha256"] == wanted
