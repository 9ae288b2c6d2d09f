"""Progress on standard error: a bar on a terminal, plain lines elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from recast.commands.terminal import is_drawn_on
from recast.local.run import Progress
from recast.wording import as_typed, counted, span

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import ProgressColumn

PLAIN_SECONDS = 10.0
SHORT_SECONDS = 5.0
"""A wait that is over by then is not told of in a line of its own."""
MIDDLING, WIDE = 64, 100
"""Characters of a terminal's line with room for a bar, and for all."""
COUNTING = ("normalise", "swap")
"""Stages that tell of frames."""


@contextmanager
def show_progress() -> Iterator[Callable[[Progress], None]]:
    """Give a function that shows how far a run is."""
    if is_drawn_on():
        with _bar() as show:
            yield show
    else:
        yield _Plain().show


@contextmanager
def _bar() -> Iterator[Callable[[Progress], None]]:
    from rich.console import Console
    from rich.progress import Progress as Bar

    console = Console(stderr=True)
    with Bar(*_columns(console.width), console=console) as bar:
        yield StageBar(bar).show


def _columns(width: int) -> "list[ProgressColumn]":
    """What a terminal of so many characters has room for."""
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn

    stage, left = TextColumn("{task.description:>9}"), TextColumn("{task.fields[left]}")
    count, segments, speed = (TextColumn(f"{{task.fields[{name}]}}") for name in ("count", "segments", "speed"))
    if width < MIDDLING:
        return [stage, count, TimeElapsedColumn(), left]
    return [stage, BarColumn(), count, *([segments] if width >= WIDE else []), speed, TimeElapsedColumn(), left]


class StageBar:
    """The bar of the stage that goes on; that of an earlier one goes.

    Args:
        bar: what draws it.
    """

    def __init__(self, bar: "Bar") -> None:
        self._bar, self._stage = bar, ""

    def show(self, progress: Progress) -> None:
        """Show how far it is."""
        bar = self._bar
        if progress.note:
            self._print(as_typed(progress.note))
            return
        if progress.done:
            self._print(f"swap: {_extent(progress)}")
        if progress.stage != self._stage:
            # A bar that has been full once counts no time any more, and one with a total keeps it.
            for task in bar.task_ids:
                bar.remove_task(task)
            bar.add_task(**cells(progress, None))
            self._stage = progress.stage
        bar.update(bar.task_ids[0], **cells(progress, bar.tasks[0].speed))

    def _print(self, text: str) -> None:
        self._bar.console.print(f"recast: {text}", markup=False, highlight=False)


def cells(progress: Progress, speed: float | None) -> dict[str, Any]:
    """What the bar shows: of stages that do not tell of frames only that they go on."""
    counts = progress.stage in COUNTING and progress.total > 0
    return {
        "description": progress.stage,
        "completed": progress.frames if counts else 0,
        "total": progress.total if counts else None,
        "count": f"{progress.frames}/{progress.total} frames" if counts else progress.waits,
        "segments": counted(progress.segments, "segment") if counts else "",
        "speed": f"{speed:.1f} frames/s" if speed and counts else "",
        "left": f"{_left(progress, speed)} left" if speed and counts else "",
    }


def _left(progress: Progress, speed: float) -> str:
    return span(timedelta(seconds=(progress.total - progress.frames) / speed))


def _extent(progress: Progress) -> str:
    """How much there is to swap, and how much of that an earlier run has left done."""
    text = f"{counted(progress.segments, 'segment')}, {counted(progress.total, 'frame')}"
    if progress.done:
        text += f"; going on: {progress.done} of {progress.segments} {'is' if progress.done == 1 else 'are'} done"
    return text


class _Plain:
    """A line when the stage changes, and one every ten seconds."""

    def __init__(self) -> None:
        self._stage = ""
        self._said = self._began = 0.0
        self._waits: float | None = None

    def show(self, progress: Progress) -> None:
        now = time.monotonic()
        if progress.note:
            print(f"recast: {as_typed(progress.note)}", file=sys.stderr, flush=True)
        elif progress.waits and self._waits_shortly(now):
            return
        elif progress.stage != self._stage:
            self._stage, self._said, self._began = progress.stage, now, now
            detail = _extent(progress) if progress.stage == "swap" else progress.waits
            print(f"recast: {progress.stage}{detail and f': {detail}'}", file=sys.stderr, flush=True)
        elif progress.stage in COUNTING and now - self._said >= PLAIN_SECONDS:
            self._said = now
            print(f"recast: {self._line(progress, now)}", file=sys.stderr, flush=True)

    def _waits_shortly(self, now: float) -> bool:
        self._waits = now if self._waits is None else self._waits
        return now - self._waits < SHORT_SECONDS

    def _line(self, progress: Progress, now: float) -> str:
        speed = progress.frames / max(1e-9, now - self._began)
        left = f", {_left(progress, speed)} left" if progress.frames else ""
        return f"{progress.stage}: {progress.frames}/{progress.total} frames, {speed:.1f} frames/s{left}"
