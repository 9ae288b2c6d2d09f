r"""Split: cut the source into segments, in one streaming pass. Run as `python -m controller.stages.split`.

source --ranged reads--> demux --packets--> segment files --upload--> segments/*.mkv
                              \--times----> frame list ------------> plan/*.json, then plan.json
"""

import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from fractions import Fraction
from pathlib import Path

from av.container import InputContainer

from controller.stages.contentcheck import ContentCheck, fetch_model, load_model
from controller.stages.inputs import pin_inputs
from controller.stages.published import output_exists, published_record, summary
from controller.stages.sourcefile import SourceFile
from recast import log, names
from recast.errors import BadConfig, BadInput, NoBucket, NotFound
from recast.fanout import segment_seconds
from recast.fields import Model
from recast.layout import JsonValue, RunLayout, file_sha256, run_id, sha256_hex
from recast.manifest import (
    Chapter,
    Chunk,
    ContentOutcome,
    FieldOrder,
    Marks,
    OutputRecord,
    Plan,
    Segment,
    SourceObject,
    Track,
    VideoFacts,
)
from recast.media import codecs, source, tracks
from recast.media.chapters import rewritten
from recast.media.cut import MAX_NORMALISED, MAX_VIRTUAL
from recast.media.edits import without_cut_sound
from recast.media.encrypted import scrambling_told
from recast.media.formats import opened_as
from recast.media.gaps import Gaps
from recast.media.limits import Allowance
from recast.media.losses import Losses
from recast.media.lossless import lossless_codec
from recast.media.split import SegmentFile, TimesCollide, split_packets
from recast.media.times import Timing
from recast.media.timing import decode_timing, read_timing
from recast.media.truncated import is_truncated
from recast.media.watch import Watch
from recast.packets import read_chunk
from recast.process.memory import bounded_memory
from recast.spec import JobSpec
from recast.stage import StageInput, StageResult, end_process, run_stage
from recast.storage.storage import ObjectInfo, Storage
from recast.storage.stored import TooLarge
from recast.storageconfig import make_storage
from recast.versions import SPLITTER_VERSION
from recast.watchdog import Watchdog, wait_for
from recast.wording import counted

CHUNK_FRAMES = 100_000
"""Of an hour and more: a shorter plan holds its only chunk, and no worker asks for it apart."""
SECOND_PASS = 500_000
"""Where keys begin when times collide: no key is written with two meanings, even by two splits at once."""


def main() -> int:
    """Run the stage; returns the exit code."""
    with bounded_memory():
        return run_stage(split)


def split(job: StageInput) -> StageResult:
    """Make the plan and the segments of a job, or find that they are there."""
    storage = make_storage(job.spec)
    info = storage.head(job.spec.source.uri)
    content = fetch_model(storage, job.spec.content_check.model) if job.spec.content_check else b""
    run = name_run(job.spec, info, sha256_hex(content))
    layout = job.layout(run)
    record = refuse_existing_output(storage, job.spec, layout)
    inputs, images = pin_inputs(storage, job.spec)
    if record is not None and record.inputs == inputs:
        return StageResult(
            run=run,
            frames=record.frames,
            output=summary(record),
            message=f"{record.uri}: is published already",
            content_check=_figures(record.content_check),
        )
    plan = _committed_plan(storage, layout)
    if plan is None and record is not None and not job.spec.output.overwrite:
        raise output_exists(record.uri)
    if plan is None:
        with (
            Watchdog(job.spec.worker.stall_seconds, lambda: f"split of {info.uri}") as dog,
            closing(_Split(storage, job, layout, info, inputs, images, content, dog.moved)) as work,
        ):
            plan = work.run()
    elif plan.inputs != inputs:
        raise BadConfig(
            f"{job.namespace}/{job.name}: its faces or engine changed since it was split: give the job another name",
            reason=names.INPUTS_CHANGED,
        )
    return StageResult(
        run=run,
        segments=plan.segments,
        frames=plan.frames,
        message=counted(plan.segments, "segment"),
        content_check=_figures(plan.content_check),
    )


def _figures(outcome: ContentOutcome | None) -> dict[str, float] | None:
    return outcome.model_dump() if outcome is not None else None


