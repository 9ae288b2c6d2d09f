"""Cropping that the container alone asks for: Matroska's PixelCrop, the clean aperture (clap) of MP4 and MOV.

Players and FFmpeg's own tool cut the picture by it; decoders do not, and PyAV does not tell. So it is read from the
header that FFmpeg writes for the track in a MOV file, and put into that of the stamped video in the same form, from
where the last mux copies it into any container.
"""

import io
import struct
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
from av.video.stream import VideoStream

from recast.manifest import Crop
from recast.media import avlog as avlog  # before anything is opened
from recast.media.formats import opened_as
from recast.process.exhausted import raise_if_exhausted

SAY_IT = {"mov", "matroska"}
"""Demuxers whose formats have it."""
HEADER_ONLY = {"movflags": "empty_moov+frag_keyframe"}
TO_SAMPLE_ENTRY = (b"trak", b"mdia", b"minf", b"stbl", b"stsd")
CHILDREN_AT = {b"stsd": 16}
"""Where a box's children begin, if not behind its size and type: `stsd` counts them first (ISO/IEC 14496-12, 8.5.2)."""
VISUAL_ENTRY = 86
"""Bytes of a sample entry of video before its own boxes (12.1.3)."""

Box = tuple[bytes, int, int]


def cropping_of(stream: VideoStream, width: int, height: int) -> Crop | None:
    """What the source's container has players cut off; None where that is nothing, or MOV cannot hold the codec.

    Args:
        stream: the video track.
        width: of its pictures.
        height: likewise.
    """
    if not SAY_IT & opened_as(stream.container):
        return None
    header = io.BytesIO()
    try:
        with av.open(header, "w", format="mov", options=HEADER_ONLY) as output:
            output.add_stream_from_template(stream, opaque=True)
            output.start_encoding()
    except (av.error.FFmpegError, ValueError) as error:
        raise_if_exhausted(error)
        return None
    data = header.getvalue()
    entry = _sample_entry(data, 0, len(data))
    for name, start, end in _boxes(data, entry[-1][1] + VISUAL_ENTRY, entry[-1][2]) if entry else ():
        if name == b"clap" and end - start >= 40:
            return _read_clap(struct.unpack_from(">8i", data, start + 8), width, height)
    return None


def _read_clap(fields: tuple[int, ...], width: int, height: int) -> Crop | None:
    """Turn a clean aperture's size and its centre's distance from the picture's (12.1.4) into what is cut off."""
    if not all(fields[1::2]):
        return None
    wide, high, right, down = (Fraction(*fields[i : i + 2]) for i in range(0, 8, 2))
    left, top = (width - wide) / 2 + right, (height - high) / 2 + down
    sides = [round(side) for side in (top, height - high - top, left, width - wide - left)]
    if min(sides) < 0 or not any(sides) or sides[0] + sides[1] >= height or sides[2] + sides[3] >= width:
        return None
    return Crop(top=sides[0], bottom=sides[1], left=sides[2], right=sides[3])


def add_cropping(path: Path, crop: Crop, width: int, height: int) -> None:
    """Write a clean aperture into a MP4 or MOV file whose `moov` comes last, so that nothing else moves.

    Args:
        path: the file; its first track is video.
        crop: what is cut off.
        width: of its pictures.
        height: likewise.
    """
    clap = struct.pack(
        ">I4s8i",
        40,
        b"clap",
        *(width - crop.left - crop.right, 1, height - crop.top - crop.bottom, 1),
        *(crop.left - crop.right, 2, crop.top - crop.bottom, 2),
    )
    with path.open("r+b") as file:
        start = _place_of_moov(file)
        file.seek(start)
        data = bytearray(file.read())
        boxes = _sample_entry(bytes(data), 0, len(data))
        for _, place, end in boxes:
            struct.pack_into(">I", data, place, end - place + len(clap))
        end = boxes[-1][2]
        data[end:end] = clap
        file.seek(start)
        file.write(data)


def _place_of_moov(file: io.BufferedRandom) -> int:
    place = 0
    while True:
        file.seek(place)
        size, name = struct.unpack(">I4s", file.read(8))
        if name == b"moov":
            return place
        place += int.from_bytes(file.read(8), "big") if size == 1 else size


def _sample_entry(data: bytes, start: int, end: int) -> list[Box]:
    """The first track's sample entry with all boxes that it is in, outermost first; empty where there is none."""
    path: list[Box] = []
    for name in (b"moov", *TO_SAMPLE_ENTRY):
        found = next((box for box in _boxes(data, start, end) if box[0] == name), None)
        if found is None:
            return []
        path.append(found)
        start, end = found[1] + CHILDREN_AT.get(name, 8), found[2]
    return [*path, *list(_boxes(data, start, end))[:1]]


def _boxes(data: bytes, start: int, end: int) -> Iterator[Box]:
    """Type, start and end of each box between two places."""
    while start + 8 <= end:
        size, name = struct.unpack_from(">I4s", data, start)
        if size < 8 or start + size > end:
            return
        yield name, start, start + size
        start += size
