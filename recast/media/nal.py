"""NAL units of H.264 and HEVC: byte patterns that none may hold, and parameter sets.

A decoder takes such patterns for pictures all the same. Inside a NAL unit there are never two zero bytes before one
below 3 (ITU-T H.264, 7.4.1.1; H.265, 7.4.2.2): that is kept for start codes. So a block of zeros, what a disk or a
download leaves of what it lost, shows.
"""

import re
from collections.abc import Iterator

PICTURES = {"h264": (0x1F, 0, range(1, 6)), "hevc": (0x3F, 1, range(32))}
"""Mask and shift of a NAL unit's type in its first byte, and the types that hold pictures."""
PARAMETERS = {"h264": "7-9", "hevc": "32-35"}
"""The types that go into a container's header: parameter sets, and delimiters of access units."""
MOST_TRAILING = 16
"""Zero bytes at a unit's end; a picture itself ends with a bit that is set."""
_IN_UNIT = re.compile(b"\0\0[\0\1\2]")
_BETWEEN_START_CODES = re.compile(b"\0\0(?:\2|\0+[^\0\1])")


def is_damaged(packet: bytes, codec: str, extradata: bytes) -> bool:
    """Whether a packet breaks that rule, has nothing in its NAL units, or their sizes do not add up to its own.

    Args:
        packet: its bytes.
        codec: h264 or hevc.
        extradata: of the track; its form tells whether NAL units have sizes before them, or start codes.
    """
    width = _width_of_sizes(codec, extradata)
    if width is None:
        return _BETWEEN_START_CODES.search(packet) is not None
    mask, shift, pictures = PICTURES[codec]
    empty = True
    for unit in _units(packet, width):
        if unit is None:
            return True
        empty = empty and not unit
        if not unit or (unit[0] >> shift) & mask not in pictures:
            continue
        # Some muxers leave the few zeros that stood before the next start code.
        whole = unit.rstrip(b"\0")
        if len(unit) - len(whole) > MOST_TRAILING or _IN_UNIT.search(whole):
            return True
    return empty


def _width_of_sizes(codec: str, extradata: bytes) -> int | None:
    """Bytes of the size before each unit (ISO/IEC 14496-15, 5.3.3.1 and 8.3.3.1); None where there are start codes."""
    place = 4 if codec == "h264" else 21
    if len(extradata) <= place or extradata[0] != 1:
        return None
    return (extradata[place] & 3) + 1


def _units(packet: bytes, width: int) -> Iterator[bytes | None]:
    """The units; None where one is longer than what is left."""
    place = 0
    while place < len(packet):
        start = place + width
        place = start + int.from_bytes(packet[place:start], "big")
        yield packet[start:place] if place <= len(packet) else None


def parameter_sets(codec: str, extradata: bytes) -> bytes:
    """A track's parameter sets as units of a packet: those of its record (ISO/IEC 14496-15, 5.3.3.1 and 8.3.3.1).

    Args:
        codec: h264 or hevc.
        extradata: of the track; where it has start codes, it is such units already.
    """
    width = _width_of_sizes(codec, extradata)
    if width is None:
        return extradata
    sets, place = bytearray(), 5 if codec == "h264" else 23
    # H.264 has a list of SPS and one of PPS, HEVC as many lists as it says, each with a type before it.
    for number in range(2 if codec == "h264" else extradata[22]):
        if codec == "h264":
            count, place = extradata[place] & (0x1F if number == 0 else 0xFF), place + 1
        else:
            count, place = int.from_bytes(extradata[place + 1 : place + 3], "big"), place + 3
        for _ in range(count):
            start = place + 2
            size = int.from_bytes(extradata[place:start], "big")
            place = start + size
            sets += size.to_bytes(width, "big") + extradata[start:place]
    return bytes(sets)


def has_same_framing(codec: str, extradata: bytes, other: bytes) -> bool:
    """Whether units have sizes of the same width before them, or start codes, by both of a track's records."""
    return _width_of_sizes(codec, extradata) == _width_of_sizes(codec, other)
