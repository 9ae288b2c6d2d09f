"""MPEG-TS, and interlaced pictures."""

from fractions import Fraction
from pathlib import Path

import av

from tests.clips.paff import access_units
from tests.clips.recipe import AAC, BFRAMES, PLAIN, ffmpeg, one_behind_the_other, picture, sound, x264
from tests.clips.registry import MKV, MOV, MP4, clip


@clip(".ts", frames=75)
def ts(out: Path) -> None:
    """MPEG-TS with AAC, times that begin at 1.4 s."""
    ffmpeg(*picture(), *sound(), *x264(BFRAMES), *AAC, out)


@clip(".ts", frames=76, traits="audio cut-start")
def ts_midgop(out: Path) -> None:
    """MPEG-TS whose first bytes are cut off: it begins inside a GOP, inside a packet."""
    whole = out.with_name("whole.ts")
    ffmpeg(*picture(4), *sound(4), *x264(BFRAMES), *AAC, whole)
    data = whole.read_bytes()
    out.write_bytes(data[len(data) // 8 + 77 :])


@clip(".dv", frames=8, traits="")
def dv(out: Path) -> None:
    """DV, whose lower field is first though its container does not say so."""
    ffmpeg(*picture(0.32, size="720x576"), "-c:v", "dvvideo", "-pix_fmt", "yuv420p", out)


@clip(".ts", frames=75)
def ts_mbaff(out: Path) -> None:
    """Interlaced H.264, top field first, macroblock-adaptive, in MPEG-TS."""
    interlaced = ["-vf", "tinterlace=interleave_top,fieldorder=tff"]
    fields = [*picture(rate="50"), *sound(), *interlaced]
    ffmpeg(*fields, *x264(f"{BFRAMES}:tff=1", "-flags", "+ildct+ilme", "-preset", "veryfast"), *AAC, out)


@clip(MP4, frames=75)
def interlaced_bff(out: Path) -> None:
    """Interlaced H.264, bottom field first, in MP4."""
    interlaced = ["-vf", "tinterlace=interleave_bottom,fieldorder=bff"]
    fields = [*picture(rate="50"), *sound(), *interlaced]
    ffmpeg(*fields, *x264(f"{BFRAMES}:bff=1", "-flags", "+ildct+ilme", "-preset", "veryfast"), *AAC, out)


@clip(".ts", frames=50, traits="")
def ts_paff(out: Path) -> None:
    """H.264 whose pictures are by turns two fields and one frame (PAFF), in MPEG-TS."""
    raw = out.with_name("paff.h264")
    raw.write_bytes(b"".join(access_units(50)))
    ffmpeg("-framerate", "25", "-i", raw, "-c", "copy", out)


@clip(MP4, frames=50, traits="")
def paff_mp4(out: Path) -> None:
    """The same in MP4: both fields of a frame in one packet."""
    raw = out.with_name("paff.h264")
    units = access_units(50)
    raw.write_bytes(b"".join(units))
    with av.open(str(raw)) as given, av.open(str(out), "w") as made:
        stream = made.add_stream_from_template(given.streams.video[0])
        stream.time_base = Fraction(1, 25)
        for n, unit in enumerate(units):
            packet = av.Packet(unit)
            packet.stream, packet.time_base = stream, Fraction(1, 25)
            packet.pts = packet.dts = n
            packet.duration = 1
            packet.is_keyframe = n % 24 == 0
            made.mux(packet)


@clip(".ts", outputs=(MKV, MP4, MOV), frames=75)
def mpeg2_ts(out: Path) -> None:
    """Interlaced MPEG-2 with B-frames and MP2 sound in MPEG-TS."""
    fields = [*picture(rate="50"), *sound(), "-vf", "tinterlace=interleave_top,fieldorder=tff"]
    mpeg2 = [
        "-c:v",
        "mpeg2video",
        "-pix_fmt",
        "yuv420p",
        "-b:v",
        "1500k",
        "-bf",
        "2",
        "-g",
        "15",
        "-flags",
        "+ildct+ilme",
    ]
    ffmpeg(*fields, *mpeg2, "-c:a", "mp2", out)


@clip(".mpg", outputs=(MKV, MP4, MOV), frames=75)
def mpeg2_ps(out: Path) -> None:
    """MPEG-2 in a program stream, not every packet with a pts."""
    ffmpeg(*picture(), *sound(), "-c:v", "mpeg2video", "-b:v", "1500k", "-bf", "2", "-c:a", "mp2", out)


@clip(".ts", frames=50, traits="")
def fields_begin_later(out: Path) -> None:
    """Progressive for a second, then in fields, as broadcasts of films and what is between them."""
    fields = [*picture(1, rate="50"), "-vf", "tinterlace=interleave_top,fieldorder=tff"]
    coded = x264(f"{PLAIN}:tff=1", "-flags", "+ildct+ilme")
    one_behind_the_other(out, [*picture(1), *x264(PLAIN)], [*fields, *coded])
