"""AV1 packets that show no frame: a temporal unit cut into its frames, as FFmpeg's `av1_frame_split` does it.

A frame's header says in its first bits whether it is shown (AV1, 5.9.2).
"""

from collections.abc import Iterator

WITH_FRAME_HEADER = frozenset({3, 6})
"""Types of OBU: a frame's header, and a header with its frame."""
SHOW_EXISTING_FRAME, SHOW_FRAME = 0x80, 0x10


def is_hidden(packet: bytes) -> bool:
    """Whether there are frames in a packet, none of which is shown."""
    headers = [payload[0] for kind, payload in _units(packet) if kind in WITH_FRAME_HEADER and payload]
    return bool(headers) and not any(header & (SHOW_EXISTING_FRAME | SHOW_FRAME) for header in headers)


def _units(packet: bytes) -> Iterator[tuple[int, bytes]]:
    """Types and payloads of its OBUs (5.3)."""
    place = 0
    while place < len(packet):
        header = packet[place]
        kind, extended, has_size = (header >> 3) & 0xF, (header >> 2) & 1, (header >> 1) & 1
        place += 1 + extended
        size = len(packet) - place
        if has_size:
            size, place = _leb128(packet, place)
        yield kind, packet[place : place + size]
        place += size


def _leb128(packet: bytes, place: int) -> tuple[int, int]:
    """A number of 7 bits a byte, the lowest first, and the place behind it (4.10.5)."""
    number = 0
    for nth, byte in enumerate(packet[place : place + 8]):
        number |= (byte & 0x7F) << (7 * nth)
        place += 1
        if not byte & 0x80:
            break
    return number, place
