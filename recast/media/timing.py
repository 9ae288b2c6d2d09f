"""Which packets become frames, in which order, at which time.

Packets whose pts can be trusted need no decoding: the frame list is their sorted pts. That trust is checked on
the head of the stream by a real decode; where it fails (raw streams, AVI, fields in packets of their own,
hidden packets), the whole stream is decoded once and the decoder's own order is the list.

The trick that makes both exact: a packet goes into the decoder with its own number as its pts, so each frame
that comes out says which packet it is.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import chain, pairwise

import av
from av.codec.context import CodecContext
from av.container import InputContainer
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from recast import names
from recast.errors import MEND_OR_SAY, BadInput, FramesDamaged
from recast.manifest import VideoFacts
from recast.media import obu, source
from recast.media.losses import Losses
from recast.media.segments import is_damaged
from recast.process.cores import usable_cores
from recast.process.exhausted import raise_if_exhausted

OpenSource = Callable[[], AbstractContextManager[InputContainer]]

HEAD_PACKETS, HEAD_LEAST, HEAD_BYTES = 48, 24, 16 << 20
"""The head ends at so many packets, or at the least of them that have so many bytes: so few bytes that the reader still
has them when split reads them again."""
MAX_FRAMES = 50_000_000
MOST_DECODERS, MOST_OF_HEAD = 8, 4
"""Threads, each of which holds a picture; for a head fewer, since that is read of every source, 8K too."""
MOST_REORDERED = 16
"""Frames that a decoder holds back for their order."""
TAIL_PACKETS, TAIL_BYTES = MOST_DECODERS + 4 * MOST_REORDERED, 64 << 20
"""What of a stream's end is kept, from a keyframe on, to be decoded twice; frames may be two packets, a field each."""
MOST_AT_ONE_TIME = 64
"""More frames than this with the same time, or all that there are, have no times at all."""

# Codecs of which one packet is one frame, with the container's pts.
TRUSTED_CODECS = frozenset({
    "h264", "hevc", "av1", "vp9", "vvc", "prores", "dnxhd", "mjpeg", "mpeg1video", "mpeg2video", "ffv1",
    "rawvideo", "huffyuv", "ffvhuff", "utvideo", "v210", "cfhd", "jpeg2000", "png", "qtrle", "theora",
    "mpeg4", "vc1", "h263",
})  # fmt: skip
# Its decoder passes over what it cannot read, so a packet without a frame is damage: "each temporal unit has exactly
# one shown frame" (AV1, 7.5). Where units were cut into their frames, those that are not shown say so.
ONE_FRAME_A_PACKET = {"av1": obu.is_hidden}
UNTRUSTED_FORMATS = frozenset({"avi", "h264", "hevc", "m4v", "mpegvideo", "vc1", "obu", "ivf", "flv", "rm"})
# Bare Dirac's parser numbers the pictures in a clock whose ticks they are not.
TIMELESS_FORMATS = frozenset({"dirac"})


@dataclass(frozen=True)
class PacketTime:
    """A video packet of the source.

    Attributes:
        index: its number among the video stream's packets, in file order.
        pts: when its frame is shown, in the stream's time base; None where it gives no frame of the list.
        dts: its decode time, where known.
        keyframe: whether decoding may start here.
        rank: tells frames of the same pts apart: their order as the decoder gives them.
        damaged: what it is decoded from, or what it refers to, is known not to be whole.
    """

    index: int
    pts: int | None
    dts: int | None
    keyframe: bool
    rank: int = 0
    damaged: bool = False


@dataclass(frozen=True)
class Timing:
    """How to read a stream's times.

    Attributes:
        first_packet: the first packet that is worth anything.
        never_decoded: packets near the head whose frames the decoder never gives.
        decoded: for each packet the place of its frame in display order, `NO_FRAME` where it has none; None
            where packets' own pts are the times.
        times: the frames' pts in display order, beside `decoded`.
    """

    first_packet: int
    never_decoded: frozenset[int] = frozenset()
    decoded: array[int] | None = None
    times: array[int] = field(default_factory=lambda: array("q"))

    def of(self, index: int, packet: Packet[VideoStream]) -> PacketTime:
        """The times of packet number `index`."""
        pts = packet.pts
        if self.decoded is not None:
            rank = self.decoded[index] if index < len(self.decoded) else NO_FRAME
            # Times that were made here need not lie behind the packet's own dts.
            pts = None if rank == NO_FRAME else self.times[rank]
            return PacketTime(index, pts, None, packet.is_keyframe, max(rank, 0), damaged=packet.is_corrupt)
        if packet.is_discard or index in self.never_decoded:
            pts = None
        return PacketTime(index, pts, packet.dts, packet.is_keyframe, damaged=packet.is_corrupt)


