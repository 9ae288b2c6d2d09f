"""Awkward real media for the tests, made by FFmpeg, and by hand where FFmpeg will not.

Each clip is a few seconds of a small moving picture: neighbouring frames differ, so a frame lost or out of
place shows. `CLIPS` maps a name to what it is; `build(name, folder)` makes the file, once:

    path = build("open_gop_hevc", folder)
    CLIPS["open_gop_hevc"].frames      # the frames FFmpeg decodes from it, None where it depends

Files are named by a digest of this module and of FFmpeg, and appear by rename: a cache can be shared by
processes and sessions, and never holds half a file or one of an older recipe.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import imageio_ffmpeg

from recast.manifest import Crop
from recast.media.cropping import add_cropping

Builder = Callable[[Path], None]

MP4, MOV, MKV = ".mp4", ".mov", ".mkv"
ANY = (MP4, MOV, MKV)


@dataclass(frozen=True)
class Clip:
    """One file the tests can have.

    Attributes:
        name: key in `CLIPS`.
        suffix: of the file, with the dot.
        builder: writes the file to the path it is given, alone in a scratch folder.
        outputs: suffixes of the containers that can hold every track of it, with its video codec copied or
            encoded again; empty where it is bad.
        frames: frames that FFmpeg decodes from it; None where that depends on the FFmpeg.
        bad: why it must be refused; empty where it is good.
        about: the line that says what is awkward.
        traits: words to choose clips by: "audio", "timeless" (packets carry no usable pts), "cut-start"
            (does not begin with a frame that decodes), "data" (a track FFmpeg cannot write), "still".
    """

    name: str
    suffix: str
    builder: Builder
    outputs: tuple[str, ...]
    frames: int | None
    bad: str
    about: str
    traits: frozenset[str]


CLIPS: dict[str, Clip] = {}


def clip(
    suffix: str,
    outputs: tuple[str, ...] = ANY,
    frames: int | None = None,
    *,
    bad: str = "",
    traits: str = "audio",
    name: str = "",
) -> Callable[[Builder], Builder]:
    """Registers a builder as a clip; its docstring says what is awkward about it."""

    def register(builder: Builder) -> Builder:
        key = name or builder.__name__
        about = (builder.__doc__ or "").strip().splitlines()[0]
        CLIPS[key] = Clip(key, suffix, builder, () if bad else outputs, frames, bad, about, frozenset(traits.split()))
        return builder

    return register


def good() -> list[str]:
    """Names of the clips that recast must take."""
    return [name for name, each in CLIPS.items() if not each.bad]


def bad() -> list[str]:
    """Names of the clips that recast must refuse."""
    return [name for name, each in CLIPS.items() if each.bad]


def default_folder() -> Path:
    """A cache that outlives the session; `RECAST_TEST_CLIPS` names another."""
    place = os.environ.get("RECAST_TEST_CLIPS")
    return Path(place) if place else Path(tempfile.gettempdir()) / f"recast-clips-{os.getuid()}"


def build(name: str, folder: Path | None = None) -> Path:
    """The clip's file in `folder`, made now if it is not there."""
    each = CLIPS[name]
    folder = folder or default_folder()
    path = folder / f"{name}-{_digest()}{each.suffix}"
    if path.exists():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=folder) as scratch:
        out = Path(scratch) / f"clip{each.suffix}"
        each.builder(out)
        # Another process that made it at the same time may be using its own already.
        with contextlib.suppress(FileExistsError):
            os.link(out, path)
    return path


@functools.cache
def _digest() -> str:
    version = subprocess.run([exe(), "-version"], capture_output=True, check=True).stdout
    return hashlib.sha256(Path(__file__).read_bytes() + version.splitlines()[0]).hexdigest()[:12]


@functools.cache
def exe() -> str:
    """The FFmpeg binary."""
    return str(imageio_ffmpeg.get_ffmpeg_exe())


def ffmpeg(*args: str | Path) -> None:
    """Runs FFmpeg; its complaint is in the error."""
    command = [exe(), "-hide_banner", "-nostdin", "-v", "error", "-y", *map(str, args)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[5:])}: {done.stderr.strip()}")


# Inputs and encoders, as lists of FFmpeg options. ------------------------------------------------------


def picture(seconds: float = 3, rate: str = "25", size: str = "192x144") -> list[str]:
    """A moving picture."""
    return ["-f", "lavfi", "-i", f"testsrc2=size={size}:rate={rate}:duration={seconds}"]


def sound(seconds: float = 3, hertz: int = 440) -> list[str]:
    """A tone that rises, so that no moment sounds like another."""
    tone = f"0.4*sin(2*PI*({hertz}+150*t)*t)"
    return ["-f", "lavfi", "-i", f"aevalsrc='{tone}':sample_rate=48000:duration={seconds}"]


def x264(params: str = "keyint=25:min-keyint=25", *more: str) -> list[str]:
    """Fast H.264; `params` are x264's own."""
    options = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-crf", "20", *more]
    return [*options, "-x264-params", f"scenecut=0:threads=2:{params}"]


