"""One segment through decode, swap and encode, each in a thread of its own, with bounded queues between.

    packets -> [decode: keep the slice's frames] -> queue -> [swap: patches] -> queue -> [encode] -> part

PyAV, OpenCV and the models let go of the interpreter's lock while they work, so the three overlap. An error in
one ends the others.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextvars import copy_context
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, Full, Queue

import av
from av.video.frame import VideoFrame

from recast import names
from recast.errors import Corrupt
from recast.layout import sha256_hex
from recast.manifest import EncoderChoice, EncodeSettings, Segment, VideoFacts
from recast.media.codecs import SAME_SAMPLES
from recast.media.formats import SEGMENT_DEMUXERS, open_media
from recast.media.segments import kept_frames
from recast.media.source import refuse_other_samples
from recast.process.exhausted import raise_if_exhausted
from segment_worker.decoding import Decode
from segment_worker.encoders import PartWriter
from segment_worker.engines.base import Engine
from segment_worker.frames import picture_of, put_patches, to_pixel_format, turns_of, yuv_layout

BATCH_FRAMES = 4
QUEUE_BATCHES = 3
POLL_SECONDS = 0.2

Batch = list[VideoFrame]


@dataclass
class SegmentStats:
    """What happened to a segment's frames, and the seconds each stage worked (not waited)."""

    frames: int = 0
    faces_found: int = 0
    faces_swapped: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    _fills: dict[str, list[float]] = field(default_factory=dict)

    @property
    def queue_fill(self) -> dict[str, float]:
        """How full each queue was when something was taken, 0..1."""
        return {queue: round(sum(fills) / len(fills), 3) for queue, fills in self._fills.items()}

    def taken(self, queue: str, fill: float) -> None:
        """Something was taken from a queue that was so full."""
        self._fills.setdefault(queue, []).append(fill)

    def add(self, stage: str, seconds: float) -> None:
        """Add to a stage's seconds."""
        self.seconds[stage] = self.seconds.get(stage, 0.0) + seconds


@dataclass(frozen=True)
class PartFacts:
    """A part as it is read back from its file."""

    packets_sha256: str
    extradata_sha256: str
    reorder: int


def make_part(
    source: Path,
    part: Path,
    *,
    segment: Segment,
    facts: VideoFacts,
    settings: EncodeSettings,
    choice: EncoderChoice,
    engine: Engine,
    decode: Decode,
    moved: Callable[[int], None],
    name: str,
    untouched: Collection[int] = (),
) -> SegmentStats:
    """Decode a segment's packets, swap, and encode them to a part's file.

    Args:
        source: the segment's packets.
        part: the file to write.
        segment: which of the frames to keep.
        facts: how to read them.
        settings: how to encode them.
        choice: the encoder.
        engine: what changes them.
        decode: gives the packets' frames, their stamps as pts.
        moved: called with the number of frames encoded so far.
        name: how errors call the segment.
        untouched: stamps of frames in which no face is changed; may grow until the frame is decoded.

    Raises:
        FramesDamaged: the packets do not decode to exactly the frames of the plan.
    """
    started = time.monotonic()
    line = _Line()
    decoded: Queue[Batch | None] = Queue(QUEUE_BATCHES)
    swapped: Queue[Batch | None] = Queue(QUEUE_BATCHES)
    stats = SegmentStats()
    writer = PartWriter(part, choice, settings, facts)
    line.start(lambda: _decode(decode(source), segment, facts, stats, line.into(decoded), name), decoded)
    from_decode = line.out_of(decoded, lambda fill: stats.taken("decoded", fill))
    from_swap = line.out_of(swapped, lambda fill: stats.taken("swapped", fill))
    line.start(lambda: _swap(from_decode, facts, settings, engine, untouched, stats, line.into(swapped), name), swapped)
    line.start(lambda: _encode(from_swap, writer, stats, moved), None)
    try:
        line.join()
    except BaseException:
        line.stop()
        writer.abandon()
        raise
    stats.add("pipeline", time.monotonic() - started)
    return stats


def check_part(
    part: Path, *, frames: int, facts: VideoFacts, threads: int, name: str, moved: Callable[[], None]
) -> PartFacts:
    """Read a part back and decode it: it must hold exactly its frames, in order, and decode without error.

    Args:
        part: its file.
        frames: how many it must have.
        facts: what they are.
        threads: of the decoder.
        name: how errors call the segment.
        moved: called with each packet.

    Raises:
        Corrupt: it does not.
    """
    digest, packets, reorder = hashlib.sha256(), 0, 0
    shown: list[int] = []
    try:
        with open_media(part, demuxers=SEGMENT_DEMUXERS) as container:
            stream = container.streams.video[0]
            context = stream.codec_context
            context.thread_type, context.thread_count = "AUTO", threads
            for packet in container.demux(stream):
                moved()
                if packets == 0 and not packet.is_keyframe:
                    raise Corrupt(f"{name}: its part does not begin with a keyframe", reason=names.PART_MISMATCH)
                if packet.size:
                    reorder = max(reorder, packets - (packet.pts or 0))
                    packets += 1
                    digest.update(packet)
                shown.extend(_checked(frame, facts, name) for frame in packet.decode())
            extradata = context.extradata or b""
    except av.error.FFmpegError as error:
        raise_if_exhausted(error)
        raise Corrupt(f"{name}: its part does not decode: {error}", reason=names.PART_MISMATCH) from error
    if shown != list(range(frames)):
        raise Corrupt(
            f"{name}: its part decodes to {len(shown)} frames, not to its {frames} in order",
            reason=names.PART_MISMATCH,
        )
    return PartFacts(digest.hexdigest(), sha256_hex(extradata), reorder)


