"""Split and mux beside FFmpeg's copy of the same file, on one disk.

    python -m benchmarks.split_mux [--megabytes 50 500] [--runs 3]

Split reads a local file and leaves its segments in a local S3 server; mux reads parts from there and writes a local
file. "Copy and upload" is FFmpeg's copy to the disk, and that file sent to the same server by recast's own client: what
the server takes by itself. All take turns; the least of the runs counts. Times are from a process' start to its end.
"""

import argparse
import sys
import tempfile
from functools import partial
from pathlib import Path

from benchmarks.clips import ffmpeg, make_heavy
from benchmarks.measure import Cost, interleaved, measure
from benchmarks.stages import BenchJob, running_store
from recast.spec import Video
from recast.storage.embedded import EmbeddedStore

COPY, UPLOAD, SPLIT, MUX, NOTHING = "ffmpeg -c copy", "copy and upload", "split", "mux", "split's modules alone"
MOST = 1.5
HEAD = """| MB | | wall s | CPU s | peak MiB of a process | wall over the copy | wall over copy and upload |
|---|---|---|---|---|---|---|"""
UPLOADER = """
import sys
from pathlib import Path
from recast.storage.storage import Storage, StorageSettings
Storage(StorageSettings(endpoint=sys.argv[1])).upload(sys.argv[2], Path(sys.argv[3]))
"""


def costs_of(clip: Path, store: EmbeddedStore, runs: int) -> dict[str, Cost]:
    """The least costs of each on one clip."""
    copied, output = clip.with_suffix(".copy.mp4"), clip.with_suffix(".out.mp4")
    job = BenchJob(store, clip, output, seconds=10, video=Video(preset="ultrafast"))
    job.split()
    job.swap()

    def upload() -> Cost:
        command = [sys.executable, "-c", UPLOADER, store.endpoint, f"s3://{store.bucket}/copy/{clip.name}", str(copied)]
        return measure(ffmpeg("-i", clip, "-c", "copy", copied)) + measure(command)

    def mux() -> Cost:
        output.unlink(missing_ok=True)
        return job.mux()

    return interleaved(
        {
            COPY: partial(measure, ffmpeg("-i", clip, "-c", "copy", copied)),
            UPLOAD: upload,
            SPLIT: lambda: BenchJob(store, clip, output, seconds=10).split(),
            MUX: mux,
            NOTHING: partial(measure, [sys.executable, "-c", "import controller.stages.split, botocore.session"]),
        },
        runs,
    )


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=float, nargs="+", default=[50, 500])
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    print(f"Target for split and mux: at most {MOST} of the copy's wall time.\n")
    print(HEAD)
    with tempfile.TemporaryDirectory(prefix="recast-bench-") as name, running_store(Path(name, "store")) as store:
        for megabytes in options.megabytes:
            clip = Path(name, f"{megabytes:g}.mp4")
            make_heavy(clip, megabytes, Path(name))
            costs = costs_of(clip, store, options.runs)
            for what, cost in costs.items():
                over = [cost.wall / costs[base].wall for base in (COPY, UPLOAD)]
                print(
                    f"| {clip.stat().st_size / 1e6:.0f} | {what} | {cost.wall:.2f} | {cost.cpu:.2f} "
                    f"| {cost.peak_rss / 2**20:.0f} | {over[0]:.2f} | {over[1]:.2f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
