"""What is encrypted is told so, whatever packets of a transport stream look like."""

import pytest

from recast.errors import BadInput
from recast.media.encrypted import is_scrambled, scrambling_told


def stream(*controls: int, size: int = 188, begin: int = 0) -> bytes:
    """Packets with these two bits each, from a byte of the first on."""
    packets = [bytes([0x47, 1, 0, control << 6 | 0x10]) + bytes(184) for control in controls]
    lead = b"time" if size == 192 else b""
    return b"".join(lead + packet + bytes(size - 188 - len(lead)) for packet in packets)[begin:]


@pytest.mark.parametrize("size", [188, 192, 204])
@pytest.mark.parametrize("begin", [0, 77])
def test_a_scrambled_stream_is_known_however_its_packets_are_framed(size: int, begin: int) -> None:
    assert is_scrambled(stream(*[2, 3] * 20, size=size, begin=begin))
    assert not is_scrambled(stream(*[0] * 40, size=size, begin=begin))


@pytest.mark.parametrize("head", [b"", b"G", stream(2, 2), bytes(2000), b"\0\0\0\x18ftypmp42" * 100])
def test_nothing_else_is_taken_for_one(head: bytes) -> None:
    assert not is_scrambled(head)


def test_only_what_fails_is_told_to_be_scrambled() -> None:
    with scrambling_told(lambda size: stream(*[2] * 40), "in.ts"):
        pass
    with pytest.raises(BadInput, match=r"in\.ts: its pictures are encrypted: decrypt it first"):
        with scrambling_told(lambda size: stream(*[2] * 40), "in.ts"):
            raise BadInput("in.ts: does not decode")
    with pytest.raises(BadInput, match="does not decode"), scrambling_told(lambda size: b"", "in.ts"):
        raise BadInput("in.ts: does not decode")
