"""Each file and each test that a page names is there, and a package that lists its modules lists them all."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLACES = ("*.md", "docs/*.md", "charts/*/README.md", "benchmarks/README.md")
PAGES = sorted(page for place in PLACES for page in ROOT.glob(place))
NAMED = re.compile(r"`((?:\w+/)+\w+\.py)(?:::(\w+))?`")
SOURCES = ("recast", "controller", "segment_worker", "tests")
PACKAGES = {
    path.parent: ast.get_docstring(ast.parse(path.read_text()))
    for name in SOURCES
    for path in ROOT.glob(f"{name}/**/__init__.py")
}
LISTS = {folder: text for folder, text in PACKAGES.items() if text and "\n    " in text}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_names_is_there(page: Path) -> None:
    for path, test in NAMED.findall(page.read_text()):
        found = [place for place in (ROOT / path, ROOT / "tests" / path) if place.exists()]
        assert found, f"{path} is not there"
        assert not test or f"def {test}(" in found[0].read_text(), f"{path} has no {test}"


@pytest.mark.parametrize("package", LISTS, ids=lambda package: str(package.relative_to(ROOT)))
def test_a_package_that_lists_its_modules_lists_them_all(package: Path) -> None:
    modules = {path.stem for path in package.glob("*.py") if not path.stem.startswith("__")}
    assert modules <= set(re.findall(r"\w+", LISTS[package]))
