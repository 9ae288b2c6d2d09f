"""Which AV1 packets show no frame."""

import av
import pytest

from recast.media import obu
from tests.clips import build

DELIMITER = b"\x12\0"


def packets_of(clip: str) -> list[bytes]:
    with av.open(str(build(clip))) as container:
        return [bytes(packet) for packet in container.demux(video=0) if packet.size]


def test_each_unit_shows_a_frame_and_so_does_one_of_its_frames() -> None:
    assert not any(map(obu.is_hidden, packets_of("av1_mkv")))
    hidden = [obu.is_hidden(packet) for packet in packets_of("av1_split_mkv")]
    assert hidden.count(False) == 50 and hidden.count(True) > 10


@pytest.mark.parametrize(
    ("packet", "hidden"),
    [
        (b"\x32\x01\x00", True),
        (b"\x32\x01\x10", False),
        (b"\x1a\x01\x80", False),
        (b"\x1a\x01\x00" + b"\x22\x01\x00", True),
        (DELIMITER + b"\x32\x01\x00", True),
        (b"\x32\x01\x00" + b"\x1a\x01\x80", False),
        (b"\x36\x00\x01\x00", True),
        (b"\x30\x00\xff", True),
        (b"\x2a\x82\x01" + bytes(130) + b"\x32\x01\x10", False),
        (DELIMITER, False),
        (b"\x32\x00", False),
        (b"\x32", False),
        (b"", False),
        (bytes(99), False),
    ],
    ids=[
        "a hidden frame",
        "a shown one",
        "one that is shown again",
        "a header, and the frame's tiles",
        "behind a delimiter",
        "a hidden frame and one that is shown again",
        "with an extension",
        "without a size",
        "behind metadata with a size of two bytes",
        "no frame",
        "an empty frame",
        "half a header",
        "nothing",
        "zeros",
    ],
)
def test_a_packet_is_hidden_that_has_frames_and_shows_none(packet: bytes, hidden: bool) -> None:
    assert obu.is_hidden(packet) == hidden
