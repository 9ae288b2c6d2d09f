"""A few pictures of a segment, close enough together that nothing long goes unseen."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

from av.video.frame import VideoFrame

from recast.media.segments import decode_segment, keyframe_stamps


def sampled_frames(
    path: Path, frames: Sequence[tuple[int, int]], *, every: int, threads: int, moved: Callable[[], None]
) -> Iterator[tuple[int, VideoFrame]]:
    """Decode pictures of a segment that are at most `every` apart.

    Keyframes alone where they are close enough, which costs next to nothing; else all of the segment is decoded.

    Args:
        path: the segment's packets.
        frames: (pts, stamp) of the segment's frames, in display order.
        every: the most ticks between two pictures, where frames are not further apart themselves.
        threads: decoder threads.
        moved: called with each frame that is decoded, picked or not.

    Yields:
        the frame's pts in the source, and the frame.
    """
    times = {stamp: pts for pts, stamp in frames}
    keys = sorted(times[stamp] for stamp in keyframe_stamps(path) if stamp in times)
    left = [pts for pts, _ in frames]
    if _covers(keys, left[0], left[-1], every):
        for pts, frame in _decoded(path, times, pick(keys, every), threads, moved, keyframes_only=True):
            # One that does not start clean shows half a picture.
            if frame.is_corrupt:
                break
            yield pts, frame
            left = left[bisect_right(left, pts) :]
        else:
            return
    yield from _decoded(path, times, pick(left, every), threads, moved, keyframes_only=False)


def pick(times: Sequence[int], every: int) -> list[int]:
    """The fewest of these rising times, the first among them, with no two neighbours over `every` apart.

    Where the times themselves are further apart than that, both ends of the gap are picked.
    """
    picked: list[int] = []
    for here, after in pairwise([*times, None]):
        if not picked or after is None or after - picked[-1] > every:
            picked.append(here)  # type: ignore[arg-type]  # only the last of the pairs' seconds is None
    return picked


def _covers(keys: Sequence[int], first: int, last: int, every: int) -> bool:
    return bool(keys) and all(b - a <= every for a, b in pairwise([first, *keys, last]))


def _decoded(
    path: Path,
    times: dict[int, int],
    wanted: Sequence[int],
    threads: int,
    moved: Callable[[], None],
    *,
    keyframes_only: bool,
) -> Iterator[tuple[int, VideoFrame]]:
    left = set(wanted)
    for frame in decode_segment(path, threads=threads, keyframes_only=keyframes_only):
        moved()
        pts = times.get(frame.pts) if frame.pts is not None else None
        if pts is not None and pts in left:
            left.discard(pts)
            yield pts, frame
