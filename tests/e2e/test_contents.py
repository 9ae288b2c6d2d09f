"""What the images say of themselves, asked in running pods."""

import json
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from tests.cluster.system import SYSTEM
from tests.e2e.node import Node
from tests.e2e.studio import Studio
from tests.e2e.test_release import controllers
from tests.install.script import load

LICENCES = ("/usr/share/common-licenses/GPL-3", "/usr/share/doc/libc6/copyright")


def printed(node: Node, namespace: str, pod: str, *files: str) -> str:
    """What files of a pod's container hold."""
    return node.kubectl("exec", "--namespace", namespace, pod, "--", "cat", *files).stdout


def assert_complete(sbom: str, place: str) -> None:
    """Hold an SBOM against the schema, the lock, and what is in every image."""
    fault = JsonStrictValidator(SchemaVersion.V1_6).validate_str(sbom)
    assert fault is None, fault.data.message
    components: list[dict[str, Any]] = json.loads(sbom)["components"]
    packages = {each["name"]: each["version"] for each in components if each["bom-ref"].startswith("pkg:pypi/")}
    licences = load("licences")
    assert packages.pop("recast") and packages == licences.locked(licences.PLACES[place])
    inside = [part["name"] for each in components for part in each.get("components", [])]
    assert "ffmpeg" in inside and any(name.startswith("libx264-") for name in inside)
    debian = {each["name"] for each in components if each["bom-ref"].startswith("pkg:deb/")}
    assert {"libc6", "libgomp1", "ca-certificates"} <= debian and "python3-venv" not in debian


@pytest.mark.usefixtures("release")
def test_each_image_has_its_sbom_and_the_licences(studio: Studio) -> None:
    node = studio.node
    controller = controllers(node)[0]
    assert_complete(printed(node, SYSTEM, controller, "/usr/share/sbom/recast-controller.cdx.json"), "controller")
    name = studio.apply(studio.job("listed"))
    worker = studio.working(name)["metadata"]["name"]
    sbom = printed(node, studio.namespace, worker, "/usr/share/sbom/recast-segment-worker.cdx.json")
    assert_complete(sbom, "worker, cpu")
    for namespace, pod in ((SYSTEM, controller), (studio.namespace, worker)):
        assert "GNU GENERAL PUBLIC LICENSE" in printed(node, namespace, pod, *LICENCES)
    studio.done(name)
