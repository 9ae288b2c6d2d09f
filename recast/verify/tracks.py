"""Every track but the swapped one: there, the same bytes, at the same time beside the picture, named alike.

A copied packet is the same wherever it is stored, so its time is compared, not that of the first sample that
is heard: how much of a codec's priming a container hides differs, when the sound begins does not.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction

from recast.verify.check import Check, equal, failed, passed, skipped
from recast.verify.frames import MILLISECOND, Replaced, Seen, timeless
from recast.verify.probe import File, Look, Track, is_script
from recast.verify.process import LINES, Media, Running, read_lines
from recast.verify.sound import Sound, drift, listen

TEXT = {"subrip", "srt", "mov_text", "ass", "ssa", "webvtt", "text"}
STYLED = {"ass", "ssa"}
TERMINOLOGICAL = dict(
    pair.split(":")
    for pair in (
        "alb:sqi arm:hye baq:eus bur:mya chi:zho cze:ces dut:nld fre:fra geo:kat ger:deu gre:ell ice:isl"
        " mac:mkd mao:mri may:msa per:fas rum:ron slo:slk tib:bod wel:cym"
    ).split()
)
MOVIE_TICK = Fraction(1, 90000)
PICTURES = frozenset({"attached pic", "timed thumbnails", "still image"})
HELD = {
    "matroska": PICTURES | {"default", "dub", "original", "comment", "forced", "hearing impaired", "visual impaired"},
    "mp4": PICTURES | {"default", "dub", "comment", "forced", "hearing impaired", "visual impaired"},
    "mov": PICTURES | {"default"},
}
"""Dispositions that FFmpeg 9 writes and reads back. MP4's words for the impaired are read as captions and descriptions,
too."""


@dataclass(frozen=True)
class Allowed:
    """What was asked for and is therefore no fault.

    Attributes:
        dropped: kinds of tracks ("data", "subtitle") or single ones ("subtitle 1") that may be missing.
        audio_encoded: audio was encoded again.
        pixel_format: the pixel format was changed.
        replaced: frames that did not decode whole, and what was put in their place.
        lost: packets of the source are missing in it.
    """

    dropped: frozenset[str] = frozenset()
    audio_encoded: bool = False
    pixel_format: bool = False
    replaced: tuple[Replaced, ...] = ()
    lost: bool = False

    def drops(self, track: Track) -> bool:
        """Whether this track may be missing."""
        return bool(self.dropped & {track.kind, f"{track.kind}s", track.name, f"{track.kind}:{track.number}"})


def compare(source: File, output: File, seen: Seen, allowed: Allowed) -> list[Check]:
    """All checks of all other tracks."""
    checks: list[Check] = []
    for kind in ("audio", "subtitle", "video", "cover", "attachment", "data"):
        ours = [track for track in source.others if track.kind == kind]
        theirs = [track for track in output.others if track.kind == kind]
        partners = _partners(ours, theirs)
        for track, partner in zip(ours, partners, strict=True):
            if partner is None:
                checks.append(_missing(track, source, allowed))
            elif kind != "data":
                checks += _pair(Pair(source, output, track, partner, seen), allowed)
        checks += _strangers(theirs, partners)
    return checks


def _partners(ours: list[Track], theirs: list[Track]) -> list[Track | None]:
    """For each source track the output's: in order where there are as many, else the most alike."""
    if len(ours) == len(theirs):
        return list(theirs)
    left = list(theirs)
    found: dict[int, Track] = {}
    # What has no packets may have been left out: it chooses last.
    for track in sorted(ours, key=lambda track: not track.packets):
        alike = max(left, key=lambda other: _likeness(track, other), default=None)
        if alike is not None and _likeness(track, alike) > 0:
            left.remove(alike)
            found[track.index] = alike
    return [found.get(track.index) for track in ours]


def _likeness(a: Track, b: Track) -> int:
    payload = [p.hash for p in a.packets] == [p.hash for p in b.packets] and _extradata(a) == _extradata(b)
    return 4 * payload + 2 * (a.language == b.language) + (a.title == b.title != "")


def _extradata(track: Track) -> str:
    return track.header.get("extradata", "").split(" ")[-1]


def _missing(track: Track, source: File, allowed: Allowed) -> Check:
    label = f"{track.name} present"
    if allowed.drops(track):
        return passed(label, "dropped, as allowed")
    if not track.packets and track.kind not in ("attachment", "data"):
        return passed(label, "left out: it has no packets")
    if track.codec == "text" and "flv" in source.format and is_script(source.media, track):
        return passed(label, "left out: data of FLV itself, no text")
    if track.kind == "data":
        what = "the chapters' titles" if source.chapters and track.codec == "bin_data" else track.codec
        return passed(label, f"dropped: FFmpeg cannot write it ({what})")
    return failed(label, f"{track.codec} track {track.index} of the source is missing")


