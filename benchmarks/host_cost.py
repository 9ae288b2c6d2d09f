"""Host milliseconds a frame of the InSwapper engine, and of its peers' loops, with models that cost nothing.

The models' sessions answer at once with what was worked out before: one face, or four, and a swapped crop. What is
left is everything else: for recast decoding, preparing, cropping, mask, paste and putting the region back into the
frame; for InsightFace its usual loop, cv2's reader, `get`, paste and cv2's writer; for FaceFusion, where a checkout of
it is given, its own head-less run. All take turns in one process on one core; the least of the rounds counts. Both
ratios are given: of the whole loops, and of what is left of them without the codecs, which are FFmpeg's on all sides:
cv2's reader and writer for InsightFace's loop, its decoder for the others.

    taskset -c 0 python -m benchmarks.host_cost [--frames 50] [--size 1080 2160] [--facefusion CHECKOUT]
"""

import argparse
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import cv2
import numpy as np
import numpy.typing as npt

from benchmarks.clips import make_real
from benchmarks.facefusion import facefusion_loop
from benchmarks.peers import cv2_loop
from recast.manifest import VideoFacts
from recast.media.source import open_source, read_only, video_facts, video_stream
from segment_worker.engines.base import Pair
from segment_worker.engines.inswapper import InSwapperEngine
from segment_worker.frames import picture_of, put_patches, yuv_layout
from segment_worker.insight.arcface import Recogniser
from segment_worker.insight.models import Models
from segment_worker.insight.onnx_model import Entry
from segment_worker.insight.scrfd import ANCHORS, STRIDES, Detector
from segment_worker.insight.swapper import Swapper
from segment_worker.select import All

Array = npt.NDArray[Any]

ROUNDS = 3
SIDE = 640
Faces = Sequence[tuple[float, float, float]]
"""Left, top and width of each in a picture of 1920 x 1080."""
ONE: Faces = ((1000.0, 300.0, 540.0),)
FOUR: Faces = ((60.0, 200.0, 216.0), (380.0, 150.0, 270.0), (760.0, 250.0, 360.0), (1300.0, 300.0, 432.0))
HEAD = (
    "| height | faces | recast, ms a frame | of that decoding | cv2's reader and writer | InsightFace's loop "
    "| times (target: 10) | times beside codecs | FaceFusion | times (target: 10) | times beside codecs "
    "| FaceFusion by PNG files | times (target: 10) |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|"
)
EMBEDDING = np.linspace(-1, 1, 512, dtype=np.float32)
SWAPPED = np.random.default_rng(1).uniform(0, 1, (1, 3, 128, 128)).astype(np.float32)


class FreeModel:
    """A model that answers at once."""

    name = "free"

    def __init__(self, outputs: list[Array], inputs: list[Entry]) -> None:
        self._answer = outputs
        self.inputs = inputs
        self.outputs = [Entry(str(k), each.shape, np.float32) for k, each in enumerate(outputs)]

    def __call__(self, *_: Array) -> list[Array]:
        """Give the answer."""
        return self._answer

    def run(self, *_: object) -> list[Array]:
        """The same, as ONNX Runtime's sessions are asked."""
        return self._answer

    def get_inputs(self) -> list[Any]:
        """As ONNX Runtime's sessions tell it."""
        return [SimpleNamespace(name=str(k), shape=list(each.shape), type="") for k, each in enumerate(self.inputs)]

    def get_outputs(self) -> list[Any]:
        """As ONNX Runtime's sessions tell it."""
        return [SimpleNamespace(name=each.name, shape=list(each.shape), type="") for each in self.outputs]


