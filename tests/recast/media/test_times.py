"""Whose times are believed: the packets' own, or the decoder's."""

from array import array
from fractions import Fraction
from itertools import groupby
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recast.media.times import NO_FRAME, PacketTime, Timing, clocked_times, frame_times, packet_timing

FINE = 64
"""Steps that mux divides a tick in."""


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


@pytest.mark.parametrize(
    ("held", "expected"),
    [(0, [0, 2, 3, 4, 9]), (1, [2, 3, 4, 9, 10]), (2, [3, 4, 9, 10, 11]), (16, [10, 11, 12, 13, 14])],
)
def test_a_frame_is_shown_when_the_packet_is_decoded_that_lets_it_out(held: int, expected: list[int]) -> None:
    clock, shown = [0, 1, 2, 3, 4, 9], [0, 3, 2, 4, 5]
    assert clocked_times(clock, shown, held=held, one_frame=Fraction(1)) == expected


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
