"""A decode of all packets: by threads where that gives all, else by one."""

from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import pytest

from recast.media import numbered, source, whole
from tests.clips import build

pytestmark = pytest.mark.media
ONE = Fraction(1)


@pytest.mark.parametrize(("most", "expected"), [(64 << 20, [3]), (1000, [3, 1])], ids=["kept", "too large"])
def test_of_fields_in_packets_of_their_own_the_end_alone_is_decoded_twice(
    most: int, expected: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def open_source() -> Any:
        return source.open_source(str(build("ts_paff")), "ts_paff")

    one, _ = whole._decode_by_threads(open_source, "ts_paff", 1, ONE)
    monkeypatch.setattr(numbered, "usable_cores", lambda: 3)
    monkeypatch.setattr(whole, "TAIL_BYTES", most)
    decode, threads = whole._decode_by_threads, []
    monkeypatch.setattr(whole, "_decode_by_threads", lambda *said: (threads.append(said[2]), decode(*said))[1])
    assert whole.decode_whole(open_source, "ts_paff", ONE) == one
    assert one.without_a_frame()
    assert threads == expected


def test_of_a_streams_end_what_is_kept_begins_with_a_keyframe_far_enough_before_it() -> None:
    def kept(packets: list[Any], first: int) -> list[int] | None:
        decoder = SimpleNamespace(decode=lambda packet: [] if packet is None else [SimpleNamespace(pts=packet.pts)])
        tail = whole._Tail(decoder)  # type: ignore[arg-type]
        for index, each in enumerate(packets):
            tail.take(each, index)
        return tail.shown(first)

    def packets(*keys: int, count: int = 1000, size: int = 1) -> list[Any]:
        return [SimpleNamespace(pts=0, dts=0, is_keyframe=number in keys, size=size) for number in range(count)]

    end = list(range(990, 1000))
    assert kept(packets(0), 990) == end
    assert kept(packets(0, 950), 990) == end
    assert kept(packets(*range(1000)), 990) == end
    assert kept(packets(970), 990) is None
    assert kept(packets(), 990) is None
    assert kept(packets(0, size=whole.TAIL_BYTES // 100), 990) is None
    assert kept(packets(*range(0, 1000, 100), size=whole.TAIL_BYTES // 250), 990) == end
    assert kept(packets(0, count=10), 0) == list(range(10))
