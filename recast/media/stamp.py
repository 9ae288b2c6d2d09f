"""Exact times for concatenated parts: frame k in display order gets the source's k-th pts.

    parts --concat demuxer--> packets (pts counts frames) --stamp--> packets (pts of the source) --> a MOV or MP4 file

Plain concat adds up the parts' own durations, which drifts; here the times come from the frame list alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av

from recast import names
from recast.errors import Corrupt
from recast.media import avlog as avlog  # before anything is opened

PROTOCOLS = "file,http,tcp"


@dataclass(frozen=True)
class PartSource:
    """A part on its way into the output.

    Attributes:
        url: where FFmpeg reads it.
        pts: its frames' times in display order, in the source's time base.
        packets_sha256: what its packets must hash to.
    """

    url: str
    pts: tuple[int, ...]
    packets_sha256: str


@dataclass(frozen=True)
class StampedVideo:
    """The whole video track, its times exact but counted from its first frame.

    Attributes:
        packets_sha256: over all packets' payloads in decode order.
    """

    path: Path
    packets_sha256: str
    frames: int


def stamp_parts(
    parts: Callable[[], Iterator[PartSource]],
    *,
    first_pts: int,
    reorder: int,
    codec: str,
    time_base: Fraction,
    frame_ticks: int,
    folder: Path,
    moved: Callable[[], None],
) -> StampedVideo:
    """Concatenate parts and give their packets the source's times.

    Args:
        parts: gives the parts in order; called once for the list and once for the times.
        first_pts: the first frame's time, counted as zero here.
        reorder: the deepest reordering of any part.
        codec: of the parts.
        time_base: of all times.
        frame_ticks: a frame's nominal duration: the last one's only measure.
        folder: where the file is written.
        moved: called now and then.

    Raises:
        Corrupt: a part is not what its report says.
    """
    listing = folder / "parts.ffconcat"
    listing.write_text("ffconcat version 1.0\n" + "".join(f"file '{part.url}'\n" for part in parts()))
    # Each holds what the other does not: ProRes and AV1.
    container = "mov" if codec == "prores" else "mp4"
    path = folder / f"video.{container}"
    options = {"safe": "0", "auto_convert": "0", "protocol_whitelist": PROTOCOLS}
    digest, frames = hashlib.sha256(), 0
    try:
        with (
            av.open(str(listing), "r", format="concat", container_options=options) as source,
            av.open(str(path), "w", format=container, container_options=_mov_options(time_base)) as output,
        ):
            stream = source.streams.video[0]
            track = output.add_stream_from_template(stream, opaque=True)
            clock = DecodeClock(reorder)
            packets = (packet for packet in source.demux(stream) if packet.size)
            for part in parts():
                part_digest, base = hashlib.sha256(), None
                clock.extend([pts - first_pts for pts in part.pts])
                for number in range(len(part.pts)):
                    packet = next(packets, None)
                    if packet is None or packet.pts is None:
                        raise _mismatch(part, f"has {number} packets, not {len(part.pts)}")
                    # A part begins with the IDR of its first frame: all pts count from there.
                    base = packet.pts if base is None else base
                    rank = packet.pts - base
                    if not 0 <= rank < len(part.pts):
                        raise _mismatch(part, f"has a frame at {rank}")
                    part_digest.update(packet)
                    digest.update(packet)
                    packet.stream, packet.time_base = track, time_base
                    packet.pts, packet.dts = part.pts[rank] - first_pts, clock.next_dts()
                    packet.duration = frame_ticks
                    output.mux_one(packet)
                    frames += 1
                    moved()
                if part_digest.hexdigest() != part.packets_sha256:
                    raise _mismatch(part, "has other packets than its report says")
    except av.error.FFmpegError as error:
        raise Corrupt(f"the parts cannot be concatenated: {error}", reason=names.PART_MISMATCH) from error
    return StampedVideo(path, digest.hexdigest(), frames)


class DecodeClock:
    """Decode times for packets in decode order: the sorted pts, shifted by the reorder depth.

    So dts never exceeds pts and always rises. The first ones lie before the first pts, one tick apart.

    Args:
        reorder: by how many places a packet may come later than its frame is shown.
    """

    def __init__(self, reorder: int) -> None:
        self._reorder = reorder
        self._shown: list[int] = []
        self._given = 0

    def extend(self, pts: Iterable[int]) -> None:
        """Add the next part's times, in display order."""
        # Of what was given out only the last few are needed again.
        keep = max(0, len(self._shown) - self._reorder)
        if keep:
            del self._shown[:keep]
            self._given -= keep
        self._shown.extend(pts)

    def next_dts(self) -> int:
        """The dts of the next packet in decode order."""
        place = self._given - self._reorder
        self._given += 1
        if place < 0:
            return self._shown[0] + place if self._shown else place
        return self._shown[place]


def sorted_shift(pts: Sequence[int], reorder: int) -> list[int]:
    """All dts at once, for `pts` in display order."""
    clock = DecodeClock(reorder)
    clock.extend(pts)
    return [clock.next_dts() for _ in pts]


def _mov_options(time_base: Fraction) -> dict[str, str]:
    return {
        "fflags": "+bitexact",
        "movflags": "+negative_cts_offsets",
        "video_track_timescale": str(time_base.denominator),
        "movie_timescale": str(time_base.denominator),
    }


def _mismatch(part: PartSource, what: str) -> Corrupt:
    return Corrupt(f"{part.url}: the part {what}", reason=names.PART_MISMATCH)
