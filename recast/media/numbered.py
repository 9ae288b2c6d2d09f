"""A source's video packets under their numbers, and decoders whose frames say which packet they are.

A packet goes into the decoder with its own number as its pts, so each frame that comes out carries it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import av
from av.codec.context import CodecContext
from av.container import InputContainer
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from recast import names
from recast.errors import MEND_OR_SAY, BadInput, FramesDamaged
from recast.media import obu, source
from recast.media.losses import Losses
from recast.media.watch import Watch
from recast.process.cores import usable_cores
from recast.process.exhausted import raise_if_exhausted

OpenSource = Callable[[], AbstractContextManager[InputContainer]]

MOST_DECODERS = 8
"""Threads, each of which holds a picture."""
# Its decoder passes over what it cannot read, so a packet without a frame is damage: "each temporal unit has exactly
# one shown frame" (AV1, 7.5). Where units were cut into their frames, those that are not shown say so.
ONE_FRAME_A_PACKET = {"av1": obu.is_hidden}


def numbered_packets(
    container: InputContainer, name: str, losses: Losses | None = None, watch: Watch | None = None
) -> Iterator[tuple[int, Packet[VideoStream]]]:
    """The video stream's packets with their numbers, without the empty ones that PyAV ends with.

    Args:
        container: the source, open at its beginning.
        name: how errors call it.
        losses: listens to what the demuxer says.
        watch: looks at packets of other tracks.

    Raises:
        BadInput: the file ends in the middle of something.
    """
    index, video = 0, source.video_stream(container, name)
    watched = [container.streams[number] for number in sorted(watch.numbers)] if watch else []
    packets: Iterator[Any] = container.demux(video, *watched)
    try:
        while True:
            with losses.listening() if losses else nullcontext():
                packet = next(packets, None)
            if packet is None:
                return
            if watch and watched and packet.stream.index != video.index:
                watch.look(packet)
            elif packet.size:
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


def feed_or_refuse(
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


def drain_or_refuse(context: VideoCodecContext, name: str) -> list[VideoFrame]:
    """The frames that a decoder still holds."""
    try:
        return context.decode(None)
    except av.error.FFmpegError as error:
        raise_if_exhausted(error)
        raise FramesDamaged(
            f"{name}: one of its last video packets does not decode ({error.strerror}): {MEND_OR_SAY}"
        ) from error


def is_hidden(packet: Packet[VideoStream]) -> bool:
    """Whether a packet says that it shows no frame."""
    says = ONE_FRAME_A_PACKET.get(packet.stream.codec_context.codec.canonical_name)
    return says is not None and says(bytes(packet))


def fresh_decoder(stream: VideoStream) -> VideoCodecContext:
    """A decoder for `stream` that has seen nothing yet."""
    context = CodecContext.create(stream.codec_context.codec.name, "r")
    assert isinstance(context, VideoCodecContext)
    context.extradata = stream.codec_context.extradata
    # Not every codec's packets say how large their pictures are, and of how many colours.
    context.width, context.height = stream.codec_context.width, stream.codec_context.height
    context.bits_per_coded_sample = stream.codec_context.bits_per_coded_sample
    context.thread_count = 1
    return context


def decoder_threads() -> int:
    """How many threads decode: they give the same frames as one, sooner."""
    return min(usable_cores(), MOST_DECODERS)
