"""The output that a run has published: known again by its record in scratch and the object's own facts."""

import hashlib

from recast import names
from recast.errors import EXISTS, BadConfig, NotFound
from recast.layout import RunLayout
from recast.manifest import OutputRecord
from recast.storage.storage import Storage

MOST_DROPPED, MOST_TEXT = 12, 120
MOST_RUNS = 5


def published_record(storage: Storage, layout: RunLayout, uri: str) -> OutputRecord | None:
    """The record of this run's output, where that very output is at `uri`."""
    try:
        record = OutputRecord.model_validate_json(storage.get(layout.output_record))
    except NotFound:
        return None
    return record if record.uri == uri and _is_content(storage, uri, record) else None


def summary(record: OutputRecord) -> dict[str, object]:
    """What the job's status says of the output; short, since a termination message is."""
    dropped = [text[:MOST_TEXT] for text in record.dropped_tracks[:MOST_DROPPED]]
    fields = record.model_dump(by_alias=True, include={"uri", "size", "sha256", "encoder", "faces_swapped"})
    runs = record.bad_frames
    if not runs:
        return fields | {"droppedTracks": dropped}
    bad = {"count": sum(run.frames for run in runs), "first": [run.text for run in runs[:MOST_RUNS]]}
    return fields | {"droppedTracks": dropped, "badFrames": bad}


def output_exists(uri: str) -> BadConfig:
    """The error for an output that is taken by something else."""
    return BadConfig(f"{uri}: {EXISTS}", reason=names.OUTPUT_EXISTS)


def _is_content(storage: Storage, uri: str, record: OutputRecord) -> bool:
    try:
        info = storage.head(uri)
    except NotFound:
        return False
    if info.size != record.size:
        return False
    if "sha256" in info.metadata:
        return info.metadata["sha256"] == record.sha256
    with storage.open(uri, etag=info.etag, size=info.size) as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == record.sha256
