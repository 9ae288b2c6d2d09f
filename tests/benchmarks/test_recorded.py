"""`make bench-quick` fails where a ratio has grown by more than a third, and where one is not measured any more."""

import json
from pathlib import Path

import pytest

from benchmarks import quick
from benchmarks.recorded import gone, grown, read_recorded, record, table

RECORDED = {"split / copy": 3.0, "mux / copy": 1.5}


@pytest.mark.parametrize(
    ("now", "worse"),
    [
        ({"split / copy": 3.0, "mux / copy": 1.5}, []),
        ({"split / copy": 3.99, "mux / copy": 0.1}, []),
        ({"split / copy": 4.01, "mux / copy": 1.5}, ["split / copy"]),
        ({"split / copy": 9.0, "mux / copy": 2.1}, ["split / copy", "mux / copy"]),
        ({"split / copy": 3.0, "swap / copy": 0.1}, ["swap / copy"]),
    ],
    ids=["the same", "just under a third", "just over a third", "all of them", "never recorded"],
)
def test_what_has_grown_by_more_than_a_third_is_named(now: dict[str, float], worse: list[str]) -> None:
    assert grown(now, RECORDED) == worse


def test_a_ratio_that_is_measured_no_more_is_named() -> None:
    assert gone({"split / copy": 1.0}, RECORDED) == ["mux / copy"]


def test_what_was_recorded_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "recorded.json"
    assert read_recorded(path) == {}
    record({"split / copy": 3.00049}, path)
    assert read_recorded(path) == {"split / copy": 3.0}


def test_the_table_shows_both_and_marks_what_has_grown() -> None:
    lines = table({"split / copy": 4.5, "swap / copy": 1.0}, RECORDED).splitlines()[2:]
    assert lines == ["| split / copy | 3.00 | 4.50 | **grown** |", "| swap / copy | - | 1.00 | **grown** |"]


def test_a_group_keeps_the_least_of_each_piece_and_holds_it_against_the_least_of_the_other() -> None:
    samples = iter([{"plain": 2.0, "ours": 6.0}, {"plain": 4.0, "ours": 5.0}])
    group = quick.Group("plain", lambda: next(samples))
    group.take()
    group.take()
    assert group.ratios() == {"ours / plain": 2.5}


@pytest.mark.parametrize(("now", "code"), [(1.0, 0), (1.5, 1)])
def test_the_exit_code_says_whether_one_has_grown(
    now: float, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(quick, "read_recorded", lambda: {"ours / plain": 1.0})
    monkeypatch.setattr(quick, "measured", lambda recorded: {"ours / plain": now})
    monkeypatch.setattr("sys.argv", ["quick"])
    assert quick.main() == code
    assert ("ours / plain: more than a third" in capsys.readouterr().err) == bool(code)


def test_the_recorded_file_is_one_of_ratios() -> None:
    recorded = json.loads((Path(quick.__file__).parent / "recorded.json").read_text())
    assert recorded and all(" / " in name and ratio > 0 for name, ratio in recorded.items())
