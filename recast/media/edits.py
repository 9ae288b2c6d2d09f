"""Sound that several edits of a MP4 put together: FFmpeg copies what lies between them, too, at times of its own."""

import struct
from collections.abc import Iterator, Sequence
from io import RawIOBase

from recast import names
from recast.errors import BadInput
from recast.manifest import Track
from recast.media.entry import boxes_in, find_moov
from recast.media.tracks import as_dropped
from recast.spec import Output

MOST_INDEX = 256 << 20
"""Bytes of a `moov` that is looked into."""
EMPTY = -1
"""The media time of an edit in which nothing is shown (ISO/IEC 14496-12, 8.6.6)."""
ENTRIES = {0: ">Ii4x", 1: ">Qq4x"}
REASON = "it is put together by several edits"


def without_cut_sound(tracks: Sequence[Track], file: RawIOBase, output: Output, name: str) -> tuple[Track, ...]:
    """The tracks, but for sound that cannot be copied as it is heard.

    Args:
        tracks: of a MP4 or MOV, and what is planned for them.
        file: the file.
        output: where they go.
        name: how errors call the source.

    Raises:
        BadInput: there is such sound, and it may not be dropped.
    """
    cut = _cut_tracks(_index(file))
    sound = [track for track in tracks if track.kind == "audio" and track.action != "Drop"]
    unfit = [track for track in sound if track.stream_index in cut]
    if unfit and "audio" not in output.drop_tracks:
        numbers = ", ".join(str(track.stream_index) for track in unfit)
        raise BadInput(
            f"{name}: audio track {numbers}: {REASON}, which FFmpeg does not copy as they are heard: export the source "
            "anew, without edits, or leave it out by dropTracks audio",
            reason=names.UNSUPPORTED_TRACKS,
        )
    return tuple(as_dropped(track, REASON) if track in unfit else track for track in tracks)


def _index(file: RawIOBase) -> bytes:
    """The body of the `moov`; empty where there is none, or where it is too large."""
    start, body, end = find_moov(file) or (0, 0, 0)
    if end - start > MOST_INDEX:
        return b""
    file.seek(body)
    return file.read(end - body) or b""


def _cut_tracks(index: bytes) -> set[int]:
    """The places, among all tracks, of those with more than one stretch of media, or with a hole."""
    tracks = [index[start:end] for kind, start, end in boxes_in(index, 0, len(index)) if kind == b"trak"]
    return {place for place, track in enumerate(tracks) if _is_cut(list(_edits(track)))}


def _edits(track: bytes) -> Iterator[int]:
    """The media times of a track's edits."""
    for kind, start, end in boxes_in(track, 8, len(track)):
        for inner, at, last in boxes_in(track, start + 8, end) if kind == b"edts" else ():
            if inner == b"elst" and last - at >= 16 and track[at + 8] in ENTRIES:
                entry = struct.Struct(ENTRIES[track[at + 8]])
                count = int.from_bytes(track[at + 12 : at + 16], "big")
                body = track[at + 16 : last]
                for number in range(min(count, len(body) // entry.size)):
                    yield entry.unpack_from(body, number * entry.size)[1]


def _is_cut(media_times: list[int]) -> bool:
    """Whether there is more than one edit, but for empty ones at the beginning and the end."""
    shown = [place for place, time in enumerate(media_times) if time != EMPTY]
    return len(shown) > 1
