"""Reasons: the page that explains them, the code that raises them and the list of them say the same."""

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from recast import errors, exitcodes, names
from recast.errors import RecastError

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "errors.md"

NAMES = {key: value for key, value in vars(names).items() if key.isupper()}
CODES = {key: value for key, value in vars(exitcodes).items() if key.isupper() and isinstance(value, int)}
CLASSES = {
    name: kind for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, RecastError)
}
# Not raised as errors: they end a stage in another way.
WITHOUT_ERROR = {names.SUCCEEDED, names.STALLED, names.INTERRUPTED, names.TERMINATED}


def rows(heading: str) -> Iterator[list[str]]:
    """The cells of the tables under a heading of the page."""
    _, _, text = PAGE.read_text().partition(f"\n## {heading}\n")
    for line in text.partition("\n## ")[0].splitlines():
        cells = [cell.strip().strip("`") for cell in line.strip("|").split("|")]
        if line.startswith("|") and not re.match(r"^(Reason|Code|-+)$", cells[0]):
            yield cells


EXPLAINED = {cells[0]: int(cells[1]) for cells in rows("Reasons")}
CONDITIONS = {cells[0] for cells in rows("What a FaceSwapJob says")}


def test_every_reason_is_explained_and_nothing_else() -> None:
    assert set(EXPLAINED) | CONDITIONS == set(NAMES.values())
    everything = [*rows("Reasons"), *rows("What a FaceSwapJob says")]
    assert len(everything) == len(set(NAMES.values())), "one row each"


def test_every_explanation_has_a_meaning_and_a_cure() -> None:
    for cells in (*rows("Reasons"), *rows("What a FaceSwapJob says")):
        assert len(cells) == 4 and all(len(cell) > 5 and cell.endswith(".") for cell in cells[2:]), cells[0]


def test_reasons_are_words_that_conditions_may_carry() -> None:
    assert all(re.fullmatch(r"[A-Z][A-Za-z]{1,62}", value) for value in NAMES.values())
    assert all(key == re.sub(r"(?<!^)(?=[A-Z])", "_", value).upper() for key, value in NAMES.items())
    assert len(set(NAMES.values())) == len(NAMES)


def test_every_exit_code_is_explained_and_nothing_else() -> None:
    page = {(cells[1], int(cells[0])) for cells in rows("Exit codes")}
    assert page == set(CODES.items())


def test_the_page_says_which_codes_are_tried_again() -> None:
    page = {int(cells[0]): cells[3] for cells in rows("Exit codes")}
    assert {code for code, word in page.items() if word == "yes"} == exitcodes.RETRIED
    assert set(page.values()) == {"yes", "no"}
    assert not exitcodes.RETRIED & exitcodes.NEVER_RETRIED


def test_every_reasons_code_is_an_exit_code() -> None:
    assert set(EXPLAINED.values()) <= set(CODES.values())


@pytest.mark.parametrize("kind", CLASSES.values(), ids=CLASSES.keys())
def test_a_classs_own_reason_is_explained_under_its_own_code(kind: type[RecastError]) -> None:
    assert EXPLAINED.get(kind.default_reason) == kind.exit_code


@functools.cache
def raised() -> list[tuple[str, str, str]]:
    """(place, class, reason) of every error of the source that is given a reason."""
    return list(_raised())


def _raised() -> Iterator[tuple[str, str, str]]:
    for folder in ("recast", "controller", "segment_worker"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CLASSES):
                    continue
                for keyword in node.keywords:
                    if keyword.arg != "reason":
                        continue
                    place = f"{path.relative_to(ROOT)}:{node.lineno}"
                    if isinstance(keyword.value, ast.Attribute):
                        yield place, node.func.id, NAMES[keyword.value.attr]
                    elif isinstance(keyword.value, ast.Name):
                        yield place, node.func.id, NAMES[keyword.value.id]
                    else:
                        yield place, node.func.id, ast.literal_eval(keyword.value)


def test_every_reason_that_is_raised_is_explained_under_the_code_it_is_raised_with() -> None:
    wrong = [
        f"{place}: {kind} ({CLASSES[kind].exit_code}) with {reason} ({EXPLAINED.get(reason, 'not explained')})"
        for place, kind, reason in raised()
        if EXPLAINED.get(reason) != CLASSES[kind].exit_code
    ]
    assert not wrong, "\n".join(wrong)


def test_every_reason_is_raised_somewhere() -> None:
    used = {reason for _, _, reason in raised()} | {kind.default_reason for kind in CLASSES.values()} | WITHOUT_ERROR
    assert set(EXPLAINED) - used == set()


def test_every_reason_of_a_condition_is_given_by_the_controller() -> None:
    sources = "\n".join(path.read_text() for path in (ROOT / "controller").rglob("*.py"))
    assert {key for key, value in NAMES.items() if value in CONDITIONS and f"names.{key}" not in sources} == set()