NO_FRAME = -(2**63)
"""Stands for no frame, and for no pts, in arrays."""


@dataclass
class _Head:
    """What a decode of the first packets gave.

    Attributes:
        packets: all of them, in file order.
        shown: packet numbers in the order of their frames.
        hidden: packets that say themselves that they show no frame.
        first: the first frame.
        ended: these are all the packets there are.
        damaged_from: the first packet that did not decode.
    """

    packets: list[PacketTime] = field(default_factory=list)
    shown: list[int] = field(default_factory=list)
    hidden: set[int] = field(default_factory=set)
    first: VideoFrame | None = None
    ended: bool = False
    damaged_from: int | None = None

    def note(self, frames: list[VideoFrame]) -> None:
        """Add what came out."""
        for frame in frames:
            self.first = self.first or frame
            if frame.pts is not None:
                self.shown.append(frame.pts)

    def damaged_at(self, index: int) -> None:
        """A packet does not decode."""
        self.damaged_from = index if self.damaged_from is None else min(index, self.damaged_from)

    def mark_first_missing(self) -> None:
        """The first packet that gave no frame, though it or one before is a keyframe, is damaged."""
        first_key = next((packet.index for packet in self.packets if packet.keyframe), 0)
        due = {packet.index for packet in self.packets[first_key:] if packet.pts is not None}
        if missing := due.difference(self.shown, self.hidden):
            self.damaged_at(min(missing))

    def timing(self) -> Timing | None:
        """See `packet_timing`."""
        if self.hidden:
            return None
        return packet_timing(self.packets, self.shown, ended=self.ended, damaged_from=self.damaged_from)


@dataclass
class _Whole:
    """What a decode of all packets gave, beside each packet's own pts.

    Attributes:
        own: the packets' pts, `NO_FRAME` where missing.
        shown: packet numbers in the order of their frames.
        keyframes: how many packets are.
        first_key: the first that is.
        hidden: packets that an edit list hides, or that say themselves that they show no frame.
    """

    own: array[int] = field(default_factory=lambda: array("q"))
    shown: array[int] = field(default_factory=lambda: array("q"))
    keyframes: int = 0
    first_key: int | None = None
    hidden: set[int] = field(default_factory=set)

    def take(self, packet: Packet[VideoStream], index: int) -> None:
        """Note a packet, before it gets another pts."""
        if self.first_key is None and packet.is_keyframe:
            self.first_key = index
        if packet.is_discard or _is_hidden(packet):
            self.hidden.add(index)
        self.keyframes += packet.is_keyframe
        self.own.append(NO_FRAME if packet.pts is None else packet.pts)

    def show(self, frames: list[VideoFrame]) -> None:
        """Add what came out."""
        self.shown.extend(frame.pts for frame in frames if frame.pts is not None)

    def forget_made_up_times(self, container: InputContainer) -> None:
        """Forget the times of a stream that has none."""
        if _formats(container) & TIMELESS_FORMATS:
            self.own = array("q", [NO_FRAME]) * len(self.own)

    def without_a_frame(self) -> list[int]:
        """Packets from the first keyframe on that nothing came out of."""
        done = bytearray(len(self.own))
        for index in chain(self.hidden, self.shown):
            done[index] = True
        return [index for index in range(self.first_key or 0, len(self.own)) if not done[index]]