def name_run(spec: JobSpec, info: ObjectInfo, content_model: str = "") -> str:
    """The run's name: all that the plan depends on.

    Args:
        spec: of the job.
        info: the source.
        content_model: sha256 of the content check's model, where the job asks for one.
    """
    cut: dict[str, JsonValue] = {
        "targetSeconds": spec.segments.target_seconds,
        "container": spec.output.container,
        "dropTracks": sorted(spec.output.drop_tracks),
        "video": spec.video.model_dump(mode="json", exclude={"decoder", "on_bad_frames"}),
        "audio": spec.audio.model_dump(mode="json"),
        "engine": spec.engine.name,
    }
    if spec.segments.target_seconds == "Auto":
        cut["maxParallelism"] = spec.segments.max_parallelism
    if spec.segments.normalise:
        cut["normalise"] = True
    if spec.video.on_bad_frames != "Fail":
        cut["onBadFrames"] = spec.video.on_bad_frames
    if spec.content_check:
        # A source that was not looked at, or less strictly, is no reason to skip the look.
        wanted = spec.content_check
        cut["contentCheck"] = [content_model, wanted.threshold, wanted.every_seconds]
    return run_id(source_uri=info.uri, etag=info.etag, size=info.size, cut=cut, splitter_version=SPLITTER_VERSION)


def refuse_existing_output(storage: Storage, spec: JobSpec, layout: RunLayout) -> OutputRecord | None:
    """Stop before any work where the output is taken by something that this run did not make.

    Returns:
        The record of what this run made, where that is there.

    Raises:
        BadConfig: something else is, and overwrite is off.
        NoBucket: its bucket is not there.
    """
    if not _is_taken(storage, spec.output.uri):
        return None
    record = published_record(storage, layout, spec.output.uri)
    if record is None and not spec.output.overwrite:
        raise output_exists(spec.output.uri)
    return record


def _is_taken(storage: Storage, uri: str) -> bool:
    """Whether something is at the output; of S3 by GET, whose answer tells of a missing bucket, too."""
    if not uri.startswith("s3://"):
        return storage.exists(uri)
    try:
        storage.get(uri, most=0)
    except TooLarge:
        return True
    except NoBucket:
        raise
    except NotFound:
        return False
    return True


def _committed_plan(storage: Storage, layout: RunLayout) -> Plan | None:
    """The plan that is there, with all that it names.

    A split that stood still while another one's job was finished and tidied up commits a plan whose first segments
    are gone.
    """
    try:
        plan = Plan.model_validate_json(storage.get(layout.plan))
        chunks = [read_chunk(storage, layout, plan, number) for number in range(len(plan.chunks))]
    except NotFound:
        return None
    wanted = {layout.segment(segment.object) for chunk in chunks for segment in chunk.segments}
    there = {info.uri for info in storage.list(f"{layout.prefix}/segments/")}
    if wanted <= there:
        return plan
    log.warning("segments of the plan are missing: split anew", missing=len(wanted - there))
    return None


