"""How long until something happens: `recast --help`, and a worker's first frames by what it waits for.

    python -m benchmarks.start_up [--runs 5]

A worker is started by the command that pods run, on a local store, for one second of 1080p; its log says when it gets
where. The least of the runs counts for each step.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from benchmarks.clips import make_real
from benchmarks.measure import interleaved, measure
from benchmarks.stages import BenchJob, running_store
from demo.material import package_file
from recast.local.run import SWAP
from recast.spec import Engine
from recast.storage.embedded import EmbeddedStore

STEPS = {
    "modules are loaded": "interpreter and imports",
    "plan is read": "S3 client, plan",
    "encoder is agreed": "plan's chunk, encoder's probe",
    "packets are here": "download",
    "engine is ready": "engine: modules, models, source face",
    "progress": "first batch: decode, swap, encode",
}
"""A worker's log lines, and what came before each of them."""
TARGETS = {"recast --help": 0.15, "worker": 2.5}


def first_frames(store: EmbeddedStore, clip: Path, engine: Engine, faces: tuple[Path, ...]) -> dict[str, float]:
    """Seconds that a worker takes for each step, until its first frames are encoded."""
    job = BenchJob(store, clip, clip.with_suffix(".out.mp4"), engine=engine, faces=faces)
    job.split()
    command, environment = job.command(SWAP, clip.with_suffix(".json"))
    seconds: dict[str, float] = {}
    started = before = time.monotonic()
    environment |= {"JOB_COMPLETION_INDEX": "0", "RECAST_LOG": "debug"}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            now = time.monotonic()
            step = json.loads(line)["message"] if line.startswith("{") else ""
            if step in STEPS and step not in seconds:
                seconds[step], before = now - before, now
                if step == "progress":
                    seconds["all"] = now - started
    if process.returncode != 0 or "all" not in seconds:
        raise SystemExit(f"the worker ended with {process.returncode} after {list(seconds)}")
    return seconds


def workers(runs: int) -> dict[str, dict[str, float]]:
    """Least seconds of each step, by engine."""
    photo = package_file("skimage", "data/astronaut.png")
    least: dict[str, dict[str, float]] = {"Passthrough": {}, "Mesh": {}}
    with tempfile.TemporaryDirectory(prefix="recast-bench-") as name, running_store(Path(name, "store")) as store:
        clip = Path(name, "clip.mp4")
        make_real(clip, 1)
        for _ in range(runs):
            for engine, best in least.items():
                took = first_frames(store, clip, Engine(name=engine), (photo,) if engine == "Mesh" else ())  # type: ignore[arg-type]
                best.update({step: min(took[step], best.get(step, took[step])) for step in took})
    return least


def steps_table(least: dict[str, dict[str, float]]) -> str:
    """A table of the steps, by engine."""
    lines = [f"| a worker, s | {' | '.join(least)} |", f"|---|{'---|' * len(least)}"]
    for step, what in [*STEPS.items(), ("all", f"**all** (target: {TARGETS['worker']} s)")]:
        lines.append(f"| {what} | {' | '.join(f'{best[step]:.2f}' for best in least.values())} |")
    return "\n".join(lines)


def commands(runs: int) -> str:
    """A table of commands that only say something."""
    python = sys.executable
    said = {
        "python -c pass": [python, "-c", "pass"],
        "recast --help": [python, "-m", "recast.cli", "--help"],
        "recast run --help": [python, "-m", "recast.cli", "run", "--help"],
    }

    costs = interleaved({name: partial(measure, command) for name, command in said.items()}, 3 * runs)
    lines = ["| | wall ms | CPU ms |", "|---|---|---|"]
    for name, cost in costs.items():
        target = f" (target: {TARGETS[name] * 1000:.0f} ms)" if name in TARGETS else ""
        lines.append(f"| {name}{target} | {cost.wall * 1000:.0f} | {cost.cpu * 1000:.0f} |")
    return "\n".join(lines)


def main() -> None:
    """Measure and print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    print(commands(runs))
    print()
    print(steps_table(workers(runs)))


if __name__ == "__main__":
    main()
