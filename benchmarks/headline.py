"""The headline: 1080p25 with sound through recast, beside what others do and the least that the encoder allows.

    python -m benchmarks.headline [--seconds 60] [--runs 2] [--png-share 0.1]

All take turns on the same machine with the same x264 settings, but for cv2's writer, which has MPEG-4 of its own; the
least of the runs counts. PNG frames are so slow that they get a share of the clip, and their figures are scaled.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from benchmarks.clips import ffmpeg, make_real
from benchmarks.measure import Cost, interleaved, measure
from benchmarks.peers import X264
from demo.material import package_file

CV2, PNG, PIPE = "cv2.VideoWriter loop", "PNG frames + FFmpeg image2", "raw BGR pipe into FFmpeg"
TRANSCODE, DECODE = "plain FFmpeg transcode", "decode of its output"
LIMIT = "transcode and decode: the limit"
PASSTHROUGH, MESH = "recast, passthrough", "recast, mesh"
WORKERS = (1, 2)
VMAF_EVERY = 5
"""Of so many frames one is compared."""
MOST_OVER_LIMIT, LEAST_OVER_PNG = 1.10, 8


@dataclass
class Results:
    """What was measured.

    Attributes:
        costs: the least of each.
        vmaf: of each output that shows what its source shows.
        reports: of recast's runs, the last of each.
    """

    costs: dict[str, Cost] = field(default_factory=dict)
    vmaf: dict[str, float] = field(default_factory=dict)
    reports: dict[str, dict] = field(default_factory=dict)


class Headline:
    """The commands of one measurement, on one source.

    Args:
        folder: where everything is written.
        seconds: of the source.
        png_share: of it that PNG frames get.
    """

    def __init__(self, folder: Path, seconds: float, png_share: float) -> None:
        self._folder, self._scale = folder, 1 / png_share
        self._source, self._short = folder / "source.mp4", folder / "short.mp4"
        make_real(self._source, seconds, face=True)
        make_real(self._short, seconds * png_share, face=True)
        self._reports: dict[str, dict] = {}

    def run(self, runs: int) -> Results:
        """Measure everything."""
        works: dict[str, Callable[[], Cost]] = {
            CV2: partial(self._peer, "cv2", CV2),
            PNG: self._png,
            PIPE: partial(self._peer, "pipe", PIPE),
            TRANSCODE: self._transcode,
            DECODE: self._decode,
        }
        for engine in (PASSTHROUGH, MESH):
            for workers in WORKERS:
                works[with_workers(engine, workers)] = partial(self._recast, engine, workers)
        costs = interleaved(works, runs)
        costs[PNG] = Cost(costs[PNG].wall * self._scale, costs[PNG].cpu * self._scale, costs[PNG].peak_rss)
        costs[LIMIT] = costs[TRANSCODE] + costs[DECODE]
        compared = (CV2, PNG, PIPE, TRANSCODE, with_workers(PASSTHROUGH, WORKERS[-1]))
        vmaf = {name: vmaf_of(self._output(name), self._short if name == PNG else self._source) for name in compared}
        return Results(costs, vmaf, self._reports)

    def _output(self, name: str) -> Path:
        return self._folder / (re.sub(r"\W+", "-", name) + ".mp4")

    def _peer(self, peer: str, name: str) -> Cost:
        command = [sys.executable, "-m", "benchmarks.peers", peer]
        return measure([*command, str(self._source), str(self._output(name))])

    def _png(self) -> Cost:
        return measure([sys.executable, "-m", "benchmarks.peers", "png", str(self._short), str(self._output(PNG))])

    def _transcode(self) -> Cost:
        return measure(ffmpeg("-i", self._source, *X264, "-c:a", "copy", self._output(TRANSCODE)))

    def _decode(self) -> Cost:
        return measure(ffmpeg("-i", self._output(TRANSCODE), "-f", "null", "-"))

    def _recast(self, engine: str, workers: int) -> Cost:
        name = with_workers(engine, workers)
        report = self._folder / "report.json"
        command = [sys.executable, "-m", "recast.cli", "run", str(self._source), str(self._output(name)), "--overwrite"]
        command += ["--workers", str(workers), "--report", str(report)]
        if engine == PASSTHROUGH:
            command += ["--engine", "passthrough"]
        else:
            photo = package_file("insightface", "data/images/t1.jpg")
            command += ["--face", str(photo), "--consent", "a benchmark"]
        cost = measure(command)
        self._reports[name] = json.loads(report.read_text())
        return cost


def with_workers(engine: str, workers: int) -> str:
    """A row's name."""
    return f"{engine}, {workers} worker{'s' if workers > 1 else ''}"


