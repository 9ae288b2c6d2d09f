"""Other codecs and containers."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from tests.clips.recipe import AAC, BFRAMES, ffmpeg, picture, sound, x264, x265
from tests.clips.registry import MKV, MOV, MP4, build, clip


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


@clip(".avi", frames=50, traits="audio timeless")
def dropped_avi(out: Path) -> None:
    """H.264 in AVI with chunks of no bytes, where a capture dropped frames: the frame before is shown on."""
    dropped = ["-vf", "setpts='PTS+0.2/TB*gte(N,20)+0.04/TB*gte(N,31)'", "-fps_mode", "passthrough"]
    ffmpeg(*picture(2), *sound(2.3), *dropped, *x264("keyint=12:bframes=2"), "-c:a", "libmp3lame", out)


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


@clip(".flv", frames=50, traits="")
def two_headers(out: Path) -> None:
    """FLV of a live stream whose encoder was set up anew after a second: a second header, other parameter sets."""
    data = b""
    for number, params in enumerate(("bframes=0:ref=1:cabac=0", "bframes=2:b-adapt=0:ref=4:cabac=1:8x8dct=1")):
        part = out.with_name("part.flv")
        ffmpeg(*picture(1), *x264(f"keyint=25:{params}", "-preset", "veryfast"), part)
        made = part.read_bytes()
        data += (made[:13] if number == 0 else b"") + b"".join(_flv_tags(made, 1000 * number))
    out.write_bytes(data)


@clip(".flv", outputs=(MP4,), frames=25, traits="audio")
def metadata_again(out: Path) -> None:
    """FLV of a live stream that says once more on the way what it is (onMetaData), which FFmpeg takes for text."""
    whole = out.with_name("whole.flv")
    ffmpeg(*picture(1), *sound(1), *x264(), *AAC, whole)
    data = whole.read_bytes()
    end = 13 + 11 + int.from_bytes(data[14:17], "big") + 4
    half = 13 + sum(map(len, islice(_flv_tags(data, 0, kinds=(8, 9, 18)), 50)))
    again = data[13:17] + data[half + 4 : half + 8] + data[21:end]
    out.write_bytes(data[:half] + again + data[half:])


def _flv_tags(data: bytes, later: int, kinds: tuple[int, ...] = (9,)) -> Iterator[bytes]:
    """A FLV file's tags of some kinds, so many milliseconds later."""
    place = 13
    while place < len(data):
        end = place + 11 + int.from_bytes(data[place + 1 : place + 4], "big") + 4
        time = int.from_bytes(data[place + 4 : place + 7], "big") + later
        if data[place] in kinds:
            yield data[place : place + 4] + time.to_bytes(3, "big") + data[place + 7 : end]
        place = end
