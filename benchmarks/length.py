"""Does memory grow with a source's length? Clips of 1, 10 and 60 minutes through `recast run --engine passthrough`.

    python -m benchmarks.length [--minutes 1 10 60]

Small pictures, so that the bookkeeping shows: milliseconds a frame in all stages but the workers'.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

import imageio_ffmpeg

from benchmarks.measure import measure


def make_source(path: Path, minutes: int) -> None:
    """Test pictures of 160x90 at 25 frames a second, with a tone."""
    inputs = ["-f", "lavfi", "-i", "testsrc2=s=160x90:r=25", "-f", "lavfi", "-i", "sine=440:r=48000"]
    coded = ["-c:v", "libx264", "-preset", "ultrafast", "-bf", "2", "-g", "50", "-c:a", "aac", "-b:a", "64k"]
    measure([imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", *inputs, "-t", str(60 * minutes), *coded, str(path)])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=int, nargs="+", default=[1, 10, 60])
    options = parser.parse_args()
    print("| minutes | frames | split s | split peak MiB | mux s | mux peak MiB | split and mux, ms a frame |")
    print("|---|---|---|---|---|---|---|")
    for minutes in options.minutes:
        with tempfile.TemporaryDirectory(prefix="recast-bench-") as name:
            source, output, report = (Path(name) / f for f in ("source.mp4", "out.mp4", "report.json"))
            make_source(source, minutes)
            command = [sys.executable, "-m", "recast.cli", "run", str(source), str(output), "--engine", "passthrough"]
            measure([*command, "--preset", "ultrafast", "--segment-seconds", "60", "--report", str(report)])
            said = json.loads(report.read_text())
        split, mux = said["stages"]["split"], said["stages"]["mux"]
        each = 1000 * (split["seconds"] + mux["seconds"]) / said["frames"]
        peaks = [stage["peakRssBytes"] / 2**20 for stage in (split, mux)]
        print(
            f"| {minutes} | {said['frames']} | {split['seconds']:.1f} | {peaks[0]:.0f} "
            f"| {mux['seconds']:.1f} | {peaks[1]:.0f} | {each:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
