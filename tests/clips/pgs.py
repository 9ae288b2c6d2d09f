"""Subtitles of Blu-rays (PGS) by hand: no encoder here makes any."""

import struct
from pathlib import Path

WIDTH, HEIGHT = 16, 8
LINE = bytes([0, 0x80 | WIDTH, 1, 0, 0])
"""A run of pixels of colour 1, and the line's end."""


def write_pgs(path: Path, starts: tuple[float, ...], *, seconds: float = 0.5) -> None:
    """A .sup file.

    Args:
        path: the file.
        starts: when each picture is shown, in seconds.
        seconds: for how long.
    """
    parts = []
    for number, start in enumerate(starts):
        bitmap = LINE * HEIGHT
        window = struct.pack(">BBHHHH", 1, 0, 10, 10, WIDTH, HEIGHT)
        parts += [
            _part(start, 0x16, _composition(2 * number, epoch=True)),
            _part(start, 0x17, window),
            _part(start, 0x14, bytes([0, 0, 1, 200, 128, 128, 255])),
            _part(start, 0x15, b"\0\0\0\xc0" + struct.pack(">IHH", len(bitmap) + 4, WIDTH, HEIGHT)[1:] + bitmap),
            _part(start, 0x80, b""),
            _part(start + seconds, 0x16, _composition(2 * number + 1, epoch=False)),
            _part(start + seconds, 0x17, window),
            _part(start + seconds, 0x80, b""),
        ]
    path.write_bytes(b"".join(parts))


def _composition(number: int, *, epoch: bool) -> bytes:
    head = struct.pack(">HHBHBBBB", 192, 144, 0x10, number, 0x80 if epoch else 0, 0, 0, int(epoch))
    return head + (struct.pack(">HBBHH", 0, 0, 0, 10, 10) if epoch else b"")


def _part(seconds: float, kind: int, data: bytes) -> bytes:
    return b"PG" + struct.pack(">IIBH", round(seconds * 90000), 0, kind, len(data)) + data