class _Tail:
    """A stream's last packets, from a keyframe on, for a decoder that has no threads."""

    def __init__(self, decoder: VideoCodecContext) -> None:
        self._decoder = decoder
        self._gops: list[list[tuple[int, Packet[VideoStream]]]] = []
        self._size = 0

    def take(self, packet: Packet[VideoStream], index: int) -> None:
        """Keep a packet, and drop what is no longer needed, or too much."""
        if packet.is_keyframe:
            self._gops.append([])
        if not self._gops:
            return
        self._gops[-1].append((index, packet))
        self._size += packet.size
        while len(self._gops) > 1 and self._gops[1][0][0] <= index - TAIL_PACKETS:
            self._size -= sum(packet.size for _, packet in self._gops.pop(0))
        if self._size > TAIL_BYTES:
            self._gops.clear()
            self._size = 0

    def shown(self, first: int) -> list[int] | None:
        """Of packets from `first` on those that give frames, in that order; None where that cannot be told."""
        packets = list(chain.from_iterable(self._gops))
        # The first ones may refer to what is not here.
        if not packets or packets[0][0] > max(0, first - 2 * MOST_REORDERED):
            return None
        shown = _Whole()
        try:
            for index, packet in packets:
                shown.show(feed(self._decoder, packet, index))
            shown.show(self._decoder.decode(None))
        except av.error.FFmpegError as error:
            raise_if_exhausted(error)
            return None
        return [index for index in shown.shown if index >= first]


def read_timing(open_source: OpenSource, name: str, *, mends: bool = False) -> tuple[VideoFacts, Timing]:
    """Find out what the video track is and how its times are to be read.

    Args:
        open_source: opens the source anew, at its beginning.
        name: how errors call the source.
        mends: damage is mended later, and no reason to stop.

    Raises:
        BadInput: nothing of it can be decoded.
        FramesDamaged: a packet does not decode.
    """
    facts, simple, head = _read_head_by_threads(open_source, name) or _read_head(open_source, name, 1, mends=mends)
    return facts, (head.timing() if simple else None) or decode_timing(open_source, facts, name, mends=mends)


def packet_timing(
    packets: list[PacketTime], shown: list[int], *, ended: bool, damaged_from: int | None = None
) -> Timing | None:
    """Judge whether packets' own pts are the frames' times, from a decode of the head.

    Args:
        packets: the head's packets, in file order; pts None where hidden by an edit list.
        shown: the numbers of those whose frames came out, in that order.
        ended: the head is the whole stream.
        damaged_from: the first packet that did not decode: frames missing from there on are due all the same.

    Returns:
        None where they cannot be trusted.
    """
    if not shown:
        return None
    key = next((packet.index for packet in packets if packet.keyframe), 0)
    if damaged_from is not None:
        key = min(key, damaged_from)
    times = {packet.index: packet.pts for packet in packets}
    out = [times[index] for index in shown]
    if any(pts is None for pts in out) or any(a >= b for a, b in pairwise(out)):  # type: ignore[operator]
        return None
    last = max(pts for pts in out if pts is not None)
    due = {i for i, pts in times.items() if pts is not None and (ended or pts <= last)}
    missing = due - set(shown)
    key_pts = times[key]
    at_head = {i for i in missing if i < key or (key_pts is not None and (times[i] or 0) < key_pts)}
    lost = {i for i in missing - at_head if damaged_from is not None and i >= damaged_from}
    return Timing(key, frozenset(at_head)) if missing == at_head | lost else None


def decode_timing(open_source: OpenSource, facts: VideoFacts, name: str, *, mends: bool = False) -> Timing:
    """Make the frame list by one decode of the whole stream.

    Raises:
        FramesDamaged: a packet does not decode, and nothing else tells where its frame belongs.
    """
    try:
        whole = _decode_whole(open_source, name)
        if facts.codec in ONE_FRAME_A_PACKET and (lost := whole.without_a_frame()):
            raise FramesDamaged(f"{name}: video packet {lost[0]} gives no frame: {MEND_OR_SAY}")
    except FramesDamaged:
        if not mends:
            raise
        order = _all_keyframes(open_source, name)
        if order is None:
            raise
        whole = order
    times = frame_times(whole.own, whole.shown, one_frame=1 / (facts.rate * facts.time_base))
    decoded = array("q", [NO_FRAME]) * len(whole.own)
    for rank, index in enumerate(whole.shown):
        decoded[index] = rank
    return Timing(whole.first_key or 0, decoded=decoded, times=array("q", times))


def _decode_whole(open_source: OpenSource, name: str) -> _Whole:
    # Threads say late what they failed at, and nothing of what that was at the very end, with the frames behind it.
    if (threads := _decoder_threads()) > 1:
        with suppress(FramesDamaged):
            whole, tail = _decode_by_threads(open_source, name, threads)
            held = max(0, len(whole.own) - threads - MOST_REORDERED)
            missing = any(index >= held for index in whole.without_a_frame())
            if not missing or tail.shown(held) == [index for index in whole.shown if index >= held]:
                return whole
    return _decode_by_threads(open_source, name, 1)[0]


