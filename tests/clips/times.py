"""Times: edit lists, offsets, clocks."""

import struct
from pathlib import Path

from tests.clips.mp4boxes import replace_box
from tests.clips.recipe import AAC, BFRAMES, ffmpeg, picture, sound, x264
from tests.clips.registry import MKV, MP4, clip


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


@clip(MP4, frames=50, traits="")
def long_hidden(out: Path) -> None:
    """Cut by `-ss -c copy` out of a giant GOP: over a thousand frames are there and hidden before the first."""
    whole = out.with_name("whole.mp4")
    ffmpeg(*picture(44, size="128x96"), *x264("keyint=infinite:bframes=2", "-qp", "12"), whole)
    ffmpeg("-ss", "42", "-i", whole, "-c", "copy", out)
