"""What the measures print is what the plots show."""

from benchmarks.markdown import Table, number_in, tables

TEXT = """
## A measure

Some words, and | a bar.

| | wall s | CPU s |
|---|---|---|
| plain FFmpeg | 59.0 | 102.9 |
| **recast** | 64.4 | |

More words.
| a |
|---|
"""


def test_tables_are_read_back_in_order() -> None:
    first, second = tables(TEXT)
    assert first == Table(("", "wall s", "CPU s"), (("plain FFmpeg", "59.0", "102.9"), ("recast", "64.4", "")))
    assert second == Table(("a",), ())


def test_a_column_is_found_by_how_its_name_begins() -> None:
    table = next(tables(TEXT))
    assert table.column("") == ["plain FFmpeg", "recast"]
    assert table.numbers("CPU") == [102.9, 0.0]


def test_the_first_number_of_a_cell_counts() -> None:
    assert [number_in(text) for text in ("1.10", "at most 1.5 x", "-0.25 s", "none", "1,500")] == [
        1.1,
        1.5,
        -0.25,
        0,
        1,
    ]