def _decode_by_threads(open_source: OpenSource, name: str, threads: int) -> tuple[_Whole, _Tail]:
    with open_source() as container:
        stream = source.video_stream(container, name)
        source.read_only(container, stream)
        whole, tail, context = _Whole(), _Tail(fresh_decoder(stream)), stream.codec_context
        context.thread_type, context.thread_count = "AUTO", threads
        for index, packet in numbered_packets(container, name):
            if index >= MAX_FRAMES:
                raise BadInput(f"{name}: more than {MAX_FRAMES} packets")
            whole.take(packet, index)
            whole.show(_feed_or_refuse(context, packet, index, begun=whole.first_key is not None, name=name))
            tail.take(packet, index)
        whole.show(_drain_or_refuse(context, name))
        whole.forget_made_up_times(container)
    return whole, tail


def _all_keyframes(open_source: OpenSource, name: str) -> _Whole | None:
    """The frames of a stream whose every packet is a picture of its own: their order is known without decoding."""
    whole = _Whole()
    with open_source() as container:
        source.read_only(container, source.video_stream(container, name))
        for index, packet in numbered_packets(container, name):
            whole.take(packet, index)
            whole.shown.append(index)
        whole.forget_made_up_times(container)
    return whole if whole.keyframes == len(whole.own) else None


def frame_times(own: Sequence[int], shown: Sequence[int], *, one_frame: Fraction) -> list[int]:
    """Times for decoded frames, from their packets' pts.

    Where these rise in the frames' order, or stand (Matroska's 1 ms merges close frames), they are the times. Where
    they rise in the packets' order instead (MXF without temporal offsets), or are a few frames off (tools that join
    files raise a time to its decode time), they are once sorted. Else (packets carry none, a clock begins anew, a time
    is far off) the frames come at a constant rate, from the earliest there is.

    Args:
        own: pts of all packets, in their order, `NO_FRAME` where missing.
        shown: numbers of the packets, in the order of their frames.
        one_frame: a frame's duration in ticks.
    """
    times = [own[index] for index in shown]
    if NO_FRAME not in times:
        in_order = sorted(times)
        rises = all(own[a] < own[b] for a, b in pairwise(sorted(shown)))
        if times == in_order or rises or _are_near(times, in_order, int(MOST_REORDERED * one_frame)):
            too_many = min(MOST_AT_ONE_TIME, max(1, len(times) - 1))
            if all(a < b for a, b in zip(in_order, in_order[too_many:], strict=False)):
                return in_order
    start = min((pts for pts in times if pts != NO_FRAME), default=0)
    return [start + round(k * one_frame) for k in range(len(times))]


def _are_near(times: Sequence[int], others: Sequence[int], most: int) -> bool:
    return all(abs(a - b) <= most for a, b in zip(times, others, strict=True))


def numbered_packets(
    container: InputContainer, name: str, losses: Losses | None = None
) -> Iterator[tuple[int, Packet[VideoStream]]]:
    """The video stream's packets with their numbers, without the empty ones that PyAV ends with.

    Args:
        container: the source, open at its beginning.
        name: how errors call it.
        losses: listens to what the demuxer says.

    Raises:
        BadInput: the file ends in the middle of something.
    """
    index = 0
    packets = container.demux(source.video_stream(container, name))
    try:
        while True:
            with losses.listening() if losses else nullcontext():
                packet = next(packets, None)
            if packet is None:
                return
            if packet.size:
                yield index, packet
                index += 1
    except IndexError:
        # PyAV stumbles at the very end over a track that was not there when the file was opened.
        return
    except source.READ_ERRORS as error:
        raise BadInput(f"{name}: damaged after video packet {index}: {error}", reason=names.CORRUPT_SOURCE) from error


def feed(context: VideoCodecContext, packet: Packet[VideoStream], number: int) -> list[VideoFrame]:
    """Decode a packet under its number: the frames that come out carry their packets' numbers as pts.

    Raises:
        FFmpegError: it does not decode.
    """
    packet.pts = packet.dts = number
    return context.decode(packet)


def _formats(container: InputContainer) -> set[str]:
    return set(container.format.name.split(","))


def _is_hidden(packet: Packet[VideoStream]) -> bool:
    """Whether a packet says that it shows no frame."""
    says = ONE_FRAME_A_PACKET.get(packet.stream.codec_context.codec.canonical_name)
    return says is not None and says(bytes(packet))