def _strangers(theirs: list[Track], partners: list[Track | None]) -> Iterator[Check]:
    for track in theirs:
        if track not in partners and track.kind != "data":
            yield failed(f"{track.name} present", "the source has no such track")


# One track. --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Pair:
    """A track of the source and the one that should be its copy."""

    source: File
    output: File
    ours: Track
    theirs: Track
    seen: Seen

    @property
    def slack(self) -> Fraction:
        """One tick of the coarsest clock that a time passed through."""
        ours = (min(MILLISECOND, track.time_base) for track in (self.source.video, self.ours))
        theirs = (track.time_base for track in (self.output.video, self.theirs))
        return max(*ours, *theirs, MOVIE_TICK)

    def shift(self, ours: Fraction, theirs: Fraction) -> Fraction:
        """By how much a moment of the track moved against the picture."""
        return (theirs - self.seen.output.start) - (ours - self.seen.source.start)


def _pair(pair: Pair, allowed: Allowed) -> list[Check]:
    name, kind = pair.ours.name, pair.ours.kind
    checks: list[Check] = []
    if kind == "audio" and allowed.audio_encoded:
        checks += _encoded(pair)
    elif kind == "subtitle" and pair.ours.codec in TEXT and pair.theirs.codec in TEXT:
        checks.append(_text(pair))
    else:
        checks.append(equal(f"{name} codec", _codec(pair.ours), _codec(pair.theirs)))
        if checks[-1].ok:
            checks.append(_payload(pair))
            if checks[-1].ok and kind in ("audio", "subtitle", "video"):
                checks.append(_offset(pair))
    if kind in ("audio", "subtitle", "video"):
        checks += _names(pair)
    return checks


def _codec(track: Track) -> str:
    """Its codec; MP4 has one name for all layers of MPEG audio."""
    return "mpeg audio" if track.codec in ("mp1", "mp2", "mp3") else track.codec


def _payload(pair: Pair) -> Check:
    name = f"{pair.ours.name} packets"
    ours, theirs = ([p.hash for p in track.packets] for track in (pair.ours, pair.theirs))
    if pair.ours.kind == "attachment":
        return equal(name, _extradata(pair.ours), _extradata(pair.theirs))
    if ours == theirs:
        return passed(name, f"{len(ours)} equal")
    if pair.ours.codec.startswith("pcm_") and _stream_hash(pair, 0) == _stream_hash(pair, 1):
        return passed(name, "the same samples, cut into other packets")
    if pair.ours.kind == "video" and _decoded(pair, 0) == _decoded(pair, 1):
        return passed(name, "decode to the same pictures")
    if len(ours) != len(theirs):
        return failed(name, f"{len(ours)} in the source, {len(theirs)} in the output")
    first = next(i for i, (a, b) in enumerate(zip(ours, theirs, strict=True)) if a != b)
    return failed(name, f"packet {first} of {len(ours)} differs")


def _side(pair: Pair, side: int) -> tuple[Media, Track]:
    return ((pair.source.media, pair.ours), (pair.output.media, pair.theirs))[side]


def _stream_hash(pair: Pair, side: int) -> str:
    """A hash over all the payload, wherever its packets end.

    Not by FFmpeg's streamhash, which says nothing before its end, as if it hung.
    """
    media, track = _side(pair, side)
    digest = hashlib.sha256()
    with Running(media, ["-map", f"0:{track.index}", "-c", "copy", "-f", "data", "pipe:1"]) as run:
        while piece := run.read(1 << 16):
            digest.update(piece)
        run.finish()
    return digest.hexdigest()


def _decoded(pair: Pair, side: int) -> list[str]:
    media, track = _side(pair, side)
    one = ["-map", f"0:{track.index}", "-fps_mode", "passthrough"]
    lines, _ = read_lines(media, [*one, "-f", "framehash", "-hash", "murmur3", LINES])
    return [line.split(",")[5] for line in lines if not line.startswith("#")]


def _offset(pair: Pair) -> Check:
    """Each packet stands where it stood beside the picture."""
    name = f"{pair.ours.name} offset"
    if timeless(pair.seen.source, pair.source.video) and pair.ours.kind != "video":
        return _loose_offset(pair, name)
    ours, theirs = _moments(pair.ours), _moments(pair.theirs)
    if not ours or not theirs:
        return skipped(name, "its packets carry no times")
    if len(ours) != len(theirs):
        ours, theirs = ours[:1], theirs[:1]
    shifts = [pair.shift(a, b) for a, b in zip(ours, theirs, strict=True)]
    worst = max(shifts, key=abs)
    if abs(worst) > pair.slack:
        return failed(name, f"{_shifted(worst)} against the picture, packet {shifts.index(worst)}")
    return passed(name, f"within {float(pair.slack) * 1000:.3f} ms")


