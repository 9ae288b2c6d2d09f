"""Pure: whether a part was trusted that had no report, and the report of what was killed."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from tests.chaos.playing import Exchange

_PART = re.compile(r"(PutObject|GetObject) parts/(\d+)\.mkv")


def distrusted(journal: Iterable[Exchange]) -> list[str]:
    """What was done with parts that may not be done, a sentence each.

    A part is written with its report, in one request; mux reads none that was not.
    """
    committed: set[str] = set()
    found = []
    for exchange in journal:
        match = _PART.fullmatch(exchange.what)
        if match is None or exchange.status >= 300:
            continue
        operation, part = match.groups()
        if operation == "GetObject":
            if part not in committed:
                found.append(f"{exchange.asker} read part {part} before it was there with its report")
        elif exchange.reported:
            committed.add(part)
        else:
            found.append(f"{exchange.asker} wrote part {part} without a report")
    return found


def table(fired: Counter[str], phases: Sequence[str]) -> str:
    """Kills by phase, the phases without one too."""
    rows = [f"{fired[phase]:>5}  {phase}" for phase in sorted({*fired, *phases})]
    return "\n".join([*rows, f"{fired.total():>5}  in all"])