def vmaf_of(output: Path, source: Path) -> float:
    """VMAF of a video against its source, the mean over every fifth frame."""
    compared = f"[0:v]setpts=N[a];[1:v]setpts=N[b];[a][b]libvmaf=n_subsample={VMAF_EVERY}:n_threads=2"
    command = ffmpeg("-i", output, "-i", source, "-lavfi", compared, "-f", "null", "-")
    command[command.index("error")] = "info"
    said = subprocess.run(command, check=True, capture_output=True, text=True).stderr
    found = re.search(r"VMAF score: ([\d.]+)", said)
    if found is None:
        raise SystemExit(f"FFmpeg gave no VMAF score: {said[-500:]}")
    return float(found[1])


def table(results: Results, png_share: float) -> str:
    """The costs as Markdown, with ratios over the limit."""
    limit = results.costs[LIMIT]
    lines = ["| | wall s | CPU s | peak MiB of a process | VMAF | wall over the limit | CPU over the limit |"]
    lines += ["|---|---|---|---|---|---|---|"]
    for name, cost in results.costs.items():
        shown = f"{name} (of {png_share:.0%} of the clip, scaled)" if name == PNG and png_share != 1 else name
        vmaf = f"{results.vmaf[name]:.1f}" if name in results.vmaf else ""
        lines.append(
            f"| {shown} | {cost.wall:.1f} | {cost.cpu:.1f} | {cost.peak_rss / 2**20:.0f} | {vmaf} "
            f"| {cost.wall / limit.wall:.2f} | {cost.cpu / limit.cpu:.2f} |"
        )
    return "\n".join(lines)


def targets(results: Results) -> str:
    """What was wanted, and what it is."""
    costs, limit = results.costs, results.costs[LIMIT]
    two = with_workers(PASSTHROUGH, 2)
    own = {name: report["workerSeconds"].get("swap", 0.0) for name, report in results.reports.items()}
    mesh, plain = with_workers(MESH, 1), with_workers(PASSTHROUGH, 1)
    rows = [
        (f"{two}: wall over the limit", costs[two].wall / limit.wall, f"at most {MOST_OVER_LIMIT:.2f}"),
        (f"{two}: CPU over the limit", costs[two].cpu / limit.cpu, f"at most {MOST_OVER_LIMIT:.2f}"),
        (f"{PNG}: wall over {two}", costs[PNG].wall / costs[two].wall, f"at least {LEAST_OVER_PNG}"),
        (f"{PNG}: CPU over {two}", costs[PNG].cpu / costs[two].cpu, f"at least {LEAST_OVER_PNG}"),
        (f"{mesh}: CPU s beyond passthrough", costs[mesh].cpu - costs[plain].cpu, f"the engine's own {own[mesh]:.1f}"),
    ]
    lines = ["| | measured | target |", "|---|---|---|"]
    return "\n".join([*lines, *(f"| {what} | {value:.2f} | {target} |" for what, value, target in rows)])


def stages_table(report: dict) -> str:
    """One run by stage, as `recast run --report` says it."""
    lines = ["| stage | processes | seconds | CPU s | peak MiB |", "|---|---|---|---|---|"]
    for name, stage in report["stages"].items():
        lines.append(
            f"| {name} | {stage['processes']} | {stage['seconds']:.1f} | {stage['cpuSeconds']:.1f} "
            f"| {stage['peakRssBytes'] / 2**20:.0f} |"
        )
    said = f"Frames: {report['frames']}, segments: {report['segments']}, in the workers: {report['workerSeconds']}."
    return "\n".join([*lines, "", said])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--runs", type=int, default=2)
    parser.add_argument("--png-share", type=float, default=0.1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="recast-bench-") as name:
        results = Headline(Path(name), options.seconds, options.png_share).run(options.runs)
    print(table(results, options.png_share))
    print()
    print(targets(results))
    for name, report in results.reports.items():
        print(f"\n{name}:\n\n{stages_table(report)}")


if __name__ == "__main__":
    main()