def _loose_offset(pair: Pair, name: str) -> Check:
    """A source without times of showing says where its picture begins only to its reordering."""
    ours, theirs = _moments(pair.ours)[:1], _moments(pair.theirs)[:1]
    if not ours or not theirs:
        return skipped(name, "its packets carry no times")
    first = min((p.dts for p in pair.source.video.packets if p.dts is not None), default=0)
    earliest = first * pair.source.video.time_base
    start = theirs[0] - pair.seen.output.start
    low, high = sorted((ours[0] - pair.seen.source.start, ours[0] - earliest))
    if low - pair.slack <= start <= high + pair.slack:
        return passed(name, "as far as the source says")
    return failed(name, f"begins {float(start):.4f} s after the picture, in the source {float(low):.4f} s")


def _moments(track: Track) -> list[Fraction]:
    return [p.pts * track.time_base for p in track.packets if p.pts is not None]


def _shifted(shift: Fraction) -> str:
    return f"{abs(float(shift)) * 1000:.2f} ms too {'late' if shift > 0 else 'early'}"


# Audio that was encoded again. -------------------------------------------------------------------------


def _encoded(pair: Pair) -> list[Check]:
    """Sounds the same at the same time, for as long."""
    ours, theirs = (listen(*_side(pair, side)) for side in (0, 1))
    late = pair.shift(ours.start, theirs.start)
    heard = drift(ours, theirs, late)
    name = pair.ours.name
    if heard is None:
        offset = skipped(f"{name} offset", "too quiet or too even to be told")
    elif abs(heard) > Fraction(5, 1000):
        offset = failed(f"{name} offset", f"{_shifted(heard)} against the picture")
    else:
        offset = passed(f"{name} offset", "sounds at the same time")
    return [offset, _duration(pair, ours, theirs)]


def _duration(pair: Pair, ours: Sound, theirs: Sound) -> Check:
    name = f"{pair.ours.name} duration"
    slack = max(_longest_packet(pair.ours), _longest_packet(pair.theirs), Fraction(1, 20))
    if abs(ours.length - theirs.length) > slack:
        return failed(name, f"{float(ours.length):.3f} s in the source, {float(theirs.length):.3f} s in the output")
    return passed(name, f"{float(theirs.length):.3f} s")


def _longest_packet(track: Track) -> Fraction:
    return max((p.duration for p in track.packets), default=0) * track.time_base


# Subtitles as text. ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Line:
    """One subtitle, in milliseconds from the first picture."""

    start: Fraction
    end: Fraction
    text: str


def _text(pair: Pair) -> Check:
    """The same words at the same times; the same marks too where the codec is the same."""
    name = f"{pair.ours.name} text"
    plain = pair.ours.codec != pair.theirs.codec
    ours, theirs = (_lines(*_side(pair, side), plain) for side in (0, 1))
    if len(ours) != len(theirs):
        return failed(name, f"{len(ours)} lines in the source, {len(theirs)} in the output")
    slack = Fraction(11, 1000) if STYLED & {pair.ours.codec, pair.theirs.codec} else Fraction(2, 1000)
    for i, (a, b) in enumerate(zip(ours, theirs, strict=True)):
        if a.text != b.text:
            return failed(name, f"line {i} reads {b.text!r}, in the source {a.text!r}")
        for edge, late in (("begins", pair.shift(a.start, b.start)), ("ends", pair.shift(a.end, b.end))):
            if abs(late) > slack:
                return failed(name, f"line {i} {edge} {_shifted(late)}")
    if not plain and pair.ours.codec in STYLED:
        return _payload(pair)
    return passed(name, f"{len(ours)} lines equal")


def _lines(media: Media, track: Track, plain: bool) -> list[Line]:
    lines, _ = read_lines(media, ["-map", f"0:{track.index}", "-c:s", "srt", "-f", "srt", LINES])
    found = []
    for block in re.split(r"\n\n(?=\d+\n-?\d+:)", "\n".join(lines).strip()):
        match = re.match(r"\d+\n(\S+) --> (\S+)[^\n]*\n?(.*)$", block, re.S)
        if match:
            text = re.sub(r"<[^>]*>|\{[^}]*\}", "", match[3]) if plain else match[3]
            found.append(Line(_seconds(match[1]), _seconds(match[2]), text.strip()))
    return found


def _seconds(text: str) -> Fraction:
    sign = -1 if text.startswith("-") else 1
    hours, minutes, seconds = text.lstrip("-").replace(",", ".").split(":")
    return sign * (int(hours) * 3600 + int(minutes) * 60 + Fraction(seconds))


# Names, and what belongs to the whole file. ------------------------------------------------------------


