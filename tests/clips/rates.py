"""Plain rates, and variable ones."""

from pathlib import Path

from tests.clips.recipe import AAC, BFRAMES, ffmpeg, picture, sound, x264
from tests.clips.registry import MKV, MOV, MP4, clip


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
