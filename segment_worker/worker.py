"""The swap stage: which segments this pod does, and one segment from its object to its committed part.

plan.json, plan/*.json, segments/N.mkv or normalised/N-*.mkv -> pipeline -> parts/N-<digest>.mkv with its report
"""

import os
import resource
import tempfile
import time
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from functools import cached_property, partial
from itertools import zip_longest
from pathlib import Path

from av.video.frame import VideoFrame

from recast import log, spec
from recast.errors import BadConfig, BadInput, FramesDamaged, RecastError
from recast.manifest import BadRun, EncoderChoice, PartReport, Plan, Segment
from recast.mending import Mender
from recast.packets import PlannedSegment, read_segments
from recast.parts import commit_part, is_committed
from recast.process.exhausted import exhaustion_told
from recast.process.memory import bounded_memory
from recast.stage import StageInput, StageResult, run_stage
from recast.storageconfig import make_storage
from recast.watchdog import Watchdog
from segment_worker.agreement import agreed_encoder
from segment_worker.aside import Aside
from segment_worker.decoding import Decode, Decoder
from segment_worker.engines.base import Engine
from segment_worker.engines.photos import tell_of
from segment_worker.gpu import BusyMeter
from segment_worker.pinned import pinned_engine, refuse_other_pixels
from segment_worker.pipeline import PartFacts, SegmentStats, check_part, make_part

PROGRESS_SECONDS = 0.5
MOST_NOTICES = 16
"""In the report, as in the status; the log has all."""
START_SECONDS = 3600.0
"""An engine that is not ready by then hangs."""


def main() -> int:
    """Run the stage; returns the exit code."""
    return run_stage(work)


def work(job: StageInput) -> StageResult:
    """Do this pod's segments; those whose part is committed are skipped.

    Raises:
        RecastError: as the first segment that failed says.
    """
    log.debug("modules are loaded")
    with (
        bounds_of(job.spec.engine),
        tempfile.TemporaryDirectory(prefix="recast-swap-", ignore_cleanup_errors=True) as folder,
    ):
        pod = _Pod(job, Path(folder))
        log.debug("plan is read")
        indices = segments_of_pod(completion_index(), job.segments_per_pod, pod.plan.segments)
        try:
            frames = sum(pod.do(index, following) for index, following in zip_longest(indices, indices[1:]))
            pod.finish()
        finally:
            pod.stop()
    return StageResult(
        segment=indices[0] if indices else None,
        frames=frames,
        segments=len(indices),
        notices=pod.notices[:MOST_NOTICES] if pod.notices is not None else None,
    )


def bounds_of(engine: spec.Engine) -> AbstractContextManager[None]:
    """What keeps a worker of this engine from taking more memory than there is."""
    # CUDA sets aside more address space than there is memory.
    return nullcontext() if engine.name == "InSwapper" else bounded_memory()


@contextmanager
def about(index: int) -> Iterator[None]:
    """Log lines and errors of the block are about a segment."""
    with log.within(segment=index):
        try:
            with exhaustion_told():
                yield
        except RecastError as error:
            # Of a task aside it is set already.
            error.segment = index if error.segment is None else error.segment
            raise


def completion_index() -> int:
    """This pod's number among the Indexed Job's.

    Raises:
        BadConfig: `JOB_COMPLETION_INDEX` is missing or no number.
    """
    text = os.environ.get("JOB_COMPLETION_INDEX", "")
    if not text.isdecimal():
        raise BadConfig(f"JOB_COMPLETION_INDEX is {text!r}: an Indexed Job sets it to the pod's number")
    return int(text)


def segments_of_pod(index: int, per_pod: int, total: int) -> Sequence[int]:
    """The segments that pod `index` does, one after another."""
    return range(min(index * per_pod, total), min((index + 1) * per_pod, total))


def telling(decode: Decode, moved: Callable[[], None]) -> Decode:
    """The same decode, each frame of which is told of: those too that come before a slice, and are in no part."""

    def told(path: Path) -> Generator[VideoFrame, None, None]:
        with closing(decode(path)) as frames:
            for frame in frames:
                moved()
                yield frame

    return told


