"""Does memory grow with a source's length, and what does the bookkeeping of a frame cost? Through `recast run`.

    python -m benchmarks.length [--minutes 1 10 60 120] [--containers mp4 mkv]

Test pictures of 160x90 at 24 frames a second with a tone, so small that what is beside the codecs shows: two hours are
172,800 frames. Passthrough, segments of 60 s, from each container into the same. Bookkeeping is all CPU time of the
run, the S3 server's and every start-up too, less that of one plain FFmpeg transcode with the same settings and one
decode of its output.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

from benchmarks.clips import ffmpeg, make_small
from benchmarks.measure import measure

MOST_MS = 1.0
HEAD = (
    "| container | minutes | frames | split s | split peak MiB | mux s | mux peak MiB | split and mux, CPU ms a frame "
    f"| all bookkeeping, CPU ms a frame (target: under {MOST_MS:g}) |\n|---|---|---|---|---|---|---|---|---|"
)


def row(folder: Path, container: str, minutes: float) -> str:
    """One length, measured."""
    source, output, plain = (folder / f"{name}.{container}" for name in ("source", "out", "plain"))
    report = folder / "report.json"
    make_small(source, minutes, rate="24")
    command = [sys.executable, "-m", "recast.cli", "run", str(source), str(output), "--engine", "passthrough"]
    command += ["--preset", "ultrafast", "--segment-seconds", "60", "--report", str(report)]
    whole = measure(command)
    coded = ["-c:v", "libx264", "-crf", "18", "-preset", "ultrafast", "-g", "48", "-threads", "2", "-c:a", "copy"]
    codecs = measure(ffmpeg("-i", source, *coded, plain)) + measure(ffmpeg("-i", plain, "-f", "null", "-"))
    said = json.loads(report.read_text())
    split, mux = said["stages"]["split"], said["stages"]["mux"]
    ends = 1000 * (split["cpuSeconds"] + mux["cpuSeconds"]) / said["frames"]
    all_of_it = 1000 * (whole.cpu - codecs.cpu) / said["frames"]
    peaks = [stage["peakRssBytes"] / 2**20 for stage in (split, mux)]
    return (
        f"| {container} | {minutes:g} | {said['frames']} | {split['seconds']:.1f} | {peaks[0]:.0f} "
        f"| {mux['seconds']:.1f} | {peaks[1]:.0f} | {ends:.2f} | {all_of_it:.2f} |"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, nargs="+", default=[1, 10, 60, 120])
    parser.add_argument("--containers", nargs="+", default=["mp4", "mkv"])
    options = parser.parse_args()
    print(HEAD)
    for container in options.containers:
        for minutes in options.minutes:
            with tempfile.TemporaryDirectory(prefix="recast-bench-") as name:
                print(row(Path(name), container, minutes), flush=True)


if __name__ == "__main__":
    main()