def _names(pair: Pair) -> list[Check]:
    name = pair.ours.name
    checks = [equal(f"{name} language", _language(pair.ours), _language(pair.theirs))]
    if pair.ours.title or pair.theirs.title:
        checks.append(equal(f"{name} title", pair.ours.title, pair.theirs.title))
    return [*checks, _dispositions(pair)]


def _dispositions(pair: Pair) -> Check:
    """What kind of track it is, as far as both containers have a word for it."""
    ignored = {"default"} if _no_default(pair.source, pair.ours.kind) else set()
    if pair.ours.kind == "video":
        # Pictures of QuickTime's chapters become a track like any other.
        ignored |= {"attached pic", "timed thumbnails"}
    said = HELD[_container(pair.source)] & HELD[_container(pair.output)] - ignored
    unsaid = pair.ours.flags - ignored - said
    flags = (", ".join(sorted(track.flags & said)) or "none" for track in (pair.ours, pair.theirs))
    check = equal(f"{pair.ours.name} dispositions", *flags)
    if not check.ok or not unsaid:
        return check
    return passed(check.name, f"{check.detail}; its container has no word for: {', '.join(sorted(unsaid))}")


def _container(file: File) -> str:
    if file.is_matroska:
        return "matroska"
    return "mov" if file.tags.get("major_brand", "").strip() == "qt" else "mp4"


def _language(track: Track) -> str:
    """Its language, by the terminological one of its two ISO 639-2 codes."""
    return TERMINOLOGICAL.get(track.language, track.language)


def _no_default(source: File, kind: str) -> bool:
    """MP4 must choose a default where the source has none."""
    return not any("default" in track.flags for track in source.others if track.kind == kind)


def chapters(source: File, output: File) -> Check:
    """The same titles at the same times, to a millisecond; MP4 may have one without a title before them."""
    ours, theirs = source.chapters, output.chapters
    if len(theirs) == len(ours) + 1 and ours and not theirs[0].title.strip() and theirs[0].start < ours[0].start:
        theirs = theirs[1:]
    titles = [[chapter.title.strip() for chapter in each] for each in (ours, theirs)]
    if titles[0] != titles[1]:
        return equal("chapters", *titles)
    for a, b in zip(ours, theirs, strict=True):
        if abs(a.start - b.start) > MILLISECOND or abs(a.end - b.end) > MILLISECOND:
            where = f"{float(b.start):.3f} s, in the source {float(a.start):.3f} s"
            return failed("chapters", f"{a.title!r} stands at {where}")
    return passed("chapters", f"{len(ours)} equal" if ours else "none")


def timecode(source: File, output: File) -> Check:
    """The same start timecode, wherever the container keeps it."""

    def said(file: File) -> str:
        tags = (file.tags, *(track.tags for track in file.tracks))
        return next((each["timecode"] for each in tags if each.get("timecode")), "none")

    return equal("timecode", said(source), said(output))


def looks(ours: Look, theirs: Look, allowed: Allowed) -> list[Check]:
    """What a decoder says of the picture beside its pixels."""
    format_check = equal("pixel format", ours.pixel_format, theirs.pixel_format)
    if allowed.pixel_format and not format_check.ok:
        format_check = passed("pixel format", f"{theirs.pixel_format}, changed as asked")
    facts: list[tuple[str, Callable[[Look], object]]] = [
        ("size", lambda look: look.size),
        ("rotation", lambda look: look.rotation),
        ("field order", lambda look: look.field_order),
        ("projection", lambda look: look.projection),
        (
            "colour",
            lambda look: " ".join(look.colour.get(key, "unknown") for key in ("range", "primaries", "trc", "space")),
        ),
    ]
    checks = [equal(name, get(ours), get(theirs)) for name, get in facts]
    return [*checks, _aspect(ours, theirs), format_check, *_hdr(ours, theirs)]


def _aspect(ours: Look, theirs: Look) -> Check:
    """The shape of a pixel, to a pixel of the picture's width: Matroska may have it as a width."""
    check = equal("sample aspect ratio", ours.sar, theirs.sar)
    width = int(ours.size.partition("x")[0])
    if not check.ok and ours.sar and abs(theirs.sar / ours.sar - 1) <= Fraction(1, width):
        return passed(check.name, f"{theirs.sar}, within a pixel of the width of {ours.sar}")
    return check


def _hdr(ours: Look, theirs: Look) -> Iterator[Check]:
    for name in sorted(ours.hdr.keys() | theirs.hdr.keys()):
        a, b = ours.hdr.get(name), theirs.hdr.get(name)
        same = a is not None and b is not None and len(a) == len(b)
        if same and all(abs(x - y) <= 1e-4 * max(abs(x), 1) for x, y in zip(a or (), b or (), strict=True)):
            yield passed(name.lower(), "equal")
        else:
            yield failed(name.lower(), f"{a or 'none'} in the source, {b or 'none'} in the output")
