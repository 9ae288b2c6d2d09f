"""What an image file says of itself in its head: kind, size, and whether all of it is there. Nothing is decoded.

Sizes are checked before any decoder sees the file: a few kilobytes can unpack to gigabytes.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass

from recast import names
from recast.errors import BadInput

KINDS = "PNG, JPEG, WebP, BMP or TIFF"
SOI, EOI = b"\xff\xd8", b"\xff\xd9"
NOT_FRAMES = (0xC4, 0xC8, 0xCC)
"""Of JPEG's markers C0 to CF: tables, and one that is reserved."""
SOS = 0xDA


@dataclass(frozen=True)
class Head:
    """What an image file says of itself.

    Attributes:
        width: of the picture as it is stored.
        height: likewise.
        whole: whether the file goes on to its end mark, or to the length that it declares.
    """

    width: int
    height: int
    whole: bool


def check_head(name: str, data: bytes, most_pixels: int) -> None:
    """Refuse what no decoder need see.

    Args:
        name: for messages.
        data: the file's bytes.
        most_pixels: that a picture may have.

    Raises:
        BadInput: not an image, cut off, or too large.
    """
    head = read_head(data)
    if head is None:
        raise BadInput(f"{name}: not an image that can be read: give a {KINDS} file")
    if head.width * head.height > most_pixels:
        raise BadInput(
            f"{name}: {head.width} x {head.height} pixels: limits.imagePixels (--limit image-pixels=N) allows "
            f"{most_pixels}: give a smaller image",
            reason=names.OVER_LIMIT,
        )
    if not head.whole:
        raise BadInput(f"{name}: the image is cut off: copy it again")


def read_head(data: bytes) -> Head | None:
    """The head of a PNG, JPEG, WebP, BMP or TIFF file; None where it is none of these, or a broken one."""
    for starts, reader in READERS:
        if data.startswith(starts):
            try:
                return reader(data)
            except (struct.error, IndexError, ValueError):
                return None
    return None


def _png(data: bytes) -> Head:
    width, height = struct.unpack_from(">II", data, 16)
    return Head(width, height, b"IEND" in data[-64:] or data.rfind(b"IEND") > data.rfind(b"IDAT"))


def _jpeg(data: bytes) -> Head | None:
    at, size = 2, None
    while at + 9 <= len(data):
        # Any number of FF may stand before a marker.
        if data[at] != 0xFF:
            return None
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        if 0xC0 <= marker <= 0xCF and marker not in NOT_FRAMES:
            height, width = struct.unpack_from(">HH", data, at + 5)
            size = width, height
        if marker == SOS:
            # In coded data FF is always followed by 00 or a restart marker.
            return Head(*size, whole=data.rfind(EOI) > at) if size else None
        at += 2 + struct.unpack_from(">H", data, at + 2)[0]
    return Head(*size, whole=False) if size else None


def _webp(data: bytes) -> Head | None:
    """RIFF of WEBP (RFC 9649); of an animation, its canvas."""
    whole = 8 + struct.unpack_from("<I", data, 4)[0] <= len(data)
    kind = data[12:16]
    if data[8:12] != b"WEBP":
        return None
    if kind == b"VP8X":
        width, height = (1 + int.from_bytes(data[at : at + 3], "little") for at in (24, 27))
        return Head(width, height, whole)
    if kind == b"VP8L":
        bits = struct.unpack_from("<I", data, 21)[0]
        return Head((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, whole)
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, 26)
        return Head(width & 0x3FFF, height & 0x3FFF, whole)
    return None


def _bmp(data: bytes) -> Head:
    width, height = struct.unpack_from("<ii", data, 18)
    return Head(abs(width), abs(height), struct.unpack_from("<I", data, 2)[0] <= len(data))


def _tiff(data: bytes) -> Head | None:
    """The first page (TIFF 6.0, section 2): tags 256 and 257, of 2 or 4 bytes."""
    order = "<" if data[:2] == b"II" else ">"
    at = struct.unpack_from(order + "I", data, 4)[0]
    sizes: dict[int, int] = {}
    for number in range(struct.unpack_from(order + "H", data, at)[0]):
        tag, kind = struct.unpack_from(order + "HH", data, at + 2 + 12 * number)
        if tag in (256, 257):
            sizes[tag] = struct.unpack_from(order + ("H" if kind == 3 else "I"), data, at + 10 + 12 * number)[0]
    return Head(sizes[256], sizes[257], True) if len(sizes) == 2 else None


READERS: tuple[tuple[bytes, Callable[[bytes], Head | None]], ...] = (
    (b"\x89PNG\r\n\x1a\n", _png),
    (SOI, _jpeg),
    (b"RIFF", _webp),
    (b"BM", _bmp),
    (b"II*\0", _tiff),
    (b"MM\0*", _tiff),
)
