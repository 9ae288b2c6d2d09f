"""Ratios as they were recorded, and which of today's have grown too much since."""

import json
from collections.abc import Mapping
from pathlib import Path

RECORDED = Path(__file__).with_name("recorded.json")
MOST_GROWTH = 4 / 3
"""Noise is less than that, and a mistake worth finding more."""


def read_recorded(path: Path = RECORDED) -> dict[str, float]:
    """The recorded ratios by name; none where nothing was recorded yet."""
    return dict(json.loads(path.read_text())) if path.exists() else {}


def record(ratios: Mapping[str, float], path: Path = RECORDED) -> None:
    """Write the ratios in place of those that stand there."""
    path.write_text(json.dumps({name: round(ratio, 3) for name, ratio in ratios.items()}, indent=2) + "\n")


def grown(ratios: Mapping[str, float], recorded: Mapping[str, float]) -> list[str]:
    """Names of the ratios that have grown by more than a third; one that was never recorded has."""
    return [name for name, ratio in ratios.items() if ratio > recorded.get(name, 0.0) * MOST_GROWTH]


def gone(ratios: Mapping[str, float], recorded: Mapping[str, float]) -> list[str]:
    """Names that are recorded and no longer measured: a check that was lost."""
    return [name for name in recorded if name not in ratios]


def table(ratios: Mapping[str, float], recorded: Mapping[str, float]) -> str:
    """Both beside each other, as Markdown."""
    lines = ["| CPU seconds of one over the other | recorded | now | |", "|---|---|---|---|"]
    worse = grown(ratios, recorded)
    for name, ratio in ratios.items():
        before = f"{recorded[name]:.2f}" if name in recorded else "-"
        lines.append(f"| {name} | {before} | {ratio:.2f} | {'**grown**' if name in worse else ''} |")
    return "\n".join(lines)
