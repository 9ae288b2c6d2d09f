"""A part and its report are one object, whose only write commits both. Worker and mux come here, so that they agree.

parts/000012-<digest>.mkv        the part; its report is in its user metadata
parts/000012-<digest>-bad.json   written before it where frames of the source were bad: metadata has little room
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from recast import names
from recast.errors import Corrupt, NotFound, Transient
from recast.layout import RunLayout, sha256_hex
from recast.manifest import BadFrames, BadRun, PartReport
from recast.storage.storage import Storage

REPORT, REPORT_SHA256 = "report", "report-sha256"
"""Metadata keys; no store checks its metadata."""


@dataclass(frozen=True)
class FetchedPart:
    """A part that is here.

    Attributes:
        bad_frames: of the source, where the job does not fail for them.
    """

    path: Path
    report: PartReport
    bad_frames: tuple[BadRun, ...] = ()


def commit_part(
    storage: Storage, layout: RunLayout, path: Path, report: PartReport, bad_frames: tuple[BadRun, ...]
) -> None:
    """Write a part. What is killed before leaves nothing, or bad frames that nobody asks for.

    Args:
        storage: where to.
        layout: of the run.
        path: the part.
        report: `bad_runs` is set here.
        bad_frames: of the source, in it.

    Raises:
        Bug: the report is longer than metadata may be.
    """
    if bad_frames:
        data = BadFrames(runs=bad_frames).model_dump_json(by_alias=True).encode()
        storage.put(layout.bad_frames(report.segment, report.digest), data)
    metadata = metadata_of(report.model_copy(update={"bad_runs": len(bad_frames)}))
    storage.upload(layout.part(report.segment, report.digest), path, metadata=metadata)


def is_committed(storage: Storage, layout: RunLayout, segment: int, digest: str) -> bool:
    """Say whether a part is there with all that mux asks of it: what is not would have mux fail for ever."""
    try:
        report = report_of(storage.head(layout.part(segment, digest)).metadata, segment, digest)
    except NotFound:
        return False
    return report is not None and (not report.bad_runs or storage.exists(layout.bad_frames(segment, digest)))


def fetch_part(storage: Storage, layout: RunLayout, segment: int, digest: str, path: Path) -> FetchedPart:
    """Have a part on the disk, with its report.

    Raises:
        Transient: it is not there, or what is there is no part of this job.
        Corrupt: it is not what was written.
    """
    uri = layout.part(segment, digest)
    try:
        report = report_of(storage.download(uri, path, promised=True), segment, digest)
        if report is None:
            raise Transient(
                f"{uri}: has no report that can be read: run the swap stage again, which writes it anew",
                reason=names.NOT_READY,
            )
        return FetchedPart(path, report, _bad_frames(storage, layout, report))
    except NotFound as error:
        raise not_ready(error) from error


def not_ready(missing: NotFound) -> Transient:
    """The error for parts that are not all there yet, or what names them."""
    return Transient(f"not every part is there: {missing}: run the swap stage again", reason=names.NOT_READY)


def metadata_of(report: PartReport) -> dict[str, str]:
    """A report as a part's metadata."""
    text = json.dumps(report.model_dump(mode="json", by_alias=True), separators=(",", ":"))
    return {REPORT: text, REPORT_SHA256: sha256_hex(text.encode())}


def report_of(metadata: Mapping[str, str], segment: int, digest: str) -> PartReport | None:
    """The report in a part's metadata; None where there is none, or that of another part, or a damaged one."""
    text = metadata.get(REPORT, "")
    if sha256_hex(text.encode()) != metadata.get(REPORT_SHA256):
        return None
    try:
        report = PartReport.model_validate_json(text)
    except ValidationError:
        return None
    return report if (report.segment, report.digest) == (segment, digest) else None


def _bad_frames(storage: Storage, layout: RunLayout, report: PartReport) -> tuple[BadRun, ...]:
    if not report.bad_runs:
        return ()
    uri = layout.bad_frames(report.segment, report.digest)
    try:
        runs = BadFrames.model_validate_json(storage.get(uri, promised=True)).runs
    except ValidationError:
        runs = ()
    if len(runs) != report.bad_runs:
        raise Corrupt(
            f"{uri}: has not the {report.bad_runs} runs of bad frames that its part's report counts: remove it and run "
            "the swap stage again",
            reason=names.PART_MISMATCH,
        )
    return runs
