"""All checks of two files, and the table of them."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from recast.verify import frames, tracks
from recast.verify.check import Check
from recast.verify.probe import look, probe, with_fields
from recast.verify.process import Media
from recast.verify.tracks import Allowed

Expect = Literal["lossless", "lossy"]


def verify(
    source: Path | str, output: Path | str, *, expect: Expect = "lossy", allowed: Allowed | None = None
) -> list[Check]:
    """Compares an output with its source.

    Args:
        source: a path, or a loopback http address.
        output: the same.
        expect: "lossless" wants every pixel equal; "lossy" every picture to be its own source's.
        allowed: what was asked for and is no fault.

    Raises:
        BadInput: one of them cannot be read.
        Transient: FFmpeg made no progress.
    """
    allowed = allowed or Allowed()
    ours, theirs = probe(Media.of(source)), probe(Media.of(output))
    seen = frames.compare(ours, theirs, lossless=expect == "lossless", replaced=allowed.replaced, lost=allowed.lost)
    before, after = look(ours), look(theirs)
    if before.field_order == "progressive" != after.field_order:
        before = with_fields(ours, before)
    checks = [*seen.checks, *tracks.looks(before, after, allowed)]
    checks += [tracks.timecode(ours, theirs), tracks.chapters(ours, theirs)]
    return [*checks, *tracks.compare(ours, theirs, seen, allowed)]


def show(checks: list[Check], console: Console | None = None) -> None:
    """Prints the checks: a table on a terminal, plain lines elsewhere."""
    console = console or Console()
    if console.is_terminal:
        console.print(_table(checks))
    else:
        for check in checks:
            print(f"{word_of(check):4}  {check.name}: {check.detail}")
    bad = [check for check in checks if not check.ok]
    verdict = f"{len(bad)} of {len(checks)} checks failed: {', '.join(c.name for c in bad)}" if bad else "all good"
    # Rich ends the process with 1 where nobody reads any more.
    print(verdict, file=console.file)


def word_of(check: Check) -> Literal["ok", "skip", "FAIL"]:
    """How a check ended; skip, where it could not be told."""
    if check.skipped:
        return "skip"
    return "ok" if check.ok else "FAIL"


def _table(checks: list[Check]) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("", "check", "found"):
        table.add_column(heading)
    styles = {"ok": "green", "skip": "yellow", "FAIL": "bold red"}
    for check in checks:
        word = word_of(check)
        table.add_row(f"[{styles[word]}]{word}[/]", escape(check.name), escape(check.detail))
    return table
