"""The InSwapper engine's time for a frame, by how many it works on at once, beside models that wait as for a GPU.

    python -m benchmarks.at_once [--frames 48] [--device-ms 2.4 3.4]

Detector and swapper sleep, one at a time, for as long as a GPU takes (benchmarks/README.md has figures of two);
everything else is the real thing, on pictures of 1080p. Turns are taken, and the least of three counts.
"""

import argparse
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
from av.video.frame import VideoFrame

from benchmarks.clips import make_real
from benchmarks.host_cost import FOUR, ONE, Array, Faces, FreeModel, free_models
from recast.media.source import open_source, video_facts, video_stream
from segment_worker.engines.base import Pair
from segment_worker.engines.inswapper import InSwapperEngine
from segment_worker.frames import picture_of, put_patches, yuv_layout
from segment_worker.insight.arcface import Recogniser
from segment_worker.insight.models import Models
from segment_worker.insight.scrfd import Detector
from segment_worker.insight.swapper import Swapper
from segment_worker.picture import YuvLayout
from segment_worker.pipeline import BATCH_FRAMES
from segment_worker.select import All

ROUNDS = 3
AT_ONCE = (1, 2, 4)
HEAD = "| faces | at once | ms a frame | CPU ms | device ms |\n|---|---|---|---|---|"


class WaitingModel(FreeModel):
    """A model that answers after a while, one at a time."""

    device = threading.Lock()

    def __init__(self, free: FreeModel, milliseconds: float) -> None:
        super().__init__(free(), free.inputs)
        self._seconds = milliseconds / 1000

    def __call__(self, *values: Array) -> list[Array]:
        """Wait, and give the answer."""
        with self.device:
            time.sleep(self._seconds)
        return super().__call__(*values)


def engine_of(faces: Faces, at_once: int, device_ms: tuple[float, float]) -> InSwapperEngine:
    """The engine on waiting models."""
    detector, recogniser, swapper = free_models(faces)
    models = Models(
        Detector(WaitingModel(detector, device_ms[0])),  # type: ignore[arg-type]
        Recogniser(recogniser, normalised=False),  # type: ignore[arg-type]
        Swapper(WaitingModel(swapper, device_ms[1]), np.eye(512, dtype=np.float32)),  # type: ignore[arg-type]
    )
    return InSwapperEngine(models, [Pair([("free", np.zeros((1080, 1920, 3), np.uint8))], All())], at_once=at_once)


def swap(engine: InSwapperEngine, frames: list[VideoFrame], layout: YuvLayout) -> tuple[float, float]:
    """What the swap stage does with them; gives wall and CPU milliseconds a frame."""
    wall, cpu = time.perf_counter(), time.process_time()
    for first in range(0, len(frames), BATCH_FRAMES):
        batch = frames[first : first + BATCH_FRAMES]
        for frame, answer in zip(batch, engine.swap([picture_of(each, layout) for each in batch]), strict=True):
            put_patches(frame, answer.patches, layout)
    return tuple(1000 * took / len(frames) for took in (time.perf_counter() - wall, time.process_time() - cpu))  # type: ignore[return-value]


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=48)
    parser.add_argument("--device-ms", type=float, nargs=2, default=(2.4, 3.4), help="of detector and swapper")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        clip = Path(name, "clip.mp4")
        make_real(clip, arguments.frames / 25)
        with open_source(str(clip), clip.name) as container:
            stream = video_stream(container, clip.name)
            frames = list(container.decode(stream))
            layout = yuv_layout(video_facts(stream, frames[0], clip.name), frames[0].format.name)
    print(HEAD)
    for faces in (ONE, FOUR):
        engines = [engine_of(faces, at_once, arguments.device_ms) for at_once in AT_ONCE]
        rounds = [[swap(engine, frames, layout) for engine in engines] for _ in range(ROUNDS)]
        device = arguments.device_ms[0] + len(faces) * arguments.device_ms[1]
        for at_once, took in zip(AT_ONCE, zip(*rounds, strict=True), strict=True):
            wall, cpu = (min(each) for each in zip(*took, strict=True))
            print(f"| {len(faces)} | {at_once} | {wall:.1f} | {cpu:.1f} | {device:.1f} |", flush=True)


if __name__ == "__main__":
    main()
