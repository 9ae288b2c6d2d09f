"""An image's SBOM: CycloneDX, the same bytes each time, and with everything that is there."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from imageio_ffmpeg import get_ffmpeg_exe

from tests.install.script import load
from tests.install.test_lock import ROOT

OS_RELEASE = 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\nVERSION_ID="12"\n'
LISTED = """\
libstdc++6\t12.2.0-14+deb12u1\tamd64\tgcc-12\t12.2.0-14+deb12u1
ca-certificates\t20230311\tall\tca-certificates\t20230311
bsdutils\t1:2.38.1-5\tamd64\tutil-linux\t2.38.1-5
"""


@pytest.fixture(scope="module")
def sbom() -> ModuleType:
    return load("sbom")


@pytest.fixture(scope="module")
def text(sbom: ModuleType) -> str:
    """The SBOM of this environment on a Debian of three packages."""
    system = sbom.read_os_release(OS_RELEASE)
    parts = [
        *sbom.system_component(system),
        *sbom.python_packages(distributions()),
        *sbom.debian_packages(LISTED, system),
    ]
    return str(sbom.document("recast-controller", "1.2.3", parts))


def every(components: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for each in components:
        yield each
        yield from every(each.get("components", []))


@pytest.fixture(scope="module")
def components(text: str) -> dict[str, dict[str, Any]]:
    """All components by their reference, those inside others too."""
    found = list(every(json.loads(text)["components"]))
    by_reference = {each["bom-ref"]: each for each in found}
    assert len(by_reference) == len(found), "a reference is there twice"
    return by_reference


def fault(text: str) -> str | None:
    """What CycloneDX' schema finds wrong."""
    found = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    return None if found is None else str(found.data.message)


def test_it_is_cyclonedx(text: str) -> None:
    assert fault(text) is None
    main = json.loads(text)["metadata"]["component"]
    assert (main["type"], main["name"], main["version"]) == ("container", "recast-controller", "1.2.3")


def test_the_schema_would_say_so(text: str) -> None:
    wrong = json.loads(text)
    wrong["components"][0]["type"] = "thing"
    assert "'thing' is not one of" in str(fault(json.dumps(wrong)))


def test_the_same_image_gives_the_same_bytes(text: str, sbom: ModuleType) -> None:
    system = sbom.read_os_release(OS_RELEASE)
    packages = sbom.python_packages(reversed(list(distributions())))
    debian = sbom.debian_packages("\n".join(reversed(LISTED.splitlines())), system)
    again = sbom.document("recast-controller", "1.2.3", [*sbom.system_component(system), *packages, *debian])
    assert again == text
    other = sbom.document("recast-controller", "1.2.4", [])
    assert json.loads(other)["serialNumber"] != json.loads(text)["serialNumber"]


def test_every_package_is_in_it(components: dict[str, dict[str, Any]]) -> None:
    there = {(each["name"], each["version"]) for each in components.values() if "version" in each}
    for package in distributions():
        assert (package.metadata["Name"].replace("_", "-").replace(".", "-").lower(), package.version) in there
    assert {"recast", "numpy", "av"} <= {name for name, _ in there}
    assert ("debian", "12") in there


def test_ffmpeg_is_in_it_as_the_binary_says(components: dict[str, dict[str, Any]]) -> None:
    (ffmpeg,) = (each for reference, each in components.items() if reference.endswith("#ffmpeg"))
    binary = Path(get_ffmpeg_exe())
    assert ffmpeg["hashes"] == [{"alg": "SHA-256", "content": hashlib.sha256(binary.read_bytes()).hexdigest()}]
    said = subprocess.run([binary, "-L"], capture_output=True, text=True, check=True, timeout=30).stdout
    assert "GNU General Public License" in said and "version 3" in said
    assert ffmpeg["licenses"] == [{"license": {"id": "GPL-3.0-or-later"}}]
    assert ffmpeg["cpe"] == f"cpe:2.3:a:ffmpeg:ffmpeg:{binary.name.rpartition('-v')[2]}:*:*:*:*:*:*:*"


@pytest.mark.skipif(sys.platform != "linux", reason="wheels of other systems keep their libraries elsewhere")
def test_libraries_inside_wheels_are_in_it(components: dict[str, dict[str, Any]]) -> None:
    inside = [each["name"] for reference, each in components.items() if reference.startswith("pkg:pypi/av@")]
    assert any(name.startswith("libx264-") for name in inside)
    assert any(name.startswith("libavcodec-") for name in inside)


def test_debians_packages_are_in_it_as_scanners_want_them(components: dict[str, dict[str, Any]]) -> None:
    debian = {reference: each for reference, each in components.items() if reference.startswith("pkg:deb/")}
    assert sorted(debian) == [
        "pkg:deb/debian/bsdutils@1%3A2.38.1-5?arch=amd64&distro=debian-12",
        "pkg:deb/debian/ca-certificates@20230311?arch=all&distro=debian-12",
        "pkg:deb/debian/libstdc%2B%2B6@12.2.0-14%2Bdeb12u1?arch=amd64&distro=debian-12",
    ]
    assert [each["properties"][0]["value"] for _, each in sorted(debian.items())][0] == "util-linux 2.38.1-5"


def test_it_needs_nothing_but_python() -> None:
    """It runs where only recast's packages are: here, where none are."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", "import runpy, sys; runpy.run_path(sys.argv[1])", "docker/sbom.py"],
        cwd=ROOT, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
