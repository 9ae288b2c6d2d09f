"""Tracks whose decoder is set up anew on the way: MP4 with several sample descriptions, FLV with a second header.

A segment has one header. So from the first change on each keyframe carries the parameter sets that it needs.
"""

from __future__ import annotations

from contextlib import suppress

from av.packet import Packet
from av.video.stream import VideoStream

from recast.errors import BadInput
from recast.media import nal

SAY_THEMSELVES = frozenset({"av1", "vp8", "vp9", "mjpeg", "prores", "dnxhd"})
"""Codecs whose keyframes need no header of the track."""


class Reconfigured:
    """Follows a track's headers.

    Args:
        stream: the track.
        name: how errors call the source.
    """

    def __init__(self, stream: VideoStream, name: str) -> None:
        self._codec, self._name = stream.codec_context.codec.canonical_name, name
        self._first = self._now = bytes(stream.codec_context.extradata or b"")
        self._sets: bytes | None = None

    def complete(self, packet: Packet[VideoStream]) -> Packet[VideoStream]:
        """The packet, with the parameter sets in it where a segment's header may be another's.

        Raises:
            BadInput: a codec is set up anew of which it is not known how.
        """
        if packet.has_sidedata("new_extradata"):
            header = bytes(packet.get_sidedata("new_extradata"))
            if header != self._now:
                self._sets, self._now = self._sets_of(header), header
        if self._sets is None or not packet.is_keyframe:
            return packet
        whole: Packet[VideoStream] = Packet(self._sets + bytes(packet))  # type: ignore[assignment]  # it has none yet
        whole.stream, whole.time_base, whole.is_keyframe = packet.stream, packet.time_base, True
        whole.pts, whole.dts = packet.pts, packet.dts
        return whole

    def _sets_of(self, header: bytes) -> bytes:
        if self._codec in SAY_THEMSELVES:
            return b""
        # A header that is cut off has no sets to be found.
        with suppress(IndexError):
            if self._codec in nal.PICTURES and nal.has_same_framing(self._codec, self._first, header):
                return nal.parameter_sets(self._codec, header)
        raise BadInput(f"{self._name}: its {self._codec} decoder is set up anew on the way: cut the source there first")
