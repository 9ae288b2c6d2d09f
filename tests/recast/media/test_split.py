"""The splitter's own loop over made-up streams: every frame once, each decodable from its object.

Only FFmpeg is missing here: packets are objects in decode order that know which others they are made from.
"""

from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recast.errors import BadInput, FramesDamaged
from recast.manifest import VideoFacts
from recast.media import source, split
from recast.media.cut import MAX_VIRTUAL
from recast.media.losses import Loss, Losses
from recast.media.times import NO_FRAME, PacketTime, Timing, packet_timing

TICK = Fraction(1, 1000)
FACTS = VideoFacts(
    stream_index=0, codec="h264", width=64, height=48, pix_fmt="yuv420p", time_base=TICK, rate=Fraction(25),
    sar=Fraction(1),
)  # fmt: skip


@dataclass(frozen=True)
class Fake:
    """A packet. `needs` must decode before it, `refresh` only be there (intra refresh: the GOP before)."""

    number: int
    pts: int | None
    dts: int | None
    is_keyframe: bool
    needs: frozenset[int]
    refresh: frozenset[int] = frozenset()
    is_discard: bool = False
    is_corrupt: bool = False
    size: int = 1
    pos: int | None = None
    duration: int = 40

    @property
    def starts_clean(self) -> bool:
        return not self.refresh


class FakeWriter:
    """Keeps an object's packets; `objects` is filled in the order in which they are begun."""

    objects: dict[Path, list[Fake]] = {}

    def __init__(self, path: Path, template: object, name: str) -> None:
        self.path = path
        self.objects[path] = []

    def write(self, packet: Any, stamp: int) -> None:
        assert stamp == len(self.objects[self.path]), "a stamp is the packet's place in its object"
        self.objects[self.path].append(packet)

    def close(self) -> None:
        pass


class FakeKeyframeCheck:
    """Looks at every other keyframe unasked, as the real one does once a second."""

    def __init__(self, stream: object, facts: VideoFacts, name: str) -> None:
        pass

    field_order, is_predicted = "progressive", False

    def check(self, packet: Any, time: PacketTime) -> bool | None:
        return None if packet.number % 2 else bool(packet.starts_clean)

    def decodes_alone(self, packet: Any) -> bool:
        return bool(packet.starts_clean)


@pytest.fixture(scope="module", autouse=True)
def _no_ffmpeg() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(split, "SegmentWriter", FakeWriter)
        patch.setattr(split, "KeyframeCheck", FakeKeyframeCheck)
        patch.setattr(split, "Reconfigured", lambda stream, name: SimpleNamespace(complete=lambda packet: packet))
        patch.setattr(split, "Palette", lambda name: SimpleNamespace(complete=lambda packet: None))
        patch.setattr(source, "video_stream", lambda container, name: None)
        patch.setattr(source, "read_only", lambda container, stream, also: None)
        patch.setattr(split, "numbered_packets", lambda container, name, losses, watch: enumerate(container))
        yield


@dataclass(frozen=True)
class Gop:
    """Leading pictures (open GOP), then groups of B pictures, each before its anchor."""

    leading: int
    groups: tuple[int, ...]
    order: int
    unclean: bool


GOPS = st.lists(
    st.builds(
        Gop,
        leading=st.integers(0, 4),
        groups=st.lists(st.integers(0, 4), max_size=3).map(tuple),
        order=st.integers(0, 3),
        unclean=st.booleans(),
    ),
    min_size=1,
    max_size=9,
)


def shuffled(pictures: list[int], order: int) -> list[int]:
    """B pictures in decode order: as shown, backwards, or the middle one first (pyramids)."""
    middle = len(pictures) // 2
    if order == 0:
        return pictures
    if order == 1:
        return pictures[::-1]
    rest = pictures[:middle] + pictures[middle + 1 :]
    return pictures[middle : middle + 1] + (rest if order == 2 else rest[::-1])


