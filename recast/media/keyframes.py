"""Keyframes decoded alone: does decoding start clean there, and are the pictures still of the same kind?"""

from __future__ import annotations

from fractions import Fraction

import av
from av.codec.context import CodecContext
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType, VideoFrame
from av.video.stream import VideoStream

from recast.errors import BadInput
from recast.manifest import VideoFacts
from recast.media import source
from recast.media.formats import opened_as
from recast.media.numbered import feed, fresh_decoder
from recast.media.segments import is_damaged, prepare
from recast.media.times import PacketTime
from recast.process.exhausted import raise_if_exhausted

EVERY_SECONDS = 1
HEADER_PREVAILS = frozenset({"mov", "matroska"})
"""Formats in which players believe the header of the file, not what the pictures say of their shape and colour."""
PREDICTED = frozenset({PictureType.P, PictureType.B})
# By ITU-T H.273, as FFmpeg has it.
UNSAID = {"range": 0, "set of primaries": 2, "transfer": 2, "matrix": 2}


class KeyframeCheck:
    """Looks at keyframes.

    Args:
        stream: the video track.
        facts: what it is.
        name: how errors call the source.

    Attributes:
        field_order: of the pictures that were looked at: progressive, unless one came in fields.
        is_predicted: the last picture refers to others, though its decoder did not say that they are missing.
    """

    def __init__(self, stream: VideoStream, facts: VideoFacts, name: str) -> None:
        self.field_order = facts.field_order
        self.is_predicted = False
        self._stream = stream
        self._decoder = fresh_decoder(stream)
        prepare(self._decoder, strict=True)
        self._seen = fresh_decoder(stream)
        self._facts, self._name = facts, name
        self._every = round(EVERY_SECONDS / facts.time_base)
        self._last: int | None = None
        self._header_prevails = bool(opened_as(stream.container) & HEADER_PREVAILS)
        self._colour: dict[str, int] | None = None
        self._ratio: Fraction | None = None
        self._format: str | None = None

    def check(self, packet: Packet[VideoStream], time: PacketTime) -> bool | None:
        """Check a keyframe now and then; None where it was not its turn.

        Raises:
            BadInput: see `decodes_alone`.
        """
        if time.pts is None or (self._last is not None and abs(time.pts - self._last) < self._every):
            return None
        self._last = time.pts
        return self.decodes_alone(packet)

    def decodes_alone(self, packet: Packet[VideoStream]) -> bool:
        """Whether this packet gives a picture with nothing before it.

        Raises:
            BadInput: the picture has another size, layout, shape of pixels, or colour than those before.
        """
        self.is_predicted = False
        self._decoder.flush_buffers()
        if is_damaged(self._decoder, packet):
            return False
        try:
            copy: Packet[VideoStream] = Packet(bytes(packet))  # type: ignore[assignment]  # it has no stream yet
            frames = feed(self._decoder, copy, 0) + self._decoder.decode(None)
        except av.error.FFmpegError as error:
            raise_if_exhausted(error)
            return False
        if not frames or frames[0].is_corrupt:
            return False
        # Containers call pictures keyframes that are not, and older codecs' decoders do not miss what they refer to.
        kind = frames[0].pict_type
        self.is_predicted = kind in PREDICTED or (kind == PictureType.NONE and self._shows_more_where_seen(copy))
        if self.is_predicted:
            return False
        self._look(frames[0])
        return True

    def _shows_more_where_seen(self, packet: Packet[VideoStream]) -> bool:
        """Whether the packet gives another picture after the keyframes looked at before than it gives alone.

        The oldest codecs leave out what did not change, and their decoders say of no picture that it does so.
        """
        try:
            pictures = [feed(decoder, packet, 0) for decoder in (fresh_decoder(self._stream), self._seen)]
        except av.error.FFmpegError as error:
            raise_if_exhausted(error)
            return True
        alone, after = (_samples(frames[0]) if frames else b"" for frames in pictures)
        return alone != after

    def _look(self, frame: VideoFrame) -> None:
        facts = self._facts
        self._refuse_change("the picture's size", f"{facts.width}x{facts.height}", f"{frame.width}x{frame.height}")
        # This decoder need not call it as the one of the head does: ProRes goes by the container's tag.
        self._format = self._format or frame.format.name
        self._refuse_change("the pictures' format", self._format, frame.format.name)
        if not self._header_prevails:
            ratio = self._decoder.sample_aspect_ratio or Fraction(1)
            self._ratio = self._ratio or ratio
            self._refuse_change("the pixels' aspect ratio", self._ratio, ratio)
            self._look_at_colour(frame)
        if frame.interlaced_frame and self.field_order == "progressive":
            self.field_order = source.field_order(self._decoder, frame)

    def _look_at_colour(self, frame: VideoFrame) -> None:
        colour = {
            "range": int(frame.color_range),
            "set of primaries": int(frame.color_primaries),
            "transfer": int(frame.color_trc),
            "matrix": int(frame.colorspace),
        }
        before = self._colour = self._colour or colour
        for name, value in colour.items():
            if UNSAID[name] not in (value, before[name]):
                self._refuse_change(f"the colours' {name}", before[name], value)

    def _refuse_change(self, what: str, before: object, now: object) -> None:
        if before != now:
            raise BadInput(
                f"{self._name}: {what} changes from {before} to {now} on the way: cut the source there first"
            )


def _samples(frame: VideoFrame) -> bytes:
    """A picture without what its rows are padded with."""
    encoder = CodecContext.create("rawvideo", "w")
    assert isinstance(encoder, VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = frame.width, frame.height, frame.format.name
    encoder.time_base = Fraction(1, 1000)
    return b"".join(bytes(packet) for packet in encoder.encode(frame))
