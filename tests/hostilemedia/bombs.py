"""Small files that ask for much: huge pictures, thousands of tracks, tables that lie, archives that unpack to a lot."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path

import av

HUGE_COUNT = 100_000_000
"""Entries of an index: 2.4 GB in FFmpeg's memory."""
UNPACKED = 256 << 20

Seeds = Mapping[str, bytes]
Bomb = Callable[[Seeds, Path], bytes]

BOMBS: dict[str, Bomb] = {
    "pixels.gif": lambda seeds, folder: _patched(seeds["gif.gif"], 6, b"\xff\xff\xff\xff"),
    "pixels.avi": lambda seeds, folder: _jpeg_of(seeds["mjpeg.avi"], 65500, 65500),
    "many_pixels.avi": lambda seeds, folder: _jpeg_of(seeds["mjpeg.avi"], 11000, 11000),
    "pixels.webm": lambda seeds, folder: _vp8_of(seeds["vp8.webm"], 16383, 16383),
    "pixels.y4m": lambda seeds, folder: b"YUV4MPEG2 W60000 H60000 F25:1\nFRAME\n" + bytes(9000),
    "pixels.mov": lambda seeds, folder: _png_in_mov(folder, 40_000, 40_000),
    "many_pixels.mov": lambda seeds, folder: _png_in_mov(folder, 4000, 4000),
    "tracks_300.mp4": lambda seeds, folder: _tracks(seeds["h264.mp4"], 300),
    "tracks_5000.mp4": lambda seeds, folder: _tracks(seeds["h264.mp4"], 5000),
    "tracks_2000.mkv": lambda seeds, folder: _matroska_tracks(seeds["h264.mkv"], 2000),
    "index.mp4": lambda seeds, folder: _index(seeds["hevc.mp4"], HUGE_COUNT),
    "index_of_some.mp4": lambda seeds, folder: _index(seeds["hevc.mp4"], 1_000_000),
    "packed_index.mp4": lambda seeds, folder: _packed_index(),
    "nested.mp4": lambda seeds, folder: struct.pack(">I", 16) + b"ftypisom\0\0\0\0" + (b"\0\0\0\0moov" * 50_000),
    "frame_size.ivf": lambda seeds, folder: _patched(seeds["vp9.ivf"], 32, b"\xff\xff\xff\x7f"),
    "attachments.mkv": lambda seeds, folder: _attachments(seeds["h264.mkv"], 3000),
    "zeros.mp4": lambda seeds, folder: bytes(4 << 20),
    "sync.ts": lambda seeds, folder: (b"\x47" + b"\x1f\xff\x10" + b"\xff" * 184) * 20_000,
    "starts.h264": lambda seeds, folder: seeds["h264.h264"] + b"\0\0\1\x67" * 100_000,
}


def _patched(data: bytes, at: int, with_: bytes) -> bytes:
    return data[:at] + with_ + data[at + len(with_) :]


def _jpeg_of(data: bytes, width: int, height: int) -> bytes:
    """An AVI of JPEGs that say another size, as does the AVI."""
    changed = data.replace(struct.pack(">HH", 64, 96), struct.pack(">HH", height, width))
    return changed.replace(struct.pack("<II", 96, 64), struct.pack("<II", width, height))


def _vp8_of(data: bytes, width: int, height: int) -> bytes:
    """A WebM whose VP8 keyframes say another size."""
    mark = b"\x9d\x01\x2a"
    return data.replace(mark + struct.pack("<HH", 96, 64), mark + struct.pack("<HH", width, height))


def _png_in_mov(folder: Path, width: int, height: int) -> bytes:
    """A MOV of one black PNG, which packs a thousandfold."""
    packer, row = zlib.compressobj(9), bytes(1 + width)
    rows = b"".join(packer.compress(row * 100) for _ in range(height // 100)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", rows), (b"IEND", b""))
    png = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks
    )
    path = folder / f"png-{width}.mov"
    with av.open(str(path), "w", format="mov") as container:
        stream = container.add_stream("png", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "gray"
        packet = av.Packet(png)
        packet.stream, packet.time_base = stream, Fraction(1, 25)
        packet.pts = packet.dts = 0
        packet.is_keyframe = True
        container.start_encoding()
        container.mux_one(packet)
    return path.read_bytes()


def _tracks(data: bytes, count: int) -> bytes:
    """An MP4 (its index behind its media) with the last track over and over."""
    at = data.rfind(b"trak") - 4
    size = struct.unpack(">I", data[at : at + 4])[0]
    more = data[at : at + size] * (count - 2)
    moov = data.find(b"moov") - 4
    whole = struct.unpack(">I", data[moov : moov + 4])[0] + len(more)
    return data[:moov] + struct.pack(">I", whole) + data[moov + 4 : at + size] + more + data[at + size :]


def _matroska_tracks(data: bytes, count: int) -> bytes:
    """A Matroska with its tracks over and over, of a segment of unknown length."""
    return _grown(data, b"\x16\x54\xae\x6b", count // 2)


def _attachments(data: bytes, count: int) -> bytes:
    """A Matroska with thousands of attached files, each a track to FFmpeg."""
    name, kind, content = b"\x46\x6e\x81a", b"\x46\x60\x89font/sfnt", b"\x46\x5c\x81x"
    number = b"\x46\xae\x81\x01"
    file = name + kind + content + number
    files = (b"\x61\xa7" + bytes([0x80 | len(file)]) + file) * count
    at = data.find(b"\x1f\x43\xb6\x75")
    return _endless(data[:at] + b"\x19\x41\xa4\x69" + _size(len(files)) + files + data[at:])


def _grown(data: bytes, element: bytes, times: int) -> bytes:
    at = data.find(element) + len(element)
    width = 9 - data[at].bit_length()
    size = int.from_bytes(data[at : at + width], "big") & ((1 << 7 * width) - 1)
    body = data[at + width : at + width + size] * times
    return _endless(data[:at] + _size(len(body)) + body + data[at + width + size :])


def _size(length: int) -> bytes:
    return (length | 1 << 56).to_bytes(8, "big")


def _endless(data: bytes) -> bytes:
    at = data.find(b"\x18\x53\x80\x67") + 4
    width = 9 - data[at].bit_length()
    return data[:at] + b"\x01" + b"\xff" * 7 + data[at + width :]


def _index(data: bytes, count: int) -> bytes:
    """An MP4 whose tables say that it has `count` samples of one byte, in few bytes."""
    changed = bytearray(data)
    for name, place, value in ((b"stsz", 8, 1), (b"stsz", 12, count), (b"stts", 12, count), (b"stsc", 16, count)):
        at = changed.find(name) + place - 4 + 4
        changed[at : at + 4] = struct.pack(">I", value)
    return bytes(changed)


def _packed_index() -> bytes:
    """A MOV with a compressed index (cmov) that unpacks to zeros."""
    packer, zeros = zlib.compressobj(9), bytes(1 << 20)
    packed = b"".join(packer.compress(zeros) for _ in range(UNPACKED >> 20)) + packer.flush()
    cmvd = _box(b"cmvd", struct.pack(">I", UNPACKED) + packed)
    return _box(b"ftyp", b"qt  \0\0\0\0") + _box(b"moov", _box(b"cmov", _box(b"dcom", b"zlib") + cmvd))


def _box(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", 8 + len(body)) + name + body
