"""Reading Markdown tables back: every measure prints some, and plots are drawn from what was printed."""

import re
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        head: its columns' names.
        rows: the cells, as text.
    """

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def column(self, name: str) -> list[str]:
        """The cells of the column whose name begins so; an empty name means the column without one."""
        number = next(
            number for number, each in enumerate(self.head) if each.startswith(name) and bool(each) == bool(name)
        )
        return [row[number] for row in self.rows]

    def numbers(self, name: str) -> list[float]:
        """The numbers of a column; what is no number counts as none, and is 0."""
        return [number_in(cell) for cell in self.column(name)]


def tables(text: str) -> Iterator[Table]:
    """The tables of a Markdown text, in order."""
    lines = text.splitlines()
    for start, line in enumerate(lines[1:]):
        if re.fullmatch(r"\|(-+\|)+", line.strip()):
            rows = []
            for row in lines[start + 2 :]:
                if not row.startswith("|"):
                    break
                rows.append(_cells(row))
            yield Table(_cells(lines[start]), tuple(rows))


def number_in(cell: str) -> float:
    """The first number of a cell; 0 where there is none."""
    found = re.search(r"-?\d+(\.\d+)?", cell)
    return float(found[0]) if found else 0.0


def _cells(line: str) -> tuple[str, ...]:
    return tuple(cell.strip().strip("*") for cell in line.strip().strip("|").split("|"))
