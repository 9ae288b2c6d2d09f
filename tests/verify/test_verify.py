"""A good copy passes every check; each kind of damage fails exactly the checks it should."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from recast.cli import main
from recast.errors import BadInput, NotFound, Transient, UsageError
from recast.verify import process
from recast.verify.check import Check
from recast.verify.frames import Frames, _pictures
from recast.verify.match import HEIGHT, WIDTH, Matcher
from recast.verify.process import Media, Running
from recast.verify.report import Expect, verify
from recast.verify.tracks import Allowed
from tests import clips, faces

LOSSLESS = ["-c:v:0", "libx264", "-qp", "0", "-preset", "ultrafast", "-bf", "2"]
LOSSY = ["-c:v:0", "libx264", "-crf", "30", "-preset", "fast"]


@dataclass(frozen=True)
class Copy:
    """How FFmpeg copies a clip: the video encoded again, all else as it is.

    `after` are options after the general ones, `inputs` more inputs, `before` stand before the source.
    """

    coded: tuple[str, ...] = tuple(LOSSLESS)
    before: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    maps: tuple[str, ...] = ("-map", "0", "-map", "-0:d")
    after: tuple[str, ...] = ()

    def make(self, source: Path, out: Path) -> Path:
        timing = ["-fps_mode", "passthrough", "-enc_time_base", "demux", "-movie_timescale", "90000"]
        given: list[str | Path] = ["-noautorotate", *self.before, "-i", source, *self.inputs]
        clips.ffmpeg(*given, *self.maps, "-c", "copy", *self.coded, *timing, *self.after, out)
        return out


def checked(
    name: str,
    copy: Copy,
    folder: Path,
    suffix: str = "",
    expect: Expect = "lossy",
    allowed: Allowed | None = None,
) -> list[Check]:
    source = clips.build(name)
    out = copy.make(source, folder / f"out{suffix or source.suffix}")
    return verify(source, out, expect=expect, allowed=allowed)


def failures(checks: list[Check]) -> dict[str, str]:
    return {check.name: check.detail for check in checks if not check.ok}


def shown(filters: str, coded: list[str] = LOSSLESS) -> Copy:
    """A copy whose pictures went through a filter."""
    return Copy(tuple(coded), after=("-filter:v:0", filters))


# Good copies. ------------------------------------------------------------------------------------------

GOOD = [
    *[("cfr", ".mp4"), ("cfr", ".mkv"), ("cfr_23976", ".mov"), ("vfr_mp4", ".mp4"), ("vfr_mp4", ".mkv")],
    *[("vfr_mkv", ".mp4"), ("dense", ".mp4"), ("hole_ts", ".mkv"), ("still", ".mp4"), ("edit_list", ".mp4")],
    *[("multi_edit", ".mkv"), ("audio_late", ".mp4"), ("audio_late_mkv", ".mp4"), ("video_late", ".mkv")],
    *[
        ("negative_start", ".mp4"),
        ("ts", ".mp4"),
        ("ts", ".mkv"),
        ("ts_midgop", ".mp4"),
        ("hevc_cra", ".mkv"),
    ],
    *[("open_gop_hevc", ".mp4"), ("intra_refresh_ts", ".mp4"), ("rotated", ".mp4"), ("odd_sar", ".mkv")],
    *[("full_range", ".mp4"), ("hevc_10bit", ".mp4"), ("mpeg2_ps", ".mp4"), ("prores", ".mov")],
    *[("tracks_mkv", ".mkv"), ("tracks_mp4", ".mkv"), ("cover_mp4", ".mp4"), ("cover_mkv", ".mp4")],
    *[
        ("two_videos", ".mp4"),
        ("mp3_mp4", ".mkv"),
        ("ac3_mp4", ".mov"),
        ("vp9_webm", ".mp4"),
        ("h264_avi", ".mp4"),
    ],
    *[
        ("packed_avi", ".mkv"),
        ("raw_h264", ".mp4"),
        ("timecode", ".mov"),
        ("mebx", ".mov"),
        ("fragmented", ".mp4"),
    ],
    ("single_frame", ".mp4"),
]


LOSSY_TOO = {
    *("cfr", "dense", "edit_list", "full_range", "hevc_10bit", "intra_refresh_ts", "odd_sar", "open_gop_hevc"),
    *("prores", "rotated", "single_frame", "still", "two_videos", "vfr_mkv", "vp9_webm"),
}
"""Clips whose pictures, or how they are told apart, are each of another kind."""


@pytest.mark.parametrize(
    ("name", "suffix", "expect"),
    [
        (name, suffix, expect)
        for name, suffix in GOOD
        for expect in ("lossless", "lossy")
        if expect == "lossless" or name in LOSSY_TOO
    ],
)
def test_a_good_copy_passes(name: str, suffix: str, expect: Expect, tmp_path: Path) -> None:
    copy = Copy(tuple(LOSSLESS if expect == "lossless" else LOSSY))
    if name == "prores":
        copy = Copy(("-c:v:0", "copy"))
    if (name, suffix) == ("tracks_mp4", ".mkv"):
        copy = replace(copy, after=("-c:s", "srt"))
    assert failures(checked(name, copy, tmp_path, suffix, expect)) == {}


def test_a_plain_remux_passes_where_there_is_nothing_hidden(tmp_path: Path) -> None:
    assert failures(checked("bframes", Copy(("-c:v", "copy")), tmp_path, ".mkv", "lossless")) == {}


# Pictures and times. -----------------------------------------------------------------------------------


def order(*swapped: int, count: int = 75) -> str:
    """A filter that puts one picture in the other's place."""
    ranks = list(range(count))
    a, b = swapped
    ranks[a], ranks[b] = b, a
    return "shuffleframes=" + " ".join(map(str, ranks))


