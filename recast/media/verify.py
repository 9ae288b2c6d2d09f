"""The check before publishing: the finished file, read back, against the plan and the parts. Decodes nothing."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from math import lcm
from pathlib import Path

import av

from recast import names
from recast.errors import Corrupt
from recast.manifest import Plan, Track
from recast.media.cropping import read_clap
from recast.media.entry import boxes_of
from recast.media.formats import open_media
from recast.media.mux import hashed_tracks, video_start

SAR_OFF = Fraction(1, 100_000)
"""x264's terms are at most 4,096, so that a ratio of larger ones is a little off."""


@dataclass(frozen=True)
class TrackPackets:
    """A copied track's packets, in order; those of the source have their times as they shall be in the output.

    Arrays, since an hour of sound is 170,000 packets.

    Attributes:
        time_base: of `pts`.
        pts: of each packet.
        digests: the first 64 bits of each packet's sha256.
    """

    time_base: Fraction
    pts: array[int] = field(default_factory=lambda: array("q"))
    digests: array[int] = field(default_factory=lambda: array("Q"))


def read_track_packets(framehash: Path, tracks: Sequence[Track]) -> dict[int, TrackPackets]:
    """Read copied tracks from FFmpeg's framehash.

    Args:
        framehash: the file.
        tracks: those that are in it.

    Returns:
        each one's packets, by its place in the source.
    """
    found: dict[int, TrackPackets] = {}
    with framehash.open() as lines:
        for line in lines:
            if line.startswith("#tb "):
                number, base = line[4:].split(":")
                found[int(number)] = TrackPackets(Fraction(base.strip()))
            elif not line.startswith("#"):
                stream, _, pts, _, size, digest = line.split(",")[:6]
                # NUT keeps packets of nothing, as FLAC's encoder ends with; no other container does.
                if not int(size):
                    continue
                track = found[int(stream)]
                track.pts.append(int(pts))
                track.digests.append(int(digest.strip()[:16], 16))
    return {track.stream_index: found[number] for number, track in enumerate(tracks)}


def verify_output(
    path: Path,
    plan: Plan,
    *,
    pts: Sequence[int],
    packets_sha256: str,
    source_tracks: Mapping[int, TrackPackets],
    output_tracks: Mapping[int, TrackPackets],
) -> None:
    """Compare a finished file with what it must be.

    Args:
        path: the file.
        plan: the plan.
        pts: the frame list's times, in order.
        packets_sha256: of all parts' packets, in order.
        source_tracks: the copied tracks' packets in the source, by their place there.
        output_tracks: the same tracks' packets in the file; of what is not in it, none.

    Raises:
        Corrupt: it differs; the message says in what.
    """
    with open_media(path) as container:
        video = container.streams.video[0]
        _check_header(video, plan)
        digest = hashlib.sha256()
        shown, clocks = array("q"), array("q")
        for packet in container.demux(video):
            if packet.size and packet.pts is not None:
                digest.update(packet)
                shown.append(packet.pts)
                clocks.append(packet.dts if packet.dts is not None else packet.pts)
        base = Fraction(video.time_base or 1)
    if digest.hexdigest() != packets_sha256:
        raise _differs("video packets are not the parts'")
    # Matroska stores no decode times: what a demuxer gives are its guesses.
    if plan.container != "mkv" and any(a >= b for a, b in pairwise(clocks)):
        raise _differs("decode times do not rise")
    _check_video_times(array("q", sorted(shown)), base, pts, plan)
    # By as much the whole output may begin later than planned: Matroska knows no negative times.
    shift = min(shown) * base - video_start(plan)
    for track in hashed_tracks(plan):
        name = f"{track.kind} track {track.stream_index}"
        source = source_tracks[track.stream_index]
        output = output_tracks.get(track.stream_index, TrackPackets(source.time_base))
        if output.digests != source.digests:
            raise _differs(f"{name} has other packets ({len(output.digests)}, in the source {len(source.digests)})")
        # Cover art has no time of its own.
        if track.kind != "cover":
            _check_track_times(name, source, output, shift, base)


def _check_header(video: av.VideoStream, plan: Plan) -> None:
    context, facts = video.codec_context, plan.video
    if (context.width, context.height) != (facts.width, facts.height):
        raise _differs(f"picture is {context.width}x{context.height}")
    sar = video.sample_aspect_ratio
    if sar and facts.sar and abs(Fraction(sar.numerator, sar.denominator) / facts.sar - 1) > SAR_OFF:
        raise _differs(f"sample aspect ratio is {sar}, not {facts.sar}")
    boxes = boxes_of(video)
    if (crop := read_clap(boxes.get("clap", b""), facts.width, facts.height)) != facts.crop:
        raise _differs(f"is cropped by {crop}, not {facts.crop}")
    if ("sv3d" in boxes) != ("sv3d" in facts.carried):
        raise _differs("shows a sphere flat, or a flat picture as a sphere")


def _check_video_times(shown: Sequence[int], base: Fraction, pts: Sequence[int], plan: Plan) -> None:
    if len(shown) != plan.frames:
        raise _differs(f"has {len(shown)} frames, not {plan.frames}")
    tolerance = Fraction(1, 1000) if plan.container == "mkv" else Fraction(0)
    whole, own_tick, source_tick, most = _over_one_denominator(base, plan.video.time_base, tolerance)
    first = shown[0]
    for number, (own, source) in enumerate(zip(shown, pts, strict=True)):
        off = (own - first) * own_tick - (source - plan.first_pts) * source_tick
        if abs(off) > most:
            raise _differs(f"frame {number} is {off / whole:+.6f} s off")


def _check_track_times(
    name: str, source: TrackPackets, output: TrackPackets, shift: Fraction, video_base: Fraction
) -> None:
    """The track's distance from the video, packet by packet, within one tick of the coarsest clock."""
    tolerance = max(output.time_base, source.time_base, video_base)
    whole, own_tick, source_tick, moved, most = _over_one_denominator(
        output.time_base, source.time_base, shift, tolerance
    )
    for own, theirs in zip(output.pts, source.pts, strict=True):
        off = own * own_tick - moved - theirs * source_tick
        if abs(off) > most:
            raise _differs(f"{name} is {off / whole:+.6f} s off against the video")


def _over_one_denominator(*values: Fraction) -> tuple[int, ...]:
    """The least common denominator, and each value's numerator over it: a `Fraction` for each packet is slow."""
    whole = lcm(*(value.denominator for value in values))
    return (whole, *(value.numerator * (whole // value.denominator) for value in values))


def _differs(what: str) -> Corrupt:
    return Corrupt(f"the finished file failed its check: {what}", reason=names.VERIFY_FAILED)
