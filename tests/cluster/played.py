"""What fake pods say of a FaceSwapJob's stages."""

from collections.abc import Mapping

from recast.kube import names
from tests.cluster.stages import INDEX, Script

RUN = "0123456789ab"
FRAMES = 25


def split(segments: int, *, seconds: float = 0.1) -> Script:
    """A split that finds so many segments."""
    message = {"code": 0, "reason": "Succeeded", "run": RUN, "segments": segments, "frames": segments * FRAMES}
    return _ends(names.SPLIT, message, seconds)


def swap(*, seconds: float | None = 0.1) -> Script:
    """Workers that do their segments; None: never."""
    return _ends(names.SWAP, {"code": 0, "reason": "Succeeded", "segment": INDEX, "frames": FRAMES}, seconds)


def mux(*, seconds: float = 0.1) -> Script:
    """A mux that publishes."""
    output = {
        "uri": "s3://studio/out/a.mp4",
        "size": 1000,
        "sha256": "ab" * 32,
        "encoder": "libx264",
        "facesSwapped": 7,
        "droppedTracks": [],
    }
    return _ends(names.MUX, {"code": 0, "reason": "Succeeded", "message": "published", "output": output}, seconds)


def stages(segments: int, *, seconds: float = 0.1) -> tuple[Script, ...]:
    """A whole job that goes well."""
    return split(segments, seconds=seconds), swap(seconds=seconds), mux(seconds=seconds)


def fails(
    stage: str, code: int, reason: str, message: str, *, index: int | None = None, first_try: bool = False
) -> Script:
    """A stage that ends with an error."""
    said: Mapping[str, object] = {"code": code, "reason": reason, "message": message}
    if stage == names.SWAP:
        said = {**said, "segment": INDEX}
    return Script(labels=_labels(stage), index=index, first_try=first_try, seconds=0.1, code=code, message=said)


def waits(stage: str, reason: str) -> Script:
    """A stage whose container does not start."""
    return Script(labels=_labels(stage), waiting=reason)


def _ends(stage: str, message: Mapping[str, object], seconds: float | None) -> Script:
    return Script(labels=_labels(stage), seconds=seconds, message=message)


def _labels(stage: str) -> dict[str, str]:
    return {names.LABEL_STAGE: stage}
