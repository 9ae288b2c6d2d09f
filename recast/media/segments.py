"""Writing and reading a segment's packets: Matroska, each packet stamped with its place in the file.

The stamp is the packet's timestamp in milliseconds, Matroska's own tick, so nothing is rounded; the plan maps
stamps to the source's times. A stamp is unique where a pts need not be (edit lists show packets twice), and
known at once, without waiting for packets that are shown earlier.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from recast import names
from recast.errors import BadInput
from recast.media import avlog as avlog  # before anything is opened

MILLISECOND = Fraction(1, 1000)


class SegmentWriter:
    """Writes packets of `template` to a Matroska file at `path`.

    Raises:
        BadInput: Matroska cannot hold the codec.
    """

    def __init__(self, path: Path, template: VideoStream) -> None:
        self.path = path
        options = {"fflags": "+bitexact", "avoid_negative_ts": "disabled"}
        self._container = av.open(str(path), "w", format="matroska", container_options=options)
        try:
            self._stream = self._container.add_stream_from_template(template, opaque=True)
            self._container.start_encoding()
        except (av.error.FFmpegError, ValueError) as error:
            self._container.close()
            codec = template.codec_context.name
            raise BadInput(f"codec {codec} cannot be cut ({error}): convert it first") from error

    def write(self, packet: Packet[VideoStream], stamp: int) -> None:
        """Write a copy of `packet`."""
        copy = Packet(bytes(packet))
        for data in packet.iter_sidedata():
            copy.set_sidedata(data)
        copy.stream = self._stream  # type: ignore[assignment]  # same kind of stream
        copy.time_base = MILLISECOND
        copy.pts = copy.dts = stamp
        copy.is_keyframe = packet.is_keyframe
        self._container.mux_one(copy)

    def close(self) -> None:
        """Finish the file."""
        self._container.close()


def decode_segment(path: Path, *, threads: int, name: str) -> Iterator[VideoFrame]:
    """Decode a segment; each frame's pts is its packet's stamp.

    Args:
        path: the Matroska file.
        threads: decoder threads; they do not change the pictures.
        name: how errors call it.

    Raises:
        BadInput: a packet does not decode.
    """
    with av.open(str(path), "r") as container:
        stream = container.streams.video[0]
        context = stream.codec_context
        assert isinstance(context, VideoCodecContext)
        context.thread_type, context.thread_count = "AUTO", threads
        try:
            yield from container.decode(stream)
        except av.error.FFmpegError as error:
            raise BadInput(f"{name}: a packet does not decode: {error}", reason=names.CORRUPT_SOURCE) from error