def fresh_decoder(stream: VideoStream) -> VideoCodecContext:
    """A decoder for `stream` that has seen nothing yet."""
    context = CodecContext.create(stream.codec_context.codec.name, "r")
    assert isinstance(context, VideoCodecContext)
    context.extradata = stream.codec_context.extradata
    # Not every codec's packets say how large their pictures are.
    context.width, context.height = stream.codec_context.width, stream.codec_context.height
    context.thread_count = 1
    return context


def _decoder_threads() -> int:
    return min(usable_cores(), MOST_DECODERS)


def _read_head_by_threads(open_source: OpenSource, name: str) -> tuple[VideoFacts, bool, _Head] | None:
    """The quick way, None where not every packet gave its frame."""
    with suppress(FramesDamaged):
        facts, simple, head = _read_head(open_source, name, min(_decoder_threads(), MOST_OF_HEAD), mends=False)
        if len(head.shown) == len(head.packets):
            return facts, simple, head
    return None


def _read_head(open_source: OpenSource, name: str, threads: int, *, mends: bool) -> tuple[VideoFacts, bool, _Head]:
    """What the track is, whether one packet of it may be taken for one frame, and a decode of its head."""
    with open_source() as container:
        stream = source.video_stream(container, name)
        stream.codec_context.thread_type, stream.codec_context.thread_count = "AUTO", threads
        head = _decode_head(container, stream, name, mends=mends)
        if head.first is None:
            raise BadInput(f"{name}: not one frame of its video track decodes", reason=names.CORRUPT_SOURCE)
        facts = source.video_facts(stream, head.first, name)
        simple = facts.codec in TRUSTED_CODECS and not _formats(container) & UNTRUSTED_FORMATS
    return facts, simple, head


def _decode_head(container: InputContainer, stream: VideoStream, name: str, *, mends: bool) -> _Head:
    source.read_only(container, stream)
    head, context, begun, size = _Head(ended=True), stream.codec_context, False, 0
    for index, packet in numbered_packets(container, name):
        long = index >= HEAD_PACKETS or (index >= HEAD_LEAST and size >= HEAD_BYTES)
        # A stream that begins in the middle of a GOP is read on until something decodes.
        if long and (head.first is not None or index >= 20 * HEAD_PACKETS):
            head.ended = False
            break
        size += packet.size
        hidden = packet.is_discard
        head.packets.append(PacketTime(index, None if hidden else packet.pts, packet.dts, packet.is_keyframe))
        if _is_hidden(packet):
            head.hidden.add(index)
        # A damaged keyframe need not look like one: the stream would begin with the next.
        damaged = head.first is None and is_damaged(context, packet)
        begun = begun or packet.is_keyframe or damaged
        try:
            head.note(_feed_or_refuse(context, packet, index, begun=begun, name=name))
            if damaged:
                raise FramesDamaged(f"{name}: video packet {index} is damaged: {MEND_OR_SAY}")
        except FramesDamaged:
            if not mends:
                raise
            head.damaged_at(index)
    failed = False
    try:
        head.note(_drain_or_refuse(context, name))
    except FramesDamaged:
        if not mends:
            raise
        failed = True
    if failed or (mends and context.codec.canonical_name in ONE_FRAME_A_PACKET):
        head.mark_first_missing()
    return head


def _feed_or_refuse(
    context: VideoCodecContext, packet: Packet[VideoStream], number: int, *, begun: bool, name: str
) -> list[VideoFrame]:
    """Decode a packet; one that does not is the source's damage, but for those before the first keyframe."""
    place = "" if packet.pts is None else f", at {float(packet.pts * (packet.time_base or 0)):.3f} s,"
    try:
        return feed(context, packet, number)
    except av.error.FFmpegError as error:
        raise_if_exhausted(error)
        if not begun:
            return []
        raise FramesDamaged(
            f"{name}: video packet {number}{place} does not decode ({error.strerror}): {MEND_OR_SAY}"
        ) from error


def _drain_or_refuse(context: VideoCodecContext, name: str) -> list[VideoFrame]:
    """The frames that a decoder still holds."""
    try:
        return context.decode(None)
    except av.error.FFmpegError as error:
        raise_if_exhausted(error)
        raise FramesDamaged(
            f"{name}: one of its last video packets does not decode ({error.strerror}): {MEND_OR_SAY}"
        ) from error