def detector_answer(faces: Faces) -> list[Array]:
    """SCRFD's nine outputs for a picture of 16:9 that holds these faces, and nothing else."""
    scores, boxes, points = [], [], []
    for stride in STRIDES:
        cells = SIDE // stride
        scores.append(np.zeros((cells * cells * ANCHORS, 1), np.float32))
        boxes.append(np.zeros((cells * cells * ANCHORS, 4), np.float32))
        points.append(np.zeros((cells * cells * ANCHORS, 10), np.float32))
    shape = np.array([[-0.22, -0.2], [0.22, -0.2], [0, 0.05], [-0.18, 0.28], [0.18, 0.28]])
    scale, stride, level = SIDE / 1920, 32, 2
    for left, top, width in faces:
        x, y, half = (left + width / 2) * scale, (top + width * 0.6) * scale, width * scale / 2
        column, row = round(x / stride), round(y / stride)
        cell = (row * (SIDE // stride) + column) * ANCHORS
        dx, dy = x - column * stride, y - row * stride
        scores[level][cell] = 0.9
        boxes[level][cell] = np.array([half - dx, 1.2 * half - dy, half + dx, 1.2 * half + dy]) / stride
        points[level][cell] = ((shape * 2 * half + (dx, dy)) / stride).ravel()
    return [*scores, *boxes, *points]


def free_models(faces: Faces) -> tuple[FreeModel, FreeModel, FreeModel]:
    """Detector, recogniser and swapper."""
    image = Entry("image", (1, 3, SIDE, SIDE), np.float32)
    return (
        FreeModel(detector_answer(faces), [image]),
        FreeModel([EMBEDDING[None]], [Entry("image", (1, 3, 112, 112), np.float32)]),
        FreeModel([SWAPPED], [Entry("target", (1, 3, 128, 128), np.float32), Entry("source", (1, 512), np.float32)]),
    )


def recast_loop(clip: Path, faces: Faces) -> Callable[[], int]:
    """Everything that a worker does with a frame, but for the models and the encoder; gives the frames done."""
    detector, recogniser, swapper = free_models(faces)
    models = Models(
        Detector(detector),  # type: ignore[arg-type]
        Recogniser(recogniser, normalised=False),  # type: ignore[arg-type]
        Swapper(swapper, np.eye(512, dtype=np.float32)),  # type: ignore[arg-type]
    )
    engine = InSwapperEngine(models, [Pair([("free", np.zeros((1080, 1920, 3), np.uint8))], All())])

    def loop() -> int:
        done = 0
        with open_source(str(clip), clip.name) as container:
            stream = video_stream(container, clip.name)
            read_only(container, stream)
            stream.codec_context.thread_count = 1
            facts: VideoFacts | None = None
            for frame in container.decode(stream):
                facts = facts or video_facts(stream, frame, clip.name)
                layout = yuv_layout(facts, frame.format.name)
                (answer,) = engine.swap([picture_of(frame, layout)])
                put_patches(frame, answer.patches, layout)
                assert answer.faces_swapped == len(faces)
                done += 1
        return done

    return loop


def copy_loop(clip: Path, folder: Path) -> Callable[[], int]:
    """cv2's reader and writer alone."""
    return lambda: cv2_loop(clip, folder / "copy.mp4")


def insightface_loop(clip: Path, folder: Path, faces: Faces) -> Callable[[], int]:
    """What its users write: read, get, swap each face, write."""
    from insightface.app.common import Face
    from insightface.model_zoo.arcface_onnx import ArcFaceONNX
    from insightface.model_zoo.inswapper import INSwapper
    from insightface.model_zoo.scrfd import SCRFD

    detector, recogniser, swapper = free_models(faces)
    find = SCRFD(session=detector, static_shape_sessions=False)
    find.prepare(0, input_size=(SIDE, SIDE), det_thresh=0.5)
    know = _bare(ArcFaceONNX, recogniser, input_mean=127.5, input_std=127.5, input_size=(112, 112), input_name="0")
    put = _bare(
        INSwapper, swapper, input_mean=0.0, input_std=255.0, input_size=(128, 128), emap=np.eye(512, dtype=np.float32)
    )
    source = SimpleNamespace(normed_embedding=EMBEDDING / np.linalg.norm(EMBEDDING))

    def swapped(image: Array) -> Array:
        boxes, landmarks = find.detect(image)
        for box, points in zip(boxes, landmarks, strict=True):
            face = Face(bbox=box[:4], kps=points, det_score=box[4])
            know.get(image, face)
            image = put.get(image, face, source, paste_back=True)
        return image

    return lambda: cv2_loop(clip, folder / "out.mp4", swapped)


def _bare(kind: Any, session: FreeModel, **fields: Any) -> Any:
    """One of InsightFace's models on a session of ours: its constructor would want a file."""
    model = object.__new__(kind)
    names = {"input_names": [str(k) for k in range(len(session.inputs))], "output_names": ["0"]}
    for name, value in {"session": session, **names, **fields}.items():
        setattr(model, name, value)
    return model


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=50)
    parser.add_argument("--size", type=int, nargs="+", default=[1080, 2160], help="heights")
    parser.add_argument("--facefusion", type=Path, help="a checkout of its repository")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    cv2.setNumThreads(1)
    print(HEAD)
    with tempfile.TemporaryDirectory() as folder:
        for height in arguments.size:
            clip = Path(folder, f"{height}.mp4")
            make_real(clip, arguments.frames / 25, (height * 16 // 9, height))
            for faces in (ONE, FOUR):
                print(row(clip, height, faces, arguments.facefusion), flush=True)


def row(clip: Path, height: int, faces: Faces, facefusion: Path | None) -> str:
    """One line of the table."""
    loops = [recast_loop(clip, faces), decode_loop(clip), copy_loop(clip, clip.parent)]
    loops.append(insightface_loop(clip, clip.parent, faces))
    if facefusion is not None:
        answers = free_answers(faces)
        loops += [
            facefusion_loop(facefusion, clip, clip.parent, *answers, faces=len(faces), on_disk=on_disk)
            for on_disk in (False, True)
        ]
    ours, decoding, copying, theirs, *facefusions = least(loops)
    cells = [f"{ours:.1f}", f"{decoding:.1f}", f"{copying:.1f}"]
    for other, codecs in zip((theirs, *facefusions[:1]), (copying, decoding), strict=False):
        beside = (other - codecs) / (ours - decoding)
        cells += [f"{other:.1f}", f"{other / ours:.1f}", f"{beside:.1f}"]
    # Most of it is the PNG files' codec, which recast has nothing of.
    cells += [cell for other in facefusions[1:] for cell in (f"{other:.1f}", f"{other / ours:.1f}")]
    return f"| {height} | {len(faces)} | {' | '.join(cells)} {'| ' * (11 - len(cells))}|"


def free_answers(faces: Faces) -> tuple[list[Array], Array]:
    """What detector and swapper answer."""
    return detector_answer(faces), SWAPPED


def decode_loop(clip: Path) -> Callable[[], int]:
    """Decoding alone."""

    def loop() -> int:
        with av.open(str(clip)) as container:
            container.streams.video[0].codec_context.thread_count = 1
            return sum(1 for _ in container.decode(video=0))

    return loop


def least(loops: list[Callable[[], int]]) -> list[float]:
    """Least milliseconds a frame of each, in turns."""
    best = [float("inf")] * len(loops)
    for _ in range(ROUNDS):
        for number, loop in enumerate(loops):
            started = time.perf_counter()
            frames = loop()
            best[number] = min(best[number], (time.perf_counter() - started) * 1e3 / frames)
    return best


if __name__ == "__main__":
    main()
