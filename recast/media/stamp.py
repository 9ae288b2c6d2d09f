"""Exact times for concatenated parts: frame k in display order gets the source's k-th pts.

    parts, in order --> packets (pts counts frames) --stamp--> packets (pts of the source) --> a MOV or MP4 file

Plain concat adds up the parts' own durations, which drifts; here the times come from the frame list alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from av.packet import Packet
from av.video.stream import VideoStream

from recast import names
from recast.errors import Corrupt
from recast.media import formats
from recast.media.entry import add_to_entry, set_matrix
from recast.process.exhausted import raise_if_exhausted


@dataclass(frozen=True)
class PartSource:
    """A part on its way into the output.

    Attributes:
        path: where it is.
        frames: how many it has.
        packets_sha256: what its packets must hash to.
        reorder: by how many places a packet comes later than its frame is shown.
    """

    path: Path
    frames: int
    packets_sha256: str
    reorder: int


@dataclass(frozen=True)
class StampedVideo:
    """The whole video track, its times exact but counted from its first frame.

    Attributes:
        packets_sha256: over all packets' payloads in decode order.
        timescale: ticks a second that its times need.
    """

    path: Path
    packets_sha256: str
    timescale: int


class DeeperReorder(Exception):
    """A part reorders more deeply than was taken for all.

    Attributes:
        reorder: how deeply.
    """

    def __init__(self, reorder: int) -> None:
        super().__init__(f"a part reorders by {reorder} places")
        self.reorder = reorder


def stamp_parts(
    count: int,
    *,
    pts: Sequence[int],
    reorder: int,
    codec: str,
    time_base: Fraction,
    fine: int,
    frame_ticks: int,
    last_ticks: int,
    lead_ticks: int,
    sar: Fraction,
    boxes: Sequence[bytes],
    matrix: Sequence[int] | None,
    folder: Path,
    bring: Callable[[int], PartSource],
    moved: Callable[[], None],
) -> StampedVideo:
    """Concatenate parts and give their packets the source's times.

    Args:
        count: how many parts there are.
        pts: all frames' times in display order; the first is counted as zero here.
        reorder: the deepest reordering of any part: the first decode times go by it.
        codec: of the parts.
        time_base: of all times.
        fine: steps that a tick is divided in, where frames of the same time need decode times that rise.
        frame_ticks: a frame's nominal duration.
        last_ticks: the last one's.
        lead_ticks: by so much each of the first decode times, before the first pts, is earlier than the next.
        sar: the pixels' aspect ratio.
        boxes: to go into the track's sample entry.
        matrix: how the picture is turned; see `VideoFacts`.
        folder: where the file is written.
        bring: gives the part of a number; those before it are not read any more.
        moved: called now and then.

    Raises:
        DeeperReorder: it is deeper.
        Corrupt: a part is not what its report says.
    """
    # Each holds what the other does not: ProRes and AV1.
    container = "mov" if codec == "prores" else "mp4"
    path = folder / f"video.{container}"
    digest, done = hashlib.sha256(), 0
    clock, tick = decode_times(pts, reorder, fine, lead_ticks), time_base / fine
    try:
        with av.open(str(path), "w", format=container, container_options=_mov_options(tick)) as output:
            with formats.open_media(bring(0).path, demuxers=formats.SEGMENT_DEMUXERS) as first:
                track = output.add_stream_from_template(first.streams.video[0], opaque=True)
                # Matroska has it as a width in whole pixels, where the stream itself does not say it (AV1).
                track.codec_context.sample_aspect_ratio = sar
            for part in map(bring, range(count)):
                if part.reorder > reorder:
                    raise DeeperReorder(part.reorder)
                part_digest = hashlib.sha256()
                for packet, rank in _packets(part):
                    part_digest.update(packet)
                    digest.update(packet)
                    packet.stream, packet.time_base = track, tick
                    packet.pts = (pts[done + rank] - pts[0]) * fine
                    packet.dts = next(clock) - pts[0] * fine
                    packet.duration = fine * (last_ticks if done + rank == len(pts) - 1 else frame_ticks)
                    output.mux_one(packet)
                    moved()
                done += part.frames
                if part_digest.hexdigest() != part.packets_sha256:
                    raise _mismatch(part, "has other packets than its report says")
    except av.error.FFmpegError as error:
        raise_if_exhausted(error, str(folder))
        raise Corrupt(f"the parts cannot be concatenated: {error}", reason=names.PART_MISMATCH) from error
    if boxes:
        add_to_entry(path, boxes)
    if matrix:
        set_matrix(path, matrix)
    return StampedVideo(path, digest.hexdigest(), time_base.denominator * fine)


def _packets(part: PartSource) -> Iterator[tuple[Packet[VideoStream], int]]:
    """A part's packets in decode order, each with the place of its frame in display order.

    Raises:
        Corrupt: it has not one packet for each of its frames.
    """
    with formats.open_media(part.path, demuxers=formats.SEGMENT_DEMUXERS) as source:
        number, base = 0, None
        for packet in source.demux(source.streams.video[0]):
            if not packet.size:
                continue
            # A part begins with the IDR of its first frame: all pts count from there.
            base = packet.pts if base is None else base
            rank = packet.pts - base if packet.pts is not None and base is not None else -1
            if number == part.frames or not 0 <= rank < part.frames:
                raise _mismatch(part, f"has a frame at {rank}")
            number += 1
            yield packet, rank
        if number < part.frames:
            raise _mismatch(part, f"has {number} packets, not {part.frames}")


def decode_times(pts: Sequence[int], reorder: int, fine: int = 1, lead_ticks: int = 1) -> Iterator[int]:
    """Decode times for packets in decode order: the sorted pts, shifted by the reorder depth.

    So dts never exceeds pts and always rises. The first ones lie before the first pts. Of frames of the same time,
    all but the last are a step earlier than the next.

    Args:
        pts: the frames' times in display order.
        reorder: by how many places a packet may come later than its frame is shown.
        fine: steps of the result in a tick; more than frames ever have the same time.
        lead_ticks: how far apart those before the first pts are.
    """
    for place in range(-reorder, len(pts) - reorder):
        if place < 0:
            yield (pts[0] + place * lead_ticks) * fine
            continue
        same = 0
        while place + same + 1 < len(pts) and pts[place + same + 1] == pts[place]:
            same += 1
        yield pts[place] * fine - same


def _mov_options(time_base: Fraction) -> dict[str, str]:
    return {
        "fflags": "+bitexact",
        "movflags": "+negative_cts_offsets",
        "video_track_timescale": str(time_base.denominator),
        "movie_timescale": str(time_base.denominator),
    }


def _mismatch(part: PartSource, what: str) -> Corrupt:
    return Corrupt(f"{part.path.name}: the part {what}", reason=names.PART_MISMATCH)
