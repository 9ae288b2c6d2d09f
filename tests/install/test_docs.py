"""Each file and each test that a page names is there, under that name."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLACES = ("*.md", "docs/*.md", "charts/*/README.md", "benchmarks/README.md")
PAGES = sorted(page for place in PLACES for page in ROOT.glob(place))
NAMED = re.compile(r"`((?:\w+/)+\w+\.py)(?:::(\w+))?`")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_names_is_there(page: Path) -> None:
    for path, test in NAMED.findall(page.read_text()):
        found = [place for place in (ROOT / path, ROOT / "tests" / path) if place.exists()]
        assert found, f"{path} is not there"
        assert not test or f"def {test}(" in found[0].read_text(), f"{path} has no {test}"
