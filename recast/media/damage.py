"""Which frames of a segment do not decode whole, and which pictures stand in their place.

A bad frame is one whose packet is damaged, and every one that is decoded after it until decoding starts afresh: up to
the next keyframe that decodes alone, with those shown before it. Decoders do not say how far damage spreads, and what
is decoded from a damaged picture looks whole to them.

That does not depend on where a source is cut: what lies between two such keyframes is decoded by itself here, by one
thread and a decoder that has seen nothing else, and every segment begins at such a keyframe.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from recast import names
from recast.errors import BadInput
from recast.manifest import VideoFacts
from recast.media.formats import SEGMENT_DEMUXERS, open_media
from recast.media.segments import MILLISECOND, is_damaged, keyframe_stamps, prepare, stamp_of
from recast.process.exhausted import raise_if_exhausted

MOST_LEADING = 64
"""Far more than any codec's reorder depth."""
MOST_FAILURES = 64
"""Frames that a decoder may fail to hand out at its end: their number is that of its threads, or its reorder depth."""


@dataclass(frozen=True)
class Group:
    """Frames that are decoded together.

    Attributes:
        start: the stamp of the packet where decoding begins.
        frames: the frames' stamps, in display order.
        end: the stamp of the packet before which it ends: second fields come after their frame's packet.
        bad: those of them that are bad.
        preroll: packets at its head that are decoded for what they leave behind, and need not decode themselves.
        leading: frames of the group before that come after this one's keyframe: they lack what they refer to here.
    """

    start: int
    frames: tuple[int, ...]
    end: int | None = None
    preroll: int = 0
    leading: frozenset[int] = frozenset()
    bad: frozenset[int] = frozenset()


def survey(path: Path, frames: Sequence[int], *, preroll: int = 0, damaged: Collection[int] = ()) -> list[Group]:
    """Find the bad frames of an object of packets.

    Args:
        path: the object.
        frames: the stamps of all frames that are to be made from it, by all of its segments, in display order.
        preroll: packets at its head that are decoded for what they leave behind.
        damaged: stamps of packets that the source's container called damaged.
    """
    rank = {stamp: number for number, stamp in enumerate(frames)}
    begins = [(0, 0)]
    for stamp in keyframe_stamps(path):
        place = rank.get(stamp, 0)
        if place > begins[-1][0] and _starts_clean(path, stamp):
            begins.append((place, stamp))
    edges = [place for place, _ in begins] + [len(frames)]
    stored = sorted(frames)
    groups = (
        Group(
            start,
            tuple(frames[a:b]),
            end=next(iter(stored[bisect_right(stored, max(frames[a:b], default=-1)) :]), None),
            preroll=0 if start else preroll,
            leading=frozenset(stamp for stamp in frames[max(0, a - MOST_LEADING) : a] if stamp > start),
        )
        for (_, start), a, b in zip(begins, edges, edges[1:], strict=False)
    )
    return [_judged(path, group, damaged) for group in groups if group.frames]


def mended(
    path: Path,
    groups: Sequence[Group],
    before: VideoFrame | None,
    facts: VideoFacts,
    *,
    conceal: bool,
    concealed: set[int],
) -> Generator[VideoFrame, None, None]:
    """Decode an object with a picture for every frame, each under its stamp.

    Args:
        path: the object.
        groups: what `survey` says of it.
        before: the last good frame before its first; where there is none, the first good one after it.
        facts: what the frames are.
        conceal: bad frames are what the decoder makes of them, where it makes something; else, and where it gives
            nothing, the last good frame is repeated.
        concealed: gets the stamps of the frames that are what the decoder made of them, before they are given.

    Raises:
        BadInput: good frames come in another order than `groups` has them.
    """
    last = before
    for group in groups:
        frames = _in_order(_feed(path, group, strict=not (conceal and group.bad)), group.frames)
        for stamp, frame in frames:
            if stamp not in group.bad:
                if frame is None:
                    raise BadInput(
                        f"{path.name}: its times are in another order than its pictures, of which packet {stamp}'s "
                        "comes too late: convert the source first, to FFV1 say",
                        reason=names.CORRUPT_SOURCE,
                    )
                last = frame
            elif frame is not None and conceal and _fits(frame, facts):
                concealed.add(stamp)
            else:
                assert last is not None, "a good frame was looked for"
                frame = copy_of(last)
                frame.pts = stamp
            yield frame