def stream(gops: list[Gop], steps: list[int], *, junk: int = 0, start: int = 0) -> list[Fake]:
    """Packets in decode order with pts of steps that repeat, dts from the reorder depth.

    `junk` packets stand before the first keyframe: what a recording that begins in a GOP has.
    """
    shown: list[int] = list(range(junk))
    decode: list[tuple[int, bool, frozenset[int], frozenset[int]]] = [
        (number, False, frozenset({-1}), frozenset()) for number in range(junk)
    ]
    anchor, anchors_before, count = -1, frozenset[int](), junk
    for place, gop in enumerate(gops):
        key = count
        leading = list(range(key + 1, key + 1 + gop.leading))
        count += 1 + gop.leading
        refresh = anchors_before if gop.unclean and place else frozenset[int]()
        decode.append((key, True, frozenset(), refresh))
        decode += [(b, False, frozenset({anchor, key}), frozenset()) for b in shuffled(leading, gop.order)]
        shown += [*leading, key]
        anchor, anchors = key, {key}
        for group in gop.groups:
            new = count
            between = list(range(new + 1, new + 1 + group))
            count += 1 + group
            decode.append((new, False, frozenset({anchor}), frozenset()))
            decode += [(b, False, frozenset({anchor, new}), frozenset()) for b in shuffled(between, gop.order)]
            shown += [*between, new]
            anchor = new
            anchors.add(new)
        anchors_before = frozenset(anchors)
    pts_of, now = {}, start
    for rank, picture in enumerate(shown):
        pts_of[picture] = now
        now += steps[rank % len(steps)]
    rank_of = {picture: rank for rank, picture in enumerate(shown)}
    depth = max(index - rank_of[picture] for index, (picture, *_) in enumerate(decode))
    clock = [start - depth + k for k in range(depth)] + sorted(pts_of.values())
    place_of = {picture: index for index, (picture, *_) in enumerate(decode)} | {-1: -1}
    return [
        Fake(
            number=index,
            pts=pts_of[picture],
            dts=clock[index],
            is_keyframe=keyframe,
            needs=frozenset(place_of[other] for other in needs),
            refresh=frozenset(place_of[other] for other in refresh),
        )
        for index, (picture, keyframe, needs, refresh) in enumerate(decode)
    ]


def decodable(packets: list[Fake]) -> set[int]:
    """The numbers of the packets whose pictures come out right where these are fed to a decoder in this order."""
    right: set[int] = set()
    seen: set[int] = set()
    for packet in packets:
        if packet.needs <= right and packet.refresh <= seen:
            right.add(packet.number)
        seen.add(packet.number)
    return right


def timing_of(packets: list[Fake]) -> Timing:
    """What a decode of the whole of it says."""
    right = decodable(packets)
    times = [PacketTime(p.number, None if p.is_discard else p.pts, p.dts, p.is_keyframe) for p in packets]
    out = sorted((p for p in packets if p.number in right and not p.is_discard), key=lambda p: p.pts or 0)
    timings = packet_timing(times, [p.number for p in out], ended=True)
    assert timings is not None, "these streams can be trusted"
    return timings


def cut(
    packets: list[Fake],
    timings: Timing,
    target: int,
    *,
    most_slices: int = 1,
    facts: VideoFacts = FACTS,
    lost: Sequence[int] = (),
    mends: bool = False,
) -> list[split.SegmentFile]:
    FakeWriter.objects = {}
    return list(
        split.split_packets(
            cast(Any, packets),
            facts,
            timings,
            target_seconds=float(target * TICK),
            folder=Path("/none"),
            most_slices=most_slices,
            before_next=lambda: None,
            moved=lambda: None,
            name="made up",
            losses=lossy(*lost),
            mends=mends,
        )
    )


def lossy(*places: int) -> Losses:
    """Says that something is missing at these bytes."""
    losses = Losses()
    losses._heard = [Loss("gone", place) for place in places]
    return losses


def check_cut(packets: list[Fake], files: list[split.SegmentFile], target: int, pts_of: Callable[[Fake], Any]) -> None:
    first = next(p.number for p in packets if p.is_keyframe)
    right = decodable(packets)
    wanted = sorted(pts_of(p) for p in packets if p.number in right and p.number >= first and pts_of(p) is not None)
    kept = [pts for file in files for part in file.slices for pts, _ in part]
    assert kept == wanted, "every shown frame is in exactly one slice, slices in order"
    for file in files:
        packets_there = FakeWriter.objects[file.path]
        right_there = decodable(packets_there)
        for part in file.slices:
            for pts, stamp in part:
                packet = packets_there[stamp]
                assert pts_of(packet) == pts, "the stamp names the packet of the frame"
                assert packet.number in right_there, "the frame decodes from its object"
    begins = [file.slices[0][0][0] for file in files]
    assert all(b - a >= target for a, b in zip(begins, begins[1:], strict=False)), "segments are long enough"


def own_pts(packet: Fake) -> int | None:
    return None if packet.is_discard else packet.pts


QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
STEPS = st.lists(st.integers(1, 90), min_size=1, max_size=5)


