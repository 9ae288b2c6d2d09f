"""Tracks beside the picture."""

from pathlib import Path

from tests.clips.mp4boxes import find_box, refer_to_chapters
from tests.clips.pgs import write_pgs
from tests.clips.recipe import AAC, BFRAMES, ffmpeg, picture, sound, x264
from tests.clips.registry import MKV, MOV, MP4, clip

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


@clip(MKV, outputs=(MP4, MOV, MKV), frames=50)
def late_chapters(out: Path) -> None:
    """Chapters of which the first begins late and the second has no title."""
    chapters = out.with_name("chapters.txt")
    spans = [(400, 900, "title=one"), (900, 1500, ""), (1500, 2000, "title=three")]
    body = "".join(f"[CHAPTER]\nTIMEBASE=1/1000\nSTART={a}\nEND={b}\n{title}\n" for a, b, title in spans)
    chapters.write_text(f";FFMETADATA1\n{body}")
    ffmpeg(*picture(2), *sound(2), "-i", chapters, "-map", "0", "-map", "1", "-map_chapters", "2", *x264(), *AAC, out)


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


def cover(out: Path) -> Path:
    """A picture beside `out`."""
    jpeg = out.with_name("cover.jpg")
    ffmpeg("-f", "lavfi", "-i", "mandelbrot=size=96x96", "-frames:v", "1", jpeg)
    return jpeg


@clip(MP4, outputs=(MP4, MKV), frames=75)
def cover_mp4(out: Path) -> None:
    """Cover art: a second video track that is one attached picture."""
    inputs = [*picture(), *sound(), "-i", str(cover(out)), "-map", "0:v", "-map", "1:a", "-map", "2:v"]
    art = ["-c:v:1", "copy", "-disposition:v:1", "attached_pic"]
    ffmpeg(*inputs, *_only_first(x264(BFRAMES)), *art, *AAC, out)


def _only_first(options: list[str]) -> list[str]:
    """Encoder options for the first video track alone."""
    return ["-c:v:0" if each == "-c:v" else each for each in options]


@clip(MKV, outputs=(MP4, MKV), frames=75)
def cover_mkv(out: Path) -> None:
    """Cover art as Matroska has it: an attachment."""
    attach = ["-attach", str(cover(out)), "-metadata:s:t:0", "mimetype=image/jpeg"]
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


@clip(".m2ts", outputs=(MKV,), frames=50)
def pgs_m2ts(out: Path) -> None:
    """MPEG-TS as Blu-rays have it, with PGS subtitles, whose parts are packets of their own there."""
    sup = out.with_name("subtitles.sup")
    write_pgs(sup, (0.4, 1.2))
    maps = ["-map", "0", "-map", "1", "-map", "2", "-c:s", "copy"]
    blu_ray = ["-f", "mpegts", "-mpegts_m2ts_mode", "1"]
    ffmpeg(*picture(2), *sound(2), "-i", sup, *maps, *x264(BFRAMES), "-c:a", "ac3", *blu_ray, out)


@clip(".ts", frames=225)
def late_track(out: Path) -> None:
    """MPEG-TS whose second sound begins after 8 s, beyond what FFmpeg looks at unless it is told to."""
    inputs = [*picture(9), *sound(9), "-itsoffset", "8", *sound(1, hertz=660)]
    maps = ["-map", "0", "-map", "1", "-map", "2"]
    ffmpeg(*inputs, *maps, *x264(BFRAMES), "-c:a:0", "aac", "-c:a:1", "ac3", out)


@clip(".ts", frames=50)
def silent_track(out: Path) -> None:
    """MPEG-TS whose table names a sound track of which nothing is there, between two of which there is."""
    whole = out.with_name("whole.ts")
    inputs = [*picture(2), *sound(2), *sound(2, hertz=660), *sound(2, hertz=880)]
    maps = [word for number in range(4) for word in ("-map", str(number))]
    ffmpeg(*inputs, *maps, *x264(BFRAMES), *AAC, "-c:a:1", "ac3", whole)
    data = whole.read_bytes()
    packets = [data[place : place + 188] for place in range(0, len(data), 188)]
    out.write_bytes(b"".join(packet for packet in packets if int.from_bytes(packet[1:3], "big") & 0x1FFF != 0x102))


@clip(MOV, frames=75)
def chapter_pictures(out: Path) -> None:
    """MOV with a track of pictures for its chapters, to which the video refers (chap)."""
    whole = out.with_name("whole.mov")
    inputs = [*picture(), *sound(), *picture(rate="1", size="64x48")]
    maps = ["-map", "0", "-map", "1", "-map", "2"]
    ffmpeg(*inputs, *maps, *_only_first(x264(BFRAMES)), "-c:v:1", "mjpeg", *AAC, whole)
    out.write_bytes(refer_to_chapters(whole.read_bytes(), 3))


@clip(MKV, frames=75)
def second_is_default(out: Path) -> None:
    """Two video tracks, of which the second is the default one."""
    inputs = [*picture(size="128x96"), *picture(), *sound(), "-map", "0:v", "-map", "1:v", "-map", "2:a"]
    ffmpeg(*inputs, *x264(BFRAMES), *AAC, "-disposition:v:0", "0", "-disposition:v:1", "default", out)
