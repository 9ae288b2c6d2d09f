"""Where a segment may begin and end, packet by packet; and how a giant GOP is sliced."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recast.media.cut import MAX_NORMALISED, MAX_TAIL_PACKETS, MAX_VIRTUAL, Cutter, SegmentFrames, virtual_slices
from recast.media.times import PacketTime


def key(pts: int | None, dts: int | None = None) -> PacketTime:
    return PacketTime(0, pts, dts, True)


def inter(pts: int | None, dts: int | None = None) -> PacketTime:
    return PacketTime(0, pts, dts, False)


def cutter_after(*packets: PacketTime, target: int = 100) -> Cutter:
    cutter = Cutter(target)
    for packet in packets:
        cutter.add(packet)
    return cutter


@pytest.mark.parametrize(
    ("before", "packet", "may"),
    [
        ([], key(500), False),
        ([key(None)], key(500), False),
        ([key(0)], key(99), False),
        ([key(0)], key(100), True),
        ([key(0)], inter(100), False),
        ([key(0)], key(None), False),
        ([key(0), inter(300)], key(299), False),
        ([key(0), inter(300)], key(300), False),
        ([key(0), inter(300)], key(301), True),
        ([key(40), inter(-10)], key(89), False),
        ([key(40), inter(-10)], key(90), True),
    ],
    ids=[
        "nothing is shown before it",
        "only a hidden packet is before it",
        "too near the first frame",
        "as far as asked",
        "no keyframe",
        "a hidden keyframe",
        "shown before what is already there",
        "shown with what is already there",
        "shown after all that is there",
        "measured from the earliest frame, not the first packet",
        "far enough from the earliest frame",
    ],
)
def test_a_segment_may_begin(before: list[PacketTime], packet: PacketTime, may: bool) -> None:
    assert cutter_after(*before).may_cut_at(packet) is may


def test_the_distance_is_from_the_last_cut() -> None:
    cutter = cutter_after(key(0, 0))
    cutter.cut_at(key(150))
    cutter.add(key(150))
    assert cutter.tail_ends_with(key(150, 150))
    assert not cutter.may_cut_at(key(249))
    assert cutter.may_cut_at(key(250))


def test_no_segment_begins_while_another_waits_for_its_tail() -> None:
    cutter = cutter_after(key(0))
    cutter.cut_at(key(100))
    cutter.add(key(100))
    assert not cutter.tail_ends_with(key(100, 60))
    assert not cutter.may_cut_at(key(300))
    assert cutter.tail_ends_with(inter(140, 100))
    assert cutter.may_cut_at(key(300))


@pytest.mark.parametrize(
    ("dts", "ends"), [([60, 80, 100], 3), ([99, 101], 2), ([None, None, 100], 3), ([100], 1)]
)  # fmt: skip
def test_a_tail_ends_with_the_first_packet_decoded_at_or_after_the_cut(dts: list[int | None], ends: int) -> None:
    cutter = cutter_after(key(0))
    cutter.cut_at(key(100))
    assert [cutter.tail_ends_with(inter(None, time)) for time in dts].index(True) + 1 == ends


def test_without_dts_a_tail_is_longer_than_any_codec_reorders() -> None:
    cutter = cutter_after(key(0))
    cutter.cut_at(key(100))
    ends = [cutter.tail_ends_with(inter(90)) for _ in range(MAX_TAIL_PACKETS)]
    assert ends == [False] * (MAX_TAIL_PACKETS - 1) + [True]
    # Sixteen frames of two fields each, with as many again to spare.
    assert MAX_TAIL_PACKETS >= 4 * 16


def test_nothing_ends_where_nothing_was_cut() -> None:
    assert not Cutter(100).tail_ends_with(key(0, 1000))


def test_frames_are_those_of_the_slice_in_display_order_with_their_stamps() -> None:
    frames = SegmentFrames()
    stamps = [frames.add(packet) for packet in (key(40), inter(10), inter(None), inter(30), inter(70))]
    assert stamps == [0, 1, 2, 3, 4]
    assert frames.slice(None, None) == [(10, 1), (30, 3), (40, 0), (70, 4)]
    assert frames.slice(key(30), key(70)) == [(30, 3), (40, 0)]
    assert frames.slice(key(41), key(70)) == []


def test_of_frames_of_the_same_time_the_decoders_order_tells_the_slice() -> None:
    frames = SegmentFrames()
    for rank, pts in ((2, 40), (0, 40), (1, 40), (3, 80)):
        frames.add(PacketTime(0, pts, None, False, rank))
    assert frames.slice(None, None) == [(40, 1), (40, 2), (40, 0), (80, 3)]
    assert frames.slice(None, PacketTime(0, 40, None, True, 2)) == [(40, 1), (40, 2)]
    assert frames.slice(PacketTime(0, 40, None, True, 2), None) == [(40, 0), (80, 3)]


FRAMES = st.lists(st.integers(0, 100_000), max_size=120, unique=True).map(
    lambda times: [(pts, stamp) for stamp, pts in enumerate(sorted(times))]
)


@given(frames=FRAMES, target=st.integers(0, 20_000))
def test_virtual_slices_are_a_partition_of_at_most_eight(frames: list[tuple[int, int]], target: int) -> None:
    parts = virtual_slices(frames, target, MAX_VIRTUAL)
    assert [frame for part in parts for frame in part] == frames
    assert len(parts) <= MAX_VIRTUAL == 8
    if frames:
        assert all(parts)
        sizes = [len(part) for part in parts]
        assert max(sizes) - min(sizes) <= 1


@given(frames=FRAMES.filter(bool), target=st.integers(1, 20_000))
def test_a_segment_of_up_to_twice_the_target_is_not_sliced(frames: list[tuple[int, int]], target: int) -> None:
    length = frames[-1][0] - frames[0][0]
    sliced = len(virtual_slices(frames, target, MAX_VIRTUAL)) > 1
    if length < 3 * target:
        assert not sliced
    elif len(frames) > 2:
        assert sliced


@pytest.mark.parametrize(("most", "slices"), [(1, 1), (MAX_VIRTUAL, 8), (MAX_NORMALISED, 60)])
def test_an_hour_in_one_gop_is_as_many_equal_slices_as_may_be(most: int, slices: int) -> None:
    frames = [(k * 40, k) for k in range(90_001)]
    parts = virtual_slices(frames, 60_000, most)
    assert len(parts) == slices
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
    assert [frame for part in parts for frame in part] == frames
    assert all(a[-1] < b[0] for a, b in pairwise(parts))
