"""A slice of decoded frames coded anew without loss, so that its worker need not decode a giant GOP to reach it.

    frames -> [x264 at qp 0, or FFV1] -> Matroska, frame k at k milliseconds -> [decode] -> the same samples?

x264 at its fastest is twice as fast as FFV1 at the same size, and keeps the closed captions that a worker's encoder
takes from a frame besides its samples. FFV1 holds what H.264 cannot.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import av
from av.codec.context import Flags
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from recast import names
from recast.errors import Corrupt
from recast.manifest import VideoFacts
from recast.media.codecs import SAME_SAMPLES, can_hold
from recast.media.segments import MILLISECOND, OPTIONS, decode_segment
from recast.media.source import refuse_other_samples

# Formats that come out of the decoder by the very name that they went in by.
X264 = frozenset({
    "yuv420p", "yuv422p", "yuv444p", "yuvj420p", "yuvj422p", "yuvj444p",
    "yuv420p10le", "yuv422p10le", "yuv444p10le",
})  # fmt: skip
FFV1 = frozenset({
    "yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "yuv422p10le", "yuv444p10le", "gray", "gray10le",
})  # fmt: skip
# A slice is read from its start, so one keyframe will do. A file's own checksum makes FFV1's needless.
OPTIONS_OF = {
    "libx264": {
        "preset": "ultrafast",
        "qp": "0",
        "x264-params": "keyint=infinite:scenecut=0:bframes=0:cpu-independent=1",
    },
    "ffv1": {"level": "3", "slicecrc": "0"},
}


def lossless_codec(facts: VideoFacts) -> str | None:
    """The encoder that keeps such pictures sample for sample and by name; None where none here does."""
    planar = SAME_SAMPLES.get(facts.pix_fmt, facts.pix_fmt)
    if facts.pix_fmt in X264 and can_hold("h264", facts, planar):
        return "libx264"
    return "ffv1" if facts.pix_fmt in FFV1 else None


def write_slice(
    path: Path,
    frames: Iterable[VideoFrame],
    facts: VideoFacts,
    *,
    threads: int,
    moved: Callable[[], None],
    name: str,
) -> None:
    """Write frames to a file, and decode it again to see that they are all in it.

    Args:
        path: the Matroska file to write; a worker reads it as any segment, frame k under stamp k.
        frames: in display order.
        facts: what they are.
        threads: of the encoder; they are part of its bytes.
        moved: called with each frame.
        name: how errors call the slice.

    Raises:
        BadInput: a frame is of another kind than `facts` say.
        Corrupt: what was written does not decode to the same samples.
    """
    written: list[bytes] = []
    with av.open(str(path), "w", format="matroska", container_options=OPTIONS) as container:
        stream = _add_stream(container, facts, threads)
        for frame in frames:
            refuse_other_samples(frame, facts, name)
            written.append(_digest(frame))
            frame.pts, frame.time_base = len(written) - 1, stream.codec_context.time_base
            # A decoded frame's own type would force that type on the encoder.
            frame.pict_type = 0
            _mux(container, stream, stream.encode(frame))
            moved()
        _mux(container, stream, stream.encode(None))
    _compare(path, written, facts, threads, moved, name)


def _add_stream(container: Any, facts: VideoFacts, threads: int) -> VideoStream:
    codec = lossless_codec(facts)
    assert codec is not None, "split plans no slices of such pictures"
    stream: VideoStream = container.add_stream(codec, rate=facts.rate, options=dict(OPTIONS_OF[codec]))
    context: VideoCodecContext = stream.codec_context
    context.width, context.height, context.pix_fmt = facts.width, facts.height, facts.pix_fmt
    context.time_base = 1 / facts.rate
    context.thread_count = threads
    context.color_range, context.colorspace = facts.color_range, facts.color_space
    context.flags |= Flags.global_header | Flags.bitexact
    return stream


def _mux(container: Any, stream: VideoStream, packets: list[Packet[VideoStream]]) -> None:
    for packet in packets:
        packet.stream, packet.time_base = stream, MILLISECOND
        packet.dts, packet.duration = packet.pts, 1
        container.mux_one(packet)


def _compare(
    path: Path, written: list[bytes], facts: VideoFacts, threads: int, moved: Callable[[], None], name: str
) -> None:
    count = 0
    for count, frame in enumerate(decode_segment(path, threads=threads), 1):
        moved()
        same = frame.pts == count - 1 < len(written) and frame.format.name == facts.pix_fmt
        if not same or _digest(frame) != written[count - 1]:
            raise Corrupt(f"{name}: frame {count - 1} of its lossless copy is another", reason=names.PART_MISMATCH)
    if count != len(written):
        raise Corrupt(
            f"{name}: its lossless copy decodes to {count} frames of {len(written)}", reason=names.PART_MISMATCH
        )


def _digest(frame: VideoFrame) -> bytes:
    """Of the samples that are shown: rows may be padded."""
    # Split imports this module, and needs no NumPy.
    import numpy as np

    from recast.media.planes import rows_of

    digest = hashlib.sha256()
    bytes_each = 2 if frame.format.name.endswith("le") else 1
    for plane in frame.planes:
        digest.update(np.ascontiguousarray(rows_of(plane)[:, : plane.width * bytes_each]).data)
    return digest.digest()
