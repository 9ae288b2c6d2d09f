"""Which sound several edits put together, by the boxes of a MP4."""

import io
import struct

import pytest

from recast.errors import BadInput
from recast.manifest import Track
from recast.media.edits import without_cut_sound
from recast.spec import Output
from tests.clips.mp4boxes import box

SOUND = Track(stream_index=1, kind="audio", codec="aac")
TEXT = Track(stream_index=1, kind="subtitle", codec="mov_text")


def file(*media_times: int, version: int = 0, before: bytes = b"") -> io.BytesIO:
    """A file whose second track has edits that begin at these media times; -1 for an empty one."""
    entry = ">IiI" if version == 0 else ">QqI"
    entries = b"".join(struct.pack(entry, 1000, time, 1 << 16) for time in media_times)
    edits = box(b"edts", box(b"elst", struct.pack(">B3xI", version, len(media_times)) + entries))
    tracks = box(b"trak", box(b"tkhd", bytes(84))) + box(b"trak", box(b"tkhd", bytes(84)) + edits)
    return io.BytesIO(before + box(b"moov", box(b"mvhd", bytes(100)) + tracks))


def heard(opened: io.BytesIO, track: Track = SOUND, *, drop: tuple[str, ...] = ()) -> Track:
    output = Output(uri="file:///out.mp4", drop_tracks=drop)  # type: ignore[arg-type]
    (left,) = without_cut_sound([track], opened, output, "in.mp4")  # type: ignore[arg-type]
    return left


@pytest.mark.parametrize("version", [0, 1])
@pytest.mark.parametrize("times", [(0, 48_000), (-1, 0, 48_000), (0, -1, 48_000), (0, 0)])
def test_sound_of_several_edits_is_refused_or_dropped_where_it_may_be(times: tuple[int, ...], version: int) -> None:
    with pytest.raises(BadInput, match=r"in\.mp4: audio track 1: it is put together by several edits.* dropTracks"):
        heard(file(*times, version=version))
    dropped = heard(file(*times, version=version), drop=("audio",))
    assert dropped.action == "Drop" and dropped.reason
    assert heard(file(*times, version=version), TEXT) == TEXT


@pytest.mark.parametrize("times", [(), (0,), (1024,), (-1, 1024), (-1, -1, 0), (0, -1)])
def test_one_edit_wherever_it_begins_is_copied(times: tuple[int, ...]) -> None:
    assert heard(file(*times)) == SOUND


def test_the_index_is_found_behind_media_of_any_size() -> None:
    large = struct.pack(">I4sQ", 1, b"mdat", 116) + bytes(100)
    with pytest.raises(BadInput):
        heard(file(0, 48_000, before=box(b"ftyp", bytes(8)) + large))


NO_LIST = box(b"moov", box(b"trak", b"") + box(b"trak", box(b"edts", box(b"elst", b""))))
CUT_OFF = file(0, 9).getvalue()[:-9]


@pytest.mark.parametrize("data", [b"", bytes(3), bytes(100), box(b"moov", b"\xff" * 40), NO_LIST, CUT_OFF])
def test_a_file_that_is_no_mp4_or_damaged_has_no_edits_and_is_no_error(data: bytes) -> None:
    assert heard(io.BytesIO(data)) == SOUND
