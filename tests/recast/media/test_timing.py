"""Whose times are believed: the packets' own, or the decoder's."""

from array import array
from fractions import Fraction
from itertools import groupby
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recast.errors import FramesDamaged
from recast.media import source, timing
from recast.media.timing import (
    MOST_DECODERS,
    NO_FRAME,
    PacketTime,
    Timing,
    decode_timing,
    frame_times,
    packet_timing,
    read_timing,
)
from tests.clips import build

pytestmark = pytest.mark.media

FINE = 64
"""Steps that mux divides a tick in."""
IVF_HEADER = 12
"""Bytes before a frame of IVF: its size and its time."""


def head(times: list[int | None], keys: tuple[int, ...] = (0,)) -> list[PacketTime]:
    return [PacketTime(index, pts, None, index in keys) for index, pts in enumerate(times)]


# Packets' pts in file order (None is hidden), keyframes, whose frames came out; first packet, never decoded.
TRUSTED: dict[str, tuple[list[int | None], tuple[int, ...], list[int], int, set[int]]] = {
    "in order": ([0, 40, 80], (0,), [0, 1, 2], 0, set()),
    "reordered": ([0, 120, 40, 80], (0,), [0, 2, 3, 1], 0, set()),
    "variable frame rate": ([0, 7, 90, 91], (0,), [0, 1, 2, 3], 0, set()),
    "negative": ([-80, 0, -40], (0,), [0, 2, 1], 0, set()),
    "leading pictures of the first keyframe never decode (RASL)": ([80, 0, 40, 120], (0,), [0, 3], 0, {1, 2}),
    "one leading picture decodes (RADL)": ([80, 0, 40, 120], (0,), [2, 0, 3], 0, {1}),
    "begins inside a GOP": ([0, 40, 80, 120], (2,), [2, 3], 2, {0, 1}),
    "begins inside a GOP, then leading pictures": ([0, 120, 40, 80, 160], (1,), [1, 4], 1, {0, 2, 3}),
    "hidden packets": ([None, None, 0, 40], (0,), [2, 3], 0, set()),
    "a hidden keyframe's leading pictures": ([None, None, 0, 80, 40], (0,), [2, 4, 3], 0, set()),
    "no keyframe is marked": ([0, 40], (), [0, 1], 0, set()),
}


@pytest.mark.parametrize("name", TRUSTED)
@pytest.mark.parametrize("ended", [True, False])
def test_packets_times_are_trusted(name: str, ended: bool) -> None:
    times, keys, shown, first, never = TRUSTED[name]
    assert packet_timing(head(times, keys), shown, ended=ended) == Timing(first, frozenset(never))


@pytest.mark.parametrize(
    ("times", "shown", "ended"),
    [
        ([0, 40, 80, 120], [0, 2, 3, 1], True),
        ([0, 0, 40], [0, 1, 2], True),
        ([None, None, None], [0, 1, 2], True),
        ([0, None, 80], [0, 1, 2], True),
        ([0, 40, 80], [0, 2], True),
        ([0, 40, 80], [0, 2], False),
        ([0, 40, 80], [0, 1], True),
        ([0, 20, 40, 60], [0, 2], True),
    ],
    ids=[
        "in decode order (AVI)",
        "two at one time",
        "missing (raw streams)",
        "one is missing",
        "a frame in the middle never comes out",
        "a frame in the middle has not come out though later ones have",
        "the last frame never comes out",
        "two packets a frame (fields)",
    ],
)
def test_packets_times_are_not_trusted(times: list[int | None], shown: list[int], ended: bool) -> None:
    assert packet_timing(head(times), shown, ended=ended) is None


def test_frames_that_the_decoder_still_holds_are_not_missing_from_a_head() -> None:
    packets = head([0, 120, 40, 80, 240])
    assert packet_timing(packets, [0, 2, 3], ended=False) == Timing(0)
    assert packet_timing(packets, [0, 2, 3], ended=True) is None


def test_a_head_of_which_nothing_is_shown_is_not_trusted() -> None:
    # Frames came out, but none that says which packet it is.
    assert packet_timing(head([0, 40]), [], ended=True) is None


def packet(pts: int | None, *, dts: int | None = 3, discard: bool = False, keyframe: bool = False) -> Any:
    return SimpleNamespace(pts=pts, dts=dts, is_discard=discard, is_keyframe=keyframe, is_corrupt=False)


def test_trusted_times_are_the_packets_own_but_for_hidden_and_undecoded_ones() -> None:
    timing = Timing(0, frozenset({2}))
    assert timing.of(0, packet(40, keyframe=True)) == PacketTime(0, 40, 3, True)
    assert timing.of(1, packet(40, discard=True)).pts is None
    assert timing.of(2, packet(40)).pts is None
    assert timing.of(3, packet(None)).pts is None


