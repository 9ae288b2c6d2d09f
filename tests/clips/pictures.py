"""Pictures: depth, chroma, shape, colour, HDR."""

import struct
from pathlib import Path

from recast.manifest import Crop
from recast.media.cropping import clap
from recast.media.entry import add_to_entry
from tests.clips.mp4boxes import box, full_box
from tests.clips.recipe import AAC, BFRAMES, ffmpeg, picture, sound, x264, x265
from tests.clips.registry import MKV, MOV, MP4, clip


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


@clip(MKV, outputs=(MKV, MP4, MOV), frames=25, traits="")
def side_by_side(out: Path) -> None:
    """3D: a picture for each eye, side by side, which Matroska says and H.264 does not."""
    ffmpeg(*picture(1), *x264(), "-metadata:s:v:0", "stereo_mode=left_right", out)


@clip(MP4, outputs=(MP4, MOV, MKV), frames=25, traits="")
def tilted(out: Path) -> None:
    """A display matrix that mirrors the picture and turns it by 10 degrees."""
    upright = out.with_name("upright.mp4")
    ffmpeg(*picture(1), *x264(), upright)
    ffmpeg("-display_rotation:v:0", "10", "-display_hflip:v:0", "-i", upright, "-c", "copy", out)


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
    add_to_entry(out, [clap(CUT_OFF, 192, 144)])


@clip(MKV, frames=25, traits="")
def pixel_crop(out: Path) -> None:
    """The same in Matroska, with pixels that are not square."""
    whole = out.with_suffix(".mp4")
    ffmpeg(*picture(1), "-vf", "setsar=16/11", *x264(BFRAMES), whole)
    add_to_entry(whole, [clap(CUT_OFF, 192, 144)])
    ffmpeg("-i", whole, "-c", "copy", out)
    whole.unlink()


@clip(MP4, outputs=(MP4, MKV), frames=25, traits="")
def sphere(out: Path) -> None:
    """A picture of all around, 360 degrees (sv3d): equirectangular."""
    ffmpeg(*picture(1), *x264(BFRAMES), out)
    projection = full_box(b"prhd", bytes(12)) + full_box(b"equi", bytes(16))
    add_to_entry(out, [box(b"sv3d", full_box(b"svhd", b"by hand\0") + box(b"proj", projection))])


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


@clip(MOV, outputs=(MOV, MKV), frames=10, traits="")
def hdr_prores(out: Path) -> None:
    """ProRes with HDR10's metadata, which the container alone says (mdcv, clli)."""
    ffmpeg(*picture(0.4), "-c:v", "prores_ks", "-pix_fmt", "yuv422p10le", *BT2020, out)
    mastering = (13250, 34500, 7500, 3000, 34000, 16000, 15635, 16450)
    light = box(b"clli", struct.pack(">2H", 1000, 400))
    add_to_entry(out, [box(b"mdcv", struct.pack(">8H2I", *mastering, 10_000_000, 50)), light])
