"""The plots of `make bench`, drawn from the tables that the measures printed."""

from collections.abc import Callable, Sequence
from pathlib import Path

import matplotlib

from benchmarks.markdown import Table, tables

matplotlib.use("Agg")

from matplotlib import pyplot  # noqa: E402  # after the choice of what it draws on
from matplotlib.axes import Axes  # noqa: E402

OURS, THEIRS, TARGET = "#1f77b4", "#b0b0b0", "black"


def headline(text: str, path: Path) -> None:
    """Wall and CPU seconds of the headline case, each over the limit."""
    table = next(tables(text))
    names = table.column("")
    figure, axes = pyplot.subplots(1, 2, figsize=(12, 4.5), sharey=True)
    for axis, column in zip(axes, ("wall over the limit", "CPU over the limit"), strict=True):
        _bars(axis, names, table.numbers(column))
        axis.axvline(1.10, color=TARGET, linestyle="--", linewidth=1, label="target of recast, passthrough: 1.10")
        axis.set_title(f"{column} (transcode and decode)")
    axes[0].legend(loc="lower right", fontsize=8)
    _save(figure, path)


def start_up(text: str, path: Path) -> None:
    """What a worker does until its first frames are encoded."""
    table = next(each for each in tables(text) if each.head[0].startswith("a worker"))
    steps = [row for row in table.rows if not row[0].startswith("all")]
    figure, axis = pyplot.subplots(figsize=(10, 3))
    for number, engine in enumerate(table.head[1:], start=1):
        left = 0.0
        for place, row in enumerate(steps):
            width = float(row[number])
            axis.barh(engine, width, left=left, color=f"C{place}", label=row[0] if number == 1 else None)
            left += width
    axis.axvline(2.5, color=TARGET, linestyle="--", linewidth=1, label="target")
    axis.set_xlabel("seconds from the process' start to its first frames")
    axis.legend(fontsize=8, bbox_to_anchor=(1, 1), loc="upper left")
    _save(figure, path)


def length(text: str, path: Path) -> None:
    """Memory and bookkeeping over a source's length."""
    table = next(tables(text))
    figure, (memory, bookkeeping) = pyplot.subplots(1, 2, figsize=(11, 4))
    for container in dict.fromkeys(table.column("container")):
        rows = Table(table.head, tuple(row for row in table.rows if row[0] == container))
        minutes = rows.numbers("minutes")
        for stage in ("split", "mux"):
            memory.plot(minutes, rows.numbers(f"{stage} peak"), marker="o", label=f"{stage}, {container}")
        for column, name in (("split and mux", "split and mux"), ("all bookkeeping", "all of recast")):
            bookkeeping.plot(minutes, rows.numbers(column), marker="o", label=f"{name}, {container}")
    memory.set_ylabel("peak MiB")
    memory.margins(y=0.2)
    memory.set_ylim(bottom=0)
    bookkeeping.axhline(1, color=TARGET, linestyle="--", linewidth=1, label="target")
    bookkeeping.set_ylabel("CPU ms a frame beside the codecs")
    bookkeeping.set_yscale("log")
    for axis in (memory, bookkeeping):
        axis.set_xlabel("minutes")
        axis.set_xscale("log")
        axis.legend()
    _save(figure, path)


def split_mux(text: str, path: Path) -> None:
    """Split and mux beside FFmpeg's copy, by the source's size."""
    table = next(tables(text))
    sizes = list(dict.fromkeys(table.column("MB")))
    names = list(dict.fromkeys(table.column("")))
    figure, axes = pyplot.subplots(1, len(sizes), figsize=(6 * len(sizes), 3), squeeze=False, sharey=True)
    for axis, size in zip(axes[0], sizes, strict=True):
        rows = Table(table.head, tuple(row for row in table.rows if row[0] == size))
        _bars(axis, names, rows.numbers("wall s"))
        axis.set_title(f"{size} MB, wall s")
    _save(figure, path)


def host_cost(text: str, path: Path) -> None:
    """Host milliseconds a frame, recast's and InsightFace's."""
    table = next(tables(text))
    names = [f"{height}p, {faces} face{'s' if faces != '1' else ''}" for height, faces, *_ in table.rows]
    figure, axis = pyplot.subplots(figsize=(9, 4))
    places = range(len(names))
    for shift, column, colour in ((-0.2, "recast", OURS), (0.2, "InsightFace", THEIRS)):
        drawn = axis.bar([place + shift for place in places], table.numbers(column), 0.4, color=colour, label=column)
        axis.bar_label(drawn, fmt="%.0f")
    axis.set_xticks(list(places), names)
    axis.set_ylabel("ms a frame, models free")
    axis.legend()
    _save(figure, path)


PLOTS: dict[str, Callable[[str, Path], None]] = {
    "headline": headline,
    "start_up": start_up,
    "length": length,
    "split_mux": split_mux,
    "host_cost": host_cost,
}
"""By the measure whose tables they show."""


def _bars(axis: Axes, names: Sequence[str], values: Sequence[float]) -> None:
    colours = [OURS if name.startswith(("recast", "split", "mux")) else THEIRS for name in names]
    axis.bar_label(axis.barh(names, values, color=colours), fmt="%.2f", padding=3, fontsize=8)
    axis.margins(x=0.2)
    if not axis.yaxis_inverted():
        axis.invert_yaxis()


def _save(figure: pyplot.Figure, path: Path) -> None:
    figure.tight_layout()
    figure.savefig(path, dpi=100)
    pyplot.close(figure)
