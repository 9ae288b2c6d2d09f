"""Mux: concatenate the parts, stamp exact times, remux the other tracks, verify, publish.

Run as `python -m controller.stages.mux`.

    parts/*.mkv --concat, stamp--> video --+
                                           +--> output file --verify--> one conditional put at the output's URI
    source ------- every other track ------+
"""

import tempfile
from array import array
from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import partial
from itertools import pairwise
from pathlib import Path

from controller.stages.partfiles import PartFiles
from controller.stages.published import output_exists, published_record, summary
from controller.stages.scratch import drop_unfinished, remove_work
from recast import log, names
from recast.errors import BadConfig, NotFound, Transient
from recast.layout import RunLayout, canonical_json, file_sha256, sha256_hex
from recast.manifest import EncoderChoice, OutputRecord, PartReport, Plan, SourceSums, Track, joined
from recast.media.mux import (
    MuxFiles,
    empty_tracks,
    hash_output_tracks,
    hashed_tracks,
    lead_ticks,
    said_by_container,
    track_numbers,
)
from recast.media.mux import mux as mux_tracks
from recast.media.stamp import DeeperReorder, PartSource, StampedVideo, stamp_parts
from recast.media.times import MOST_AT_ONE_TIME
from recast.media.verify import read_track_packets, verify_output
from recast.packets import PlannedSegment, read_segments
from recast.parts import FetchedPart, not_ready
from recast.stage import StageInput, StageResult, end_process, run_stage
from recast.storage.loopback import LoopbackServer
from recast.storage.storage import Storage
from recast.storage.sums import BlockSums
from recast.storageconfig import make_storage
from recast.watchdog import Watchdog
from recast.wording import counted, size


def main() -> int:
    """Run the stage; returns the exit code."""
    return run_stage(mux)


def mux(job: StageInput) -> StageResult:
    """Make the output of a job whose parts are all committed, and publish it.

    Raises:
        Transient: a part is missing.
        BadConfig: something else is at the output's URI.
    """
    storage, layout = make_storage(job.spec), job.run_layout
    try:
        with closing(_Mux(job, storage, layout)) as work:
            record = work.run()
    except (NotFound, Transient):
        # Another mux, or this one's forerunner, has published and tidied up.
        published = published_record(storage, layout, job.spec.output.uri)
        if published is None:
            raise
        record = published
    drop_unfinished(storage, f"{layout.prefix}/", record.uri)
    if job.spec.storage.retain != "Always":
        remove_work(storage, layout)
    return StageResult(
        run=job.run,
        frames=record.frames,
        output=summary(record),
        message=f"{record.uri}: {counted(record.frames, 'frame')}, {size(record.size)}{_bad_of(record)}",
    )


