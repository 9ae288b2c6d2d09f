"""Pure: whether a part was trusted that no report stood for, and the report of what was killed."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from tests.chaos.playing import Exchange

_PART = re.compile(r"(PutObject|GetObject) parts/(\d+)\.(mkv|json)")


def distrusted(journal: Iterable[Exchange]) -> list[str]:
    """What was done with parts that may not be done, a sentence each.

    A report is written by the process that wrote the part, after it; mux reads no part before its report is there.
    """
    wrote: set[tuple[str, str]] = set()
    committed: set[str] = set()
    found = []
    for exchange in journal:
        match = _PART.fullmatch(exchange.what)
        if match is None or exchange.status >= 300:
            continue
        operation, part, kind = match.groups()
        if (operation, kind) == ("PutObject", "mkv"):
            wrote.add((exchange.asker, part))
        elif (operation, kind) == ("PutObject", "json"):
            if (exchange.asker, part) not in wrote:
                found.append(f"{exchange.asker} committed part {part} without writing it")
            committed.add(part)
        elif kind == "mkv" and part not in committed:
            found.append(f"{exchange.asker} read part {part} before its report was there")
    return found


def table(fired: Counter[str], phases: Sequence[str]) -> str:
    """Kills by phase, the phases without one too."""
    rows = [f"{fired[phase]:>5}  {phase}" for phase in sorted({*fired, *phases})]
    return "\n".join([*rows, f"{fired.total():>5}  in all"])
