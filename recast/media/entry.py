"""What a container alone says of a picture, as boxes of a MP4's sample entry: cropping, a sphere, HDR of some codecs.

PyAV hands it on from stream to stream and tells nobody. So it is read from the header that FFmpeg writes for the track,
and put into that of the stamped video in the same form, from where the last mux copies it into any container.
"""

import io
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import av
from av.video.stream import VideoStream

from recast.media import avlog as avlog  # before anything is opened
from recast.media.formats import opened_as
from recast.media.turning import MATRIX
from recast.process.exhausted import raise_if_exhausted

SAY_IT = {"mov", "matroska"}
"""Demuxers whose formats have it."""
HEADER_ONLY = {"movflags": "empty_moov+frag_keyframe", "strict": "unofficial"}
MUXERS = ("mp4", "mov")
"""Each has codecs that the other has not, and MP4 the most boxes."""
TO_SAMPLE_ENTRY = (b"trak", b"mdia", b"minf", b"stbl", b"stsd")
CHILDREN_AT = {b"stsd": 16}
"""Where a box's children begin, if not behind its size and type: `stsd` counts them first (ISO/IEC 14496-12, 8.5.2)."""
MATRIX_AT = {0: 48, 1: 60}
"""Where the matrix stands in a track's header, by its version (8.3.2)."""
VISUAL_ENTRY = 86
"""Bytes of a sample entry of video before its own boxes (12.1.3)."""

Box = tuple[bytes, int, int]


def boxes_of(stream: VideoStream) -> dict[str, bytes]:
    """The boxes of a track's sample entry, whole, by their types; none where its format has no such things."""
    if not SAY_IT & opened_as(stream.container):
        return {}
    for muxer in MUXERS:
        header = io.BytesIO()
        try:
            with av.open(header, "w", format=muxer, options=HEADER_ONLY) as output:
                output.add_stream_from_template(stream, opaque=True)
                output.start_encoding()
        except (av.error.FFmpegError, ValueError) as error:
            raise_if_exhausted(error)
            continue
        data = header.getvalue()
        entry = _sample_entry(data)
        found = boxes_in(data, entry[-1][1] + VISUAL_ENTRY, entry[-1][2]) if entry else ()
        return {name.decode("latin-1"): data[start:end] for name, start, end in found}
    return {}


def add_to_entry(path: Path, added: Sequence[bytes]) -> None:
    """Write boxes into the sample entry of a MP4 or MOV file whose `moov` comes last, so that nothing else moves.

    Args:
        path: the file; its first track is video.
        added: the boxes.
    """
    more = b"".join(added)
    with path.open("r+b") as file:
        moov = find_moov(file)
        assert moov is not None, "FFmpeg has written one"
        start = moov[0]
        file.seek(start)
        data = bytearray(file.read())
        boxes = _sample_entry(bytes(data))
        for _, place, end in boxes:
            struct.pack_into(">I", data, place, end - place + len(more))
        end = boxes[-1][2]
        data[end:end] = more
        file.seek(start)
        file.write(data)


def set_matrix(path: Path, matrix: Sequence[int]) -> None:
    """Write a display matrix into the first track's header of a MP4 or MOV file.

    Args:
        path: the file.
        matrix: its nine numbers.
    """
    with path.open("r+b") as file:
        moov = find_moov(file)
        assert moov is not None, "FFmpeg has written one"
        start = moov[0]
        file.seek(start)
        data = file.read()
        _, place, _ = _boxes_to((b"moov", b"trak", b"tkhd"), data)[-1]
        file.seek(start + place + MATRIX_AT[data[place + 8]])
        file.write(MATRIX.pack(*matrix))


def find_moov(file: BinaryIO | io.RawIOBase) -> tuple[int, int, int] | None:
    """Where a file's `moov` begins, where its body does, and where it ends; None where there is none."""
    place = 0
    while len(head := _read_at(file, place, 16)) >= 8:
        size, name = struct.unpack_from(">I4s", head)
        body = 8
        if size == 1:
            size, body = int.from_bytes(head[8:], "big"), 16
        if size < body:
            return None
        if name == b"moov":
            return place, place + body, place + size
        place += size
    return None


def _read_at(file: BinaryIO | io.RawIOBase, place: int, size: int) -> bytes:
    file.seek(place)
    return file.read(size) or b""


def _sample_entry(data: bytes) -> list[Box]:
    """The first track's sample entry with all boxes that it is in, outermost first; empty where there is none."""
    path = _boxes_to((b"moov", *TO_SAMPLE_ENTRY), data)
    if not path:
        return []
    name, start, end = path[-1]
    return [*path, *list(boxes_in(data, start + CHILDREN_AT[name], end))[:1]]


def _boxes_to(names: Sequence[bytes], data: bytes) -> list[Box]:
    """The first box of each name inside the one before; empty where one is missing."""
    path: list[Box] = []
    start, end = 0, len(data)
    for name in names:
        found = next((box for box in boxes_in(data, start, end) if box[0] == name), None)
        if found is None:
            return []
        path.append(found)
        start, end = found[1] + CHILDREN_AT.get(name, 8), found[2]
    return path


def boxes_in(data: bytes, start: int, end: int) -> Iterator[Box]:
    """Type, start and end of each box between two places."""
    while start + 8 <= end:
        size, name = struct.unpack_from(">I4s", data, start)
        if size < 8 or start + size > end:
            return
        yield name, start, start + size
        start += size
