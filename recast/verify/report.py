"""All checks of two files, the table of them, and the command `recast verify`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Literal, NoReturn

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from recast import exitcodes
from recast.errors import RecastError, UsageError
from recast.verify import frames, tracks
from recast.verify.check import Check
from recast.verify.probe import look, probe
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
    seen = frames.compare(ours, theirs, lossless=expect == "lossless")
    checks = [*seen.checks, *tracks.looks(look(ours), look(theirs), allowed)]
    checks += [tracks.timecode(ours, theirs), tracks.chapters(ours, theirs)]
    return [*checks, *tracks.compare(ours, theirs, seen, allowed)]


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"recast verify: {message}")


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    made = _Parser(prog="recast verify", description="Compare an output with its source, frame by frame.")
    made.add_argument("source", metavar="SOURCE")
    made.add_argument("output", metavar="OUTPUT")
    made.add_argument("--lossless", action="store_true", help="every pixel must be equal")
    made.add_argument("--audio", choices=["copy", "aac"], default="copy", help="aac: it was encoded again")
    made.add_argument(
        "--allow-dropped-tracks",
        default="",
        metavar="KIND,...",
        help="tracks that may be missing: data, subtitle, audio:1",
    )
    made.add_argument(
        "--allow-pixel-format", action="store_true", help="the pixel format was changed on purpose"
    )
    return made


def main(argv: list[str] | None = None) -> int:
    """Runs the command: 0 when all is well, 65 when a check fails, else the error's own exit status."""
    try:
        given = parser().parse_args(argv)
        dropped = frozenset(word.strip() for word in given.allow_dropped_tracks.split(",") if word.strip())
        allowed = Allowed(dropped, given.audio == "aac", given.allow_pixel_format)
        expect: Expect = "lossless" if given.lossless else "lossy"
        checks = verify(given.source, given.output, expect=expect, allowed=allowed)
    except RecastError as error:
        print(f"recast: {error}", file=sys.stderr)
        return error.exit_code
    show(checks)
    return exitcodes.OK if all(check.ok for check in checks) else exitcodes.BAD_INPUT


def show(checks: list[Check], console: Console | None = None) -> None:
    """Prints the checks: a table on a terminal, plain lines elsewhere."""
    console = console or Console()
    if console.is_terminal:
        console.print(_table(checks))
    else:
        for check in checks:
            print(f"{_word(check):4}  {check.name}: {check.detail}")
    bad = [check for check in checks if not check.ok]
    verdict = (
        f"{len(bad)} of {len(checks)} checks failed: {', '.join(c.name for c in bad)}" if bad else "all good"
    )
    console.print(verdict, markup=False, highlight=False, soft_wrap=True)


def _word(check: Check) -> str:
    if check.skipped:
        return "skip"
    return "ok" if check.ok else "FAIL"


def _table(checks: list[Check]) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("", "check", "found"):
        table.add_column(heading)
    styles = {"ok": "green", "skip": "yellow", "FAIL": "bold red"}
    for check in checks:
        word = _word(check)
        table.add_row(f"[{styles[word]}]{word}[/]", escape(check.name), escape(check.detail))
    return table


if __name__ == "__main__":
    sys.exit(main())
