"""What demuxers lose on the way, and say in FFmpeg's log alone.

Where a block's header is damaged, a demuxer looks for the next one that is whole and goes on: packets are gone, and
nothing but a line of the log tells. So the log is listened to, while a demuxer opens a file or reads from it and at no
other time: decoders log from threads of their own, whom PyAV's callback would have wait for Python's lock.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import av

LOST = {
    "matroska,webm": (
        "exceeds containing master element", "exceeds max length", "invalid as first byte", "Invalid length",
        "Invalid track number", "Error parsing frame sizes",
    ),
    "mov,mp4,m4a,3gp,3g2,mj2": ("Sample size", "or sample size"),
    "flv": ("Packet mismatch",),
    "ogg": ("CRC mismatch",),
    "nut": ("no checksum", "header_idx invalid"),
    "asf": ("packet_obj_size", "packet_frag_size", "fragment position invalid", "asf skip"),
    "mxf": ("edit unit sync lost",),
}  # fmt: skip
"""By demuxer, how it says that it passes over something (FFmpeg 8's sources, and some thousand damaged files)."""
CLUSTER_ELEMENTS = frozenset({0x8E, 0xA2, 0xA4, 0xAF, 0xC8, 0xFD, 0x5854})
"""What may be between Matroska's blocks, and FFmpeg does not know (RFC 9559, annex A: reclaimed, or of no use here)."""
_PLACE = re.compile(r"at (?:pos \d+ \()?0x([0-9a-fA-F]+)")
_UNKNOWN = re.compile(r"Unknown entry 0x([0-9A-F]+) at pos\. (\d+)")

av.logging.set_skip_repeated(False)


@dataclass(frozen=True)
class Loss:
    """Packets that a demuxer passed over.

    Attributes:
        words: FFmpeg's.
        place: byte of the file, where it says one.
        between: it is one only if it lies between packets: an element that is not known may be in a header.
    """

    words: str
    place: int | None
    between: bool = False


class Losses:
    """Listens, and remembers what nobody has asked for yet."""

    def __init__(self) -> None:
        self._heard: list[Loss] = []
        self._begun_at: int | None = None

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Around what opens a file or reads its next packet."""
        av.logging.set_level(av.logging.DEBUG)
        try:
            with av.logging.Capture() as lines:
                yield
        finally:
            av.logging.restore_default_callback()
        self._heard += [loss for _, name, words in lines if (loss := loss_of(name, words)) is not None]

    def before(self, place: int | None) -> list[Loss]:
        """What was heard of what lies before the next packet; it is forgotten.

        Args:
            place: where the packet is, in bytes; None for the end of the file, or where that is not known.
        """
        if self._begun_at is None:
            self._begun_at = place
        due = [loss for loss in self._heard if loss.place is None or place is None or loss.place < place]
        self._heard = [loss for loss in self._heard if loss not in due]
        return [loss for loss in due if not loss.between or self._is_between(loss, place)]

    def _is_between(self, loss: Loss, place: int | None) -> bool:
        if loss.place is None or place is None or self._begun_at is None:
            return False
        return self._begun_at < loss.place < place


def loss_of(name: str, words: str) -> Loss | None:
    """What a line of FFmpeg's log says was lost; None where nothing was.

    Args:
        name: of what wrote the line: a demuxer's is its format's.
        words: the line.
    """
    words = words.strip()
    if any(each in words for each in LOST.get(name, ())):
        place = _PLACE.search(words)
        return Loss(words, int(place[1], 16) if place else None)
    unknown = _UNKNOWN.match(words) if name == "matroska,webm" else None
    if unknown and int(unknown[1], 16) not in CLUSTER_ELEMENTS:
        return Loss(words, int(unknown[2]), between=True)
    return None