class _Split:
    """One run of the pass."""

    def __init__(
        self,
        storage: Storage,
        job: StageInput,
        layout: RunLayout,
        info: ObjectInfo,
        inputs: dict[str, JsonValue],
        images: dict[str, bytes],
        content: bytes,
        moved: Callable[[], None],
    ) -> None:
        self._moved = moved
        self._storage, self._spec, self._layout, self._info = storage, job.spec, layout, info
        self._inputs, self._images, self._content = inputs, images, content
        self._check: ContentCheck | None = None
        self._name = info.uri
        self._file = SourceFile(storage, info, moved)
        self._run = layout.prefix.rsplit("/", 1)[-1]
        self._normalises = False
        self._allowance = Allowance(job.spec.limits, self._name)
        self._allowance.opened(info.size)
        self._seconds = 0.0
        self._mends = job.spec.video.on_bad_frames != "Fail"
        self._begin(0)

    def _begin(self, first_key: int) -> None:
        self._first_key = first_key
        self._allowance.packets = 0
        self._pending: list[Segment] = []
        self._sliced: list[int] = []
        self._marks: list[Marks] = []
        self._chunks: list[int] = []
        self._lost: list[int] = []
        self._segments = self._frames = self._objects = self._first_pts = 0
        self._field_order: FieldOrder = "progressive"
        self._gaps, self._last_ticks = Gaps(), 0
        self._upload: Future[bool] | None = None

    def close(self) -> None:
        """Read no more of the source."""
        self._file.close()

    def run(self) -> Plan:
        with scrambling_told(lambda size: self._file.rewound().read(size), self._name):
            facts, timings = read_timing(self._open, self._name, mends=self._mends)
        encode = codecs.encode_settings(facts, self._spec.video, self._spec.output.container, self._name)
        facts = codecs.encoded_facts(facts, encode, self._spec.output.container)
        self._normalises = self._spec.segments.normalise and lossless_codec(facts) is not None
        kept, start, deep, chapters = self._look_at_container(facts)
        watch = Watch(kept, self._spec.output.container)
        try:
            self._cut(facts, timings, watch)
        except TimesCollide:
            self._begin(SECOND_PASS)
            watch = Watch(kept, self._spec.output.container)
            self._cut(facts, decode_timing(self._open, facts, self._name, mends=self._mends), watch)
        if self._frames == 0:
            raise source.no_frame(self._name)
        self._gaps.refuse_too_wide(self._first_pts, facts.time_base, self._name)
        if facts.field_order == "progressive" != self._field_order:
            # Frames between its fields come out whole from an encoder of fields, not the other way about.
            facts = facts.model_copy(update={"field_order": self._field_order})
            encode = codecs.encode_settings(facts, self._spec.video, self._spec.output.container, self._name)
        only = None if self._chunks else self._chunk()
        if only is None:
            self._write_chunk()
        sums = self._file.sums()
        if sums is not None:
            self._storage.put(self._layout.source_sums, _json(sums))
        plan = Plan(
            run=self._run,
            source=SourceObject(uri=self._info.uri, etag=self._info.etag, size=self._info.size),
            container=self._spec.output.container,
            video=facts,
            tracks=watch.settle(kept, self._spec.output, self._name),
            encode=encode,
            inputs=self._inputs,
            images=self._images,
            segments=self._segments,
            frames=self._frames,
            chunks=tuple(self._chunks) if only is None else (0,),
            chunk=only,
            first_chunk=self._first_key,
            first_pts=self._first_pts,
            last_ticks=self._last_ticks if facts.frame_ticks < self._last_ticks <= self._gaps.room else None,
            start_seconds=start,
            chapters=chapters,
            content_check=self._check.outcome if self._check is not None else None,
            deep=deep,
            lost=tuple(round(float((pts - self._first_pts) * facts.time_base), 3) for pts in self._lost),
        )
        self._storage.put(self._layout.plan, _json(plan))
        return plan

    def _look_at_container(self, facts: VideoFacts) -> tuple[tuple[Track, ...], Fraction, bool, tuple[Chapter, ...]]:
        """The other tracks, the source's start, whether FFmpeg had to look deep for them, and chapters written anew."""
        with self._open() as container:
            kept = tracks.plan_tracks(container, facts.stream_index, self._spec.output, self._spec.audio, self._name)
            start, deep = Fraction(container.start_time or 0, 1_000_000), source.is_deep(container)
            chapters = rewritten(container.chapters(), start, self._spec.output.container)
            self._seconds = self._segment_seconds(container)
            # The last that is done with this container, which would not know that its file was moved.
            if is_truncated(container, self._file.rewound(), self._info.size):
                raise BadInput(f"{self._name}: the file is cut off: copy it again", reason=names.CORRUPT_SOURCE)
            if "mov" in opened_as(container):
                kept = without_cut_sound(kept, self._file.rewound(), self._spec.output, self._name)
        return kept, start, deep, chapters

    def _cut(self, facts: VideoFacts, timings: Timing, watch: Watch) -> None:
        """The pass itself: segment files, sent on their way while the next is written."""
        self._check = self._content_check(facts)
        uploads = ThreadPoolExecutor(max_workers=1)
        try:
            losses = Losses()
            with self._open(losses) as container, tempfile.TemporaryDirectory(prefix="recast-split-") as folder:
                files = split_packets(
                    container,
                    facts,
                    timings,
                    target_seconds=self._seconds,
                    folder=Path(folder),
                    most_slices=self._most_slices(),
                    before_next=self._wait_for_upload,
                    moved=self._read_packet,
                    name=self._name,
                    losses=losses,
                    mends=self._mends,
                    watch=watch,
                )
                try:
                    for file in files:
                        self._take(file, facts, uploads)
                except TimesCollide:
                    self._wait_for_upload()
                    raise
                self._wait_for_upload()
        finally:
            # Whoever is asked to stop does not wait for a store that may be dead.
            uploads.shutdown(wait=False, cancel_futures=True)

    def _content_check(self, facts: VideoFacts) -> ContentCheck | None:
        wanted = self._spec.content_check
        if wanted is None:
            return None
        return ContentCheck(load_model(self._content, wanted.model), wanted, facts, self._name, self._moved)

    def _segment_seconds(self, container: InputContainer) -> float:
        return segment_seconds(
            self._spec.segments.target_seconds,
            duration=container.duration / 1_000_000 if container.duration else None,
            workers=self._spec.segments.max_parallelism,
            engine=self._spec.engine.name,
        )

    def _most_slices(self) -> int:
        """How many slices a giant GOP is cut into at most."""
        if self._normalises:
            return MAX_NORMALISED
        return 1 if self._spec.engine.name == "Passthrough" else MAX_VIRTUAL

    @contextmanager
    def _open(self, losses: Losses | None = None) -> Iterator[InputContainer]:
        with source.open_source(self._file.rewound(), self._name, self._spec.limits, losses) as container:
            yield container

    def _read_packet(self) -> None:
        self._allowance.packet()
        self._moved()

    def _take(self, file: SegmentFile, facts: VideoFacts, uploads: ThreadPoolExecutor) -> None:
        """Send a segment file on its way and note its segments."""
        if self._check is not None:
            self._check.look(file)
        self._field_order = file.field_order
        self._last_ticks = file.last_ticks or 0
        number, self._objects = self._first_key + self._objects, self._objects + 1
        data = file.path.stat().st_size
        sha256 = file_sha256(file.path)
        for frames in file.slices:
            if not frames:
                continue
            segment = Segment(
                index=self._segments,
                object=number,
                sha256=sha256,
                size=data,
                first=self._frames,
                pts=tuple(pts for pts, _ in frames),
                packets=tuple(stamp for _, stamp in frames),
            )
            if segment.index == 0:
                self._first_pts = segment.pts[0]
            self._pending.append(segment)
            self._segments += 1
            self._frames += segment.frames
            self._gaps.add(segment.pts)
            self._allowance.shown(float((segment.pts[-1] - self._first_pts) * facts.time_base))
        if self._normalises and len(file.slices) > 1:
            self._sliced.append(number)
        if file.preroll or file.damaged:
            self._marks.append(Marks(object=number, preroll=file.preroll, damaged=file.damaged))
        self._lost += file.lost
        if self._pending and self._frames - self._pending[0].first >= CHUNK_FRAMES:
            self._write_chunk()
        self._wait_for_upload()
        self._upload = uploads.submit(self._send, self._layout.segment(number), file.path, sha256)
        log.info("segment cut", segment=self._segments - 1, frames=self._frames, bytes=data)

    def _send(self, uri: str, path: Path, sha256: str) -> bool:
        done = self._storage.upload(uri, path, metadata={"sha256": sha256})
        path.unlink()
        return done

    def _wait_for_upload(self) -> None:
        if self._upload is not None:
            wait_for(self._upload, self._moved)
            self._upload = None

    def _write_chunk(self) -> None:
        if not self._pending:
            return
        self._storage.put(self._layout.chunk(self._first_key + len(self._chunks)), _json(self._chunk()))
        self._chunks.append(self._pending[0].index)
        self._pending, self._sliced, self._marks = [], [], []

    def _chunk(self) -> Chunk:
        return Chunk(segments=tuple(self._pending), normalise=tuple(self._sliced), marks=tuple(self._marks))


def _json(document: Model) -> bytes:
    return document.model_dump_json(by_alias=True).encode()


if __name__ == "__main__":
    end_process(main())
