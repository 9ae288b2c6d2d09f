"""A release over its life: the CRD comes and is upgraded with it, and stays with all jobs when it goes."""

import shutil
from pathlib import Path

from tests.charts.conftest import Site
from tests.charts.helm import CHART, Helm
from tests.cluster.system import path_of, sample

CRD = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/faceswapjobs.recast.video"
COLUMN = "additionalPrinterColumns"


def columns(site: Site) -> list[str]:
    """The printer columns that the cluster has."""
    return [each["name"] for each in site.cluster.api.get(CRD)["spec"]["versions"][0][COLUMN]]


def older_chart(folder: Path) -> Path:
    """The chart, of a version whose CRD had one printer column less."""
    older = folder / "older"
    shutil.copytree(CHART, older)
    file = older / "files" / "faceswapjobs.yaml"
    lines = file.read_text().splitlines(keepends=True)
    begin = next(number for number, line in enumerate(lines) if line.strip() == "- name: ETA")
    file.write_text("".join(lines[:begin] + lines[begin + 5 :]))
    return older


def test_the_crd_is_upgraded_and_stays_with_the_jobs(installer: Helm, own_site: Site, tmp_path: Path) -> None:
    # It is there already: tests share it.
    take = ("--namespace", own_site.system, "--take-ownership", "--force-conflicts")
    installer.run("install", "recast", str(older_chart(tmp_path)), *take)
    before = columns(own_site)
    assert "ETA" not in before and "Phase" in before
    job = own_site.cluster.api.create(path_of(own_site.teams[0]), sample("kept"))
    installer.run("upgrade", "recast", str(CHART), "--namespace", own_site.system)
    assert set(columns(own_site)) == {*before, "ETA"}
    installer.run("uninstall", "recast", "--namespace", own_site.system)
    assert (
        own_site.cluster.api.find(f"/apis/apps/v1/namespaces/{own_site.system}/deployments/recast-controller") is None
    )
    assert "deletionTimestamp" not in own_site.cluster.api.get(CRD)["metadata"]
    kept = own_site.cluster.api.get(path_of(own_site.teams[0], "kept"))
    assert kept["metadata"]["uid"] == job["metadata"]["uid"]


def test_teams_may_have_releases_of_their_own(installer: Helm, own_site: Site) -> None:
    for team in own_site.teams:
        values = {"crd": {"install": False}, "watchNamespaces": [team], "admissionPolicy": {"enabled": True}}
        installer.run("install", "recast", str(CHART), "--namespace", team, values=values)
        assert own_site.cluster.api.find(f"/apis/apps/v1/namespaces/{team}/deployments/recast-controller")
    for team in own_site.teams:
        installer.run("uninstall", "recast", "--namespace", team)