class _Pod:
    """What the segments of one pod share: plan, engine, encoder, storage.

    While a segment is swapped the next one is fetched, and the one before it is checked, uploaded and committed.
    """

    def __init__(self, job: StageInput, folder: Path) -> None:
        self._spec = job.spec
        self._storage = make_storage(job.spec)
        self._layout = job.run_layout
        self.plan = Plan.model_validate_json(self._storage.get(self._layout.plan, promised=True))
        refuse_other_pixels(self._spec.engine.name, self.plan)
        self._folder = folder
        self._chunks: dict[int, tuple[PlannedSegment, ...]] = {}
        self._ahead, self._behind = Aside("ahead"), Aside("behind")
        self._fetching: int | None = None
        self._looked_up: dict[int, bool] = {}
        self._cpu_seconds = _cpu_seconds()
        self._started = False
        self.notices: list[str] | None = None
        self._busy = BusyMeter()
        self._mender = Mender(self._spec.video.on_bad_frames, self.plan, self.segment, self._storage, folder)
        self._decoder = Decoder(self._spec.video, self.plan.video, threads=self.plan.encode.threads)

    def segment(self, index: int) -> PlannedSegment:
        """The plan's entry of a segment."""
        number = self.plan.chunk_of(index)
        if number not in self._chunks:
            self._chunks = {number: read_segments(self._storage, self._layout, self.plan, number)}
        return self._chunks[number][index - self.plan.chunks[number]]

    def do(self, index: int, following: int | None) -> int:
        """Make a segment's part, unless it is committed; returns its frames.

        Args:
            index: the segment.
            following: the one that comes next, where there is one.
        """
        with about(index):
            planned = self.segment(index)
            if self._is_done(planned):
                frames = planned.segment.frames
                log.info("part is committed", frames=frames)
                log.info("progress", frames=frames, of=frames)
                return frames
            log.debug("encoder is agreed")
            download = self._fetched(planned)
            log.debug("packets are here")
            if following is not None:
                self._fetch_ahead(following)
            self._start_engine()
            stats, bad = self._make(planned)
            stats.add("download", download)
            self._behind.begin(lambda: self._finish(planned.segment, stats, bad))
            return planned.segment.frames

    def finish(self) -> None:
        """Wait until the last part is committed."""
        self._behind.end()

    def stop(self) -> None:
        """Begin nothing more."""
        self._busy.stop()
        self._ahead.stop()
        self._behind.stop()

    def _digest(self, segment: Segment) -> str:
        return self.plan.digest_of(segment, self._encoder)

    def _is_done(self, planned: PlannedSegment) -> bool:
        """Whether a part is committed; asked once, also where the segment was fetched ahead."""
        found = self._looked_up.pop(planned.segment.index, None)
        return self._is_committed(planned) if found is None else found

    def _is_committed(self, planned: PlannedSegment) -> bool:
        segment = planned.segment
        return is_committed(self._storage, self._layout, segment.index, self._digest(segment))

    def _packets(self, segment: Segment) -> Path:
        return self._folder / f"{segment.index}-packets.mkv"

    def _part(self, segment: Segment) -> Path:
        return self._folder / f"{segment.index}-part.mkv"

    def _fetch_ahead(self, index: int) -> None:
        planned = self.segment(index)
        self._looked_up[index] = self._is_committed(planned)
        if not self._looked_up[index]:
            self._fetching = index
            self._ahead.begin(lambda: self._fetch(planned))

    def _fetched(self, planned: PlannedSegment) -> float:
        """Have a segment's packets here; gives the seconds that were waited for them."""
        clock = time.monotonic()
        if self._fetching == planned.segment.index:
            self._ahead.end()
        else:
            self._fetch(planned)
        self._fetching = None
        return time.monotonic() - clock

    def _fetch(self, planned: PlannedSegment) -> None:
        with about(planned.segment.index):
            self._storage.download(planned.uri, self._packets(planned.segment), sha256=planned.segment.sha256)

    def _start_engine(self) -> None:
        """Have the engine warm before the first segment, whose time this is not: TensorRT builds for minutes."""
        if self._started:
            return
        clock = time.monotonic()
        with Watchdog(START_SECONDS, lambda: f"start of engine {self._spec.engine.name}"):
            engine = self._engine
            engine.warm_up()
        self.notices = tell_of(engine.photos)
        self._started = True
        log.info("engine is ready", engine=engine.name, seconds=round(time.monotonic() - clock, 3))

    def _make(self, planned: PlannedSegment) -> tuple[SegmentStats, tuple[BadRun, ...]]:
        """Make a segment's part; gives the bad frames of the source that are in it, too."""
        segment = planned.segment
        packets = self._packets(segment)
        untouched = planned.replaced(unswapped=True)
        try:
            strictly = partial(self._decoder.frames, preroll=planned.marks.preroll)
            try:
                # What the container calls damaged may decode to something all the same.
                if not planned.marks.damaged:
                    stats = self._while_it_decodes(lambda: self._part_of(segment, strictly, untouched))
                    return stats, planned.bad_frames
            except FramesDamaged as error:
                log.warning("damage: the segment is begun again", detail=str(error))
            mending = self._mender.look([planned], packets)
            if not mending.bad:
                self._decoder.use_one_thread()
            stats = self._part_of(segment, mending.frames, mending.concealed)
            return stats, mending.runs(segment)
        finally:
            packets.unlink(missing_ok=True)

    def _part_of(self, segment: Segment, decode: Decode, untouched: Collection[int]) -> SegmentStats:
        name, plan = f"segment {segment.index}", self.plan
        progress = _Progress(segment)
        dog = Watchdog(self._spec.worker.stall_seconds, lambda: f"{name}, frame {progress.frames}")

        def moved(frames: int) -> None:
            dog.moved()
            progress.at(frames)

        try:
            return make_part(
                self._packets(segment),
                self._part(segment),
                segment=segment,
                facts=plan.video,
                settings=plan.encode,
                choice=self._encoder,
                engine=self._engine,
                decode=telling(decode, dog.moved),
                moved=moved,
                name=name,
                untouched=untouched,
            )
        finally:
            dog.stop()

    def _finish(self, segment: Segment, stats: SegmentStats, bad: tuple[BadRun, ...]) -> None:
        """Check a part that was made, and commit it."""
        part, name = self._part(segment), f"segment {segment.index}"
        try:
            with about(segment.index):
                with Watchdog(self._spec.worker.stall_seconds, lambda: f"check of {name}") as dog:
                    clock = time.monotonic()
                    facts = check_part(
                        part,
                        frames=segment.frames,
                        facts=self.plan.video,
                        threads=self.plan.encode.threads,
                        name=name,
                        moved=dog.moved,
                    )
                    stats.add("check", time.monotonic() - clock)
                # The store has time limits of its own.
                self._commit(segment, part, stats, facts, bad)
        finally:
            part.unlink(missing_ok=True)

    def _while_it_decodes(self, make: Callable[[], SegmentStats]) -> SegmentStats:
        """Make a part; from its start again in software where the GPU's decoder loses frames."""
        try:
            return make()
        except BadInput as error:
            if not self._decoder.give_up_gpu():
                raise
            log.warning("the GPU does not decode all frames: begun again in software", detail=str(error))
            return make()

    def _commit(
        self, segment: Segment, part: Path, stats: SegmentStats, facts: PartFacts, bad: tuple[BadRun, ...]
    ) -> None:
        used = _cpu_seconds()
        # Segments overlap: each gets what was used since the last one.
        cpu_seconds, self._cpu_seconds = used - self._cpu_seconds, used
        report = PartReport(
            segment=segment.index,
            digest=self._digest(segment),
            frames=stats.frames,
            packets_sha256=facts.packets_sha256,
            extradata_sha256=facts.extradata_sha256,
            reorder=facts.reorder,
            encoder=self._encoder.name,
            decoder=self._decoder.name,
            gpu_busy=self._busy.take(),
            queue_fill=stats.queue_fill,
            faces_found=stats.faces_found,
            faces_swapped=stats.faces_swapped,
            seconds={stage: round(seconds, 3) for stage, seconds in stats.seconds.items()},
            cpu_seconds=round(cpu_seconds, 3),
        )
        commit_part(self._storage, self._layout, part, report, bad)
        said = report.model_dump(include={"frames", "faces_swapped", "seconds"})
        log.info("part committed", **said, size=part.stat().st_size)

    @cached_property
    def _encoder(self) -> EncoderChoice:
        with Watchdog(self._spec.worker.stall_seconds, lambda: "probe of the encoder"):
            return agreed_encoder(self._storage, self._layout.encoder, self.plan)

    @cached_property
    def _engine(self) -> Engine:
        return pinned_engine(self._storage, self._spec, self.plan)


class _Progress:
    """Says how far a segment is, a few times a second at most."""

    def __init__(self, segment: Segment) -> None:
        self._segment = segment
        self._said = 0.0
        self.frames = 0

    def at(self, frames: int) -> None:
        self.frames = frames
        now = time.monotonic()
        if now - self._said >= PROGRESS_SECONDS or frames == self._segment.frames:
            self._said = now
            log.info("progress", frames=frames, of=self._segment.frames)


def _cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
