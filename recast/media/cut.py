"""Where to cut, and which frames each segment keeps: arithmetic on packets' times, no I/O.

Segment i holds the packets from its keyframe up to the next segment's, and on until no later packet can
belong before that keyframe (its leading packets: open GOP). A worker decodes all of it and keeps the frames
from its own keyframe's pts up to the next one's.
"""

from bisect import bisect_left
from dataclasses import dataclass, field
from itertools import pairwise

from recast.media.times import PacketTime

MAX_TAIL_PACKETS = 64
"""Where packets carry no dts: leading packets follow their keyframe within the codecs' reorder depth (16)."""
MAX_VIRTUAL = 8
"""Slices that one giant GOP is cut into at most: each decodes the GOP from its start."""
MAX_NORMALISED = 100_000
"""Slices at most where none decodes the GOP: as many as a Job has pods."""


class Cutter:
    """Decides packet by packet; greedy: the first keyframe that is far enough from the last cut.

    Args:
        target_pts: the least distance between cuts, in ticks.
    """

    def __init__(self, target_pts: int) -> None:
        self._target = target_pts
        self._first = 0
        self._start: int | None = None
        self._latest: int | None = None
        self._pending: int | None = None
        self._tail = 0

    def may_cut_at(self, packet: PacketTime) -> bool:
        """Whether a segment may begin with `packet`, as far as times tell."""
        if not packet.keyframe or packet.pts is None or self._pending is not None:
            return False
        if self._latest is None:
            return False
        origin = self._start if self._start is not None else self._first
        return packet.pts >= origin + self._target and packet.pts > self._latest

    def cut_at(self, packet: PacketTime) -> None:
        """Begin a segment with `packet`: the previous one now only waits for its tail."""
        assert packet.pts is not None
        self._start = self._pending = packet.pts
        self._tail = 0

    def add(self, packet: PacketTime) -> None:
        """Take note of a packet (the keyframe that was cut at, too)."""
        if packet.pts is not None:
            self._first = packet.pts if self._latest is None else min(self._first, packet.pts)
            self._latest = packet.pts if self._latest is None else max(self._latest, packet.pts)

    def tail_ends_with(self, packet: PacketTime) -> bool:
        """Whether the previous segment is complete once `packet` is in it.

        pts >= dts and dts rise, so after a dts at the cut nothing can be shown before it.
        """
        if self._pending is None:
            return False
        self._tail += 1
        done = packet.dts is not None and packet.dts >= self._pending
        if done or self._tail >= MAX_TAIL_PACKETS:
            self._pending = None
            return True
        return False


@dataclass
class SegmentFrames:
    """The frames that one object of packets can give, in the making.

    Attributes:
        shown: (pts, rank, place in the object) of each packet that gives a frame.
        packets: packets in the object so far.
    """

    shown: list[tuple[int, int, int]] = field(default_factory=list)
    packets: int = 0

    def add(self, packet: PacketTime) -> int:
        """Take note of a packet and give its stamp: its place in the object."""
        stamp = self.packets
        self.packets += 1
        if packet.pts is not None:
            self.shown.append((packet.pts, packet.rank, stamp))
        return stamp

    def slice(self, lo: PacketTime | None, hi: PacketTime | None) -> list[tuple[int, int]]:
        """(pts, stamp) of the frames shown from `lo`'s on and before `hi`'s, in display order."""
        frames = sorted(self.shown)
        first = bisect_left(frames, (lo.pts, lo.rank)) if lo else 0
        end = bisect_left(frames, (hi.pts, hi.rank)) if hi else len(frames)
        return [(pts, stamp) for pts, _, stamp in frames[first:end]]


def virtual_slices(frames: list[tuple[int, int]], target_pts: int, most: int) -> list[list[tuple[int, int]]]:
    """Cut a segment that is much longer than asked for (one giant GOP) into equal runs of frames.

    Args:
        frames: (pts, stamp) in display order.
        target_pts: the wanted length in ticks.
        most: slices at most.
    """
    if len(frames) < 2:
        return [frames]
    length = frames[-1][0] - frames[0][0]
    count = min(most, len(frames), length // max(1, target_pts))
    # A segment ends at the first keyframe after the target, so up to twice that is no giant GOP.
    if count <= 2:
        return [frames]
    edges = [round(k * len(frames) / count) for k in range(count + 1)]
    return [frames[a:b] for a, b in pairwise(edges)]
