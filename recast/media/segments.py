"""Writing and reading a segment's packets: Matroska, each packet stamped with its place in the file.

The stamp is the packet's timestamp in milliseconds, Matroska's own tick, so nothing is rounded; the plan maps
stamps to the source's times. A stamp is unique where a pts need not be (edit lists show packets twice), and
known at once, without waiting for packets that are shown earlier.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

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
        copy.stream = self._stream
        copy.time_base = MILLISECOND
        copy.pts = copy.dts = stamp
        copy.is_keyframe = packet.is_keyframe
        self._container.mux_one(copy)

    def close(self) -> None:
        """Finish the file."""
        self._container.close()


def decode_segment(path: Path, *, threads: int) -> Iterator[VideoFrame]:
    """Decode a segment; each frame's pts is its packet's stamp.

    A packet that does not decode gives no frame: at a segment's head some may lack what they refer to. Whether
    a frame is missing is for the caller to see, who knows which are due.

    Args:
        path: the Matroska file.
        threads: decoder threads; they do not change the pictures.
    """
    with av.open(str(path), "r") as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_type, stream.codec_context.thread_count = "AUTO", threads
        for packet in container.demux(stream):
            with contextlib.suppress(av.error.InvalidDataError):
                yield from packet.decode()
