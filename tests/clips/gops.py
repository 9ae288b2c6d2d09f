"""GOP structures: open, closed, refreshed, giant, none."""

from pathlib import Path

import av

from tests.clips.recipe import AAC, BFRAMES, OPEN, OPEN265, ffmpeg, picture, sound, x264, x265
from tests.clips.registry import MKV, MP4, clip


@clip(MP4, frames=75)
def bframes(out: Path) -> None:
    """Closed GOPs of 24 with three B-frames between references."""
    ffmpeg(*picture(), *sound(), *x264(BFRAMES), *AAC, out)


@clip(MP4, frames=96)
def open_gop_h264(out: Path) -> None:
    """H.264 open GOPs: keyframes that are no IDR, with leading pictures."""
    ffmpeg(*picture(96 / 25), *sound(), *x264(OPEN), *AAC, out)


@clip(MKV, frames=96)
def open_gop_h264_mkv(out: Path) -> None:
    """H.264 open GOPs in Matroska."""
    ffmpeg(*picture(96 / 25), *sound(), *x264(OPEN), *AAC, out)


@clip(MP4, frames=96)
def open_gop_hevc(out: Path) -> None:
    """HEVC open GOPs: every keyframe but the first is a CRA with RASL pictures."""
    ffmpeg(*picture(96 / 25), *sound(), *x265(OPEN265), *AAC, out)


def _from_second_cra(source: Path, out: Path) -> None:
    """Copies the packets from the second keyframe on, its leading pictures included."""
    with av.open(str(source)) as given, av.open(str(out), "w") as made:
        video = given.streams.video[0]
        copy = made.add_stream_from_template(video)
        keys = 0
        for packet in given.demux(video):
            keys += packet.is_keyframe
            if keys >= 2 and packet.dts is not None:
                packet.stream = copy
                made.mux(packet)


@clip(MKV, frames=72, traits="cut-start")
def hevc_cra(out: Path) -> None:
    """HEVC in Matroska that starts at a CRA: its RASL pictures never decode."""
    whole = out.with_name("open.mp4")
    open_gop_hevc(whole)
    _from_second_cra(whole, out)


@clip(".ts", frames=72, traits="cut-start")
def hevc_cra_ts(out: Path) -> None:
    """HEVC in MPEG-TS that starts at a CRA: its RASL pictures never decode."""
    whole = out.with_name("open.mp4")
    open_gop_hevc(whole)
    _from_second_cra(whole, out)


@clip(MP4, frames=100)
def intra_refresh(out: Path) -> None:
    """Periodic intra refresh: recovery points, one IDR."""
    ffmpeg(*picture(4), *sound(4), *x264("keyint=25:intra-refresh=1:bframes=2:b-adapt=0"), *AAC, out)


@clip(".ts", frames=100)
def intra_refresh_ts(out: Path) -> None:
    """Periodic intra refresh in MPEG-TS."""
    ffmpeg(*picture(4), *sound(4), *x264("keyint=25:intra-refresh=1"), *AAC, out)


@clip(MP4, frames=150)
def giant_gop(out: Path) -> None:
    """Six seconds of H.264 with B-frames on one keyframe."""
    ffmpeg(*picture(6), *sound(6), *x264("keyint=infinite:bframes=3:b-adapt=0"), *AAC, out)


@clip(MP4, frames=60, traits="")
def one_keyframe_hevc(out: Path) -> None:
    """HEVC on one keyframe, no sound."""
    ffmpeg(*picture(60 / 25), *x265("keyint=-1:bframes=3"), out)


@clip(MP4, frames=1, traits="")
def single_frame(out: Path) -> None:
    """One frame."""
    ffmpeg(*picture(0.04), *x264(), out)


@clip(MP4, frames=75, traits="")
def no_audio(out: Path) -> None:
    """Video alone."""
    ffmpeg(*picture(), *x264(BFRAMES), out)


@clip(".avi", outputs=(MKV,), frames=50, traits="")
def false_keyframes(out: Path) -> None:
    """H.261 in AVI, which calls every picture a keyframe; a decoder of H.261 misses no reference."""
    ffmpeg(*picture(2, size="176x144"), "-c:v", "h261", "-g", "12", out)