def test_decoded_times_stand_in_place_of_the_packets_own() -> None:
    timing = Timing(0, decoded=array("q", [1, NO_FRAME, 0]), times=array("q", [40, 80]))
    assert (timing.of(0, packet(5)).pts, timing.of(0, packet(5)).rank) == (80, 1)
    assert timing.of(1, packet(5)).pts is None
    assert timing.of(2, packet(5)).pts == 40
    assert timing.of(3, packet(5)).pts is None


def test_decode_times_are_not_believed_where_times_were_made_by_a_decode() -> None:
    assert Timing(0, decoded=array("q", [0]), times=array("q", [0])).of(0, packet(5, dts=9)).dts is None


TICKS = st.integers(-(2**40), 2**40)


@given(st.lists(TICKS, unique=True).map(sorted), st.fractions(Fraction(1, 100), 10_000))
def test_times_that_rise_are_kept(times: list[int], one_frame: Fraction) -> None:
    assert frame_times(times, range(len(times)), one_frame=one_frame) == times


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ([NO_FRAME] * 4, [0, 2, 4, 6]),
        ([NO_FRAME, 10, NO_FRAME, 14], [10, 12, 14, 16]),
        ([], []),
        ([500, 502, 504, 0, 2, 4], [0, 2, 4, 6, 8, 10]),
        ([0, 2, 900, 6, 8], [0, 2, 4, 6, 8]),
        ([7, 7, 7], [7, 9, 11]),
    ],
    ids=["none at all", "some missing", "no frame", "a clock that begins anew", "one that is far off", "all the same"],
)
def test_other_times_are_replaced_by_a_constant_rate(own: list[int], expected: list[int]) -> None:
    assert frame_times(own, range(len(own)), one_frame=Fraction(2)) == expected


def test_the_frames_order_decides_whether_times_rise() -> None:
    own, shown = [0, 1200, 40, 90], [0, 2, 3, 1]
    assert frame_times(own, shown, one_frame=Fraction(40)) == [0, 40, 90, 1200]
    assert frame_times(own, [0, 1, 3, 2], one_frame=Fraction(40)) == [0, 40, 80, 120]


def test_times_that_are_a_few_frames_off_are_sorted() -> None:
    """As FFmpeg's concat demuxer leaves them, where its second file has B-frames and its first had none."""
    own, shown = [309780, 320580, 320581, 320582, 331380], [0, 2, 3, 1, 4]
    assert frame_times(own, shown, one_frame=Fraction(3600)) == sorted(own)


def test_times_in_decode_order_are_the_frames_times_once_sorted() -> None:
    own, shown = [0, 40, 60, 90, 130], [0, 1, 3, 4, 2]
    assert frame_times(own, shown, one_frame=Fraction(40)) == [0, 40, 60, 90, 130]


def test_a_few_frames_may_have_the_same_time() -> None:
    times = [5, 5, 6, 7, 7, 7]
    assert frame_times(times, range(6), one_frame=Fraction(2)) == times


def test_more_frames_of_one_time_than_decode_times_can_tell_apart_are_not_believed() -> None:
    times = frame_times([0] * (FINE + 1), range(FINE + 1), one_frame=Fraction(2))
    assert all(len(list(same)) <= FINE for _, same in groupby(times))


@given(st.integers(1, 2000), st.integers(-1000, 1000))
def test_a_constant_rate_does_not_drift(count: int, start: int) -> None:
    # 1001/30 ticks a frame: rounded each for itself, never added up.
    times = frame_times([NO_FRAME] * count + [start], range(count + 1), one_frame=Fraction(1001, 30))
    assert all(abs(time - (start + k * Fraction(1001, 30))) <= Fraction(1, 2) for k, time in enumerate(times))


