"""What packets of other tracks tell too late for the plan, and before any work."""

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


def settled(
    track: Track, *packets: tuple[int, int], container: Container = "mp4", drop: tuple[TrackKind, ...] = ()
) -> Track:
    """What becomes of a track whose packets begin and last so many milliseconds."""
    watch = Watch([track], container)
    for pts, duration in packets if track.stream_index in watch.numbers else ():
        stream = SimpleNamespace(index=track.stream_index)
        watch.look(SimpleNamespace(stream=stream, pts=pts, duration=duration, time_base=Fraction(1, 1000), size=9))
    (left,) = watch.settle([track], Output(uri=f"file:///out.{container}", drop_tracks=drop), "in.mkv")
    return left


@pytest.mark.parametrize("container", ["mp4", "mov"])
def test_lines_of_text_that_overlap_are_refused_where_one_is_shown_at_a_time(container: Container) -> None:
    words = rf"track 2 \(subrip\) has lines that overlap, at 0.900 s, and .{container} .*: use .mkv, or .* dropTracks"
    with pytest.raises(BadInput, match=words):
        settled(TEXT, (0, 500), (500, 800), (900, 100), container=container)


def test_lines_that_meet_or_overlap_by_a_rounding_are_converted() -> None:
    assert settled(TEXT, (0, 500), (500, 401), (900, 0), (900, 100)) == TEXT


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
