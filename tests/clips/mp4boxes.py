"""MP4 boxes by hand."""

import struct
from collections.abc import Iterator


def box(kind: bytes, body: bytes) -> bytes:
    """A box."""
    return struct.pack(">I4s", 8 + len(body), kind) + body


def full_box(kind: bytes, body: bytes) -> bytes:
    """A box of version 0, without flags."""
    return box(kind, bytes(4) + body)


def boxes(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """The boxes of a stretch of MP4: type, start, end."""
    while start + 8 <= end:
        size, kind = struct.unpack_from(">I4s", data, start)
        if size == 1:
            size = struct.unpack_from(">Q", data, start + 8)[0]
        size = size or end - start
        yield kind, start, start + size
        start += size


def find_box(data: bytes, path: bytes) -> tuple[int, int]:
    """Start and end of the first box at a path such as b"moov/trak/mdia"."""
    return _box_chain(data, path)[-1]


def _box_chain(data: bytes, path: bytes) -> list[tuple[int, int]]:
    chain: list[tuple[int, int]] = []
    start, end = 0, len(data)
    for name in path.split(b"/"):
        start, end = next((s, e) for kind, s, e in boxes(data, start, end) if kind == name)
        chain.append((start, end))
        start += 8
    return chain


def replace_box(data: bytes, path: bytes, body: bytes) -> bytes:
    """The file with another body in the box at `path`; the index must lie behind the media."""
    chain = _box_chain(data, path)
    start, end = chain[-1]
    made = bytearray(data[: start + 8] + body + data[end:])
    for box_start, box_end in chain:
        struct.pack_into(">I", made, box_start, box_end - box_start + 8 + len(body) - (end - start))
    return bytes(made)


def refer_to_chapters(data: bytes, track: int) -> bytes:
    """The file with a reference of its first track to another as its chapters; the index must lie behind the media."""
    (moov, _), (start, end) = _box_chain(data, b"moov/trak")
    reference = struct.pack(">I4sI4sI", 20, b"tref", 12, b"chap", track)
    made = bytearray(data[:end] + reference + data[end:])
    for place in (moov, start):
        struct.pack_into(">I", made, place, struct.unpack_from(">I", made, place)[0] + len(reference))
    return bytes(made)