@QUICK
@given(gops=GOPS, steps=STEPS, target=st.integers(1, 400), junk=st.integers(0, 3), start=st.integers(-500, 500))
def test_every_frame_is_in_one_slice_and_decodes_from_its_object(
    gops: list[Gop], steps: list[int], target: int, junk: int, start: int
) -> None:
    packets = stream(gops, steps, junk=junk, start=start)
    check_cut(packets, cut(packets, timing_of(packets), target), target, own_pts)


@QUICK
@given(gops=GOPS, steps=STEPS, target=st.integers(1, 400), missing=st.sets(st.integers(0, 120)))
def test_packets_without_dts_lose_no_frame(gops: list[Gop], steps: list[int], target: int, missing: set[int]) -> None:
    packets = [replace(p, dts=None) if p.number in missing else p for p in stream(gops * 3, steps)]
    check_cut(packets, cut(packets, timing_of(packets), target), target, own_pts)


@QUICK
@given(
    gops=GOPS, steps=STEPS, target=st.integers(1, 400), head=st.integers(0, 40), tail=st.integers(0, 40)
)  # fmt: skip
def test_packets_hidden_by_an_edit_list_are_in_objects_but_in_no_slice(
    gops: list[Gop], steps: list[int], target: int, head: int, tail: int
) -> None:
    packets = stream([replace(gops[0], leading=0), *gops[1:]], steps)
    ranks = sorted(p.pts or 0 for p in packets)
    shown = set(ranks[min(head, len(ranks) - 1) : max(len(ranks) - tail, head + 1)])
    packets = [replace(p, is_discard=p.pts not in shown) for p in packets]
    if all(p.is_discard for p in packets):
        return
    check_cut(packets, cut(packets, timing_of(packets), target), target, own_pts)


def decoded_timing(packets: list[Fake], times: list[int]) -> tuple[Timing, dict[int, int]]:
    """What a decode of all of it says where frames get `times`; and each packet's pts by that."""
    right = decodable(packets)
    shown = sorted((p for p in packets if p.number in right), key=lambda p: p.pts or 0)
    ranks = array("q", [NO_FRAME]) * len(packets)
    for rank, packet in enumerate(shown):
        ranks[packet.number] = rank
    times = times[: len(shown)]
    return Timing(0, decoded=ranks, times=array("q", times)), {
        packet.number: pts for packet, pts in zip(shown, times, strict=True)
    }


@QUICK
@given(gops=GOPS, target=st.integers(1, 20), lost=st.integers(0, 4), longer=st.integers(1, 4))
def test_streams_timed_by_a_decode_lose_no_frame(gops: list[Gop], target: int, lost: int, longer: int) -> None:
    # As AVI has them: pts is missing and dts counts packets, those too that never decode or are empty, so that
    # it runs ahead of the times that a decode gives.
    original = stream([replace(gops[0], leading=lost), *gops[1:]] * longer, [1])
    timings, pts = decoded_timing(original, list(range(len(original))))
    packets = [replace(p, pts=None, dts=p.number) for p in original]
    check_cut(packets, cut(packets, timings, target), target, lambda p: pts.get(p.number))


@QUICK
@given(gops=GOPS, target=st.integers(1, 20), steps=st.lists(st.integers(0, 2), min_size=1, max_size=7))
def test_frames_of_the_same_time_are_all_kept_in_the_decoders_order(
    gops: list[Gop], target: int, steps: list[int]
) -> None:
    # Matroska's millisecond gives one time to frames that are nearer.
    original = stream(gops * 3, [1])
    times = [sum(steps[k % len(steps)] for k in range(rank)) for rank in range(len(original))]
    timings, pts = decoded_timing(original, times)
    packets = [replace(p, pts=pts.get(p.number)) for p in original]
    files = cut(packets, timings, target)
    check_cut(packets, files, target, lambda p: pts.get(p.number))
    order = {p.number: p.pts or 0 for p in original}
    kept = [order[FakeWriter.objects[file.path][stamp].number] for file in files for _, stamp in file.slices[0]]
    assert kept == sorted(kept) and len(set(kept)) == len(kept)


def test_frames_of_the_same_time_need_a_decode_to_tell_their_order() -> None:
    packets = stream([Gop(0, (2, 2), 1, False)] * 4, [40])
    packets = [replace(p, pts=200) if p.pts == 240 else p for p in packets]
    with pytest.raises(split.TimesCollide):
        cut(packets, Timing(0), 200)


@QUICK
@given(gops=GOPS, steps=STEPS, target=st.integers(1, 400))
def test_virtual_slices_keep_every_frame_and_share_their_object(gops: list[Gop], steps: list[int], target: int) -> None:
    packets = stream(gops, steps)
    files = cut(packets, timing_of(packets), target, most_slices=MAX_VIRTUAL)
    check_cut(packets, files, target, own_pts)
    assert all(1 <= len(file.slices) <= MAX_VIRTUAL for file in files)