def last_good(path: Path, groups: Sequence[Group], *, first: bool = False) -> tuple[int, VideoFrame] | None:
    """An object's last (or first) good frame and its stamp; None where all are bad."""
    for group in groups if first else reversed(groups):
        good = [stamp for stamp in group.frames if stamp not in group.bad]
        if good:
            wanted = good[0] if first else good[-1]
            for stamp, frame in _in_order(_feed(path, group), group.frames):
                if stamp == wanted and frame is not None:
                    return stamp, frame
    return None


def copy_of(frame: VideoFrame) -> VideoFrame:
    """A frame with the same samples and colours, and nothing else of it: no captions, no timecode."""
    # Mux imports this module for what stands in its records, and needs no NumPy.
    from recast.media.planes import copy_colours, rows_of

    copy = VideoFrame(frame.width, frame.height, frame.format.name)
    for old, new in zip(frame.planes, copy.planes, strict=True):
        into, of = rows_of(new), rows_of(old)
        width = min(into.shape[1], of.shape[1])
        into[:, :width] = of[:, :width]
    copy_colours(frame, copy)
    return copy


def _fits(frame: VideoFrame, facts: VideoFacts) -> bool:
    return (frame.width, frame.height, frame.format.name) == (facts.width, facts.height, facts.pix_fmt)


def _judged(path: Path, group: Group, damaged: Collection[int]) -> Group:
    """The group with its bad frames: those decoded from its first damaged packet on."""
    due = set(group.frames)
    signs = {stamp for stamp in damaged if group.start <= stamp and (group.end is None or stamp < group.end)}
    for stamp, frame in _feed(path, group):
        if frame is None or frame.is_corrupt:
            signs.add(stamp)
        else:
            due.discard(stamp)
    signs = {stamp for stamp in signs if stamp >= group.preroll and stamp not in group.leading}
    first = min(due | signs, default=None)
    if first is None:
        return group
    # A packet that gives no frame of its own may be the second field of the one before.
    first = max((stamp for stamp in group.frames if stamp <= first), default=first)
    return replace(group, bad=frozenset(stamp for stamp in group.frames if stamp >= first))


def _in_order(
    decoded: Iterator[tuple[int, VideoFrame | None]], frames: Sequence[int]
) -> Iterator[tuple[int, VideoFrame | None]]:
    """Each of the frames that are due, and what was decoded for it; None where nothing was."""
    rank = {stamp: number for number, stamp in enumerate(frames)}
    due = 0
    for stamp, frame in decoded:
        if frame is None or rank.get(stamp, -1) < due:
            continue
        while frames[due] != stamp:
            yield frames[due], None
            due += 1
        yield stamp, frame
        due += 1
    for stamp in frames[due:]:
        yield stamp, None


def _starts_clean(path: Path, stamp: int) -> bool:
    """Whether a keyframe decodes with nothing before it."""
    decoded = list(_feed(path, Group(stamp, (stamp,), end=stamp + 1)))
    return [(number, frame is not None and not frame.is_corrupt) for number, frame in decoded] == [(stamp, True)]


def _feed(path: Path, group: Group, *, strict: bool = True) -> Iterator[tuple[int, VideoFrame | None]]:
    """Decode a group's packets one by one: what comes out, or the stamp of a packet that fails, with None."""
    with open_media(path, demuxers=SEGMENT_DEMUXERS) as container:
        stream = container.streams.video[0]
        context = stream.codec_context
        context.thread_count = 1
        prepare(context, strict=strict and not group.preroll)
        for packet in _packets(container, stream, group):
            stamp = packet.pts = stamp_of(packet)
            if strict and is_damaged(context, packet):
                # What FFmpeg would make of it is not wanted either way.
                yield stamp, None
                continue
            try:
                frames = packet.decode()
            except av.error.FFmpegError as error:
                raise_if_exhausted(error)
                yield stamp, None
                continue
            yield from _numbered(frames)
        for _ in range(MOST_FAILURES):
            try:
                yield from _numbered(context.decode(None))
            except av.error.EOFError:
                break
            except av.error.FFmpegError as error:
                raise_if_exhausted(error)


def _numbered(frames: Sequence[VideoFrame]) -> Iterator[tuple[int, VideoFrame | None]]:
    return ((frame.pts, frame) for frame in frames if frame.pts is not None)


def _packets(container: Any, stream: VideoStream, group: Group) -> Iterator[Packet[VideoStream]]:
    start = group.start
    if start:
        container.seek(int(start * MILLISECOND / Fraction(stream.time_base or MILLISECOND)), stream=stream)
    for packet in container.demux(stream):
        if packet.pts is None or stamp_of(packet) < start:
            continue
        if group.end is not None and stamp_of(packet) >= group.end:
            return
        yield packet
