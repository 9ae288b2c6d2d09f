"""A decode of all of a source's packets, where only the decoder tells the frames' order."""

from __future__ import annotations

from array import array
from contextlib import suppress
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import chain

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from recast.errors import BadInput, FramesDamaged
from recast.media import source
from recast.media.formats import opened_as
from recast.media.numbered import (
    MOST_DECODERS,
    OpenSource,
    decoder_threads,
    drain_or_refuse,
    feed,
    feed_or_refuse,
    fresh_decoder,
    is_hidden,
    numbered_packets,
)
from recast.media.times import MOST_REORDERED, NO_FRAME, clocked_times
from recast.process.exhausted import raise_if_exhausted

MAX_FRAMES = 50_000_000
TAIL_PACKETS, TAIL_BYTES = MOST_DECODERS + 4 * MOST_REORDERED, 64 << 20
"""What of a stream's end is kept, from a keyframe on, to be decoded twice; frames may be two packets, a field each."""
# Bare Dirac's parser numbers the pictures in a clock whose ticks they are not.
TIMELESS_FORMATS = frozenset({"dirac"})
# A chunk's place says when it is decoded; one without a byte, that the frame before is shown on. Of other codecs FFmpeg
# knows the frames' order, and so their times.
CLOCKED_FORMATS, CLOCKED_CODECS = frozenset({"avi"}), frozenset({"h264", "hevc"})


@dataclass
class Whole:
    """What a decode of all packets gave, beside each packet's own pts.

    Attributes:
        own: the packets' pts, `NO_FRAME` where missing.
        clock: their dts, likewise.
        shown: packet numbers in the order of their frames.
        keyframes: how many packets are.
        first_key: the first that is.
        held: see `clocked_times`.
        hidden: packets that an edit list hides, or that say themselves that they show no frame.
    """

    own: array[int] = field(default_factory=lambda: array("q"))
    clock: array[int] = field(default_factory=lambda: array("q"))
    shown: array[int] = field(default_factory=lambda: array("q"))
    keyframes: int = 0
    first_key: int | None = None
    held: int = 0
    hidden: set[int] = field(default_factory=set)

    def take(self, packet: Packet[VideoStream], index: int) -> None:
        """Note a packet, before it gets another pts."""
        if self.first_key is None and packet.is_keyframe:
            self.first_key = index
        if packet.is_discard or is_hidden(packet):
            self.hidden.add(index)
        self.keyframes += packet.is_keyframe
        self.own.append(NO_FRAME if packet.pts is None else packet.pts)
        self.clock.append(NO_FRAME if packet.dts is None else packet.dts)

    def show(self, frames: list[VideoFrame]) -> None:
        """Add what came out."""
        self.shown.extend(frame.pts for frame in frames if frame.pts is not None)

    def forget_made_up_times(self, container: InputContainer, codec: str, one_frame: Fraction) -> None:
        """Have no times that FFmpeg made up: those of a stream without any, or where packets say when they are decoded.

        Args:
            container: the source.
            codec: of the stream.
            one_frame: a frame's duration in ticks.
        """
        if opened_as(container) & TIMELESS_FORMATS:
            self.own = array("q", [NO_FRAME]) * len(self.own)
        elif opened_as(container) & CLOCKED_FORMATS and codec in CLOCKED_CODECS and NO_FRAME not in self.clock:
            times = clocked_times(self.clock, self.shown, held=self.held, one_frame=one_frame)
            for index, time in zip(self.shown, times, strict=True):
                self.own[index] = time

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
        shown = Whole()
        try:
            for index, packet in packets:
                shown.show(feed(self._decoder, packet, index))
            shown.show(self._decoder.decode(None))
        except av.error.FFmpegError as error:
            raise_if_exhausted(error)
            return None
        return [index for index in shown.shown if index >= first]


class _FirstFrame:
    """Counts the packets that a decoder without threads takes before a frame comes out."""

    def __init__(self, decoder: VideoCodecContext) -> None:
        self._decoder = decoder
        self._waits = True
        self.held = 0

    def take(self, packet: Packet[VideoStream], index: int) -> None:
        """Decode a packet of the stream's head."""
        if self._waits:
            with suppress(av.error.FFmpegError):
                self._waits = not feed(self._decoder, packet, index) and self.held < MOST_REORDERED
                self.held += self._waits


def decode_whole(open_source: OpenSource, name: str, one_frame: Fraction) -> Whole:
    """Decode the stream, by threads where what they give is all there.

    Args:
        open_source: opens the source anew, at its beginning.
        name: how errors call the source.
        one_frame: a frame's duration in ticks.

    Raises:
        BadInput: it has too many packets.
        FramesDamaged: a packet does not decode.
    """
    # Threads say late what they failed at, and nothing of what that was at the very end, with the frames behind it.
    if (threads := decoder_threads()) > 1:
        with suppress(FramesDamaged):
            whole, tail = _decode_by_threads(open_source, name, threads, one_frame)
            held = max(0, len(whole.own) - threads - MOST_REORDERED)
            missing = any(index >= held for index in whole.without_a_frame())
            if not missing or tail.shown(held) == [index for index in whole.shown if index >= held]:
                return whole
    return _decode_by_threads(open_source, name, 1, one_frame)[0]


def _decode_by_threads(open_source: OpenSource, name: str, threads: int, one_frame: Fraction) -> tuple[Whole, _Tail]:
    with open_source() as container:
        stream = source.video_stream(container, name)
        source.read_only(container, stream)
        whole, tail, context = Whole(), _Tail(fresh_decoder(stream)), stream.codec_context
        first = _FirstFrame(fresh_decoder(stream))
        context.thread_type, context.thread_count = "AUTO", threads
        for index, packet in numbered_packets(container, name):
            if index >= MAX_FRAMES:
                raise BadInput(f"{name}: more than {MAX_FRAMES} packets")
            whole.take(packet, index)
            whole.show(feed_or_refuse(context, packet, index, begun=whole.first_key is not None, name=name))
            tail.take(packet, index)
            first.take(packet, index)
        whole.held = first.held
        whole.show(drain_or_refuse(context, name))
        whole.forget_made_up_times(container, context.codec.canonical_name, one_frame)
    return whole, tail


def all_keyframes(open_source: OpenSource, name: str, one_frame: Fraction) -> Whole | None:
    """The frames of a stream whose every packet is a picture of its own: their order is known without decoding."""
    whole = Whole()
    with open_source() as container:
        stream = source.video_stream(container, name)
        source.read_only(container, stream)
        for index, packet in numbered_packets(container, name):
            whole.take(packet, index)
            whole.shown.append(index)
        whole.forget_made_up_times(container, stream.codec_context.codec.canonical_name, one_frame)
    return whole if whole.keyframes == len(whole.own) else None
