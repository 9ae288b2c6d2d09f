"""What one file holds: tracks, packets, tags, chapters, and the first picture's properties.

FFmpeg's machine formats say most of it: framehash (packets, codecs, time bases), ffmetadata (tags, chapters).
Dispositions stand only in its log, and a picture's properties in the log of the showinfo filter.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import takewhile
from typing import NamedTuple

from recast.errors import BadInput
from recast.verify.process import LINES, Media, Running, read_lines

NO_PTS = -(2**63)
FLAGS = (
    "default|dub|original|comment|lyrics|karaoke|forced|hearing impaired|visual impaired|clean effects"
    "|attached pic|timed thumbnails|non-diegetic|captions|descriptions|metadata|dependent|still image"
    "|multilayer"
)
ALIKE = {"aac": "aac_adtstoasc", "hdmv_pgs_subtitle": "pgs_frame_merge"}
"""By codec, the filter that evens out what containers do in their own ways: AAC's ADTS headers, and the parts of a
subtitle's picture, which are packets of their own on Blu-rays."""
FIELDS = {"T": "top first", "B": "bottom first", "P": "progressive"}
STREAM = re.compile(r"^\s+Stream #0:(\d+)(?:\[0x[0-9a-f]+\])?(?:\(([^)]*)\))?: \w+: (.*)$")


class Packet(NamedTuple):
    """One packet: times in the track's time base, None where it carries none, and its payload's hash."""

    pts: int | None
    dts: int | None
    duration: int
    size: int
    hash: str


@dataclass(frozen=True)
class Track:
    """One track.

    Attributes:
        index: among all tracks of its file.
        kind: video, cover, audio, subtitle, attachment or data.
        number: among those of its kind, from 0.
        codec: FFmpeg's name of it.
        time_base: of its packets.
        flags: dispositions.
        header: every `#name` of framehash, extradata's hash among them.
        tags: its metadata, names in lower case.
        packets: all of them, in the order they are stored.
    """

    index: int
    kind: str
    number: int
    codec: str
    time_base: Fraction
    flags: frozenset[str]
    header: dict[str, str]
    tags: dict[str, str]
    packets: tuple[Packet, ...]

    @property
    def name(self) -> str:
        """For people: "audio 1"."""
        return f"{self.kind} {self.number}"

    @property
    def language(self) -> str:
        """Its language; "und" where none is said."""
        return self.tags.get("language", "und")

    @property
    def title(self) -> str:
        """Its title, by the name its container has for it."""
        return self.tags.get("title", self.tags.get("name", ""))


@dataclass(frozen=True)
class Chapter:
    """One chapter, in seconds."""

    start: Fraction
    end: Fraction
    title: str


@dataclass(frozen=True)
class File:
    """One file.

    Attributes:
        media: where it is.
        format: names of FFmpeg's demuxer.
        tracks: in the file's order.
        chapters: in the file's order.
        tags: the file's metadata, names in lower case.
    """

    media: Media
    format: str
    tracks: tuple[Track, ...]
    chapters: tuple[Chapter, ...]
    tags: dict[str, str]

    @property
    def video(self) -> Track:
        """The track whose faces are swapped: of those that are no cover the first default one, or else the first."""
        videos = [track for track in self.tracks if track.kind == "video"]
        if not videos:
            raise BadInput(f"{self.media.name}: there is no video in it: give a video")
        return next((track for track in videos if "default" in track.flags), videos[0])

    @property
    def others(self) -> tuple[Track, ...]:
        """Every track but that one."""
        return tuple(track for track in self.tracks if track is not self.video)

    @property
    def is_matroska(self) -> bool:
        """Times are whole milliseconds there."""
        return "matroska" in self.format


@dataclass(frozen=True)
class Look:
    """What a decoder says of the first picture."""

    size: str
    pixel_format: str
    sar: Fraction
    rotation: float
    field_order: str
    projection: str
    colour: dict[str, str]
    hdr: dict[str, tuple[float, ...]]


