"""A decode of a source's first packets: what its video track is, and whether its packets' times can be trusted."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field

from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from recast import names
from recast.errors import MEND_OR_SAY, BadInput, FramesDamaged
from recast.manifest import VideoFacts
from recast.media import source
from recast.media.encrypted import refuse_encrypted
from recast.media.formats import opened_as
from recast.media.numbered import (
    ONE_FRAME_A_PACKET,
    OpenSource,
    decoder_threads,
    drain_or_refuse,
    feed_or_refuse,
    is_hidden,
    numbered_packets,
)
from recast.media.segments import is_damaged
from recast.media.times import PacketTime, Timing, packet_timing

HEAD_PACKETS, HEAD_LEAST, HEAD_BYTES = 48, 24, 16 << 20
"""The head ends at so many packets, or at the least of them that have so many bytes: so few bytes that the reader still
has them when split reads them again."""
MOST_DECODERS = 4
"""Threads: fewer than elsewhere, since the head is read of every source, 8K too."""

# Codecs of which one packet is one frame, with the container's pts.
TRUSTED_CODECS = frozenset({
    "h264", "hevc", "av1", "vp9", "vvc", "prores", "dnxhd", "mjpeg", "mpeg1video", "mpeg2video", "ffv1",
    "rawvideo", "huffyuv", "ffvhuff", "utvideo", "v210", "cfhd", "jpeg2000", "png", "qtrle", "theora",
    "mpeg4", "vc1", "h263",
})  # fmt: skip
UNTRUSTED_FORMATS = frozenset({"avi", "h264", "hevc", "m4v", "mpegvideo", "vc1", "obu", "ivf", "flv", "rm"})


@dataclass
class Head:
    """What a decode of the first packets gave.

    Attributes:
        packets: all of them, in file order.
        shown: packet numbers in the order of their frames.
        hidden: packets that say themselves that they show no frame.
        first: the first frame.
        due: how many of the packets no edit list hides.
        ended: these are all the packets there are.
        damaged_from: the first packet that did not decode.
    """

    packets: list[PacketTime] = field(default_factory=list)
    shown: list[int] = field(default_factory=list)
    hidden: set[int] = field(default_factory=set)
    first: VideoFrame | None = None
    due: int = 0
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


def read_head(open_source: OpenSource, name: str, *, mends: bool) -> tuple[VideoFacts, bool, Head]:
    """What the track is, whether one packet of it may be taken for one frame, and a decode of its head.

    Args:
        open_source: opens the source anew, at its beginning.
        name: how errors call the source.
        mends: damage is noted, and no reason to stop.

    Raises:
        BadInput: nothing of it can be decoded.
        FramesDamaged: a packet does not decode.
    """
    return _read_by_threads(open_source, name) or _read(open_source, name, 1, mends=mends)


def _read_by_threads(open_source: OpenSource, name: str) -> tuple[VideoFacts, bool, Head] | None:
    """The quick way, None where not every packet gave its frame."""
    with suppress(FramesDamaged):
        facts, simple, head = _read(open_source, name, min(decoder_threads(), MOST_DECODERS), mends=False)
        if len(head.shown) == head.due:
            return facts, simple, head
    return None


def _read(open_source: OpenSource, name: str, threads: int, *, mends: bool) -> tuple[VideoFacts, bool, Head]:
    with open_source() as container:
        stream = source.video_stream(container, name)
        stream.codec_context.thread_type, stream.codec_context.thread_count = "AUTO", threads
        head = _decode_head(container, stream, name, mends=mends)
        if not head.due:
            raise source.no_frame(name)
        if head.first is None:
            raise BadInput(f"{name}: not one frame of its video track decodes", reason=names.CORRUPT_SOURCE)
        facts = source.video_facts(stream, head.first, name)
        simple = facts.codec in TRUSTED_CODECS and not opened_as(container) & UNTRUSTED_FORMATS
    return facts, simple, head


def _decode_head(container: InputContainer, stream: VideoStream, name: str, *, mends: bool) -> Head:
    source.read_only(container, stream)
    head, context, begun, size = Head(ended=True), stream.codec_context, False, 0
    for index, packet in numbered_packets(container, name):
        refuse_encrypted(packet, name)
        long = head.due >= HEAD_PACKETS or (head.due >= HEAD_LEAST and size >= HEAD_BYTES)
        # A stream that begins in the middle of a GOP is read on until something decodes.
        if long and (head.first is not None or head.due >= 20 * HEAD_PACKETS):
            head.ended = False
            break
        hidden = packet.is_discard
        size += 0 if hidden else packet.size
        head.due += not hidden
        head.packets.append(PacketTime(index, None if hidden else packet.pts, packet.dts, packet.is_keyframe))
        if is_hidden(packet):
            head.hidden.add(index)
        # A damaged keyframe need not look like one: the stream would begin with the next.
        damaged = head.first is None and is_damaged(context, packet)
        begun = begun or packet.is_keyframe or damaged
        try:
            head.note(feed_or_refuse(context, packet, index, begun=begun, name=name))
            if damaged:
                raise FramesDamaged(f"{name}: video packet {index} is damaged: {MEND_OR_SAY}")
        except FramesDamaged:
            if not mends:
                raise
            head.damaged_at(index)
    failed = False
    try:
        head.note(drain_or_refuse(context, name))
    except FramesDamaged:
        if not mends:
            raise
        failed = True
    if failed or (mends and context.codec.canonical_name in ONE_FRAME_A_PACKET):
        head.mark_first_missing()
    return head
