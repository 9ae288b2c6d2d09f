"""docs/licences.md says what the lock says, and every licence in it is one that a person has allowed."""

import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType

import pytest

from tests.install.script import load
from tests.install.test_lock import ROOT, find_uv

Packages = dict[tuple[str, str], tuple[str, set[str]]]
"""Name and version, to licence and places."""


@pytest.fixture(scope="module")
def licences() -> ModuleType:
    return load("licences")


@pytest.fixture(scope="module")
def documented(licences: ModuleType) -> Packages:
    table = licences.DOCUMENT.read_text().split(licences.BEGIN)[1].split(licences.END)[0]
    found: Packages = {}
    for line in table.splitlines()[2:]:
        name, its_version, licence, places = (each.strip() for each in line.strip("|").split("|"))
        found[name, its_version] = (licence, set(places.split("; ")))
    return found


def test_the_document_has_the_packages_of_the_lock(licences: ModuleType, documented: Packages) -> None:
    find_uv()
    for place, options in licences.PLACES.items():
        locked = set(licences.locked(options).items())
        assert len(locked) > 20
        assert {package for package, (_, places) in documented.items() if place in places} == locked, "make licences"


def test_every_licence_is_allowed(licences: ModuleType, documented: Packages) -> None:
    assert len(documented) > 50
    assert {name: bad for (name, _), (licence, _) in documented.items() if (bad := licences.strangers(licence))} == {}


def test_the_licences_are_those_of_the_packages_themselves(licences: ModuleType, documented: Packages) -> None:
    def is_here(name: str, its_version: str) -> bool:
        try:
            return version(name) == its_version
        except PackageNotFoundError:
            return False

    here = {package: licence for package, (licence, _) in documented.items() if is_here(*package)}
    assert len(here) > 20
    assert {package: licences.licence_of(*package) for package in here} == here


def test_the_images_have_what_the_dockerfile_installs(licences: ModuleType) -> None:
    recipe = (ROOT / "Dockerfile").read_text().replace('"${RUNTIME}"', "RUNTIME")
    for image, place in (("kubernetes", "controller"), ("RUNTIME", "worker, gpu")):
        options = " ".join(licences.PLACES[place]).replace("gpu", "RUNTIME")
        assert f"uv-install packages {options} " in recipe, image


@pytest.mark.parametrize(
    ("licence", "strange"),
    [
        ("MIT", []),
        ("Apache-2.0 OR BSD-2-Clause", []),
        ("(MIT AND AGPL-3.0-only) OR 0BSD", ["AGPL-3.0-only"]),
        ("Apache-2.0 WITH LLVM-exception", ["LLVM-exception", "WITH"]),
        ("mit", ["mit"]),
    ],
)
def test_what_nobody_has_looked_at_is_no_licence(licence: str, strange: list[str], licences: ModuleType) -> None:
    assert licences.strangers(licence) == strange


def test_the_table_is_put_where_it_was(licences: ModuleType) -> None:
    row = licences.Row("six", "1", "MIT", ("controller", "recast run"))
    made = licences.with_table(f"head\n{licences.BEGIN}old\n{licences.END}tail\n", [row])
    assert "old" not in made and made.startswith("head\n") and made.endswith("tail\n")
    assert "| six | 1 | MIT | controller; recast run |" in made


def test_ffmpeg_is_the_one_that_the_document_speaks_of(licences: ModuleType) -> None:
    from imageio_ffmpeg import get_ffmpeg_exe

    text = Path(licences.DOCUMENT).read_text()
    its_version = get_ffmpeg_exe().rpartition("-v")[2]
    if sys.platform == "linux":
        assert f"FFmpeg {its_version} as one static program" in text
