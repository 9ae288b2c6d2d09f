"""`make bench-quick`: a few ratios of CPU seconds, held against those that were recorded; fails where one has grown.

CPU seconds and not wall time, since a busy neighbour distorts the latter; what is compared takes turns, the least of
several counts, and a ratio that has grown is measured again before it is believed.

    python -m benchmarks.quick [--record]      # --record: keep what is measured in benchmarks/recorded.json
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2

from benchmarks.clips import ffmpeg, make_real, make_small
from benchmarks.host_cost import FOUR, decode_loop, insightface_loop, recast_loop
from benchmarks.measure import measure
from benchmarks.recorded import gone, grown, read_recorded, record, table
from benchmarks.stages import BenchJob, running_store
from benchmarks.stills import THIRD, make_clip
from demo.material import package_file
from recast.storage.embedded import EmbeddedStore
from segment_worker.engines.base import Pair
from segment_worker.engines.mesh import MeshEngine
from segment_worker.images import load_image
from segment_worker.select import Largest

ROUNDS = 3
MORE_ROUNDS = 4
"""At most, where a ratio has grown."""

PLAIN = "plain transcode and decode"
LIBRARIES = "imports of PyAV and NumPy"


class Group:
    """Pieces of work that take turns, and the one that the others are held against.

    Args:
        against: its name.
        sample: does all of them once, gives their CPU seconds by name.
    """

    def __init__(self, against: str, sample: Callable[[], dict[str, float]]) -> None:
        self._against, self._sample = against, sample
        self._least: dict[str, float] = {}

    def take(self) -> None:
        """Do all of them once more."""
        for name, seconds in self._sample().items():
            self._least[name] = min(seconds, self._least.get(name, seconds))

    def ratios(self) -> dict[str, float]:
        """By the least of each so far."""
        base = self._least[self._against]
        return {
            f"{name} / {self._against}": seconds / base
            for name, seconds in self._least.items()
            if name != self._against
        }


def starts() -> dict[str, float]:
    """What is loaded before anything is done."""
    python = sys.executable
    return {
        LIBRARIES: _least_cpu([python, "-c", "import av, numpy"]),
        "recast --help": _least_cpu([python, "-m", "recast.cli", "--help"]),
        "imports of split": _least_cpu([python, "-c", "import controller.stages.split"]),
        "imports of a worker": _least_cpu([python, "-c", "import segment_worker.worker"]),
    }


def _least_cpu(command: list[str]) -> float:
    return min(measure(command).cpu for _ in range(5))


def stages(what: str, clip: Path, seconds: float, store: EmbeddedStore) -> dict[str, float]:
    """A job's stages, and the same encode and decode by FFmpeg alone."""
    job, plain = BenchJob(store, clip, clip.with_suffix(".out.mp4"), seconds=seconds), clip.with_suffix(".plain.mp4")
    coded = ["-c:v", "libx264", "-crf", "18", "-preset", "ultrafast", "-threads", "2"]
    return {
        f"split of {what}": job.split().cpu,
        f"swap of {what}, passthrough": job.swap().cpu,
        f"mux of {what}": job.mux().cpu,
        PLAIN: (measure(ffmpeg("-i", clip, *coded, plain)) + measure(ffmpeg("-i", plain, "-f", "null", "-"))).cpu,
    }


def mesh(clip: Path) -> dict[str, float]:
    """The mesh engine on real pictures of 1080p."""
    from benchmarks.identity import pictures

    photo = package_file("skimage", "data/astronaut.png")
    engine = MeshEngine([Pair([("astronaut", load_image("astronaut", photo.read_bytes()))], Largest())])
    frames = list(pictures(clip))

    def swap() -> None:
        assert all(engine.swap([frame])[0].faces_swapped for frame in frames)

    return {"decode": _seconds(decode_loop(clip)), "mesh": _seconds(swap)}


def inswapper(clip: Path, folder: Path) -> dict[str, float]:
    """InSwapper's host side, with models that cost nothing."""
    return {
        "InsightFace's loop": _seconds(insightface_loop(clip, folder, FOUR)),
        "InSwapper on four faces, without its models": _seconds(recast_loop(clip, FOUR)),
    }


def _seconds(work: Callable[[], object]) -> float:
    """CPU seconds of this process' threads."""
    started = time.process_time()
    work()
    return time.process_time() - started


def measured(recorded: dict[str, float]) -> dict[str, float]:
    """All ratios; those that have grown were measured again."""
    cv2.setNumThreads(1)
    ratios: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="recast-bench-") as name, running_store(Path(name, "store")) as store:
        folder = Path(name)
        small, real, face = (folder / f"{clip}.mp4" for clip in ("small", "real", "face"))
        make_small(small, 4)
        make_real(real, 4)
        make_clip(THIRD.photo(), face, 24)
        for group in (
            Group(LIBRARIES, starts),
            Group(PLAIN, partial(stages, "6,000 tiny frames", small, 60, store)),
            Group(PLAIN, partial(stages, "100 frames of 1080p", real, 10, store)),
            Group("decode", partial(mesh, face)),
            Group("InsightFace's loop", partial(inswapper, face, folder)),
        ):
            for _ in range(ROUNDS):
                group.take()
            for _ in range(MORE_ROUNDS):
                if recorded and grown(group.ratios(), recorded):
                    group.take()
            ratios |= group.ratios()
    return ratios


def main() -> int:
    """Measure, print and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", action="store_true", help="keep what is measured")
    recording = parser.parse_args().record
    recorded = {} if recording else read_recorded()
    ratios = measured(recorded)
    print(table(ratios, ratios if recording else recorded))
    if recording:
        record(ratios)
        return 0
    worse, lost = grown(ratios, recorded), gone(ratios, recorded)
    for name in worse:
        print(f"{name}: more than a third over what benchmarks/recorded.json has", file=sys.stderr)
    for name in lost:
        print(f"{name}: is recorded and no longer measured", file=sys.stderr)
    if worse or lost:
        print("mend it or, where it is meant, `make bench-quick ARGS=--record`", file=sys.stderr)
    return 1 if worse or lost else 0


if __name__ == "__main__":
    sys.exit(main())
