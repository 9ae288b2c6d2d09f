"""`make bench`: every measure, one after another, as one Markdown report with plots in bench-out/.

python -m benchmarks [NAME...]      # the measures by name; all of them if none is named
"""

import argparse
import platform
import shutil
import subprocess
import sys
import time
from pathlib import Path

from recast.process.cores import usable_cores

MEASURES = (
    "headline",
    "host_cost",
    "split_mux",
    "length",
    "start_up",
    "fanout",
    "pipeline",
    "mesh_speed",
    "stills",
)
ONE_CORE = frozenset({"host_cost", "mesh_speed"})
"""Measures whose figures are those of one core."""
FOLDER = Path("bench-out")


def main() -> int:
    """Run the measures; returns the first exit code that is not 0."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"out of {', '.join(MEASURES)}")
    names = parser.parse_args().names or MEASURES
    unknown = [name for name in names if name not in MEASURES]
    if unknown:
        parser.error(f"{', '.join(unknown)}: no such measure")
    FOLDER.mkdir(exist_ok=True)
    report = FOLDER / "report.md"
    report.write_text("")
    _say(report, f"# recast, measured\n\n{_machine()}\n")
    for name in names:
        _say(report, f"\n## {name}\n")
        code, text = _run(name, report)
        if code != 0:
            return code
        _draw(name, text, report)
    print(f"\nKept in {report}", file=sys.stderr)
    return 0


def _run(name: str, report: Path) -> tuple[int, str]:
    """Run a measure; what it prints goes on to the report line by line."""
    pinned = ["taskset", "-c", "0"] if name in ONE_CORE and shutil.which("taskset") else []
    text = ""
    command = [*pinned, sys.executable, "-m", f"benchmarks.{name}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            _say(report, line.rstrip("\n"))
            text += line
    return process.returncode, text


def _draw(name: str, text: str, report: Path) -> None:
    """Draw what there is a plot for."""
    from benchmarks.plots import PLOTS

    if name in PLOTS:
        PLOTS[name](text, FOLDER / f"{name}.png")
        _say(report, f"\n![{name}]({name}.png)")


def _machine() -> str:
    """One line on where this was measured."""
    model = next(
        (line.partition(":")[2].strip() for line in _lines(Path("/proc/cpuinfo")) if line.startswith("model name")),
        platform.machine(),
    )
    today = time.strftime("%Y-%m-%d")
    return f"{usable_cores()} cores of {model}, {platform.system()}, Python {platform.python_version()}, {today}."


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def _say(report: Path, text: str) -> None:
    """Print a line, and keep it."""
    print(text, flush=True)
    with report.open("a") as file:
        file.write(text + "\n")


if __name__ == "__main__":
    sys.exit(main())