def test_closed_gops_are_cut_at_the_first_keyframe_after_the_target() -> None:
    packets = stream([Gop(0, (0, 0, 0), 0, False)] * 6, [40])
    files = cut(packets, timing_of(packets), 200)
    assert [len(file.slices[0]) for file in files] == [8, 8, 8]


def test_an_open_gop_puts_the_next_keyframe_and_its_leading_pictures_into_the_segment_before() -> None:
    packets = stream([Gop(0, (2, 2), 0, False), Gop(2, (2,), 0, False)], [40])
    files = cut(packets, timing_of(packets), 200)
    first, second = (FakeWriter.objects[file.path] for file in files)
    # 7 is the keyframe, 8 and 9 lead it; 10 is the first that is decoded no earlier than 7 is shown.
    assert [p.number for p in first] == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
    assert [p.number for p in second] == [7, 8, 9, 10, 11, 12]
    assert [[stamp for _, stamp in file.slices[0]] for file in files] == [[0, 2, 3, 1, 5, 6, 4, 8, 9], [0, 4, 5, 3]]


def test_keyframes_that_do_not_start_clean_get_the_gop_before_as_preroll() -> None:
    packets = stream([Gop(0, (0, 0, 0), 0, False), *[Gop(0, (0, 0, 0), 0, True)] * 3], [40])
    files = cut(packets, timing_of(packets), 160)
    # The first such keyframe only says that preroll will be needed.
    assert [len(file.slices[0]) for file in files] == [8, 4, 4]
    assert [p.number for p in FakeWriter.objects[files[1].path]][:5] == [4, 5, 6, 7, 8]
    assert files[1].slices[0][0][1] == 4


def test_a_damaged_packet_is_refused() -> None:
    packets = stream([Gop(0, (0, 0), 0, False)], [40])
    packets[2] = replace(packets[2], is_corrupt=True)
    with pytest.raises(FramesDamaged, match=r"video packet 2, at .* s, is damaged"):
        cut(packets, Timing(0), 1000)


@pytest.mark.parametrize(("place", "where"), [(15, "before video packet 2, at 0.080 s"), (99, "after the last")])
def test_missing_packets_are_refused_and_their_place_named(place: int, where: str) -> None:
    packets = placed(stream([Gop(0, (0, 0), 0, False)] * 2, [40]))
    with pytest.raises(FramesDamaged, match=rf"packets are missing {where}.*\(gone\)"):
        cut(packets, Timing(0), 1000, lost=[place])


def test_of_a_source_that_is_mended_what_refers_to_missing_packets_is_damaged() -> None:
    packets = placed(stream([Gop(0, (0, 0), 0, False)] * 3, [40]))
    keyframes = [packet.number for packet in packets if packet.is_keyframe]
    before_a_keyframe = 10 * keyframes[1] - 5
    (file,) = cut(packets, Timing(0), 1000, lost=[15, before_a_keyframe, 999], mends=True)
    assert file.damaged == (2,), "a keyframe needs nothing of what is gone"
    assert file.lost == (packets[2].pts, packets[keyframes[1]].pts, packets[-1].pts)


def placed(packets: list[Fake]) -> list[Fake]:
    """Each 10 bytes behind the one before."""
    return [replace(packet, pos=10 * packet.number) for packet in packets]


def test_a_clock_that_begins_anew_is_refused() -> None:
    first = stream([Gop(0, (0, 0), 0, False)] * 3, [400])
    again = [replace(packet, number=packet.number + len(first)) for packet in first]
    with pytest.raises(BadInput, match=rf"its clock goes back from .* at video packet {len(first)},.*concat demuxer"):
        cut([*first, *again], Timing(0), 1000)


def test_one_time_that_is_far_off_is_no_clock_that_begins_anew() -> None:
    packets = stream([Gop(0, (0, 0), 0, False)] * 3, [400])
    packets[4] = replace(packets[4], dts=10**9)
    assert sum(len(file.slices[0]) for file in cut(packets, Timing(0), 1000)) == len(packets)


def test_frames_one_tick_apart_are_believed_only_where_a_tick_is_long() -> None:
    packets = stream([Gop(0, (0, 0), 0, False)], [1])
    assert len(cut(packets, timing_of(packets), 1000)) == 1
    fine = FACTS.model_copy(update={"time_base": Fraction(1, 90000)})
    with pytest.raises(split.TimesCollide):
        cut(packets, timing_of(packets), 1000, facts=fine)