LATE = "tpad=start=1:start_mode=clone,trim=end_frame=75"
EARLY = "trim=start_frame=1,setpts=PTS-STARTPTS,tpad=stop=1:stop_mode=clone"


@pytest.mark.parametrize("coded", [LOSSLESS, LOSSY], ids=["lossless", "crf30"])
@pytest.mark.parametrize(
    ("filters", "names", "said"),
    [
        ("select='not(eq(n,37))'", {"frame count"}, r"frame 37: missing \(source 1\.480 s\)"),
        ("select='not(eq(n,37))',setpts=N*512", {"frame count", "pictures"}, r"frame 74: missing"),
        ("loop=loop=1:size=1:start=37,setpts=N*512", {"frame count", "pictures"}, "output frame 75"),
        (
            "loop=loop=1:size=1:start=37,setpts='if(lt(N,37),N,if(eq(N,37),36.5,N-1))*512'",
            {"frame count"},
            "output frame 37: no such frame",
        ),
        ("setpts='PTS+eq(N,37)*0.01/TB'", {"timestamps"}, "frame 37: at 1.490"),
        ("setpts='PTS+gte(N,37)*0.04/TB'", {"timestamps"}, "frame 37: at 1.520"),
        ("setpts=N/24/TB", {"timestamps"}, "frame 1: at 0.0416"),
        (order(37, 38), {"pictures"}, r"frame 37 \(source 1.480 s\): shows source frame 38"),
        (order(10, 12), {"pictures"}, "frame 10 .* shows source frame 12"),
        (order(10, 40), {"pictures"}, "frame 10 "),
        (LATE, {"pictures"}, "frame 1 .* shows source frame 0"),
        (EARLY, {"pictures"}, "frame 0 .* shows source frame 1"),
    ],
    ids=[
        *["dropped", "dropped-closed", "doubled", "doubled-between", "one-late", "gap-of-one", "other-rate"],
        *["swapped", "swapped-near", "swapped-far", "all-late", "all-early"],
    ],
)
def test_damage_to_frames(filters: str, names: set[str], said: str, coded: list[str], tmp_path: Path) -> None:
    found = failures(checked("bframes", shown(filters, coded), tmp_path))
    assert set(found) - {"audio 0 offset"} == names
    assert "audio 0 offset" not in found
    assert any(re.search(said, detail) for detail in found.values()), found


