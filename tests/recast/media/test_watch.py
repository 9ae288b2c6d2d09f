"""What packets of other tracks tell too late for the plan, and before any work."""

from dataclasses import dataclass
from fractions import Fraction
from types import SimpleNamespace

import pytest

from recast.errors import BadInput
from recast.manifest import Track
from recast.media.tracks import UNSEEN
from recast.media.watch import Watch
from recast.spec import Container, Output, TrackKind

TEXT = Track(stream_index=2, kind="subtitle", codec="subrip", action="Convert")
SOUND = Track(stream_index=1, kind="audio", codec="ac3", action="Drop", reason=UNSEEN)


FLV = Track(stream_index=2, kind="subtitle", codec="text", action="Convert")
DVD = Track(stream_index=2, kind="subtitle", codec="dvd_subtitle")
META = b"\x02\x00\x0aonMetaData\x08\x00\x00\x00\x01"


@dataclass(frozen=True)
class Fake:
    """A packet of track `number`."""

    number: int
    pts: int
    duration: int
    data: bytes
    time_base = Fraction(1, 1000)

    @property
    def stream(self) -> SimpleNamespace:
        return SimpleNamespace(index=self.number)

    @property
    def size(self) -> int:
        return len(self.data)

    def __bytes__(self) -> bytes:
        return self.data


def settled(
    track: Track,
    *packets: tuple[int, int],
    container: Container = "mp4",
    drop: tuple[TrackKind, ...] = (),
    data: tuple[bytes, ...] = (),
) -> Track:
    """What becomes of a track whose packets begin and last so many milliseconds."""
    watch = Watch([track], container)
    for place, (pts, duration) in enumerate(packets if track.stream_index in watch.numbers else ()):
        watch.look(Fake(track.stream_index, pts, duration, data[place] if data else b"a line"))
    (left,) = watch.settle([track], Output(uri=f"file:///out.{container}", drop_tracks=drop), "in.mkv")
    return left


@pytest.mark.parametrize("container", ["mp4", "mov"])
def test_lines_of_text_that_overlap_are_refused_where_one_is_shown_at_a_time(container: Container) -> None:
    words = rf"track 2 \(subrip\) has lines that overlap, at 0.900 s, and .{container} .*: use .mkv, or .* dropTracks"
    with pytest.raises(BadInput, match=words):
        settled(TEXT, (0, 500), (500, 800), (900, 100), container=container)


def test_lines_that_meet_or_overlap_by_a_rounding_are_converted() -> None:
    assert settled(TEXT, (0, 500), (500, 401), (900, 0), (900, 100)) == TEXT


def test_a_last_line_without_an_end_is_refused_where_it_would_be_lost() -> None:
    words = r"track 2 \(subrip\) does not say how long its last line stands, at 0.900 s, which .mp4 must: use .mkv, or"
    with pytest.raises(BadInput, match=words):
        settled(TEXT, (0, 500), (900, 0))
    assert settled(TEXT, (0, 0), (900, 100)) == TEXT
    assert settled(TEXT, (0, 500), (900, 0), container="mkv") == TEXT


@pytest.mark.parametrize("track", [TEXT, DVD])
def test_a_line_for_longer_than_mp4_can_say_is_refused(track: Track) -> None:
    words = r"track 2 \(\w+\) has a line that stands for 2148 s, at 0.500 s, longer than .mp4 can say: use .mkv, or"
    with pytest.raises(BadInput, match=words):
        settled(track, (0, 400), (500, 2_148_000), (900, 100))
    assert settled(track, (0, 400), (500, 2_147_000)) == track
    assert settled(track, (0, 400), (500, 2_148_000), container="mkv") == track


def test_pictures_of_dvds_may_overlap_and_say_how_long_they_stand() -> None:
    assert settled(DVD, (0, 500), (400, 800)) == DVD
    with pytest.raises(BadInput, match="does not say how long its last line stands"):
        settled(DVD, (0, 500), (400, 0))


@pytest.mark.parametrize("container", ["mp4", "mkv"])
def test_what_flv_says_of_itself_on_the_way_is_no_text(container: Container) -> None:
    left = settled(FLV, (500, 0), (900, 0), container=container, data=(META, META.replace(b"MetaData", b"CuePoint")))
    assert (left.action, left.reason) == ("Drop", "data of FLV itself, no text")


def test_text_among_it_is_text() -> None:
    assert settled(FLV, (500, 0), (900, 0), container="mkv", data=(META, b"Hello.")) == FLV
    with pytest.raises(BadInput, match=r"does not say how long its last line stands"):
        settled(FLV, (500, 0), (900, 0), data=(META, b"Hello."))


def test_in_matroska_lines_may_overlap() -> None:
    assert settled(TEXT, (0, 500), (400, 800), container="mkv") == TEXT


def test_sound_that_begins_too_late_to_be_known_is_refused() -> None:
    with pytest.raises(
        BadInput, match=r"in.mkv: audio track 1 \(ac3\) begins at 90.000 s, too late .* dropTracks audio"
    ):
        settled(SOUND, (90_000, 32))


def test_sound_of_which_nothing_comes_stays_left_out() -> None:
    assert settled(SOUND) == SOUND


@pytest.mark.parametrize(("track", "reason"), [(TEXT, "lines that overlap"), (SOUND, "begins at 0.000 s")])
def test_what_may_be_dropped_is_dropped_with_the_reason(track: Track, reason: str) -> None:
    left = settled(track, (0, 500), (400, 800), drop=(track.kind,))
    assert left.action == "Drop" and reason in (left.reason or "")