class _Mux:
    def __init__(self, job: StageInput, storage: Storage, layout: RunLayout) -> None:
        self._spec, self._run = job.spec, job.run
        self._storage, self._layout = storage, layout
        self._plan = Plan.model_validate_json(self._storage.get(self._layout.plan, promised=True))
        self._refuse_other_plan()
        self._pts = array("q")
        self._left_out: list[Track] = []
        self._dog = Watchdog(job.spec.worker.stall_seconds, lambda: "mux")

    def _refuse_other_plan(self) -> None:
        """Whoever can write to scratch must not have this process read another file, or write another kind of one."""
        plan, spec = self._plan, self._spec
        if (plan.source.uri, plan.container, plan.run) == (spec.source.uri, spec.output.container, self._run):
            return
        raise BadConfig(
            f"{self._layout.plan}: is the plan of another job ({plan.source.uri}): remove it and start the job anew",
            reason=names.INPUTS_CHANGED,
        )

    def close(self) -> None:
        """Watch no more."""
        self._dog.stop()

    def run(self) -> OutputRecord:
        digests = self._name_parts()
        digest = sha256_hex(canonical_json(digests))[:16]
        published = self._published(digest)
        if published is not None:
            log.info("output is published", uri=published.uri)
            return published
        # A part that is still being fetched after an error may come while the folder is removed: its owner removes it.
        temporary = tempfile.TemporaryDirectory(prefix="recast-mux-", ignore_cleanup_errors=True)
        with temporary as folder, LoopbackServer(self._storage) as server:
            with server.blamed():
                output, parts = self._make(digests, Path(folder), server)
            return self._publish(output, parts, digest)

    def _make(self, digests: list[str], folder: Path, server: LoopbackServer) -> tuple[Path, Sequence[FetchedPart]]:
        plan = self._plan
        log.info("stamping", parts=len(digests), frames=plan.frames)
        video, parts = self._stamp(digests, folder)
        output, hashes = folder / f"output.{plan.container}", folder / "tracks.framehash"
        log.info("muxing", tracks=len(plan.tracks))
        files = MuxFiles(video, self._source(server), output, hashes)
        mux_tracks(plan, files, audio=self._spec.audio, metadata=self._metadata(), moved=self._dog.moved)
        video.path.unlink()
        # From here on it is local reading, and a store with time limits of its own.
        self._dog.stop()
        log.info("verifying", bytes=output.stat().st_size)
        source_tracks = read_track_packets(hashes, hashed_tracks(plan))
        numbers = track_numbers(plan, output)
        there = hash_output_tracks(plan, output, numbers, hashes)
        self._left_out = empty_tracks(plan, numbers)
        verify_output(
            output,
            plan,
            pts=self._pts,
            packets_sha256=video.packets_sha256,
            source_tracks=source_tracks,
            output_tracks=read_track_packets(hashes, there),
        )
        return output, parts

    def _stamp(self, digests: list[str], folder: Path) -> tuple[StampedVideo, Sequence[FetchedPart]]:
        files = PartFiles(self._storage, self._layout, digests, folder, self._dog.moved)
        parts: dict[int, FetchedPart] = {}

        def bring(number: int) -> PartSource:
            parts[number] = part = files.bring(number)
            self._dog.moved()
            report = part.report
            return PartSource(part.path, report.frames, report.packets_sha256, report.reorder)

        stamp = partial(
            stamp_parts,
            len(digests),
            pts=self._pts,
            codec=self._plan.encode.codec,
            time_base=self._plan.video.time_base,
            fine=MOST_AT_ONE_TIME if any(a == b for a, b in pairwise(self._pts)) else 1,
            frame_ticks=self._plan.video.frame_ticks,
            last_ticks=self._plan.last_ticks or self._plan.video.frame_ticks,
            lead_ticks=lead_ticks(self._plan),
            sar=self._plan.video.sar,
            boxes=said_by_container(self._plan),
            matrix=self._plan.video.matrix,
            folder=folder,
            bring=bring,
            moved=self._dog.moved,
        )
        try:
            # A part's report comes with the part. The first one's reordering is nearly always the deepest; where a
            # later one's is deeper, all is stamped anew.
            reorder = bring(0).reorder
            while True:
                try:
                    return stamp(reorder=reorder), [parts[number] for number in range(len(digests))]
                except DeeperReorder as deeper:
                    reorder = deeper.reorder
        finally:
            files.stop()

    def _source(self, server: LoopbackServer) -> str:
        source = self._plan.source
        if source.uri.startswith("file://"):
            # Opened only to make sure that it is still the file that was split.
            self._storage.open(source.uri, etag=source.etag).close()
            return source.uri.removeprefix("file://")
        sums = SourceSums.model_validate_json(self._storage.get(self._layout.source_sums, promised=True))
        blocks = BlockSums(source.size, sums.crc32)
        return server.url(
            source.uri,
            etag=source.etag,
            size=source.size,
            wrap=lambda fetch: blocks.checked(fetch, source.uri),
        )

    def _metadata(self) -> dict[str, str]:
        consent = self._spec.consent
        if consent is None:
            return {}
        subject = f", {consent.subject}" if consent.subject else ""
        return {"comment": f"Faces changed by recast. Consent: {consent.reference}{subject}"}

    def _publish(self, output: Path, parts: Sequence[FetchedPart], digest: str) -> OutputRecord:
        sha256 = file_sha256(output)
        record = _record(
            self._spec.output.uri, self._plan, parts, self._left_out, digest, sha256, output.stat().st_size
        )
        # Written before: a mux that dies right after publishing must know its own output again.
        self._storage.put(self._layout.output_record, record.model_dump_json(by_alias=True).encode())
        metadata = {"run": self._plan.run, "digest": digest, "sha256": sha256}
        done = self._storage.upload(record.uri, output, if_absent=not self._spec.output.overwrite, metadata=metadata)
        if not done and self._published(digest) is None:
            raise output_exists(record.uri)
        return record

    def _published(self, digest: str) -> OutputRecord | None:
        """The record of this very output, where it is already in place.

        Raises:
            BadConfig: something else is there, and overwrite is off.
        """
        uri = self._spec.output.uri
        if not self._storage.exists(uri):
            return None
        record = published_record(self._storage, self._layout, uri)
        if record and record.digest == digest:
            return record
        if self._spec.output.overwrite:
            return None
        raise output_exists(uri)

    def _name_parts(self) -> list[str]:
        """The digests of the parts, in order, and with them the frame list; no other part is taken.

        Raises:
            Transient: what names them is missing.
        """
        digests: list[str] = []
        try:
            encoder = EncoderChoice.model_validate_json(self._storage.get(self._layout.encoder, promised=True))
            for planned in self._segments():
                digests.append(self._plan.digest_of(planned.segment, encoder))
                self._pts.extend(planned.segment.pts)
                self._dog.moved()
        except NotFound as error:
            raise not_ready(error) from error
        return digests

    def _segments(self) -> Iterator[PlannedSegment]:
        for number in range(len(self._plan.chunks)):
            yield from read_segments(self._storage, self._layout, self._plan, number)


