"""Pure: when each frame of a source is shown: by its packet's own time where that can be trusted, else by a decode."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise

from av.packet import Packet
from av.video.stream import VideoStream

MOST_REORDERED = 16
"""Frames that a decoder holds back for their order."""
MOST_AT_ONE_TIME = 64
"""More frames than this with the same time, or all that there are, have no times at all."""
NO_FRAME = -(2**63)
"""Stands for no frame, and for no pts, in arrays."""


@dataclass(frozen=True)
class PacketTime:
    """A video packet of the source.

    Attributes:
        index: its number among the video stream's packets, in file order.
        pts: when its frame is shown, in the stream's time base; None where it gives no frame of the list.
        dts: its decode time, where known.
        keyframe: whether decoding may start here.
        rank: tells frames of the same pts apart: their order as the decoder gives them.
        damaged: what it is decoded from, or what it refers to, is known not to be whole.
    """

    index: int
    pts: int | None
    dts: int | None
    keyframe: bool
    rank: int = 0
    damaged: bool = False


@dataclass(frozen=True)
class Timing:
    """How to read a stream's times.

    Attributes:
        first_packet: the first packet that is worth anything.
        never_decoded: packets near the head whose frames the decoder never gives.
        decoded: for each packet the place of its frame in display order, `NO_FRAME` where it has none; None
            where packets' own pts are the times.
        times: the frames' pts in display order, beside `decoded`.
    """

    first_packet: int
    never_decoded: frozenset[int] = frozenset()
    decoded: array[int] | None = None
    times: array[int] = field(default_factory=lambda: array("q"))

    def of(self, index: int, packet: Packet[VideoStream]) -> PacketTime:
        """The times of packet number `index`."""
        pts = packet.pts
        if self.decoded is not None:
            rank = self.decoded[index] if index < len(self.decoded) else NO_FRAME
            # Times that were made here need not lie behind the packet's own dts.
            pts = None if rank == NO_FRAME else self.times[rank]
            return PacketTime(index, pts, None, packet.is_keyframe, max(rank, 0), damaged=packet.is_corrupt)
        if packet.is_discard or index in self.never_decoded:
            pts = None
        return PacketTime(index, pts, packet.dts, packet.is_keyframe, damaged=packet.is_corrupt)


def packet_timing(
    packets: list[PacketTime], shown: list[int], *, ended: bool, damaged_from: int | None = None
) -> Timing | None:
    """Judge whether packets' own pts are the frames' times, from a decode of the head.

    Args:
        packets: the head's packets, in file order; pts None where hidden by an edit list.
        shown: the numbers of those whose frames came out, in that order.
        ended: the head is the whole stream.
        damaged_from: the first packet that did not decode: frames missing from there on are due all the same.

    Returns:
        None where they cannot be trusted.
    """
    if not shown:
        return None
    key = next((packet.index for packet in packets if packet.keyframe), 0)
    if damaged_from is not None:
        key = min(key, damaged_from)
    times = {packet.index: packet.pts for packet in packets}
    out = [times[index] for index in shown]
    if any(pts is None for pts in out) or any(a >= b for a, b in pairwise(out)):  # type: ignore[operator]
        return None
    last = max(pts for pts in out if pts is not None)
    due = {i for i, pts in times.items() if pts is not None and (ended or pts <= last)}
    missing = due - set(shown)
    key_pts = times[key]
    at_head = {i for i in missing if i < key or (key_pts is not None and (times[i] or 0) < key_pts)}
    lost = {i for i in missing - at_head if damaged_from is not None and i >= damaged_from}
    return Timing(key, frozenset(at_head)) if missing == at_head | lost else None


def frame_times(own: Sequence[int], shown: Sequence[int], *, one_frame: Fraction) -> list[int]:
    """Times for decoded frames, from their packets' pts.

    Where these rise in the frames' order, or stand (Matroska's 1 ms merges close frames), they are the times. Where
    they rise in the packets' order instead (MXF without temporal offsets), or are a few frames off (tools that join
    files raise a time to its decode time), they are once sorted. Else (packets carry none, a clock begins anew, a time
    is far off) the frames come at a constant rate, from the earliest there is.

    Args:
        own: pts of all packets, in their order, `NO_FRAME` where missing.
        shown: numbers of the packets, in the order of their frames.
        one_frame: a frame's duration in ticks.
    """
    times = [own[index] for index in shown]
    if NO_FRAME not in times:
        in_order = sorted(times)
        rises = all(own[a] < own[b] for a, b in pairwise(sorted(shown)))
        if times == in_order or rises or _are_near(times, in_order, int(MOST_REORDERED * one_frame)):
            too_many = min(MOST_AT_ONE_TIME, max(1, len(times) - 1))
            if all(a < b for a, b in zip(in_order, in_order[too_many:], strict=False)):
                return in_order
    start = min((pts for pts in times if pts != NO_FRAME), default=0)
    return [start + round(k * one_frame) for k in range(len(times))]


def clocked_times(clock: Sequence[int], shown: Sequence[int], *, held: int, one_frame: Fraction) -> list[int]:
    """Times for decoded frames of a stream that only says when each packet is decoded.

    A frame is shown when the packet goes in that lets it out; the last ones, which none does, at the nominal rate.

    Args:
        clock: dts of all packets.
        shown: numbers of those that give a frame, in the frames' order.
        held: how many packets a decoder takes until the first frame comes out, but for that one's own.
        one_frame: a frame's duration in ticks.
    """
    decoded = sorted(shown)
    held = min(held, len(decoded))
    times = [clock[index] for index in decoded[held:]]
    return times + [clock[decoded[-1]] + round((k + 1) * one_frame) for k in range(held)]


def _are_near(times: Sequence[int], others: Sequence[int], most: int) -> bool:
    return all(abs(a - b) <= most for a, b in zip(times, others, strict=True))