def probe(media: Media) -> File:
    """Reads everything but pictures: once through the file."""
    _, log = read_lines(media, ["-f", "ffmetadata", LINES], level="info")
    numbers = _with_packets(log)
    everything = [word for number in numbers for word in ("-map", f"0:{number}")] + ["-c", "copy"]
    header, _ = read_lines(media, ["-t", "0", *everything, "-f", "framehash", LINES])
    heads = _headers(header)
    alike = [f for i, head in heads.items() for f in _filter(i, head.get("codec_id", ""))]
    copies = [*everything, *alike, "-f", "framehash", "-hash", "murmur3", LINES]
    with Running(media, [*copies, *everything, "-f", "ffmetadata", "pipe:1"]) as run:
        metadata = bytearray()
        while chunk := run.read(1 << 16):
            metadata += chunk
        run.finish()
        packets = _packets(run.lines)
    tags, per_track, chapters = _metadata(metadata.decode("utf-8", "replace"))
    tracks = tuple(_tracks(numbers, heads, _spoken(log), per_track, packets))
    return File(media, _format(log), tracks, tuple(chapters), tags)


def _with_packets(log: list[str]) -> list[int]:
    """The numbers of all tracks but those that only a transport stream's table names."""
    streams = [found for line in _of_input(log) if (found := STREAM.match(line))]
    return [int(found[1]) for found in streams if not re.search(r": Audio: .*\b0 channels", found[0])]


def _of_input(log: list[str]) -> Iterable[str]:
    return takewhile(lambda line: not line.startswith(("Output #", "Stream mapping")), log)


def _filter(index: int, codec: str) -> list[str]:
    """After it a track's payload is the same in every container."""
    return [f"-bsf:{index}", ALIKE[codec]] if codec in ALIKE else []


def _headers(lines: Iterable[str]) -> dict[int, dict[str, str]]:
    heads: dict[int, dict[str, str]] = {}
    for line in lines:
        if found := re.match(r"#(\w+) (\d+)(?:: |,\s+)(.*)$", line):
            heads.setdefault(int(found[2]), {})[found[1]] = found[3]
    return heads


def _format(log: list[str]) -> str:
    found = (re.match(r"Input #0, (.*), from '", line) for line in log)
    return next((match[1] for match in found if match), "")


def _spoken(log: list[str]) -> dict[int, frozenset[str]]:
    """Dispositions of each track, from the end of its line in the log."""
    flags: dict[int, frozenset[str]] = {}
    for line in _of_input(log):
        if found := STREAM.match(line):
            tail = re.search(rf"((?: \((?:{FLAGS})\))*)$", found[3])
            words = re.findall(r"\(([^)]*)\)", tail[1]) if tail else []
            flags[int(found[1])] = frozenset(words)
    return flags


def _packets(lines: Iterable[str]) -> dict[int, list[Packet]]:
    packets: dict[int, list[Packet]] = {}
    for line in lines:
        if line.startswith("#"):
            continue
        stream, dts, pts, duration, size, digest = (field.strip() for field in line.split(",")[:6])
        # NUT has packets of nothing, of which other containers have none.
        if not int(size):
            continue
        packet = Packet(_time(pts), _time(dts), int(duration), int(size), digest)
        packets.setdefault(int(stream), []).append(packet)
    return packets


def _time(text: str) -> int | None:
    return None if int(text) == NO_PTS else int(text)


def _metadata(text: str) -> tuple[dict[str, str], list[dict[str, str]], list[Chapter]]:
    """The tags of the file, of each track, and the chapters, out of ffmetadata."""
    sections: list[tuple[str, dict[str, str]]] = [("", {})]
    for line in re.split(r"(?<!\\)\n", text):
        if line in ("[STREAM]", "[CHAPTER]"):
            sections.append((line, {}))
        elif parts := re.match(r"((?:\\.|[^\\=])+)=(.*)$", line, re.S):
            key, value = (re.sub(r"\\(.)", r"\1", part, flags=re.S) for part in parts.groups())
            sections[-1][1][key.lower()] = value
    chapters = []
    for kind, tags in sections:
        if kind == "[CHAPTER]":
            base = Fraction(tags["timebase"])
            start, end = int(tags["start"]) * base, int(tags["end"]) * base
            chapters.append(Chapter(start, end, tags.get("title", "")))
    return sections[0][1], [tags for kind, tags in sections if kind == "[STREAM]"], chapters


