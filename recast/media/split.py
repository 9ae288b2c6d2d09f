"""One pass over a source's packets, writing each segment's to a file of its own."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from recast import names
from recast.errors import MEND_OR_SAY, BadInput, FramesDamaged
from recast.manifest import FieldOrder, VideoFacts
from recast.media import source
from recast.media.cut import Cutter, SegmentFrames, virtual_slices
from recast.media.keyframes import KeyframeCheck
from recast.media.losses import Loss, Losses
from recast.media.numbered import numbered_packets
from recast.media.palette import Palette
from recast.media.reconfigured import Reconfigured
from recast.media.segments import SegmentWriter
from recast.media.times import PacketTime, Timing
from recast.media.watch import Watch
from recast.process.exhausted import raise_if_exhausted

MAX_PREROLL_BYTES = 64 << 20
CLOCK_BACK_SECONDS = 1
FINE_CLOCK = 100
"""Ticks a frame, from which on frames that are one tick apart are hardly meant."""


class TimesCollide(Exception):
    """Frames have the same time, or all but the same, so that only a decode tells their order."""


@dataclass(frozen=True)
class SegmentFile:
    """A finished file of packets, and the slices of frames to be made from it.

    Attributes:
        path: the Matroska file; the caller deletes it.
        slices: (pts, stamp) of the frames to keep, in display order; more than one for a giant GOP.
        preroll: packets at its head that are decoded only for what they leave behind.
        damaged: stamps of packets that the container calls damaged, or before which packets are missing.
        lost: when packets are missing, in the track's clock.
        last_ticks: how long the frame lasts that was shown last so far, where no other follows it in the source.
        field_order: of the keyframes that were looked at, where the first frame of all is progressive.
    """

    path: Path
    slices: tuple[tuple[tuple[int, int], ...], ...]
    preroll: int = 0
    damaged: tuple[int, ...] = ()
    lost: tuple[int, ...] = ()
    field_order: FieldOrder = "progressive"
    last_ticks: int | None = None


@dataclass
class _Open:
    """A segment being written."""

    writer: SegmentWriter
    lo: PacketTime | None
    hi: PacketTime | None = None
    frames: SegmentFrames = field(default_factory=SegmentFrames)
    preroll: int = 0
    damaged: list[int] = field(default_factory=list)
    lost: list[int] = field(default_factory=list)
    refuse: Callable[[PacketTime], FramesDamaged] | None = None

    def write(self, packet: Packet[VideoStream], time: PacketTime) -> None:
        stamp = self.frames.add(time)
        if time.damaged:
            self.damaged.append(stamp)
        try:
            self.writer.write(packet, stamp)
        except av.error.InvalidDataError as error:
            # Some packets are taken apart when they are written: AV1's.
            if self.refuse is not None:
                raise self.refuse(time) from error
            self.damaged.append(stamp)


def split_packets(
    container: InputContainer,
    facts: VideoFacts,
    timings: Timing,
    *,
    target_seconds: float,
    folder: Path,
    most_slices: int,
    before_next: Callable[[], None],
    moved: Callable[[], None],
    name: str,
    losses: Losses,
    mends: bool = False,
    watch: Watch | None = None,
) -> Iterator[SegmentFile]:
    """Cut a source into segment files.

    Args:
        container: the source, open at its beginning.
        facts: what the video track is.
        timings: how its times are to be read.
        target_seconds: the least length of a segment.
        folder: where files are written; at most two are there at once if the caller takes them away.
        most_slices: how many slices a giant GOP is cut into at most.
        before_next: called before a file is begun.
        moved: called with each packet.
        name: how errors call the source.
        losses: listened when it was opened, and listens on.
        mends: damage is mended later. Cuts then fall only where decoding starts clean, so that nobody's damage spreads
            over one.
        watch: looks at packets of other tracks.

    Raises:
        BadInput: the source is damaged, changes its picture size, or cannot be cut.
        TimesCollide: the source must be split again, with `decode_timing`.
    """
    stream = source.video_stream(container, name)
    source.read_only(container, stream, also=watch.numbers if watch else ())
    return _Splitting(
        stream, facts, timings, target_seconds, folder, most_slices, before_next, moved, name, losses, mends, watch
    ).run(container)


class _Splitting:
    def __init__(
        self,
        stream: VideoStream,
        facts: VideoFacts,
        timings: Timing,
        target_seconds: float,
        folder: Path,
        most_slices: int,
        before_next: Callable[[], None],
        moved: Callable[[], None],
        name: str,
        losses: Losses,
        mends: bool,
        watch: Watch | None,
    ) -> None:
        self._losses, self._mends, self._watch = losses, mends, watch
        self._stream, self._timings, self._folder, self._name = stream, timings, folder, name
        self._before_next, self._moved = before_next, moved
        self._time_base = facts.time_base
        self._target = max(1, round(target_seconds / facts.time_base))
        # Tools that join files raise a time to the tick after the last decode time, whatever the pictures' order is.
        self._too_near = 1 if facts.frame_ticks > FINE_CLOCK else 0
        self._most_slices = most_slices
        self._cutter = Cutter(self._target)
        self._keyframes = KeyframeCheck(stream, facts, name)
        self._clock = _Clock(facts.time_base, name)
        self._preroll: list[tuple[Packet[VideoStream], PacketTime]] = []
        self._preroll_bytes = 0
        self._wants_preroll = False
        self._files = self._latest = 0
        self._last: tuple[int | None, int | None] = None, None

    def run(self, container: InputContainer) -> Iterator[SegmentFile]:
        current, closing = self._open(None), None
        headers, palette = Reconfigured(self._stream, self._name), Palette(self._name)
        try:
            for index, packet in numbered_packets(container, self._name, self._losses, self._watch):
                self._moved()
                self._clock.check(index, packet)
                palette.complete(packet)
                lost = self._losses.before(packet.pos)
                if lost and not self._mends:
                    raise self._missing(f"before video packet {index}{self._at(packet.pts)}", lost[0])
                if index < self._timings.first_packet:
                    continue
                time = self._timings.of(index, packet)
                if time.damaged and time.pts is not None and not self._mends:
                    raise self._damage(time)
                self._note_last(time.pts, packet.duration)
                packet = headers.complete(packet)  # noqa: PLW2901
                # One that is decoded alone needs nothing of what is gone.
                if lost and not time.keyframe:
                    time = replace(time, damaged=True)
                if self._cuts_at(packet, time):
                    closing, current = current, self._begin(current, time)
                self._cutter.add(time)
                current.write(packet, time)
                self._latest = self._latest if time.pts is None else time.pts
                if lost:
                    current.lost.append(self._latest)
                self._remember(packet, time)
                if closing is not None:
                    closing.write(packet, time)
                    if self._cutter.tail_ends_with(time):
                        yield self._finish(closing)
                        closing = None
            if lost := self._losses.before(None):
                if not self._mends:
                    raise self._missing("after the last video packet", lost[0])
                current.lost.append(self._latest)
            if closing is not None:
                yield self._finish(closing)
            yield self._finish(current)
        except av.error.FFmpegError as error:
            raise_if_exhausted(error)
            raise BadInput(f"{self._name}: cannot be cut: {error}", reason=names.CORRUPT_SOURCE) from error

    def _note_last(self, pts: int | None, ticks: int | None) -> None:
        """Where pictures are reordered, a packet says how long decoding waits, not how long the picture is shown."""
        last = self._last[0]
        if pts is not None:
            self._last = (pts, ticks) if last is None or pts > last else (last, None)

    def _damage(self, time: PacketTime) -> FramesDamaged:
        where = f"{place}," if (place := self._at(time.pts)) else ""
        return FramesDamaged(f"{self._name}: video packet {time.index}{where} is damaged: {MEND_OR_SAY}")

    def _missing(self, where: str, loss: Loss) -> FramesDamaged:
        return FramesDamaged(f"{self._name}: packets are missing {where} ({loss.words}): {MEND_OR_SAY}")

    def _at(self, pts: int | None) -> str:
        return "" if pts is None else f", at {float(pts * self._time_base):.3f} s"

    def _cuts_at(self, packet: Packet[VideoStream], time: PacketTime) -> bool:
        if not time.keyframe:
            return False
        starts_clean = self._keyframes.check(packet, time)
        if not self._cutter.may_cut_at(time):
            return False
        if starts_clean is None:
            starts_clean = self._keyframes.decodes_alone(packet)
        if starts_clean:
            self._preroll.clear()
            return True
        if self._mends or self._keyframes.is_predicted:
            return False
        # From here on the last GOP is kept, so that the next such keyframe can have it as its preroll.
        ready, self._wants_preroll = bool(self._preroll), True
        return ready

    def _begin(self, current: _Open, time: PacketTime) -> _Open:
        self._before_next()
        current.hi = time
        opened = self._open(time)
        for packet, earlier in self._preroll:
            opened.write(packet, replace(earlier, pts=None))
        opened.preroll = len(self._preroll)
        self._cutter.cut_at(time)
        return opened

    def _remember(self, packet: Packet[VideoStream], time: PacketTime) -> None:
        if not self._wants_preroll:
            return
        if time.keyframe:
            self._preroll.clear()
            self._preroll_bytes = 0
        elif not self._preroll:
            return
        self._preroll.append((packet, time))
        self._preroll_bytes += packet.size
        if self._preroll_bytes > MAX_PREROLL_BYTES:
            self._preroll.clear()

    def _open(self, lo: PacketTime | None) -> _Open:
        path = self._folder / f"{self._files:06d}.mkv"
        self._files += 1
        return _Open(SegmentWriter(path, self._stream, self._name), lo, refuse=None if self._mends else self._damage)

    def _finish(self, done: _Open) -> SegmentFile:
        done.writer.close()
        frames = done.frames.slice(done.lo, done.hi)
        if self._timings.decoded is None and any(b[0] - a[0] <= self._too_near for a, b in pairwise(frames)):
            raise TimesCollide
        slices = virtual_slices(frames, self._target, self._most_slices)
        return SegmentFile(
            done.writer.path,
            tuple(tuple(part) for part in slices),
            done.preroll,
            tuple(done.damaged),
            tuple(done.lost),
            self._keyframes.field_order,
            self._last[1],
        )


class _Clock:
    """Sees to it that time goes on: where recordings were put one behind the other, their clock begins anew."""

    def __init__(self, time_base: Fraction, name: str) -> None:
        self._back = CLOCK_BACK_SECONDS / time_base
        self._time_base, self._name = time_base, name
        self._last: deque[int] = deque(maxlen=2)

    def check(self, index: int, packet: Packet[VideoStream]) -> None:
        """Look at a packet's dts.

        Raises:
            BadInput: it lies far before those of the last two. (Before one alone: that one was far off.)
        """
        if packet.dts is None:
            return
        if len(self._last) == 2 and packet.dts < min(self._last) - self._back:
            before, now = (float(dts * self._time_base) for dts in (self._last[-1], packet.dts))
            raise BadInput(
                f"{self._name}: its clock goes back from {before:.3f} to {now:.3f} s at video packet {index}, as where "
                "recordings are put one behind the other: join them with FFmpeg's concat demuxer, or cut the source "
                "there first",
                reason=names.CORRUPT_SOURCE,
            )
        self._last.append(packet.dts)
