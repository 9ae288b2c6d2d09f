"""Writing and reading a segment's packets: Matroska, each packet stamped with its place in the file.

The stamp is the packet's timestamp in milliseconds, Matroska's own tick, so nothing is rounded; the plan maps
stamps to the source's times. A stamp is unique where a pts need not be (edit lists show packets twice), and
known at once, without waiting for packets that are shown earlier.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import av
from av.codec.context import Flags
from av.codec.hwaccel import HWAccel
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from recast import names
from recast.errors import BadInput, FramesDamaged
from recast.manifest import Segment, VideoFacts
from recast.media import ffv1, nal
from recast.media.formats import SEGMENT_DEMUXERS, open_media
from recast.process.exhausted import raise_if_exhausted

MILLISECOND = Fraction(1, 1000)
FLAGS_ITSELF = frozenset({"h264"})
"""Decoders that mark each frame they mended. Stopped instead, H.264's fails at every open GOP that begins a file."""
OPTIONS = {"fflags": "+bitexact", "avoid_negative_ts": "disabled"}


class SegmentWriter:
    """Writes packets of `template` to a Matroska file at `path`, or in another container where Matroska cannot.

    Args:
        path: the file.
        template: the source's video track.
        name: how errors call the source.

    Raises:
        BadInput: none can hold the codec.
    """

    def __init__(self, path: Path, template: VideoStream, name: str) -> None:
        self.path, self._name = path, name
        self._codec = codec = template.codec_context.name
        layout = template.codec_context.format
        if codec == "rawvideo" and layout is not None and layout.is_planar:
            raise BadInput(f"{name}: planar raw pictures cannot be cut: convert them first, to FFV1 say")
        self._has_palette = layout is not None and layout.has_palette
        for container in _containers(codec, has_palette=self._has_palette):
            self._container = av.open(str(path), "w", format=container, container_options=OPTIONS)
            try:
                self._stream = self._container.add_stream_from_template(template, opaque=True)
                if container == "nut":
                    _keep_tag(template, self._stream)
                self._container.start_encoding()
            except (av.error.FFmpegError, ValueError) as error:
                raise_if_exhausted(error, str(path))
                self._container.close()
                continue
            return
        raise BadInput(f"{name}: codec {codec} cannot be cut: convert it first, to FFV1 say")

    def write(self, packet: Packet[VideoStream], stamp: int) -> None:
        """Write a copy of `packet`.

        Raises:
            BadInput: its palette has no place here.
        """
        if self._has_palette and self._container.format.name != "mov" and packet.has_sidedata("palette"):
            raise BadInput(
                f"{self._name}: codec {self._codec} with a palette cannot be cut: convert it first, to FFV1 say"
            )
        copy = Packet(bytes(packet))
        for data in packet.iter_sidedata():
            copy.set_sidedata(data)
        copy.stream = self._stream
        copy.time_base = MILLISECOND
        copy.pts = copy.dts = stamp
        copy.duration = 1
        copy.is_keyframe = packet.is_keyframe
        self._container.mux_one(copy)

    def close(self) -> None:
        """Finish the file."""
        self._container.close()


def _containers(codec: str, *, has_palette: bool) -> list[str]:
    """Those that may hold a codec, the best first."""
    if has_palette:
        # The others forget it.
        return ["mov", *(each for each in SEGMENT_DEMUXERS if each != "mov")]
    # Matroska cannot hold PNG, NUT not DNxHD, and NUT forgets how raw pictures are laid out.
    return [each for each in SEGMENT_DEMUXERS if (each, codec) != ("nut", "rawvideo")]


def _keep_tag(template: VideoStream, stream: VideoStream) -> None:
    """UT Video's tag alone says how its pictures are laid out; NUT would take the first of its tags."""
    with contextlib.suppress(UnicodeDecodeError):
        tag = template.codec_context.codec_tag
        if tag.strip("\0"):
            stream.codec_context.codec_tag = tag


def keyframe_stamps(path: Path) -> list[int]:
    """The stamps of a segment's keyframes, in the file's order."""
    with open_media(path, demuxers=SEGMENT_DEMUXERS) as container:
        packets = container.demux(container.streams.video[0])
        return [stamp_of(packet) for packet in packets if packet.is_keyframe and packet.pts is not None]