def _record(
    uri: str,
    plan: Plan,
    parts: Sequence[FetchedPart],
    left_out: Sequence[Track],
    digest: str,
    sha256: str,
    size: int,
) -> OutputRecord:
    reports = [part.report for part in parts]
    seconds: dict[str, float] = {}
    for report in reports:
        for stage, value in report.seconds.items():
            seconds[stage] = round(seconds.get(stage, 0.0) + value, 3)
    return OutputRecord(
        uri=uri,
        sha256=sha256,
        size=size,
        digest=digest,
        inputs=plan.inputs,
        frames=sum(report.frames for report in reports),
        encoder=reports[0].encoder,
        faces_found=sum(report.faces_found for report in reports),
        faces_swapped=sum(report.faces_swapped for report in reports),
        worker_seconds=seconds,
        worker_cpu_seconds=round(sum(report.cpu_seconds for report in reports), 3),
        gpu_busy=_gpu_busy(reports),
        content_check=plan.content_check,
        bad_frames=joined(run for part in parts for run in part.bad_frames),
        lost=plan.lost,
        dropped_tracks=_dropped_tracks(plan, left_out),
    )


def _dropped_tracks(plan: Plan, left_out: Sequence[Track]) -> tuple[str, ...]:
    reasons = {track.stream_index: track.reason for track in plan.tracks if track.action == "Drop"}
    reasons |= {track.stream_index: "it has no packets" for track in left_out}
    return tuple(
        f"{track.kind} track {track.stream_index} ({track.codec}): {reasons[track.stream_index]}"
        for track in plan.tracks
        if track.stream_index in reasons
    )


def _bad_of(record: OutputRecord) -> str:
    bad = record.bad_frames
    words = [f"{sum(run.frames for run in bad)} did not decode whole, first {bad[0].text}"] if bad else []
    words += ["no face changed"] if not record.faces_swapped and record.inputs.get("engine") != "Passthrough" else []
    return "".join(f", {each}" for each in (*words, record.lost_text) if each)


def _gpu_busy(reports: list[PartReport]) -> float | None:
    """The parts' mean, by the time that each took."""
    known = [
        (report.gpu_busy, report.seconds.get("pipeline", 0.0)) for report in reports if report.gpu_busy is not None
    ]
    total = sum(seconds for _, seconds in known)
    if len(known) < len(reports) or not total:
        return None
    return round(sum(busy * seconds for busy, seconds in known) / total, 3)


if __name__ == "__main__":
    end_process(main())
