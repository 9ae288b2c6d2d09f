"""Sources that only a key opens: MP4 under Common Encryption, scrambled transport streams."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from recast.errors import BadInput

HEAD_BYTES = 64 << 10
SYNC = 0x47
SIZES = (188, 192, 204)
"""Of a transport stream's packets: bare, with a time before each (Blu-ray, AVCHD), with parity behind each."""
TABLES, STUFFING = 0x20, 0x1FFF
"""Tables are in packets of lower numbers than the first, and are never scrambled."""
ENOUGH = 16


def refuse_encrypted(packet: Any, name: str) -> None:
    """Stop at a packet of MP4 that is encrypted.

    Raises:
        BadInput: it is.
    """
    if packet.has_sidedata("encryption_info"):
        raise encrypted(name)


def encrypted(name: str) -> BadInput:
    """The error for an encrypted source."""
    return BadInput(f"{name}: its pictures are encrypted: decrypt it first")


@contextmanager
def scrambling_told(read_head: Callable[[int], bytes | None], name: str) -> Iterator[None]:
    """Around what decodes a source: where it fails for scrambling, the error says so.

    Args:
        read_head: reads so many bytes from the source's beginning.
        name: how errors call the source.

    Raises:
        BadInput: it failed.
    """
    try:
        yield
    except BadInput as error:
        if is_scrambled(read_head(HEAD_BYTES) or b""):
            raise encrypted(name) from error
        raise


def is_scrambled(head: bytes) -> bool:
    """Whether most packets of a transport stream say that they are (ISO/IEC 13818-1, 2.4.3.3).

    Args:
        head: its first bytes; those of another format may be given, too.
    """
    for size in SIZES:
        for start in range(min(size, len(head))):
            packets = [head[place : place + 4] for place in range(start, len(head) - 3, size)]
            if len(packets) >= ENOUGH and all(packet[0] == SYNC for packet in packets):
                return _are_scrambled(packets)
    return False


def _are_scrambled(packets: list[bytes]) -> bool:
    media = [packet for packet in packets if TABLES <= int.from_bytes(packet[1:3], "big") & 0x1FFF < STUFFING]
    return 2 * sum(bool(packet[3] & 0x80) for packet in media) > len(media)