def _tracks(
    numbers: list[int],
    heads: dict[int, dict[str, str]],
    flags: dict[int, frozenset[str]],
    tags: list[dict[str, str]],
    packets: dict[int, list[Packet]],
) -> Iterable[Track]:
    counts: dict[str, int] = {}
    for place, head in sorted(heads.items()):
        index = numbers[place]
        spoken = flags.get(index, frozenset())
        kind = head.get("media_type", "data")
        if kind == "video" and "attached pic" in spoken and "timed thumbnails" not in spoken:
            kind = "cover"
        number = counts.get(kind, 0)
        counts[kind] = number + 1
        own = tags[place] if place < len(tags) else {}
        base = Fraction(head.get("tb", "1/1"))
        codec = head.get("codec_id", "none")
        yield Track(index, kind, number, codec, base, spoken, head, own, tuple(packets.get(place, ())))


def look(file: File) -> Look:
    """Decodes the first picture and says what it looks like."""
    one = ["-map", f"0:{file.video.index}", "-vf", "showinfo", "-frames:v", "1", "-f", "null", "-"]
    _, log = read_lines(file.media, one, level="info")
    said = [re.sub(r"^\[Parsed_showinfo[^\]]*\] ?", "", line) for line in log if "showinfo" in line]
    first = next((i for i, line in enumerate(said) if re.match(r"n: *0 ", line)), None)
    if first is None:
        raise BadInput(f"{file.media.name}: no picture of its video decodes")
    second = next((i for i, line in enumerate(said) if re.match(r"n: *1 ", line)), len(said))
    return _look(said[first], " \n".join(said[first + 1 : second]))


def is_script(media: Media, track: Track) -> bool:
    """Whether what FFmpeg takes for a FLV's text is what the file says of itself (onMetaData, onCuePoint)."""
    lines, _ = read_lines(media, ["-map", f"0:{track.index}", "-c", "copy", "-f", "data", LINES])
    # A string of AMF 0: its kind, its length, of which the second byte ends a line here, and ten letters.
    return "\n".join(lines[:2]).startswith("\x02\x00\non")


def with_fields(file: File, first: Look) -> Look:
    """What a file's first picture looks like, with the order of fields of the first that has some."""
    in_fields = "select='eq(interlace_type,TOPFIRST)+eq(interlace_type,BOTTOMFIRST)',showinfo"
    one = ["-map", f"0:{file.video.index}", "-vf", in_fields, "-frames:v", "1", "-f", "null", "-"]
    _, log = read_lines(file.media, one, level="info")
    found = (re.search(r"showinfo.* n: *0 .* i:(\S+)", line) for line in log)
    order = next((FIELDS[match[1]] for match in found if match), first.field_order)
    return replace(first, field_order=order)


def _look(line: str, rest: str) -> Look:
    facts = dict(re.findall(r"\b(fmt|sar|s|i):(\S+)", line))
    colour = dict(re.findall(r"color_(range|space|primaries|trc):(\S+)", rest))
    full = facts["fmt"].startswith("yuvj")
    if full or colour.get("range") == "unknown":
        colour["range"] = "pc" if full else "tv"
    projection = re.search(r"Spherical Mapping: (\S+)", rest)
    rotation = re.search(r"rotation of (-?[\d.]+)", rest)
    hdr = {
        name: tuple(float(number) for number in re.findall(r"(?<![\w.])-?\d+\.?\d*", found[1]))
        for name in ("Mastering display", "Content light level")
        if (found := re.search(rf"{name} metadata: (.*)", rest))
    }
    numerator, denominator = (int(each) for each in facts["sar"].split("/"))
    return Look(
        size=facts["s"],
        pixel_format=facts["fmt"].replace("yuvj", "yuv"),
        sar=Fraction(numerator, denominator) if numerator and denominator else Fraction(1),
        rotation=float(rotation[1]) % 360 if rotation else 0.0,
        field_order=FIELDS[facts["i"]],
        projection=projection[1] if projection else "flat",
        colour=colour,
        hdr=hdr,
    )
