"""How fast the InSwapper engine is with models of the real ones' size (`benchmarks.fullsize`), on a GPU or a CPU.

    python -m benchmarks.inswapper_speed [--provider cuda] [--frames 500] [--workers 1 2 4] [--keep FOLDER]

Four tables: each model alone, its inputs and outputs copied to and from the device; the engine on pictures of 1080p;
a worker's start; and `recast run` of a clip, decoding, encoding, split and mux included.
"""

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from itertools import product
from pathlib import Path

import cv2
import numpy as np

from benchmarks import fullsize
from benchmarks.clips import make_real
from benchmarks.host_cost import FOUR, ONE, Faces, detector_answer
from benchmarks.mesh_speed import picture_of
from benchmarks.stages import running_store
from benchmarks.start_up import first_frames, steps_table
from demo.material import package_file
from recast.spec import Engine
from segment_worker.engines.base import Pair
from segment_worker.engines.factory import AT_ONCE
from segment_worker.engines.inswapper import InSwapperEngine
from segment_worker.gpu import BusyMeter, gpu_name
from segment_worker.insight.load import load_models
from segment_worker.insight.onnx_model import Device, OnnxModel
from segment_worker.pipeline import BATCH_FRAMES
from segment_worker.select import All

PRECISIONS = {"Fp32": "inswapper_128.onnx", "Fp16": "inswapper_128_fp16.onnx"}
PROVIDERS = {"cpu": "Cpu", "cuda": "Cuda", "tensorrt": "TensorRt"}


def make_models(folder: Path) -> dict[str, int]:
    """Write all of them, the detector as one that sees one face; gives their multiplications."""
    folder.mkdir(parents=True, exist_ok=True)
    return {
        "det_10g.onnx": fullsize.scrfd(folder / "det_10g.onnx", detector_answer(ONE)),
        "w600k_r50.onnx": fullsize.arcface(folder / "w600k_r50.onnx"),
        "inswapper_128.onnx": fullsize.inswapper(folder / "inswapper_128.onnx"),
        "inswapper_128_fp16.onnx": fullsize.inswapper(folder / "inswapper_128_fp16.onnx", half=True),
    }


def median(work: Callable[[], object], runs: int) -> float:
    """Median milliseconds, after three runs that do not count."""
    times = []
    for _ in range(runs + 3):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return float(np.median(times[3:])) * 1e3


def models_table(folder: Path, provider: str, macs: dict[str, int], runs: int) -> str:
    """A table of the models alone, one picture or face at a time."""
    rng, device = np.random.default_rng(0), Device(provider)  # type: ignore[arg-type]
    lines = ["| model | ms | TFLOP/s |", "|---|---|---|"]
    for name, multiplications in macs.items():
        model = OnnxModel(folder / name, device, name)
        blobs = [rng.uniform(0, 1, [size or 1 for size in entry.shape]).astype(np.float32) for entry in model.inputs]
        took = median(partial(model, *blobs), runs)
        lines.append(f"| {name} | {took:.2f} | {2 * multiplications / took / 1e9:.1f} |")
    return "\n".join(lines)


def engine_table(folder: Path, provider: str, runs: int) -> str:
    """A table of the engine's time for a frame of 1080p, and a hash of what it gave."""
    image = np.asarray(cv2.resize(cv2.imread(str(_photo())), (1920, 1080)), np.uint8)
    pictures = [picture_of(np.roll(image, 7 * shift, 1)) for shift in range(BATCH_FRAMES)]
    lines = [
        "| precision | faces | at once | ms a frame | GPU busy | sha256 of the patches |",
        "|---|---|---|---|---|---|",
    ]
    for precision in PRECISIONS:
        for faces, at_once in product((ONE, FOUR), (1, AT_ONCE)):
            engine = engine_of(folder, provider, precision, faces, image, at_once)
            meter = BusyMeter(every=0.1)
            took = median(partial(engine.swap, pictures), runs) / len(pictures)
            meter.stop()
            digest = hashlib.sha256()
            for answer in engine.swap(pictures):
                for patch in answer.patches:
                    for plane in patch.planes:
                        digest.update(np.ascontiguousarray(plane))
            share, answered = _share(meter.take()), digest.hexdigest()[:16]
            lines.append(f"| {precision} | {len(faces)} | {at_once} | {took:.1f} | {share} | {answered} |")
    return "\n".join(lines)


