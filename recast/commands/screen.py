"""What `recast submit --wait` shows on standard error: a bar or a table on a terminal, plain lines elsewhere."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from recast.commands.terminal import is_drawn_on
from recast.kube.follow import Awaited, Screen
from recast.kube.jobtext import failure, left, note, progress, stalled
from recast.wording import size, span

if TYPE_CHECKING:
    from rich.console import Console

PLAIN_SECONDS = timedelta(seconds=10)
MANY = 8
"""With more jobs than this, plain lines tell of progress for all of them together."""
MANY_SECONDS = timedelta(seconds=30)


@contextmanager
def open_screen(jobs: int) -> Iterator[Screen]:
    """The screen for so many jobs."""
    if not is_drawn_on():
        yield Plain(jobs)
        return
    from rich.console import Console

    with (_bar if jobs == 1 else _table)(Console(stderr=True)) as screen:
        yield screen


def name_of(each: Awaited, jobs: Sequence[Awaited]) -> str:
    """A job's name, with its namespace where that is not the same for all."""
    several = len({other.job.namespace for other in jobs}) > 1
    return f"{each.job.namespace}/{each.job.name}" if several else each.job.name


class _Notices:
    """Lines that must not be missed, each once: what stalls, what failed, and photos in doubt."""

    def __init__(self) -> None:
        self._said: dict[str, str | None] = {}
        self._doubted: set[str] = set()

    def of(self, jobs: Sequence[Awaited], changed: Sequence[Awaited]) -> Iterator[str]:
        for each in changed:
            name = name_of(each, jobs)
            if each.job.status.notices and name not in self._doubted:
                self._doubted.add(name)
                yield from (f"{name}: warning: {notice}" for notice in each.job.status.notices)
            if each.gone:
                yield f"{name}: was deleted before it was done: submit it again to go on where it was"
            elif each.job.status.phase == "Failed":
                yield f"{name}: failed: {failure(each.job.status)}"
            else:
                text = stalled(each.job.status)
                if text != self._said.get(name):
                    yield f"{name}: stalled: {text}" if text else f"{name}: moves again"
                self._said[name] = text


class Plain:
    """A line when something changes, and now and then how far it is."""

    def __init__(self, jobs: int) -> None:
        self._many = jobs > MANY
        self._notices = _Notices()
        self._said: dict[str, tuple[str, str, datetime]] = {}
        self._counted: datetime | None = None

    def say(self, text: str) -> None:
        """Say a line."""
        print(f"recast: {text}", file=sys.stderr, flush=True)

    def show(self, jobs: Sequence[Awaited], changed: Sequence[Awaited], now: datetime) -> None:
        """Show what is new."""
        for text in self._notices.of(jobs, changed):
            self.say(text)
        for each in jobs:
            if not each.gone and each.job.status.phase != "Failed":
                self._line(each, name_of(each, jobs), now)
        if self._many and (self._counted is None or now - self._counted >= MANY_SECONDS):
            self._counted = now
            self.say(counts(jobs))

    def _line(self, each: Awaited, name: str, now: datetime) -> None:
        status = each.job.status
        phase, done, at = self._said.get(name, ("", "", now))
        moved = status.progress != done and not self._many and now - at >= PLAIN_SECONDS
        if status.phase != phase or moved:
            self._said[name] = (status.phase, status.progress or "", now)
            self.say(f"{name}: {progress(status, now)}")


def counts(jobs: Sequence[Awaited]) -> str:
    """How many are done: `12 of 100 jobs done, 1 failed, 20 at work`."""
    done = sum(each.code == 0 for each in jobs)
    failed = sum(bool(each.code) for each in jobs)
    work = sum(each.code is None and each.job.status.phase in ("Splitting", "Swapping", "Muxing") for each in jobs)
    return f"{done} of {len(jobs)} jobs done" + (f", {failed} failed" if failed else "") + f", {work} at work"


class _Rich:
    """Notices above, a live part below."""

    def __init__(self, console: "Console") -> None:
        self._console, self._notices = console, _Notices()

    def say(self, text: str) -> None:
        """Say a line."""
        self._console.print(f"recast: {text}", markup=False, highlight=False)

    def notice(self, jobs: Sequence[Awaited], changed: Sequence[Awaited]) -> None:
        """Say what must not be missed."""
        for text in self._notices.of(jobs, changed):
            self.say(text)


@contextmanager
def _bar(console: "Console") -> Iterator[Screen]:
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[count]}"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}"),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("", total=None, count="", left="")

        class Bar(_Rich):
            def show(self, jobs: Sequence[Awaited], changed: Sequence[Awaited], now: datetime) -> None:
                self.notice(jobs, changed)
                (each,) = jobs
                status = each.job.status
                segments, frames = status.segments, status.frames.per_second
                speed = f", {frames} fps" if frames and status.phase == "Swapping" else ""
                time = left(status, now)
                bar.update(
                    task,
                    description=f"{each.job.name}: {status.phase}",
                    completed=segments.succeeded,
                    total=segments.total or None,
                    count=f"{status.progress} segments{speed}" if status.progress else "",
                    left=f"{span(time)} left" if time is not None else "",
                )

        yield Bar(console)


@contextmanager
def _table(console: "Console") -> Iterator[Screen]:
    from rich.live import Live

    with Live(console=console, transient=True, refresh_per_second=2) as live:

        class Table(_Rich):
            def show(self, jobs: Sequence[Awaited], changed: Sequence[Awaited], now: datetime) -> None:
                self.notice(jobs, changed)
                live.update(_rendered(jobs, now, max(1, console.height - 6)))

        yield Table(console)


def _rendered(jobs: Sequence[Awaited], now: datetime, most: int) -> Any:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    made = Table("job", "phase", "segments", "fps", "left", "note", box=None)
    for cells in live_rows(jobs, now)[:most]:
        made.add_row(*map(Text, cells))
    return Group(made, Text(counts(jobs)))


def live_rows(jobs: Sequence[Awaited], now: datetime) -> list[list[str]]:
    """The table's cells; what moves stands first, what is done last."""
    order = {"Swapping": 0, "Muxing": 0, "Splitting": 0, "Succeeded": 3, "Failed": 2}
    found = []
    for each in sorted(jobs, key=lambda each: (order.get(each.job.status.phase, 1), each.job.key)):
        status = each.job.status
        swapping = status.phase == "Swapping"
        time = left(status, now)
        speed = str(status.frames.per_second) if swapping and status.frames.per_second else ""
        phase = "Deleted" if each.gone else status.phase
        found.append(
            [name_of(each, jobs), phase, status.progress or "", speed, "" if time is None else span(time), note(status)]
        )
    return found


def summary_rows(jobs: Sequence[Awaited]) -> list[list[str]]:
    """The table in the end: what became of each."""
    rows = [["JOB", "RESULT", "CODE", "SEGMENTS", "FRAMES", "SIZE", "OUTPUT"]]
    for each in jobs:
        status = each.job.status
        result = "Deleted" if each.gone else note(status) or status.phase
        rows.append(
            [
                name_of(each, jobs),
                result,
                "" if each.code is None else str(each.code),
                status.progress or "",
                str(status.frames.total or ""),
                size(status.output.size) if status.output else "",
                status.output.uri if status.output else "",
            ]
        )
    return rows