@pytest.mark.parametrize("clip", ["h264_avi", "mpeg4_avi", "raw_hevc", "vp8_ivf", "av1_ivf", "av1_split_mkv"])
def test_the_frame_list_of_a_decode_does_not_depend_on_the_cores(clip: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def open_source() -> Any:
        return source.open_source(str(build(clip)), clip)

    facts, _ = read_timing(open_source, clip)
    lists = []
    for cores in (1, 3, 10 * MOST_DECODERS):
        monkeypatch.setattr(timing, "usable_cores", lambda cores=cores: cores)
        lists.append(decode_timing(open_source, facts, clip))
    assert len(lists[0].times) > 1
    assert lists[0] == lists[1] == lists[2]


@pytest.mark.parametrize("clip", ["bframes", "av1_mkv", "vp9_webm", "open_gop_hevc", "ts_paff", "paff_mp4", "vp8_ivf"])
def test_facts_and_times_do_not_depend_on_the_cores(clip: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def open_source() -> Any:
        return source.open_source(str(build(clip)), clip)

    found = []
    for cores in (1, 3, 10 * MOST_DECODERS):
        monkeypatch.setattr(timing, "usable_cores", lambda cores=cores: cores)
        found.append(read_timing(open_source, clip))
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("clip", ["av1_split_mkv", "av1_split_mp4", "av1_split_ivf"])
@pytest.mark.parametrize("mends", [False, True])
def test_a_packet_that_says_that_it_shows_no_frame_is_not_damaged(clip: str, mends: bool) -> None:
    _, timing = read_timing(lambda: source.open_source(str(build(clip)), clip), clip, mends=mends)
    assert len(timing.times) == 50
    assert sum(rank != NO_FRAME for rank in timing.decoded or ()) == 50


@pytest.mark.parametrize(("most", "expected"), [(64 << 20, [3]), (1000, [3, 1])], ids=["kept", "too large"])
def test_of_fields_in_packets_of_their_own_the_end_alone_is_decoded_twice(
    most: int, expected: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def open_source() -> Any:
        return source.open_source(str(build("ts_paff")), "ts_paff")

    one, _ = timing._decode_by_threads(open_source, "ts_paff", 1)
    monkeypatch.setattr(timing, "usable_cores", lambda: 3)
    monkeypatch.setattr(timing, "TAIL_BYTES", most)
    decode, threads = timing._decode_by_threads, []
    monkeypatch.setattr(timing, "_decode_by_threads", lambda *said: (threads.append(said[2]), decode(*said))[1])
    assert timing._decode_whole(open_source, "ts_paff") == one
    assert one.without_a_frame()
    assert threads == expected


def test_of_a_streams_end_what_is_kept_begins_with_a_keyframe_far_enough_before_it() -> None:
    def kept(packets: list[Any], first: int) -> list[int] | None:
        decoder = SimpleNamespace(decode=lambda packet: [] if packet is None else [SimpleNamespace(pts=packet.pts)])
        tail = timing._Tail(decoder)  # type: ignore[arg-type]
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
    assert kept(packets(0, size=timing.TAIL_BYTES // 100), 990) is None
    assert kept(packets(*range(0, 1000, 100), size=timing.TAIL_BYTES // 250), 990) == end
    assert kept(packets(0, count=10), 0) == list(range(10))


@pytest.mark.parametrize("back", [1, 2, 20])
@pytest.mark.parametrize("clip", ["vp8_ivf", "av1_ivf", "av1_split_ivf"])
@pytest.mark.parametrize("mends", [False, True])
def test_a_packet_that_gives_no_frame_is_named_whatever_the_cores(
    clip: str, back: int, mends: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, number = without_its_pictures(clip, back, tmp_path)

    def open_source() -> Any:
        return source.open_source(str(path), clip)

    said = set()
    for cores in (1, 3, 10 * MOST_DECODERS):
        monkeypatch.setattr(timing, "usable_cores", lambda cores=cores: cores)
        with pytest.raises(FramesDamaged, match=rf"packet ({number}|{number + 1}|{number + 2})\b") as refused:
            read_timing(open_source, clip, mends=mends)
        said.add(str(refused.value))
    assert len(said) == 1


def without_its_pictures(clip: str, back: int, folder: Path) -> tuple[Path, int]:
    """A copy whose packet so many before the end is nothing but zeros, and that packet's number."""
    with source.open_source(str(build(clip)), clip) as container:
        places = [packet.pos for packet in container.demux(video=0) if packet.size]
    data = bytearray(build(clip).read_bytes())
    frame = places[-back]
    assert frame is not None
    size = int.from_bytes(data[frame : frame + 4], "little")
    data[frame + IVF_HEADER : frame + IVF_HEADER + size] = bytes(size)
    path = folder / build(clip).name
    path.write_bytes(data)
    return path, len(places) - back


@pytest.mark.parametrize(
    ("most", "least", "size", "expected"),
    [(48, 24, 1 << 30, 48), (48, 24, 1, 24), (10**6, 24, 1 << 30, None)],
    ids=["by their number", "by their bytes, at the least number", "the whole stream"],
)
def test_a_head_ends(most: int, least: int, size: int, expected: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("HEAD_PACKETS", most), ("HEAD_LEAST", least), ("HEAD_BYTES", size)):
        monkeypatch.setattr(timing, name, value)
    with source.open_source(str(build("bframes")), "bframes") as container:
        whole = sum(1 for packet in container.demux(video=0) if packet.size)
    assert whole > 48
    _, _, read = timing._read_head(lambda: source.open_source(str(build("bframes")), "bframes"), "b", 1, mends=False)
    assert len(read.packets) == (expected or whole)
    assert read.ended == (expected is None)
    assert len(read.shown) == len(read.packets), "what the decoder held back is there too"


@pytest.mark.parametrize(
    ("shown", "earlier", "expected"),
    [([1, 2, 3], None, None), ([1, 3], None, 2), ([1, 3], 1, 1), ([1], 3, 2), ([], None, 1)],
    ids=["all there", "one missing", "after damage", "before damage", "none"],
)
def test_the_first_packet_without_a_frame_from_the_first_keyframe_on_is_damaged(
    shown: list[int], earlier: int | None, expected: int | None
) -> None:
    # 0 lies before the first keyframe, 4 is hidden.
    found = timing._Head(packets=head([0, 40, 80, 120, None], keys=(1,)), shown=shown, damaged_from=earlier)
    found.mark_first_missing()
    assert found.damaged_from == expected