def x265(params: str = "keyint=24:min-keyint=24", *more: str) -> list[str]:
    """Fast HEVC, tagged hvc1; `params` are x265's own."""
    options = ["-c:v", "libx265", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-crf", "22", *more]
    params = f"log-level=error:info=0:scenecut=0:pools=2:frame-threads=1:{params}"
    return [*options, "-x265-params", params, "-tag:v", "hvc1"]


AAC = ["-c:a", "aac", "-b:a", "64k"]
BFRAMES = "keyint=24:min-keyint=24:bframes=3:b-adapt=0:b-pyramid=none"
OPEN = "keyint=24:min-keyint=24:bframes=3:b-adapt=0:open-gop=1"
OPEN265 = f"{OPEN}:b-pyramid=0"


# Plain rates. ------------------------------------------------------------------------------------------


@clip(MP4, frames=75)
def cfr(out: Path) -> None:
    """Constant 25 frames a second, closed GOPs, AAC: nothing awkward at all."""
    ffmpeg(*picture(), *sound(), *x264(), *AAC, out)


@clip(MP4, frames=72)
def cfr_23976(out: Path) -> None:
    """24000/1001 frames a second."""
    ffmpeg(*picture(rate="24000/1001"), *sound(), *x264(BFRAMES), *AAC, out)


@clip(MP4, frames=90)
def cfr_2997(out: Path) -> None:
    """30000/1001 frames a second."""
    ffmpeg(*picture(rate="30000/1001"), *sound(), *x264(BFRAMES), *AAC, out)


def _vfr(out: Path) -> None:
    # Every fifth frame is missing, the others are off their place by up to 12 ms.
    jitter = "select='not(eq(mod(n,5),3))',settb=1/90000,setpts='PTS+mod(N*N*31,97)*11'"
    timing = ["-vf", jitter, "-fps_mode", "passthrough", "-enc_time_base", "1:90000"]
    ffmpeg(*picture(), *sound(), *timing, *x264(BFRAMES), *AAC, "-video_track_timescale", "90000", out)


@clip(MP4, frames=60)
def vfr_mp4(out: Path) -> None:
    """Variable frame rate with B-frames, times to 1/90000 s."""
    _vfr(out)


@clip(MKV, frames=60)
def vfr_mkv(out: Path) -> None:
    """Variable frame rate with B-frames, times to 1 ms."""
    mp4 = out.with_name("vfr.mp4")
    _vfr(mp4)
    ffmpeg("-i", mp4, "-c", "copy", out)


@clip(MP4, outputs=(MP4, MOV), frames=100, traits="")
def dense(out: Path) -> None:
    """Frames 0.3 ms apart: milliseconds would merge them."""
    timing = ["-vf", "settb=1/90000,setpts=N*27", "-fps_mode", "passthrough", "-enc_time_base", "1:90000"]
    ffmpeg(*picture(4), *timing, *x264(BFRAMES), "-video_track_timescale", "90000", out)


@clip(MKV, outputs=(MKV, MP4), frames=100, traits="")
def dense_mkv(out: Path) -> None:
    """Frames 0.3 ms apart in Matroska: up to four have the same millisecond, B-frames among them."""
    timing = ["-vf", "settb=1/90000,setpts=N*27", "-fps_mode", "passthrough", "-enc_time_base", "1:90000"]
    ffmpeg(*picture(4), *timing, *x264(BFRAMES), out)


@clip(MP4, frames=75)
def hole_mp4(out: Path) -> None:
    """Nothing is shown anew for 2 s in the middle; the sound goes on."""
    _hole(out)


@clip(".ts", frames=75)
def hole_ts(out: Path) -> None:
    """The same hole in MPEG-TS."""
    _hole(out)


def _hole(out: Path) -> None:
    timing = ["-vf", "setpts='PTS+2/TB*gte(N,40)'", "-fps_mode", "passthrough"]
    ffmpeg(*picture(), *sound(5), *timing, *x264(BFRAMES), *AAC, out)


@clip(MP4, frames=75, traits="audio still")
def still(out: Path) -> None:
    """A scene that stands still between two that move: frames 23 to 47 are equal."""
    hold = "select='lt(n,25)+gte(n,49)',loop=loop=24:size=1:start=24,setpts=N/25/TB"
    ffmpeg(*picture(), *sound(), "-vf", hold, *x264("qp=0:keyint=25"), *AAC, out)


# GOP structures. ---------------------------------------------------------------------------------------


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


# Times: edit lists, offsets. ---------------------------------------------------------------------------


@clip(MP4, frames=67)
def edit_list(out: Path) -> None:
    """Cut by `-ss -c copy`: the frames between the keyframe and the cut are there, hidden by an edit."""
    whole = out.with_name("whole.mp4")
    ffmpeg(*picture(4), *sound(4), *x264(BFRAMES), *AAC, whole)
    ffmpeg("-ss", "1.3", "-i", whole, "-c", "copy", out)


@clip(MP4, frames=50, traits="")
def multi_edit(out: Path) -> None:
    """Two edits, seconds 0.4 to 1.4 and 2.2 to 3.2: frames are hidden before, between and after."""
    whole = out.with_name("whole.mp4")
    ffmpeg(*picture(4), *x264("keyint=20:min-keyint=20"), "-video_track_timescale", "12800", whole)
    data = whole.read_bytes()
    edits = [(1000, int(0.4 * 12800)), (1000, int(2.2 * 12800))]
    entries = b"".join(struct.pack(">IIHH", length, start, 1, 0) for length, start in edits)
    body = struct.pack(">II", 0, len(edits)) + entries
    out.write_bytes(replace_box(data, b"moov/trak/edts/elst", body))


@clip(MP4, frames=75)
def audio_late(out: Path) -> None:
    """The sound begins 0.3 s after the picture."""
    ffmpeg(*picture(), "-itsoffset", "0.3", *sound(), *x264(BFRAMES), *AAC, out)


@clip(MKV, frames=75)
def audio_late_mkv(out: Path) -> None:
    """The sound begins 0.3 s after the picture, in Matroska."""
    ffmpeg(*picture(), "-itsoffset", "0.3", *sound(), *x264(BFRAMES), *AAC, out)


@clip(MP4, frames=75)
def video_late(out: Path) -> None:
    """The picture begins 0.3 s after the sound, by an empty edit."""
    ffmpeg("-itsoffset", "0.3", *picture(), *sound(), *x264(BFRAMES), "-fps_mode", "passthrough", *AAC, out)


@clip(MKV, frames=75)
def video_late_mkv(out: Path) -> None:
    """The picture begins 0.3 s after the sound, in Matroska."""
    ffmpeg("-itsoffset", "0.3", *picture(), *sound(), *x264(BFRAMES), "-fps_mode", "passthrough", *AAC, out)


@clip(".ts", frames=75)
def negative_start(out: Path) -> None:
    """MPEG-TS whose 33-bit clock wraps after a second: the first frames' pts are below zero."""
    near = 2**33 / 90000 - 1 - 1.4
    ffmpeg(*picture(), *sound(), *x264(BFRAMES), *AAC, "-output_ts_offset", f"{near:.3f}", out)


@clip(MP4, frames=75)
def negative_cts(out: Path) -> None:
    """No edit list, pts before dts: composition offsets below zero."""
    flags = ["-movflags", "negative_cts_offsets", "-use_editlist", "0"]
    ffmpeg(*picture(), *sound(), *x264(BFRAMES), *AAC, *flags, out)


# MPEG-TS and interlace. --------------------------------------------------------------------------------


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
    raw.write_bytes(b"".join(paff_access_units(50)))
    ffmpeg("-framerate", "25", "-i", raw, "-c", "copy", out)


@clip(MP4, frames=50, traits="")
def paff_mp4(out: Path) -> None:
    """The same in MP4: both fields of a frame in one packet."""
    raw = out.with_name("paff.h264")
    units = paff_access_units(50)
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


# Pictures: depth, chroma, shape, colour. ---------------------------------------------------------------


@clip(MP4, frames=50)
def hevc_10bit(out: Path) -> None:
    """HEVC Main 10 with B-frames."""
    ffmpeg(*picture(2), *sound(2), *x265("keyint=24:bframes=3", "-pix_fmt", "yuv420p10le"), *AAC, out)


@clip(MP4, frames=50)
def h264_422_10bit(out: Path) -> None:
    """H.264 High 4:2:2, 10 bit."""
    ffmpeg(*picture(2), *sound(2), *x264(BFRAMES, "-pix_fmt", "yuv422p10le"), *AAC, out)


@clip(MP4, frames=50)
def h264_444(out: Path) -> None:
    """H.264 High 4:4:4 Predictive, 8 bit."""
    ffmpeg(*picture(2), *sound(2), *x264(BFRAMES, "-pix_fmt", "yuv444p"), *AAC, out)


@clip(MOV, outputs=(MOV, MKV), frames=50)
def prores(out: Path) -> None:
    """ProRes 422 HQ with PCM sound and a timecode track."""
    coded = ["-c:v", "prores_ks", "-profile:v", "hq", "-pix_fmt", "yuv422p10le", "-vendor", "apl0"]
    ffmpeg(*picture(2), *sound(2), *coded, "-c:a", "pcm_s24le", "-timecode", "01:02:03:04", out)


@clip(MKV, outputs=(MKV, MP4), frames=50)
def ffv1(out: Path) -> None:
    """FFV1 and FLAC: lossless, every frame a keyframe."""
    coded = ["-c:v", "ffv1", "-level", "3", "-pix_fmt", "yuv422p"]
    ffmpeg(*picture(2), *sound(2), *coded, "-c:a", "flac", out)


@clip(MOV, outputs=(MKV, MOV, MP4), frames=50)
def mjpeg(out: Path) -> None:
    """Motion JPEG, full range, with PCM sound."""
    ffmpeg(*picture(2), *sound(2), "-c:v", "mjpeg", "-pix_fmt", "yuvj422p", "-q:v", "3", "-c:a", "aac", out)


@clip(MP4, frames=75)
def rotated(out: Path) -> None:
    """A display matrix that turns the picture by 90 degrees, as a phone's."""
    upright = out.with_name("upright.mp4")
    ffmpeg(*picture(), *sound(), *x264(BFRAMES), *AAC, upright)
    ffmpeg("-display_rotation:v:0", "90", "-i", upright, "-c", "copy", out)


@clip(MP4, frames=25, traits="")
def fine_sar(out: Path) -> None:
    """Pixels of 5764/5265, as scaling leaves them: larger terms than x264 writes, so that its stream says 3165/2891."""
    ffmpeg(*picture(1, size="320x262"), "-vf", "setsar=5764/5265:max=9999", *x264(), out)


@clip(MP4, frames=50, traits="")
def odd_sar(out: Path) -> None:
    """Pixels that are not square: 16/11."""
    ffmpeg(*picture(2), "-vf", "setsar=16/11", *x264(BFRAMES), out)


@clip(MP4, frames=50, traits="")
def odd_size_444(out: Path) -> None:
    """161x119, which 4:4:4 allows."""
    ffmpeg(*picture(2), "-vf", "scale=161:119,setsar=1", *x264(BFRAMES, "-pix_fmt", "yuv444p"), out)


@clip(MKV, outputs=(MKV, MP4), frames=50, traits="")
def odd_size_420(out: Path) -> None:
    """161x119 with 4:2:0 chroma, as VP9 may have it."""
    coded = ["-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-crf", "25", "-b:v", "0"]
    ffmpeg(*picture(2), "-vf", "scale=161:119,setsar=1", *coded, "-pix_fmt", "yuv420p", out)


@clip(MP4, frames=50, traits="")
def cropped(out: Path) -> None:
    """162x118: even, but no multiple of 16, so the stream carries a crop."""
    ffmpeg(*picture(2, size="162x118"), *x264(BFRAMES), out)


CUT_OFF = Crop(top=2, bottom=12, left=6, right=16)


@clip(MP4, frames=25, traits="")
def clean_aperture(out: Path) -> None:
    """192x144, of which players are to show 170x130, not in the middle (clap)."""
    ffmpeg(*picture(1), *x264(BFRAMES), out)
    add_cropping(out, CUT_OFF, 192, 144)


@clip(MKV, frames=25, traits="")
def pixel_crop(out: Path) -> None:
    """The same in Matroska, with pixels that are not square."""
    whole = out.with_suffix(".mp4")
    ffmpeg(*picture(1), "-vf", "setsar=16/11", *x264(BFRAMES), whole)
    add_cropping(whole, CUT_OFF, 192, 144)
    ffmpeg("-i", whole, "-c", "copy", out)
    whole.unlink()


BT2020 = ["-colorspace", "bt2020nc", "-color_primaries", "bt2020", "-color_trc", "smpte2084"]
HDR = (
    "master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,500):max-cll=1000,400"
    ":hdr10=1:repeat-headers=1:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc:keyint=24"
)


@clip(MP4, frames=50)
def hdr10(out: Path) -> None:
    """HDR10: HEVC Main 10, BT.2020 PQ, mastering display and content light level."""
    tags = ["-vf", "setparams=colorspace=bt2020nc:color_primaries=bt2020:color_trc=smpte2084:range=tv"]
    coded = x265(HDR, "-pix_fmt", "yuv420p10le", *BT2020)
    ffmpeg(*picture(2), *sound(2), *tags, *coded, *AAC, out)


@clip(MP4, frames=50)
def full_range(out: Path) -> None:
    """Full-range BT.709, tagged so."""
    tags = "setparams=range=pc:colorspace=bt709:color_primaries=bt709:color_trc=bt709"
    tags = f"scale=in_range=tv:out_range=pc,{tags}"
    ffmpeg(*picture(2), *sound(2), "-vf", tags, *x264(BFRAMES), *AAC, out)


@clip(MP4, frames=50)
def bt601(out: Path) -> None:
    """Limited-range SMPTE 170M, tagged so."""
    tags = "setparams=range=tv:colorspace=smpte170m:color_primaries=smpte170m:color_trc=smpte170m"
    ffmpeg(*picture(2), *sound(2), "-vf", tags, *x264(BFRAMES), *AAC, out)


# Other codecs and containers. --------------------------------------------------------------------------


@clip(".webm", outputs=(MKV, MP4), frames=50)
def vp9_webm(out: Path) -> None:
    """VP9 with hidden alternate reference frames, and Opus."""
    coded = ["-c:v", "libvpx-vp9", "-deadline", "good", "-cpu-used", "5", "-auto-alt-ref", "1", "-g", "25"]
    ffmpeg(*picture(2), *sound(2), *coded, "-lag-in-frames", "16", "-b:v", "300k", "-c:a", "libopus", out)


@clip(MKV, outputs=(MKV, MP4), frames=50)
def av1_mkv(out: Path) -> None:
    """AV1 and Opus in Matroska."""
    coded = ["-c:v", "libsvtav1", "-preset", "12", "-crf", "35", "-g", "25", "-svtav1-params", "lp=2"]
    ffmpeg(*picture(2), *sound(2), *coded, "-pix_fmt", "yuv420p", "-c:a", "libopus", out)


@clip(".ivf", outputs=(MKV,), frames=50, traits="timeless")
def vp8_ivf(out: Path) -> None:
    """VP8 in IVF, its hidden alternate reference frames in packets of their own."""
    coded = ["-c:v", "libvpx", "-deadline", "good", "-cpu-used", "5", "-auto-alt-ref", "1", "-g", "25"]
    ffmpeg(*picture(2), *coded, "-lag-in-frames", "16", "-b:v", "300k", out)


@clip(".ivf", outputs=(MKV, MP4), frames=50, traits="timeless")
def av1_ivf(out: Path) -> None:
    """AV1 in IVF."""
    ffmpeg("-i", build("av1_mkv"), "-map", "0:v", "-c", "copy", out)


@clip(".mkv", outputs=(MKV, MP4), frames=50)
def av1_split_mkv(out: Path) -> None:
    """AV1 in Matroska, each frame in a packet of its own, those too that are not shown."""
    ffmpeg("-i", build("av1_mkv"), "-c", "copy", "-bsf:v", "av1_frame_split", out)


@clip(".mp4", outputs=(MKV, MP4), frames=50)
def av1_split_mp4(out: Path) -> None:
    """The same in MP4."""
    ffmpeg("-i", build("av1_mkv"), "-c", "copy", "-bsf:v", "av1_frame_split", out)


@clip(".ivf", outputs=(MKV, MP4), frames=50, traits="timeless")
def av1_split_ivf(out: Path) -> None:
    """The same in IVF."""
    ffmpeg("-i", build("av1_mkv"), "-map", "0:v", "-c", "copy", "-bsf:v", "av1_frame_split", out)


@clip(".avi", frames=75, traits="audio timeless")
def h264_avi(out: Path) -> None:
    """H.264 with B-frames in AVI, whose packets carry no pts."""
    ffmpeg(*picture(), *sound(), *x264(BFRAMES), "-c:a", "libmp3lame", out)


@clip(".avi", frames=75, traits="audio timeless")
def mpeg4_avi(out: Path) -> None:
    """MPEG-4 ASP with B-frames in AVI."""
    coded = ["-c:v", "mpeg4", "-bf", "2", "-q:v", "3", "-g", "25", "-vtag", "XVID"]
    ffmpeg(*picture(), *sound(), *coded, "-c:a", "libmp3lame", out)


@clip(".avi", frames=73, traits="audio timeless")
def packed_avi(out: Path) -> None:
    """MPEG-4 ASP with packed B-frames, as Xvid wrote them: two pictures in a packet, then an empty one."""
    coded = ["-c:v", "libxvid", "-bf", "2", "-q:v", "3", "-g", "25"]
    ffmpeg(*picture(), *sound(), *coded, "-c:a", "libmp3lame", out)


@clip(".h264", frames=75, traits="timeless")
def raw_h264(out: Path) -> None:
    """A bare H.264 stream with B-frames: no container, no times."""
    ffmpeg(*picture(), *x264(BFRAMES), out)


@clip(".hevc", frames=75, traits="timeless")
def raw_hevc(out: Path) -> None:
    """A bare HEVC stream with B-frames."""
    ffmpeg(*picture(), *x265("keyint=24:bframes=3"), out)


@clip(MP4, frames=75)
def fragmented(out: Path) -> None:
    """Fragmented MP4, its index in pieces."""
    flags = ["-movflags", "frag_keyframe+empty_moov+default_base_moof"]
    ffmpeg(*picture(), *sound(), *x264(BFRAMES), *AAC, *flags, out)


# Tracks beside the picture. ----------------------------------------------------------------------------

SRT = """1
00:00:00,400 --> 00:00:01,200
first line

2
00:00:01,500 --> 00:00:02,300
<i>second</i> line,
in two rows

3
00:00:02,400 --> 00:00:02,900
last: \u00e4\u00f6\u00fc
"""
ASS = """[Script Info]
ScriptType: v4.00+

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, Alignment, MarginL, MarginR, MarginV
Style: Default,Arial,16,&H00FFFFFF,2,10,10,10

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
Dialogue: 0,0:00:00.50,0:00:01.50,Default,,0,0,0,,{\\b1}bold{\\b0} one
Dialogue: 0,0:00:01.70,0:00:02.70,Default,,0,0,0,,two\\Nrows
"""
CHAPTERS = """;FFMETADATA1
title=Three tracks
artist=recast
[CHAPTER]
TIMEBASE=1/1000
START=0
END=1000
title=one
[CHAPTER]
TIMEBASE=1/1000
START=1000
END=3000
title=two; with = signs
"""
LANGUAGES = [
    *["-metadata:s:a:0", "language=eng", "-metadata:s:a:0", "title=Original"],
    *["-metadata:s:a:1", "language=deu", "-metadata:s:a:1", "title=Kommentar"],
    *["-disposition:a:0", "default", "-disposition:a:1", "comment"],
]


def _texts(out: Path) -> tuple[Path, Path, Path]:
    """Subtitles and chapters as files beside `out`."""
    srt, ass, chapters = (out.with_name(name) for name in ("s.srt", "s.ass", "chapters.txt"))
    srt.write_text(SRT, encoding="utf-8")
    ass.write_text(ASS, encoding="utf-8")
    chapters.write_text(CHAPTERS, encoding="utf-8")
    return srt, ass, chapters


# In Matroska its mov_text becomes SRT; MOV has no place for the "comment" disposition.
@clip(MP4, outputs=(MP4, MKV), frames=75)
def tracks_mp4(out: Path) -> None:
    """Two sound tracks with languages and titles, mov_text subtitles, chapters."""
    srt, _, chapters = _texts(out)
    inputs = [*picture(), *sound(), *sound(3, 660), "-i", str(srt), "-i", str(chapters)]
    maps = ["-map", "0:v", "-map", "1:a", "-map", "2:a", "-map", "3:s", "-map_metadata", "4"]
    text = ["-c:s", "mov_text", "-metadata:s:s:0", "language=fra"]
    ffmpeg(*inputs, *maps, *x264(BFRAMES), *AAC, *text, *LANGUAGES, out)


@clip(MKV, outputs=(MKV,), frames=75)
def tracks_mkv(out: Path) -> None:
    """Two sound tracks, SRT and ASS subtitles, chapters, a font attached."""
    srt, ass, chapters = _texts(out)
    font = out.with_name("some font.ttf")
    font.write_bytes(bytes(range(256)) * 8)
    inputs = [*picture(), *sound(), *sound(3, 660), "-i", str(srt), "-i", str(ass), "-i", str(chapters)]
    maps = ["-map", "0:v", "-map", "1:a", "-map", "2:a", "-map", "3:s", "-map", "4:s", "-map_metadata", "5"]
    text = ["-c:s", "copy", "-metadata:s:s:0", "language=fra", "-metadata:s:s:1", "language=jpn"]
    text += ["-disposition:s:0", "default", "-disposition:s:1", "forced"]
    attach = ["-attach", str(font), "-metadata:s:t:0", "mimetype=application/x-truetype-font"]
    coded = [*x264(BFRAMES), "-c:a:0", "aac", "-c:a:1", "flac"]
    ffmpeg(*inputs, *maps, *coded, *text, *LANGUAGES, *attach, out)


def _cover(out: Path) -> Path:
    jpeg = out.with_name("cover.jpg")
    ffmpeg("-f", "lavfi", "-i", "mandelbrot=size=96x96", "-frames:v", "1", jpeg)
    return jpeg


@clip(MP4, outputs=(MP4, MKV), frames=75)
def cover_mp4(out: Path) -> None:
    """Cover art: a second video track that is one attached picture."""
    inputs = [*picture(), *sound(), "-i", str(_cover(out)), "-map", "0:v", "-map", "1:a", "-map", "2:v"]
    art = ["-c:v:1", "copy", "-disposition:v:1", "attached_pic"]
    ffmpeg(*inputs, *_only_first(x264(BFRAMES)), *art, *AAC, out)


def _only_first(options: list[str]) -> list[str]:
    """Encoder options for the first video track alone."""
    return ["-c:v:0" if each == "-c:v" else each for each in options]


@clip(MKV, outputs=(MP4, MKV), frames=75)
def cover_mkv(out: Path) -> None:
    """Cover art as Matroska has it: an attachment."""
    attach = ["-attach", str(_cover(out)), "-metadata:s:t:0", "mimetype=image/jpeg"]
    ffmpeg(*picture(), *sound(), *x264(BFRAMES), *AAC, *attach, "-metadata:s:t:0", "filename=cover.jpg", out)


@clip(MKV, frames=75)
def two_videos(out: Path) -> None:
    """A second video track of another size, which is no cover."""
    inputs = [*picture(), *picture(size="128x96"), *sound(), "-map", "0:v", "-map", "1:v", "-map", "2:a"]
    ffmpeg(*inputs, *x264(BFRAMES), *AAC, "-disposition:v:0", "default", out)


@clip(MKV, frames=50)
def flagged_mkv(out: Path) -> None:
    """Tracks flagged as what MP4 has words for (hearing impaired, forced) and not (original), MOV for none of it."""
    texts = out.with_name("texts.srt")
    texts.write_text("1\n00:00:00,200 --> 00:00:01,500\nHello.\n")
    inputs = [*picture(2), *sound(2), *sound(2, hertz=660), "-i", str(texts)]
    maps = ["-map", "0", "-map", "1", "-map", "2", "-map", "3"]
    flags = [
        "-disposition:a:0",
        "default+original",
        "-disposition:a:1",
        "hearing_impaired",
        "-disposition:s:0",
        "forced",
    ]
    ffmpeg(*inputs, *maps, *x264(BFRAMES), *AAC, "-c:s", "srt", *flags, out)


@clip(".ts", frames=50)
def joined_ts(out: Path) -> None:
    """Two files joined by FFmpeg, the first without B-frames: three frames of the second have times out of order."""
    listed = out.with_name("list.txt")
    for name, bframes in (("a", 0), ("b", 2)):
        made = out.with_name(f"{name}.mkv")
        ffmpeg(*picture(1), *sound(1), *x264(f"keyint=25:bframes={bframes}"), *AAC, made)
        with listed.open("a") as lines:
            lines.write(f"file '{made}'\n")
    ffmpeg("-f", "concat", "-safe", "0", "-i", listed, "-c", "copy", out)


@clip(".ts", frames=50)
def two_programs(out: Path) -> None:
    """MPEG-TS with two programs: a second video track, in Annex B, and a second sound."""
    inputs = [*picture(2), *sound(2), *picture(2, rate="30", size="128x96"), *sound(2, hertz=660)]
    maps = ["-map", "0:v", "-map", "1:a", "-map", "2:v", "-map", "3:a"]
    programs = ["-program", "title=A:st=0:st=1", "-program", "title=B:st=2:st=3"]
    ffmpeg(*inputs, *maps, *x264(BFRAMES), *AAC, *programs, out)


@clip(MKV, frames=50, outputs=(MP4, MOV, MKV))
def empty_track(out: Path) -> None:
    """A sound track and subtitles without one packet, as where a cut left none, between tracks that have some."""
    texts = out.with_name("none.srt")
    texts.write_text("1\n01:00:00,000 --> 01:00:01,000\nToo late.\n")
    inputs = [*picture(2), "-itsoffset", "9", *sound(1), *sound(2), "-i", str(texts)]
    maps = ["-map", "0:v", "-map", "1:a", "-map", "3", "-map", "2:a"]
    ffmpeg(*inputs, *maps, *x264(BFRAMES), *AAC, "-c:s", "srt", "-t", "2", out)


@clip(".mxf", outputs=(MKV, MOV), frames=50, traits="audio timeless")
def h264_mxf(out: Path) -> None:
    """H.264 with B-frames in MXF that says nothing of their order: packets carry decode times alone."""
    ffmpeg(*picture(2), *sound(2), *x264(BFRAMES), "-c:a", "pcm_s16le", out)


@clip(".drc", frames=50, traits="timeless")
def dirac(out: Path) -> None:
    """A bare Dirac stream, whose parser numbers the pictures in place of times."""
    ffmpeg(*picture(2), "-c:v", "vc2", "-strict", "-2", "-pix_fmt", "yuv420p", out)


@clip(".avi", outputs=(MKV,), frames=50, traits="timeless raw")
def raw_pictures_avi(out: Path) -> None:
    """Packed raw pictures (UYVY)."""
    ffmpeg(*picture(2), "-c:v", "rawvideo", "-pix_fmt", "uyvy422", out)


@clip(".avi", outputs=(MKV,), frames=25, traits="")
def utvideo_avi(out: Path) -> None:
    """UT Video, whose tag alone says how its pictures are laid out, and which Matroska has no name for."""
    ffmpeg(*picture(1), "-c:v", "utvideo", "-pix_fmt", "yuv420p", out)


@clip(".mxf", outputs=(MKV, MOV), frames=10)
def dnxhd_mxf(out: Path) -> None:
    """DNxHD with PCM in MXF: a codec that Matroska has no name for."""
    coded = ["-c:v", "dnxhd", "-profile:v", "dnxhr_lb", "-pix_fmt", "yuv422p", "-c:a", "pcm_s16le", "-ar", "48000"]
    ffmpeg(*picture(1, size="256x120"), *sound(1), *coded, "-frames:v", "10", "-t", "0.4", out)


@clip(".webm", outputs=(MKV, MP4), frames=75)
def vp8_hidden(out: Path) -> None:
    """VP8 with hidden reference frames: packets that give no picture."""
    coded = ["-c:v", "libvpx", "-auto-alt-ref", "1", "-lag-in-frames", "16", "-b:v", "300k", "-g", "30"]
    ffmpeg(*picture(3), *sound(3), *coded, "-c:a", "libvorbis", out)


@clip(MKV, outputs=(MKV,), frames=75)
def mpeg4_asp(out: Path) -> None:
    """MPEG-4 with B-frames: its transform rounds by processor unless it is asked to be exact."""
    ffmpeg(*picture(3), *sound(3), "-c:v", "mpeg4", "-bf", "2", "-q:v", "4", "-c:a", "aac", out)


@clip(MP4, frames=75)
def mp3_mp4(out: Path) -> None:
    """MP3 sound in MP4."""
    ffmpeg(*picture(), *sound(), *x264(BFRAMES), "-c:a", "libmp3lame", out)


@clip(MP4, frames=75)
def ac3_mp4(out: Path) -> None:
    """AC-3 sound in MP4."""
    ffmpeg(*picture(), *sound(), *x264(BFRAMES), "-c:a", "ac3", out)


@clip(MOV, outputs=(MOV, MP4, MKV), frames=75)
def timecode(out: Path) -> None:
    """H.264 in MOV with a timecode track."""
    ffmpeg(*picture(), *sound(), *x264(BFRAMES), *AAC, "-timecode", "10:00:00:00", out)


@clip(MOV, frames=75, traits="audio data")
def mebx(out: Path) -> None:
    """A timed metadata track as phones write it (mebx), which FFmpeg can read but not write."""
    whole = out.with_name("tmcd.mov")
    ffmpeg(*picture(), *sound(), *x264(BFRAMES), *AAC, "-timecode", "10:00:00:00", whole)
    data = whole.read_bytes()
    start, _ = find_box(data, b"moov")
    moov = data[start:].replace(b"mhlrtmcd", b"mhlrmeta").replace(b"tmcd", b"mebx")
    # The picture's reference to a timecode would otherwise name this track.
    out.write_bytes(data[:start] + moov.replace(b"\x0cmebx", b"\x0ccdsc", 1))


# What must be refused. ---------------------------------------------------------------------------------


def _front(out: Path) -> bytes:
    """A whole MP4 with its index in front."""
    whole = out.with_name("front.mp4")
    ffmpeg(*picture(), *sound(), *x264(BFRAMES), *AAC, "-movflags", "+faststart", whole)
    return whole.read_bytes()


@clip(MP4, bad="the file is cut off")
def truncated(out: Path) -> None:
    """The index is in front, a third of the media is cut off."""
    data = _front(out)
    out.write_bytes(data[: len(data) * 2 // 3])


@clip(MKV, bad="the file is cut off")
def truncated_mkv(out: Path) -> None:
    """Matroska that ends in the middle, though its header says how long it is."""
    _truncated_copy("cfr", out)


@clip(".avi", bad="the file is cut off")
def truncated_avi(out: Path) -> None:
    """AVI that ends in the middle, though its header says how long it is."""
    _truncated_copy("cfr", out, "-c:a", "mp3")


def _truncated_copy(name: str, out: Path, *coding: str) -> None:
    whole = out.with_name(f"whole{out.suffix}")
    ffmpeg("-i", build(name), "-c", "copy", *coding, whole)
    out.write_bytes(whole.read_bytes()[: int(whole.stat().st_size * 0.6)])


@clip(MP4, bad="there is no index")
def truncated_no_moov(out: Path) -> None:
    """Cut off before the index at the end."""
    whole = out.with_name("whole.mp4")
    cfr(whole)
    data = whole.read_bytes()
    out.write_bytes(data[: find_box(data, b"moov")[0] - 1000])


@clip(MP4, bad="the media is damaged", traits="audio corrupt")
def corrupt_packet(out: Path) -> None:
    """Bytes in the middle of the media are flipped, the index is whole."""
    data = bytearray(_front(out))
    start, end = find_box(bytes(data), b"mdat")
    middle = (start + end) // 2
    for i in range(middle, middle + 6000):
        data[i] ^= 0xA5
    out.write_bytes(data)


@clip(MP4, bad="it is no media", traits="")
def text(out: Path) -> None:
    """A text under a video's name."""
    out.write_text("This is not a video.\n" * 50)


@clip(MP4, bad="it is empty", traits="")
def empty(out: Path) -> None:
    """No bytes at all."""
    out.write_bytes(b"")


@clip(".m4a", bad="there is no video")
def audio_only(out: Path) -> None:
    """Sound alone."""
    ffmpeg(*sound(), *AAC, out)


@clip(".m4a", bad="there is no video but the cover")
def audio_cover(out: Path) -> None:
    """Sound with cover art: its only video track is an attached picture."""
    inputs = [*sound(), "-i", str(_cover(out)), "-map", "0:a", "-map", "1:v"]
    ffmpeg(*inputs, *AAC, "-c:v", "copy", "-disposition:v:0", "attached_pic", "-f", "mp4", out)


@clip(MP4, bad="no decoder knows the codec")
def unknown_codec(out: Path) -> None:
    """A sample entry that no decoder knows."""
    data = _front(out)
    start, end = find_box(data, b"moov")
    out.write_bytes(data[:start] + data[start:end].replace(b"avc1", b"zzq1") + data[end:])


@clip(MP4, bad="12 bit", traits="")
def hevc_12bit(out: Path) -> None:
    """HEVC Main 12."""
    ffmpeg(*picture(1), *x265("keyint=24", "-pix_fmt", "yuv420p12le"), out)


@clip(MOV, bad="alpha", traits="")
def alpha_prores(out: Path) -> None:
    """ProRes 4444 with an alpha channel."""
    ffmpeg(*picture(1), "-c:v", "prores_ks", "-profile:v", "4444", "-pix_fmt", "yuva444p10le", out)


@clip(MOV, bad="alpha", traits="")
def alpha_png(out: Path) -> None:
    """PNG pictures with an alpha channel in MOV."""
    ffmpeg(*picture(1), "-c:v", "png", "-pix_fmt", "rgba", out)


@clip(".webm", bad="alpha", traits="")
def alpha_vp9(out: Path) -> None:
    """VP9 whose alpha lies beside the packets (BlockAdditional)."""
    coded = ["-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-auto-alt-ref", "0"]
    ffmpeg(*picture(1), "-vf", "format=yuva420p", *coded, "-pix_fmt", "yuva420p", out)


@clip(".ts", bad="the picture's size changes", traits="")
def size_change(out: Path) -> None:
    """192x144 for a second, then 256x144, in MPEG-TS."""
    raw = out.with_name("both.h264")
    parts = []
    for size in ("192x144", "256x144"):
        part = out.with_name(f"{size}.h264")
        ffmpeg(*picture(1, size=size), *x264(), part)
        parts.append(part.read_bytes())
    raw.write_bytes(b"".join(parts))
    ffmpeg("-framerate", "25", "-i", raw, "-c", "copy", out)


@clip(MKV, bad="the picture's size changes", traits="")
def size_change_mkv(out: Path) -> None:
    """192x144 for a second, then 256x144, in Matroska, whose header names the first alone."""
    changing = out.with_name("change.ts")
    size_change(changing)
    ffmpeg("-i", changing, "-c", "copy", out)


# MP4 boxes by hand. ------------------------------------------------------------------------------------


def boxes(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """The boxes of a stretch of MP4: type, start, end."""
    while start + 8 <= end:
        size, kind = struct.unpack_from(">I4s", data, start)
        if size == 1:
            size = struct.unpack_from(">Q", data, start + 8)[0]
        size = size or end - start
        yield kind, start, start + size
        start += size


def find_box(data: bytes, path: bytes) -> tuple[int, int]:
    """Start and end of the first box at a path such as b"moov/trak/mdia"."""
    return _box_chain(data, path)[-1]


def _box_chain(data: bytes, path: bytes) -> list[tuple[int, int]]:
    chain: list[tuple[int, int]] = []
    start, end = 0, len(data)
    for name in path.split(b"/"):
        start, end = next((s, e) for kind, s, e in boxes(data, start, end) if kind == name)
        chain.append((start, end))
        start += 8
    return chain


def replace_box(data: bytes, path: bytes, body: bytes) -> bytes:
    """The file with another body in the box at `path`; the index must lie behind the media."""
    chain = _box_chain(data, path)
    start, end = chain[-1]
    made = bytearray(data[: start + 8] + body + data[end:])
    for box_start, box_end in chain:
        struct.pack_into(">I", made, box_start, box_end - box_start + 8 + len(body) - (end - start))
    return bytes(made)


# H.264 by hand: no encoder here writes field pictures. -------------------------------------------------


class _Bits:
    """Bits of an H.264 syntax structure."""

    def __init__(self) -> None:
        self.text = ""

    def u(self, value: int, width: int = 1) -> _Bits:
        self.text += f"{value:0{width}b}"
        return self

    def ue(self, *values: int) -> _Bits:
        for value in values:
            code = f"{value + 1:b}"
            self.text += "0" * (len(code) - 1) + code
        return self

    def aligned(self) -> bytes:
        text = self.text + "0" * (-len(self.text) % 8)
        return int(text, 2).to_bytes(len(text) // 8, "big")


def _nal(kind: int, ref: int, payload: bytes) -> bytes:
    escaped = bytearray()
    zeros = 0
    for byte in payload:
        if zeros >= 2 and byte <= 3:
            escaped.append(3)
            zeros = 0
        escaped.append(byte)
        zeros = zeros + 1 if byte == 0 else 0
    return b"\0\0\0\1" + bytes([ref << 5 | kind]) + bytes(escaped)


def _parameter_sets(across: int, down: int) -> bytes:
    """SPS and PPS of Main profile with fields, 25 frames a second, for so many macroblocks."""
    sps = _Bits().u(77, 8).u(0, 8).u(30, 8).ue(0, 0, 0, 4, 1).u(0).ue(across - 1, down // 2 - 1)
    sps.u(0).u(0).u(1).u(0).u(1)  # frames or fields, no MBAFF, direct_8x8, no crop, VUI
    sps.u(0, 4).u(1).u(1, 32).u(50, 32).u(1).u(0, 4).u(1)
    pps = _Bits().ue(0, 0).u(0, 2).ue(0, 0, 0).u(0, 3).ue(0, 0, 0).u(1).u(0, 2).u(1)
    return _nal(7, 3, sps.aligned()) + _nal(8, 3, pps.aligned())


@dataclass(frozen=True)
class _Picture:
    """One picture to code: a frame (field None), a top field (0) or a bottom field (1)."""

    number: int  # frames since the IDR
    field: int | None
    idr: bool


def _slice(what: _Picture, planes: tuple[bytes, bytes, bytes], width: int) -> bytes:
    """A whole picture as one I or P slice of uncoded (I_PCM) macroblocks."""
    head = _Bits().ue(0, 7 if what.idr else 5, 0).u(what.number % 16, 4)
    head.u(0) if what.field is None else head.u(1).u(what.field)
    if what.idr:
        head.ue(0)
    head.u((2 * what.number + (what.field or 0)) % 256, 8)
    head.u(0, 2 if what.idr else 3)  # how references are kept: as ever
    head.ue(0, 1)  # quantiser, no deblocking
    macroblock = _Bits().ue(25) if what.idr else _Bits().ue(0, 30)  # in a P slice after a run of 0 skipped
    head.text += macroblock.text
    body = bytearray(head.aligned())
    luma, cb, cr = planes
    height = len(luma) // width
    for y in range(0, height, 16):
        for x in range(0, width, 16):
            body += macroblock.aligned() if x or y else b""
            body += b"".join(luma[(y + i) * width + x :][:16] for i in range(16))
            for plane in (cb, cr):
                body += b"".join(plane[(y // 2 + i) * width // 2 + x // 2 :][:8] for i in range(8))
    return _nal(5 if what.idr else 1, 1, bytes(body) + b"\x80")


def _lines(plane: bytes, width: int, first: int) -> bytes:
    """Every second line of a plane."""
    return b"".join(plane[y : y + width] for y in range(first * width, len(plane), 2 * width))


def paff_access_units(count: int, width: int = 128, height: int = 96) -> list[bytes]:
    """H.264 frames, Annex B: two of three as a pair of fields, the third as one frame; an IDR every 24."""
    command = [exe(), "-v", "error", *picture(count / 25, size=f"{width}x{height}")]
    raw = subprocess.run(
        [*command, "-pix_fmt", "yuv420p", "-f", "rawvideo", "-"], capture_output=True, check=True
    ).stdout
    luma, size = width * height, width * height * 3 // 2
    units = []
    for n in range(count):
        whole = raw[n * size : (n + 1) * size]
        planes = (whole[:luma], whole[luma : luma * 5 // 4], whole[luma * 5 // 4 :])
        number, first = n % 24, n % 24 == 0
        unit = _parameter_sets(width // 16, height // 16) if first else b""
        if n % 3 == 2:
            units.append(unit + _slice(_Picture(number, None, first), planes, width))
            continue
        for field in (0, 1):
            y, cb, cr = planes
            half = (_lines(y, width, field), _lines(cb, width // 2, field), _lines(cr, width // 2, field))
            unit += _slice(_Picture(number, field, first and field == 0), half, width)
        units.append(unit)
    return units


if __name__ == "__main__":
    for wanted in sys.argv[1:] or CLIPS:
        print(build(wanted))