@pytest.mark.parametrize(
    ("theirs", "step", "alike", "ok", "said"),
    [
        (2, 1, 0, False, "another video's, or cropped or padded: half"),
        (2, 1, HEIGHT // 3, False, "another video's, or cropped or padded: half"),
        (2, 1, HEIGHT * 2 // 3, True, "12 of 12 told from their neighbours"),
        (1, 1, 0, True, "12 of 12 told from their neighbours"),
        (1, 0, 0, True, "nothing moves"),
    ],
    ids=["another's", "another's but for a third", "changed in a third", "its own", "a still"],
)
def test_another_videos_pictures_and_those_that_cannot_be_told_from_their_neighbours(
    theirs: int, step: int, alike: int, ok: bool, said: str
) -> None:
    def video(seed: int) -> Iterator[bytes]:
        noise = np.random.default_rng(seed).integers(0, 256, (HEIGHT, WIDTH), np.uint8)
        noise[:alike] = np.random.default_rng(0).integers(0, 256, (alike, WIDTH), np.uint8)
        return (np.roll(noise, step * place, axis=1).tobytes() for place in range(12))

    matcher = Matcher()
    for source, output in zip(video(1), video(theirs), strict=True):
        matcher.push(source, output)
    times = tuple(Fraction(place) for place in range(12))
    check = _pictures(matcher, [(place, place) for place in range(12)], Frames(times, (), Fraction(1), ()))
    assert check.ok is ok and said in check.detail


def test_frames_that_are_missing_and_those_too_many_are_counted_apart(tmp_path: Path) -> None:
    found = failures(checked("bframes", shown("setpts='(N+gte(N,1)/2)*0.04/TB',trim=end_frame=20"), tmp_path))
    missing, extra = found["frame count"].split("; ")[1:]
    assert missing.startswith("frame 1: missing (source ") and missing.endswith(", and 71 more")
    assert extra.startswith("output frame 1: no such frame (output ") and extra.endswith(", and 16 more")


@pytest.mark.parametrize("filters", [order(10, 12), order(10, 40), LATE])
def test_a_strict_comparison_names_the_picture_shown(filters: str, tmp_path: Path) -> None:
    found = failures(checked("bframes", shown(filters), tmp_path, expect="lossless"))
    assert set(found) == {"pictures"}
    assert "shows source frame" in found["pictures"]


def test_one_pixel_is_found_where_every_pixel_counts_and_not_else(tmp_path: Path) -> None:
    copy = shown("drawbox=x=20:y=20:w=2:h=2:color=red:t=fill:enable='eq(n,50)'")
    assert (
        "frame 50 (source 2.000 s): its pixels differ"
        in failures(checked("cfr", copy, tmp_path, expect="lossless"))["pictures"]
    )
    assert failures(checked("cfr", copy, tmp_path)) == {}


@pytest.mark.parametrize("name", ["vfr_mp4", "still", "hole_mp4", "edit_list"])
def test_pictures_late_by_one_are_found_elsewhere_too(name: str, tmp_path: Path) -> None:
    retimed = "shuffleframes=" + " ".join(map(str, [0, *range((clips.CLIPS[name].frames or 0) - 1)]))
    assert set(failures(checked(name, shown(retimed, LOSSY), tmp_path))) == {"pictures"}


FACE = ("-f", "lavfi", "-i", "mandelbrot=size=104x80:rate=25")


def faced(then: str = "null", coded: list[str] = LOSSY) -> Copy:
    """A copy of which 30 % is another moving picture."""
    graph = f"[0:v:0][1:v]overlay=44:32:shortest=1:format=auto,{then}[v]"
    maps = ("-filter_complex", graph, "-map", "[v]", "-map", "0:a")
    return Copy(tuple(coded), inputs=FACE, maps=maps)


@pytest.mark.parametrize("coded", [LOSSLESS, LOSSY], ids=["lossless", "crf30"])
def test_a_swapped_face_is_no_fault(coded: list[str], tmp_path: Path) -> None:
    checks = checked("bframes", faced(coded=coded), tmp_path)
    assert failures(checks) == {}
    assert "75 of 75" in next(check.detail for check in checks if check.name == "pictures")


@pytest.mark.parametrize("then", [LATE, order(37, 38)])
def test_a_swapped_face_hides_no_fault(then: str, tmp_path: Path) -> None:
    assert set(failures(checked("bframes", faced(then), tmp_path))) == {"pictures"}


# Sound and the other tracks. ---------------------------------------------------------------------------


def moved(kind: str, seconds: str, suffix: str) -> Copy:
    """A copy whose video or audio stands elsewhere in time."""
    again = ("-itsoffset", seconds, "-i", "{source}")
    maps = ("-map", "1:v:0", "-map", "0:a") if kind == "video" else ("-map", "0:v:0", "-map", "1:a")
    return Copy(inputs=again, maps=maps)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize("name", ["bframes", "ts", "audio_late", "mp3_mp4", "h264_avi"])
@pytest.mark.parametrize(
    ("kind", "seconds"), [("audio", "0.02"), ("audio", "-0.02"), ("video", "0.04"), ("audio", "0.004")]
)
def test_a_shift_of_the_sound(name: str, kind: str, seconds: str, suffix: str, tmp_path: Path) -> None:
    if name == "h264_avi":
        # Its own clock says where the picture begins only to a frame.
        seconds = f"{'-' if seconds[0] == '-' else ''}0.08"
    source = clips.build(name)
    copy = moved(kind, seconds, suffix)
    copy = replace(copy, inputs=tuple(str(source) if each == "{source}" else each for each in copy.inputs))
    found = failures(checked(name, copy, tmp_path, suffix))
    assert set(found) == {"audio 0 offset"}


def without(*specifiers: str, **more: tuple[str, ...]) -> Copy:
    drop = tuple(word for each in specifiers for word in ("-map", f"-0:{each}"))
    return Copy(maps=("-map", "0", "-map", "-0:d", *drop), **more)


def metadata(*options: str) -> Copy:
    return Copy(after=options)


@pytest.mark.parametrize(
    ("name", "copy", "names"),
    [
        ("tracks_mkv", without("a:1"), {"audio 1 present"}),
        ("tracks_mkv", without("a:0"), {"audio 0 present"}),
        ("tracks_mkv", without("s:0"), {"subtitle 0 present"}),
        ("tracks_mkv", without("t"), {"attachment 0 present"}),
        ("cover_mp4", without("v:1"), {"cover 0 present"}),
        ("two_videos", without("v:1"), {"video 1 present"}),
        ("tracks_mkv", metadata("-metadata:s:a:1", "language="), {"audio 1 language"}),
        ("tracks_mkv", metadata("-metadata:s:a:1", "title=Other"), {"audio 1 title"}),
        ("tracks_mkv", metadata("-disposition:s:1", "0"), {"subtitle 1 dispositions"}),
        ("tracks_mkv", metadata("-map_chapters", "-1"), {"chapters"}),
        ("tracks_mkv", metadata("-c:a:1", "aac"), {"audio 1 codec"}),
        ("tracks_mkv", metadata("-bsf:a:0", "noise=amount=1000"), {"audio 0 packets"}),
        ("tracks_mkv", metadata("-bsf:a:0", "noise=drop='eq(n,20)'"), {"audio 0 packets"}),
        ("rotated", Copy(before=("-display_rotation:v:0", "0")), {"rotation"}),
        ("rotated", Copy(before=("-display_rotation:v:0", "270")), {"rotation"}),
        ("odd_sar", shown("setsar=1"), {"sample aspect ratio"}),
        ("bt601", shown("setparams=color_primaries=bt709"), {"colour"}),
        ("bt601", shown("setparams=colorspace=bt709"), {"colour"}),
        ("full_range", metadata("-bsf:v", "h264_metadata=video_full_range_flag=0"), {"colour"}),
        ("cfr", shown("pad=200:144"), {"size", "pictures"}),
        ("cfr", shown("setfield=tff,setparams=field_mode=tff"), {"field order"}),
        ("h264_422_10bit", metadata("-pix_fmt", "yuv420p"), {"pixel format"}),
        ("timecode", metadata("-metadata:s:v:0", "timecode="), {"timecode"}),
    ],
)
def test_a_loss_fails_its_own_check(name: str, copy: Copy, names: set[str], tmp_path: Path) -> None:
    if "setfield" in " ".join(copy.after):
        copy = replace(copy, coded=(*LOSSLESS, "-flags", "+ildct", "-x264-params", "tff=1"))
    assert set(failures(checked(name, copy, tmp_path))) == names


def test_sound_without_a_codec_is_the_same_however_it_is_cut_into_packets(tmp_path: Path) -> None:
    source, cut, other = (tmp_path / f"{name}.mkv" for name in ("source", "cut", "other"))
    clips.ffmpeg(*clips.picture(1), *clips.sound(1), "-c:v", "ffv1", "-c:a", "pcm_s16le", source)
    clips.ffmpeg("-i", source, "-c", "copy", "-bsf:a", "pcm_rechunk=n=1000:pad=0", cut)
    clips.ffmpeg("-i", source, "-c:v", "copy", "-af", "volume=0.9", "-c:a", "pcm_s16le", other)
    (packets,) = (each for each in verify(source, cut, expect="lossless") if each.name == "audio 0 packets")
    assert packets.ok and packets.detail == "the same samples, cut into other packets"
    assert "audio 0 packets" in failures(verify(source, other, expect="lossless"))


def test_a_changed_subtitle(tmp_path: Path) -> None:
    changed = tmp_path / "changed.srt"
    for old, new, said in (
        ("second", "sekond", "line 1 reads"),
        ("01,200", "01,300", "line 0 ends 100.00 ms too late"),
    ):
        changed.write_text(clips.tracks.SRT.replace(old, new), encoding="utf-8")
        maps = ("-map", "0:v", "-map", "0:a", "-map", "1:s", "-map", "0:s:1", "-map", "0:t")
        named = ("-metadata:s:s:0", "language=fra", "-disposition:s:0", "default")
        copy = Copy(inputs=("-i", str(changed)), maps=maps, after=named)
        found = failures(checked("tracks_mkv", copy, tmp_path))
        assert set(found) == {"subtitle 0 text"}
        assert said in found["subtitle 0 text"]


def test_lost_hdr_metadata(tmp_path: Path) -> None:
    colour = "colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc"
    bare = ("-c:v", "libx265", "-x265-params", f"log-level=error:lossless=1:hdr10=0:{colour}")
    stripped = "sidedata=delete:MASTERING_DISPLAY_METADATA,sidedata=delete:CONTENT_LIGHT_LEVEL"
    good = ("-c:v", "libx265", "-x265-params", f"log-level=error:lossless=1:{clips.pictures.HDR}")
    assert failures(checked("hdr10", Copy(good), tmp_path, expect="lossless")) == {}
    found = failures(checked("hdr10", Copy(bare, after=("-filter:v:0", stripped)), tmp_path, ".mkv"))
    assert set(found) == {"mastering display", "content light level"}


def test_what_was_asked_for_is_no_fault(tmp_path: Path) -> None:
    allowed = Allowed(dropped=frozenset({"subtitle", "audio:1", "attachments"}))
    assert failures(checked("tracks_mkv", without("s", "a:1", "t"), tmp_path, allowed=allowed)) == {}
    copy = metadata("-pix_fmt", "yuv420p")
    assert failures(checked("h264_422_10bit", copy, tmp_path, allowed=Allowed(pixel_format=True))) == {}


def test_a_data_track_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    checks = checked("mebx", Copy(), tmp_path)
    assert any(check.name == "data 0 present" and "dropped" in check.detail for check in checks)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize(
    ("filters", "names"),
    [
        ("anull", set()),
        ("adelay=20:all=1", {"audio 0 offset"}),
        ("atrim=start=0.02,asetpts=PTS-STARTPTS", {"audio 0 offset"}),
        ("atrim=end=2", {"audio 0 duration"}),
    ],
)
def test_audio_encoded_again(filters: str, names: set[str], suffix: str, tmp_path: Path) -> None:
    sound = tmp_path / "sound.mka"
    clips.ffmpeg("-i", clips.build("ac3_mp4"), "-vn", "-af", filters, "-c:a", "aac", "-b:a", "96k", sound)
    copy = Copy(inputs=("-i", str(sound)), maps=("-map", "0:v", "-map", "1:a"))
    allowed = Allowed(audio_encoded=True)
    assert set(failures(checked("ac3_mp4", copy, tmp_path, suffix, allowed=allowed))) == names


def test_a_damaged_output_does_not_decode(tmp_path: Path) -> None:
    assert "decodes" in failures(verify(clips.build("bframes"), clips.build("corrupt_packet")))


# The command, and hostile input. -----------------------------------------------------------------------


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = clips.build("bframes")
    good = Copy().make(source, tmp_path / "good.mp4")
    bad = shown("select='not(eq(n,37))'").make(source, tmp_path / "bad.mp4")
    assert main(["verify", str(source), str(good), "--lossless"]) == 0
    assert capsys.readouterr().out.endswith("all good\n")
    assert main(["verify", str(source), str(bad)]) == 65
    out = capsys.readouterr().out
    assert "FAIL  frame count: 75 in the source, 74 in the output; frame 37: missing (source 1.480 s)" in out
    assert main(["verify", str(source), str(tmp_path / "none.mp4")]) == 66
    assert main(["verify", str(source)]) == 64
    assert main(["verify", str(source), str(clips.build("text"))]) == 65
    assert "FFmpeg cannot read it" in capsys.readouterr().err
    assert main(["verify", str(source), str(faces.photo())]) == 65
    assert "astronaut.png: not a video file: give the video itself, not a picture" in capsys.readouterr().err


@pytest.mark.parametrize(
    "name", ["-i.mp4", "a b'\"$(x);|&.mp4", "%03d.mp4", "http:x.mp4", "concat:a|b.mp4", "\u00e4[b].mp4"]
)
def test_odd_names(name: str, tmp_path: Path) -> None:
    source = tmp_path / name
    shutil.copy(clips.build("single_frame"), source)
    assert failures(verify(source, source)) == {}


def test_a_playlist_opens_nothing(tmp_path: Path) -> None:
    shutil.copy(clips.build("ts"), tmp_path / "secret.ts")
    playlist = tmp_path / "list.mp4"
    playlist.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:3,\nsecret.ts\n#EXT-X-ENDLIST\n")
    with pytest.raises(BadInput):
        verify(playlist, playlist)


@pytest.mark.parametrize("name", ["text", "empty", "truncated_no_moov", "audio_only", "unknown_codec"])
def test_what_cannot_be_read_is_bad_input(name: str) -> None:
    with pytest.raises(BadInput):
        verify(clips.build(name), clips.build("cfr"))


def test_only_this_machine() -> None:
    with pytest.raises(UsageError):
        Media.of("http://example.com/a.mp4")
    assert Media.of("http://127.0.0.1:1/a.mp4").protocols == "http,tcp"
    with pytest.raises(NotFound):
        Media.of("/nowhere/a.mp4")


def test_a_hung_ffmpeg_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hung = tmp_path / "ffmpeg"
    hung.write_text("#!/bin/sh\nexec sleep 60\n")
    hung.chmod(0o755)
    monkeypatch.setattr(process, "executable", lambda: str(hung))
    media = Media.of(clips.build("single_frame"))
    with Running(media, [], stall=0.3) as run, pytest.raises(Transient, match="no progress"):
        run.finish()
