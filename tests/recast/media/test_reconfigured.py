"""What a keyframe carries once a track's header has changed."""

from types import SimpleNamespace
from typing import Any

import av
import pytest

from recast.errors import BadInput
from recast.media import nal
from recast.media.reconfigured import Reconfigured
from tests import clips


def packet(header: bytes | None) -> Any:
    return SimpleNamespace(has_sidedata=lambda kind: header is not None, get_sidedata=lambda kind: header)


def track(codec: str, header: bytes) -> Any:
    context = SimpleNamespace(codec=SimpleNamespace(canonical_name=codec), extradata=header)
    return SimpleNamespace(codec_context=context)


@pytest.mark.media
@pytest.mark.parametrize(
    ("clip", "codec", "types"), [("cfr", "h264", [7, 8]), ("one_keyframe_hevc", "hevc", [32, 33, 34])]
)
def test_parameter_sets_of_a_header_are_units_of_a_packet(clip: str, codec: str, types: list[int]) -> None:
    with av.open(str(clips.build(clip))) as source:
        sets = nal.parameter_sets(codec, source.streams.video[0].codec_context.extradata or b"")
    found, place = [], 0
    while place < len(sets):
        found.append(sets[place + 4] >> 1 & 63 if codec == "hevc" else sets[place + 4] & 31)
        place += 4 + int.from_bytes(sets[place : place + 4], "big")
    assert place == len(sets) and found[: len(types)] == types


def test_the_same_header_again_changes_nothing() -> None:
    same = packet(b"\1abcdefgh")
    assert Reconfigured(track("h264", b"\1abcdefgh"), "in.mp4").complete(same) is same


@pytest.mark.parametrize(
    ("codec", "header"),
    [("mpeg4", b"another"), ("h264", b"\1abc\xfe\xe1"), ("h264", b"\1abc\xff")],
    ids=["another codec", "sizes of three bytes", "cut off"],
)
def test_a_header_that_no_keyframe_can_carry_is_refused(codec: str, header: bytes) -> None:
    tracked = Reconfigured(track(codec, b"\1abc\xff\xe1"), "in.mp4")
    with pytest.raises(BadInput, match=r"in\.mp4: its .* decoder is set up anew on the way: cut the source there"):
        tracked.complete(packet(header))