def _decode(
    decoded: Iterator[VideoFrame],
    segment: Segment,
    facts: VideoFacts,
    stats: SegmentStats,
    put: Callable[[Batch], None],
    name: str,
) -> None:
    frames = kept_frames(decoded, segment, facts, name)
    batch: Batch = []
    for frame in _timed(frames, stats):
        batch.append(frame)
        if len(batch) == BATCH_FRAMES:
            put(batch)
            batch = []
    if batch:
        put(batch)


def _swap(
    batches: Iterator[Batch],
    facts: VideoFacts,
    settings: EncodeSettings,
    engine: Engine,
    untouched: Collection[int],
    stats: SegmentStats,
    put: Callable[[Batch], None],
    name: str,
) -> None:
    layout, turns = yuv_layout(facts, settings.pix_fmt), turns_of(facts)
    for batch in batches:
        started = time.monotonic()
        frames = [
            to_pixel_format(_as_planned(frame, facts, settings, name), settings.pix_fmt, facts) for frame in batch
        ]
        wanted = [frame for frame in frames if frame.pts not in untouched]
        answers = engine.swap([picture_of(frame, layout, turns) for frame in wanted]) if wanted else []
        for frame, answer in zip(wanted, answers, strict=True):
            put_patches(frame, answer.patches, layout, turns)
            stats.faces_found += answer.faces_found
            stats.faces_swapped += answer.faces_swapped
        stats.add("swap", time.monotonic() - started)
        put(frames)


def _as_planned(frame: VideoFrame, facts: VideoFacts, settings: EncodeSettings, name: str) -> VideoFrame:
    """The frame, if its samples are laid out as split saw them; where they are converted anyway, any layout will do."""
    if SAME_SAMPLES.get(facts.pix_fmt, facts.pix_fmt) == settings.pix_fmt:
        refuse_other_samples(frame, facts, name)
    return frame


def _encode(batches: Iterator[Batch], writer: PartWriter, stats: SegmentStats, moved: Callable[[int], None]) -> None:
    for batch in batches:
        started = time.monotonic()
        for frame in batch:
            writer.encode(frame)
        stats.add("encode", time.monotonic() - started)
        stats.frames += len(batch)
        moved(stats.frames)
    started = time.monotonic()
    writer.close()
    stats.add("encode", time.monotonic() - started)


def _timed(frames: Iterator[VideoFrame], stats: SegmentStats) -> Iterator[VideoFrame]:
    while True:
        started = time.monotonic()
        frame = next(frames, None)
        stats.add("decode", time.monotonic() - started)
        if frame is None:
            return
        yield frame


def _checked(frame: VideoFrame, facts: VideoFacts, name: str) -> int:
    if frame.is_corrupt or (frame.width, frame.height) != (facts.width, facts.height) or frame.pts is None:
        raise Corrupt(f"{name}: frame {frame.pts} of its part is damaged", reason=names.PART_MISMATCH)
    return frame.pts


class _Line:
    """The threads of a pipeline: ends all when one fails."""

    def __init__(self) -> None:
        self._stopped = threading.Event()
        self._threads: list[threading.Thread] = []
        self._error: BaseException | None = None

    def start(self, body: Callable[[], None], output: Queue[Batch | None] | None) -> None:
        """Run `body` in a thread; its end is passed on to `output`."""
        # Its log lines carry what those of this thread do.
        thread = threading.Thread(target=copy_context().run, args=(self._run, body, output), daemon=True)
        self._threads.append(thread)
        thread.start()

    def into(self, queue: Queue[Batch | None]) -> Callable[[Batch], None]:
        """A `put` that gives up when the line stops."""

        def put(batch: Batch | None) -> None:
            while not self._stopped.is_set():
                try:
                    return queue.put(batch, timeout=POLL_SECONDS)
                except Full:
                    continue
            raise _Stopped

        return put

    def out_of(self, queue: Queue[Batch | None], taken: Callable[[float], None]) -> Iterator[Batch]:
        """What comes through `queue`, until its end or until the line stops; `taken` hears how full it was."""
        while not self._stopped.is_set():
            fill = queue.qsize() / queue.maxsize
            try:
                batch = queue.get(timeout=POLL_SECONDS)
            except Empty:
                continue
            if batch is None:
                return
            taken(fill)
            yield batch
        raise _Stopped

    def join(self) -> None:
        """Wait for the end; raise what went wrong first."""
        for thread in self._threads:
            while thread.is_alive():
                thread.join(POLL_SECONDS)
        if self._error is not None:
            raise self._error

    def stop(self) -> None:
        """End all threads and wait for them."""
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def _run(self, body: Callable[[], None], output: Queue[Batch | None] | None) -> None:
        try:
            body()
            if output is not None:
                self.into(output)(None)  # type: ignore[arg-type]  # the end mark
        except _Stopped:
            pass
        except BaseException as error:
            self._error = self._error or error
            self._stopped.set()


class _Stopped(Exception):
    """Another thread of the line failed, or the stage is ending."""
