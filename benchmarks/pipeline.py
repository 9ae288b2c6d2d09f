"""Frames a second of `recast run` with the mesh engine, and how well a worker's pipeline overlaps.

A still of one face is moved about at 1080p (`benchmarks.stills`). The pipeline's efficiency is the slowest stage's own
time over the pipeline's: 1 where the others cost nothing.

    python -m benchmarks.pipeline [--frames 500]
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.stills import THIRD, make_clip
from demo.material import package_file

STAGES = ("decode", "swap", "encode")


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=500)
    arguments = parser.parse_args()
    print("| workers | s | frames a second | decode | swap | encode | pipeline | efficiency |")
    print("|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder, "clip.mp4")
        make_clip(THIRD.photo(), clip, arguments.frames)
        for workers in (1, 2):
            report = run(clip, Path(folder), workers)
            seconds = report["workerSeconds"]
            stages = [seconds[stage] for stage in STAGES]
            efficiency = max(stages) / seconds["pipeline"]
            times = " | ".join(f"{value:.1f}" for value in (*stages, seconds["pipeline"]))
            speed = report["frames"] / report["seconds"]
            print(f"| {workers} | {report['seconds']:.1f} | {speed:.1f} | {times} | {efficiency:.2f} |", flush=True)


def run(clip: Path, folder: Path, workers: int) -> dict:
    """One run; gives its report."""
    face, report = package_file("skimage", "data/astronaut.png"), folder / "report.json"
    command = [sys.executable, "-m", "recast.cli", "run", str(clip), str(folder / f"{workers}.mp4")]
    command += ["--face", str(face), "--consent", "a benchmark", "--workers", str(workers)]
    subprocess.run([*command, "--report", str(report)], check=True, capture_output=True)
    return json.loads(report.read_text())


if __name__ == "__main__":
    main()
