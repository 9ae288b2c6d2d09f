"""The content check: a model of the user's own looks at pictures of the source before any GPU-hour is spent.

The model is an ONNX graph with one input, float32 [n, 3, height, width] (an upright picture stretched to that size,
RGB, 0..1; 224 where the graph leaves a size open), whose first output is one number a picture: its score. What else a
classifier wants, other means, a softmax, goes into the graph.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation

from recast import log, names, spec
from recast.errors import BadConfig, BadInput, NotFound
from recast.manifest import ContentOutcome, VideoFacts
from recast.media.sampling import sampled_frames
from recast.media.split import SegmentFile
from recast.storage.storage import Storage
from recast.storage.stored import TooLarge

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

DECODER_THREADS = 2
MAX_MODEL_BYTES = 2 << 30
OPEN_SIDE = 224


class ContentModel:
    """A model that scores pictures.

    Args:
        path: the ONNX file.
        name: for messages.

    Raises:
        BadConfig: it is none, or not of the kind above; or there is no ONNX Runtime.
    """

    def __init__(self, path: Path, name: str) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise BadConfig(
                "contentCheck: ONNX Runtime is missing: install recast[content]", reason=names.MISSING_MODEL
            ) from error
        onnxruntime.set_default_logger_severity(3)
        options = onnxruntime.SessionOptions()
        # The score must not depend on the machine's cores.
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._name = name
        try:
            self._session: Any = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:
            # Of no common class.
            raise self._unfit(str(error)) from error
        inputs = self._session.get_inputs()
        shape = list(inputs[0].shape) if len(inputs) == 1 else []
        if len(shape) != 4 or shape[1] != 3 or inputs[0].type != "tensor(float)":
            takes = ", ".join(f"{each.type} {each.shape}" for each in inputs)
            raise self._unfit(f"it must take one float32 [n, 3, height, width], and takes {takes}")
        self._input = inputs[0].name
        self.height, self.width = (side if isinstance(side, int) else OPEN_SIDE for side in shape[2:])

    def score(self, picture: npt.NDArray[np.uint8]) -> float:
        """Score one picture.

        Args:
            picture: uint8 [height, width, 3], RGB, upright.

        Raises:
            BadConfig: the model does not run, or gives more than one number.
        """
        import numpy as np

        planes = np.ascontiguousarray(picture.transpose(2, 0, 1)[None], np.float32) / np.float32(255)
        try:
            output = np.asarray(self._session.run(None, {self._input: planes})[0], np.float64)
        except Exception as error:
            raise self._unfit(str(error)) from error
        if output.size != 1 or not np.isfinite(output).all():
            raise self._unfit(f"its first output must be one number a picture, and is of shape {output.shape}")
        return float(output.reshape(()))

    def _unfit(self, what: str) -> BadConfig:
        text = " ".join(what.split())[:500]
        return BadConfig(f"contentCheck.model {self._name}: {text}", reason=names.MISSING_MODEL)


class ContentCheck:
    """Looks at a source segment by segment.

    Args:
        model: scores the pictures.
        wanted: how often, and which score is too high.
        facts: what the video is.
        source: how messages call it.
        moved: called with each frame that is decoded.
    """

    def __init__(
        self, model: ContentModel, wanted: spec.ContentCheck, facts: VideoFacts, source: str, moved: Callable[[], None]
    ) -> None:
        self._model, self._wanted, self._facts = model, wanted, facts
        self._source, self._moved = source, moved
        self._every = max(1, round(wanted.every_seconds / facts.time_base))
        self._first_pts: int | None = None
        self._frames, self._highest = 0, 0.0

    @property
    def outcome(self) -> ContentOutcome:
        """What it has seen so far."""
        return ContentOutcome(frames=self._frames, highest=round(self._highest, 6))

    def look(self, file: SegmentFile) -> None:
        """Look at pictures of a segment, and note what they score.

        Raises:
            BadInput: one scores the threshold or more.
        """
        frames = [frame for part in file.slices for frame in part]
        if not frames:
            return
        if self._first_pts is None:
            self._first_pts = frames[0][0]
        sampled = sampled_frames(file.path, frames, every=self._every, threads=DECODER_THREADS, moved=self._moved)
        for pts, frame in sampled:
            score = self._model.score(upright(frame, self._facts.rotation, self._model.width, self._model.height))
            first = self._frames == 0
            self._frames, self._highest = self._frames + 1, score if first else max(self._highest, score)
            if score >= self._wanted.threshold:
                seconds = float((pts - (self._first_pts or 0)) * self._facts.time_base)
                raise BadInput(
                    f"{self._source}: the frame at {seconds:.3f} s scores {score:.3f} in the content check, whose "
                    f"threshold is {self._wanted.threshold:g}: nothing was swapped",
                    reason=names.CONTENT_REFUSED,
                )


def fetch_model(storage: Storage, uri: str) -> bytes:
    """Read the model of a content check.

    Raises:
        BadConfig: it is not there, or is too large.
    """
    try:
        return storage.get(uri, most=MAX_MODEL_BYTES)
    except NotFound as error:
        raise BadConfig(f"contentCheck.model {uri}: is not there", reason=names.MISSING_MODEL) from error
    except TooLarge as error:
        what = f"is over {MAX_MODEL_BYTES >> 30} GiB"
        raise BadConfig(f"contentCheck.model {uri}: {what}", reason=names.MISSING_MODEL) from error


def load_model(data: bytes, name: str) -> ContentModel:
    """Load a model from a file's bytes.

    Raises:
        BadConfig: it is none, or not of the kind that is asked for.
    """
    with tempfile.TemporaryDirectory(prefix="recast-content-") as folder:
        # From an empty folder: a graph may name other files, and these would be found beside it.
        path = Path(folder, "model.onnx")
        path.write_bytes(data)
        model = ContentModel(path, name)
    log.info("content model loaded", model=name, width=model.width, height=model.height)
    return model


def upright(frame: VideoFrame, rotation: int, width: int, height: int) -> npt.NDArray[np.uint8]:
    """The picture as people see it, stretched.

    Args:
        frame: as it is coded.
        rotation: degrees counter-clockwise that make it upright.
        width: of the result.
        height: of the result.

    Returns:
        uint8 [height, width, 3], RGB.
    """
    import numpy as np

    turns = rotation // 90
    across, down = (width, height) if turns % 2 == 0 else (height, width)
    small = frame.reformat(across, down, format="rgb24", interpolation=Interpolation.AREA)
    return np.rot90(small.to_ndarray(), turns).astype(np.uint8)
