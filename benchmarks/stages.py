"""One job's stages, each run alone by the command that the pods run, on a store that stays up."""

import json
import os
import sys
import tempfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

from benchmarks.measure import Cost, measure
from recast.local.run import MUX, SPLIT, SWAP
from recast.spec import Consent, Engine, FacePair, JobSpec, Output, Segments, Source, Storage, Video
from recast.stage import StageInput
from recast.storage.embedded import EmbeddedStore

PASSTHROUGH = Engine(name="Passthrough")


@contextmanager
def running_store(folder: Path) -> Iterator[EmbeddedStore]:
    """A store whose credentials are in this process' environment."""
    with EmbeddedStore(folder) as store, patch.dict(os.environ, store.environment(base=os.environ), clear=True):
        yield store


class BenchJob:
    """A job under a new name, so that none of its stages finds its work done.

    Args:
        store: where its objects are.
        source, output: paths or URIs.
        faces: photos, for an engine that changes faces.
        seconds: of a segment.
    """

    def __init__(
        self,
        store: EmbeddedStore,
        source: Path | str,
        output: Path | str,
        *,
        engine: Engine = PASSTHROUGH,
        faces: Sequence[Path] = (),
        seconds: float = 10,
        video: Video | None = None,
    ) -> None:
        spec = JobSpec(
            source=Source(uri=_uri(source)),
            output=Output(uri=_uri(output), overwrite=True),
            faces=(FacePair(source=tuple(_uri(face) for face in faces)),) if faces else (),
            consent=Consent(reference="a benchmark") if faces else None,
            engine=engine,
            video=video or Video(preset="ultrafast"),
            segments=Segments(target_seconds=seconds),
            storage=Storage(endpoint=store.endpoint, scratch=f"s3://{store.bucket}/bench", retain="Always"),
        )
        self._job = StageInput(namespace="bench", name=uuid.uuid4().hex[:12], uid="bench", spec=spec)
        self.segments = 0
        self.frames = 0

    def split(self) -> Cost:
        """Run split; the others need what it finds."""
        cost, said = self._run(SPLIT)
        self._job = self._job.model_copy(update={"run": said["run"]})
        self.segments, self.frames = said["segments"], said["frames"]
        return cost

    def swap(self) -> Cost:
        """Run one worker for all segments."""
        self._job = self._job.model_copy(update={"segments_per_pod": self.segments})
        return self._run(SWAP, {"JOB_COMPLETION_INDEX": "0"})[0]

    def mux(self) -> Cost:
        """Run mux."""
        return self._run(MUX)[0]

    def command(self, stage: tuple[str, ...], message: Path) -> tuple[list[str], dict[str, str]]:
        """A stage's command and its environment, the termination message going to `message`."""
        given = {"RECAST_STAGE": self._job.model_dump_json(by_alias=True), "RECAST_TERMINATION_LOG": str(message)}
        return [sys.executable, *stage], {**os.environ, **given}

    def _run(self, stage: tuple[str, ...], more: Mapping[str, str] | None = None) -> tuple[Cost, dict]:
        with tempfile.TemporaryDirectory(prefix="recast-bench-") as folder:
            message = Path(folder, "message.json")
            command, environment = self.command(stage, message)
            cost = measure(command, {**environment, **(more or {})})
            return cost, json.loads(message.read_text())


def _uri(place: Path | str) -> str:
    return place if isinstance(place, str) else f"file://{place}"
