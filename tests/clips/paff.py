"""H.264 by hand: no encoder here writes field pictures."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass

from tests.clips.recipe import exe, picture


class _Bits:
    """Bits of an H.264 syntax structure."""

    def __init__(self) -> None:
        self.text = ""

    def u(self, value: int, width: int = 1) -> _Bits:
        self.text += f"{value:0{width}b}"
        return self

    def ue(self, *values: int) -> _Bits:
        for value in values:
            code = f"{value + 1:b}"
            self.text += "0" * (len(code) - 1) + code
        return self

    def aligned(self) -> bytes:
        text = self.text + "0" * (-len(self.text) % 8)
        return int(text, 2).to_bytes(len(text) // 8, "big")


def _nal(kind: int, ref: int, payload: bytes) -> bytes:
    escaped = bytearray()
    zeros = 0
    for byte in payload:
        if zeros >= 2 and byte <= 3:
            escaped.append(3)
            zeros = 0
        escaped.append(byte)
        zeros = zeros + 1 if byte == 0 else 0
    return b"\0\0\0\1" + bytes([ref << 5 | kind]) + bytes(escaped)


def _parameter_sets(across: int, down: int) -> bytes:
    """SPS and PPS of Main profile with fields, 25 frames a second, for so many macroblocks."""
    sps = _Bits().u(77, 8).u(0, 8).u(30, 8).ue(0, 0, 0, 4, 1).u(0).ue(across - 1, down // 2 - 1)
    sps.u(0).u(0).u(1).u(0).u(1)  # frames or fields, no MBAFF, direct_8x8, no crop, VUI
    sps.u(0, 4).u(1).u(1, 32).u(50, 32).u(1).u(0, 4).u(1)
    pps = _Bits().ue(0, 0).u(0, 2).ue(0, 0, 0).u(0, 3).ue(0, 0, 0).u(1).u(0, 2).u(1)
    return _nal(7, 3, sps.aligned()) + _nal(8, 3, pps.aligned())


@dataclass(frozen=True)
class _Picture:
    """One picture to code: a frame (field None), a top field (0) or a bottom field (1)."""

    number: int  # frames since the IDR
    field: int | None
    idr: bool


def _slice(what: _Picture, planes: tuple[bytes, bytes, bytes], width: int) -> bytes:
    """A whole picture as one I or P slice of uncoded (I_PCM) macroblocks."""
    head = _Bits().ue(0, 7 if what.idr else 5, 0).u(what.number % 16, 4)
    head.u(0) if what.field is None else head.u(1).u(what.field)
    if what.idr:
        head.ue(0)
    head.u((2 * what.number + (what.field or 0)) % 256, 8)
    head.u(0, 2 if what.idr else 3)  # how references are kept: as ever
    head.ue(0, 1)  # quantiser, no deblocking
    macroblock = _Bits().ue(25) if what.idr else _Bits().ue(0, 30)  # in a P slice after a run of 0 skipped
    head.text += macroblock.text
    body = bytearray(head.aligned())
    luma, cb, cr = planes
    height = len(luma) // width
    for y in range(0, height, 16):
        for x in range(0, width, 16):
            body += macroblock.aligned() if x or y else b""
            body += b"".join(luma[(y + i) * width + x :][:16] for i in range(16))
            for plane in (cb, cr):
                body += b"".join(plane[(y // 2 + i) * width // 2 + x // 2 :][:8] for i in range(8))
    return _nal(5 if what.idr else 1, 1, bytes(body) + b"\x80")


def _lines(plane: bytes, width: int, first: int) -> bytes:
    """Every second line of a plane."""
    return b"".join(plane[y : y + width] for y in range(first * width, len(plane), 2 * width))


def access_units(count: int, width: int = 128, height: int = 96) -> list[bytes]:
    """H.264 frames, Annex B: two of three as a pair of fields, the third as one frame; an IDR every 24."""
    command = [exe(), "-v", "error", *picture(count / 25, size=f"{width}x{height}")]
    raw = subprocess.run(
        [*command, "-pix_fmt", "yuv420p", "-f", "rawvideo", "-"], capture_output=True, check=True
    ).stdout
    luma, size = width * height, width * height * 3 // 2
    units = []
    for n in range(count):
        whole = raw[n * size : (n + 1) * size]
        planes = (whole[:luma], whole[luma : luma * 5 // 4], whole[luma * 5 // 4 :])
        number, first = n % 24, n % 24 == 0
        unit = _parameter_sets(width // 16, height // 16) if first else b""
        if n % 3 == 2:
            units.append(unit + _slice(_Picture(number, None, first), planes, width))
            continue
        for field in (0, 1):
            y, cb, cr = planes
            half = (_lines(y, width, field), _lines(cb, width // 2, field), _lines(cr, width // 2, field))
            unit += _slice(_Picture(number, field, first and field == 0), half, width)
        units.append(unit)
    return units