def engine_of(
    folder: Path, provider: str, precision: str, faces: Faces, photo: np.ndarray, at_once: int
) -> InSwapperEngine:
    """The engine, its detector one that sees these faces."""
    detector = folder / f"{len(faces)}-faces.onnx"
    if not detector.exists():
        fullsize.scrfd(detector, detector_answer(faces))
    files = {"detector": detector, "recogniser": folder / "w600k_r50.onnx", "swapper": folder / PRECISIONS[precision]}
    asked = Engine(name="InSwapper", models="file:///models", provider=provider, precision=precision)  # type: ignore[arg-type]
    return InSwapperEngine(load_models(asked, files), [Pair([("photo", photo)], All())], at_once=at_once)  # type: ignore[arg-type]


def start_table(store_uri: str, provider: str, clip: Path, runs: int) -> str:
    """A table of what a worker waits for until its first frames are encoded, the least of the runs for each step."""
    asked = Engine(name="InSwapper", models=store_uri, provider=provider, precision="Fp16")  # type: ignore[arg-type]
    least: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="recast-bench-") as name, running_store(Path(name)) as store:
        for _ in range(runs):
            took = first_frames(store, clip, asked, (_photo(),))
            least = {step: min(took[step], least.get(step, took[step])) for step in took}
    return steps_table({f"InSwapper, {provider}": least})


def run_table(store_uri: str, provider: str, clip: Path, workers: list[int]) -> str:
    """A table of `recast run`, by precision and workers."""
    lines = [
        "| precision | workers | s | frames a second | decode | swap | encode | GPU busy | sha256 of the output |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for precision in PRECISIONS:
        for count in workers:
            report = run(store_uri, provider, clip, precision, count)
            seconds, busy = report["workerSeconds"], report["gpuBusy"]
            times = " | ".join(f"{seconds[stage]:.1f}" for stage in ("decode", "swap", "encode"))
            speed = report["frames"] / report["seconds"]
            lines.append(
                f"| {precision} | {count} | {report['seconds']:.1f} | {speed:.1f} | {times} | {_share(busy)} "
                f"| {report['output']['sha256'][:16]} |"
            )
    return "\n".join(lines)


def run(store_uri: str, provider: str, clip: Path, precision: str, workers: int) -> dict:
    """One run; gives its report."""
    report, output = clip.with_suffix(".json"), clip.with_suffix(".out.mp4")
    command = [sys.executable, "-m", "recast.cli", "run", str(clip), str(output), "--engine", "inswapper"]
    command += ["--face", str(_photo()), "--models", store_uri.removeprefix("file://"), "--consent", "a benchmark"]
    command += ["--provider", provider.lower(), "--precision", precision.lower(), "--workers", str(workers)]
    command += ["--overwrite", "--segment-seconds", "2", "--report", str(report)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return json.loads(report.read_text())


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--provider", choices=PROVIDERS, default="cuda")
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--frames", type=int, default=500)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--keep", type=Path, help="a folder to keep the models in (1.1 GB)")
    arguments = parser.parse_args()
    provider = PROVIDERS[arguments.provider]
    with tempfile.TemporaryDirectory() as name:
        folder, store, clip = arguments.keep or Path(name, "models"), Path(name, "store"), Path(name, "clip.mp4")
        macs = make_models(folder)
        print(models_table(folder, provider, macs, arguments.runs), flush=True)
        print(f"\n{gpu_name() or 'CPU'}\n\n{engine_table(folder, provider, arguments.runs)}", flush=True)
        push = [sys.executable, "-m", "recast.cli", "models", "push", str(folder), str(store), "--licence", "random"]
        subprocess.run(push, check=True, stdout=subprocess.DEVNULL)
        make_real(clip, arguments.frames / 25)
        print(f"\n{start_table(f'file://{store}', provider, clip, 3)}", flush=True)
        print(f"\n{run_table(f'file://{store}', provider, clip, arguments.workers)}", flush=True)


def _photo() -> Path:
    return package_file("skimage", "data/astronaut.png")


def _share(busy: float | None) -> str:
    return "" if busy is None else f"{100 * busy:.0f} %"


if __name__ == "__main__":
    main()
