"""Whole jobs for tests: the stages' own functions in this process, on the session's store."""

import os
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Literal
from unittest.mock import patch

from controller.stages.mux import mux
from controller.stages.normalise import normalise as normalise_stage
from controller.stages.split import split
from recast.manifest import PartReport
from recast.parts import REPORT
from recast.spec import (
    Audio,
    Consent,
    ContentCheck,
    Engine,
    FacePair,
    JobSpec,
    Output,
    Segments,
    Source,
    Storage,
    Video,
)
from recast.stage import StageInput, StageResult
from recast.storage.embedded import EmbeddedStore
from recast.storage.storage import Storage as Objects
from segment_worker.worker import work

NAMESPACE = "tests"


def job(
    store: EmbeddedStore,
    source: Path | str,
    output: Path | str,
    *,
    seconds: float = 1,
    engine: str | Engine = "Passthrough",
    faces: Sequence[Path] = (),
    pairs: Sequence[FacePair] = (),
    video: Video | None = None,
    audio: Audio | None = None,
    overwrite: bool = False,
    drop_tracks: Sequence[str] = (),
    retain: Literal["OnFailure", "Always", "Never"] = "Always",
    normalise: bool = False,
    content_check: ContentCheck | None = None,
    name: str | None = None,
) -> StageInput:
    """A job, ready for split. Sources and outputs are paths or s3:// URIs."""
    pairs = tuple(pairs) or ((FacePair(source=tuple(_uri(face) for face in faces)),) if faces else ())
    spec = JobSpec(
        source=Source(uri=_uri(source)),
        output=Output(uri=_uri(output), overwrite=overwrite, drop_tracks=tuple(drop_tracks)),  # type: ignore[arg-type]
        faces=pairs,
        consent=Consent(reference="a test") if pairs else None,
        engine=Engine(name=engine) if isinstance(engine, str) else engine,  # type: ignore[arg-type]
        content_check=content_check,
        video=video or Video(quality="Lossless", preset="ultrafast"),
        audio=audio or Audio(),
        segments=Segments(target_seconds=seconds, normalise=normalise),
        storage=Storage(endpoint=store.endpoint, scratch=f"s3://{store.bucket}/scratch", retain=retain),
    )
    return StageInput(namespace=NAMESPACE, name=name or uuid.uuid4().hex[:12], uid="tests", spec=spec)


def swap(split_job: StageInput, index: int, *, per_pod: int = 1) -> StageResult:
    """One pod of the swap stage."""
    with patch.dict(os.environ, {"JOB_COMPLETION_INDEX": str(index)}):
        return work(split_job.model_copy(update={"segments_per_pod": per_pod}))


def run_job(asked: StageInput, *, order: Sequence[int] | None = None) -> StageResult:
    """All stages, the segments in the given order; returns split's result."""
    done = split(asked)
    ready = asked.model_copy(update={"run": done.run})
    if asked.spec.segments.normalise:
        normalise_stage(ready)
    for index in order if order is not None else range(done.segments or 0):
        swap(ready, index)
    mux(ready)
    return done


def reports(storage: Objects, asked: StageInput) -> list[PartReport]:
    """What a job's parts say of themselves, in order."""
    parts = [info.uri for info in storage.list(asked.folder) if "/parts/" in info.uri and info.uri.endswith(".mkv")]
    return [PartReport.model_validate_json(storage.head(uri).metadata[REPORT]) for uri in parts]


def _uri(place: Path | str) -> str:
    return place if isinstance(place, str) else f"file://{place}"