def decode_segment(
    path: Path,
    *,
    threads: int,
    keyframes_only: bool = False,
    hardware: HWAccel | None = None,
    strict: bool = False,
    preroll: int = 0,
) -> Generator[VideoFrame, None, None]:
    """Decode a segment; each frame's pts is its packet's stamp.

    A packet that does not decode gives no frame: at a segment's head some may lack what they refer to. Whether
    a frame is missing is for the caller to see, who knows which are due.

    Args:
        path: the Matroska file.
        threads: decoder threads; they do not change the pictures. Nor does the processor: bit-exact decoders
            (MPEG-4's and DV's transforms differ by processor otherwise).
        keyframes_only: leave out what lies between them.
        hardware: decodes in the processor's place.
        strict: stop at the first sign of damage, where decoders make something up otherwise.
        preroll: packets at its head that need not decode.

    Raises:
        FramesDamaged: there is such a sign; which frames it is about, `damage.survey` finds out.
    """
    with open_media(path, demuxers=SEGMENT_DEMUXERS, hwaccel=hardware) as container:
        stream = container.streams.video[0]
        context = stream.codec_context
        context.thread_type, context.thread_count = "AUTO", threads
        prepare(context, strict=strict and not preroll)
        if keyframes_only:
            context.skip_frame = "NONKEY"
        for packet in container.demux(stream):
            if packet.pts is not None:
                packet.pts = stamp_of(packet)
            if strict and is_damaged(context, packet):
                raise FramesDamaged(f"{path.name}: packet {packet.pts} is damaged")
            try:
                frames = packet.decode()
            except av.error.FFmpegError as error:
                raise_if_exhausted(error)
                # A thread says late what it failed at.
                if strict and (not preroll or packet.pts is None or packet.pts >= preroll + threads):
                    raise FramesDamaged(f"{path.name}: packet {packet.pts}, or one before: {error}") from error
                continue
            for frame in frames:
                if strict and frame.is_corrupt and (frame.pts or 0) >= preroll:
                    raise FramesDamaged(f"{path.name}: packet {frame.pts} decodes in part only")
                yield frame


def prepare(context: VideoCodecContext, *, strict: bool) -> None:
    """Have a decoder, before it is opened, give the same pictures everywhere; strict: and none that it made up."""
    context.flags |= Flags.bitexact
    if strict and context.codec.canonical_name not in FLAGS_ITSELF:
        context.options = {**context.options, "err_detect": "crccheck+explode"}


def is_damaged(context: VideoCodecContext, packet: Packet[VideoStream]) -> bool:
    """Whether a packet itself shows that it is damaged, though FFmpeg's decoder would make a picture of it."""
    codec, extradata = context.codec.canonical_name, context.extradata or b""
    if packet.size == 0:
        return False
    if codec in nal.PICTURES:
        return nal.is_damaged(bytes(packet), codec, extradata)
    # FFV1 has slices, and extradata, from version 2 on.
    return codec == "ffv1" and bool(extradata) and ffv1.is_damaged(bytes(packet))


def stamp_of(packet: Packet[VideoStream]) -> int:
    """A packet's stamp, as a number."""
    assert packet.pts is not None
    # Not every container takes milliseconds for its ticks.
    if packet.time_base == MILLISECOND:
        return packet.pts
    return round(packet.pts * Fraction(packet.time_base or MILLISECOND) / MILLISECOND)


def kept_frames(frames: Iterable[VideoFrame], segment: Segment, facts: VideoFacts, name: str) -> Iterator[VideoFrame]:
    """Of all decoded frames (pts is the stamp), exactly the segment's slice, in order.

    Raises:
        FramesDamaged: one is missing, or out of order.
        BadInput: one is of another size.
    """
    wanted = set(segment.packets)
    expected = iter(enumerate(segment.packets))
    left = segment.frames
    for frame in frames:
        if frame.pts not in wanted:
            continue
        number, stamp = next(expected, (segment.frames, None))
        if frame.pts != stamp:
            raise FramesDamaged(f"{name}: frame {number} does not decode, or comes out of order")
        if (frame.width, frame.height) != (facts.width, facts.height):
            raise BadInput(
                f"{name}: the picture's size changes at frame {number}: cut the source there first",
                reason=names.CORRUPT_SOURCE,
            )
        yield frame
        left -= 1
        if left == 0:
            return
    raise FramesDamaged(f"{name}: {left} of {segment.frames} frames do not decode")
