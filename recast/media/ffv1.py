"""FFV1's own checksums, which FFmpeg's decoder only logs: one for each slice (RFC 9043, 4.9)."""

import zlib

TRAILER, TRAILER_WITH_CRC = 3, 8
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def is_damaged(packet: bytes) -> bool:
    """Whether a packet of FFV1 version 3 or later is not what its encoder wrote.

    A packet without checksums (they are an option of the encoder) is never found damaged unless its slices do not
    add up to its size.
    """
    with_crc = _slices(packet, TRAILER_WITH_CRC)
    if with_crc is None:
        return _slices(packet, TRAILER) is None
    return any(not _is_whole(packet[start:end]) for start, end in with_crc)


def _slices(packet: bytes, trailer: int) -> list[tuple[int, int]] | None:
    """Where each slice begins and ends, from the last to the first: each ends with its own size, 24 bits.

    None where they do not fill the packet.
    """
    found: list[tuple[int, int]] = []
    end = len(packet)
    while end > 0:
        place = end - trailer
        size = int.from_bytes(packet[place : place + 3], "big") + trailer if place >= 0 else end + 1
        if size > end:
            return None
        found.append((end - size, end))
        end -= size
    return found


def _is_whole(data: bytes) -> bool:
    """Whether the CRC over a slice and its own CRC is nought: 0x04C11DB7, highest bit first, from nought.

    zlib's is the same polynomial lowest bit first, inverted before and after.
    """
    return zlib.crc32(data.translate(_REVERSED), 0xFFFFFFFF) == 0xFFFFFFFF
