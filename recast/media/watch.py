"""Tracks of which only their own packets tell whether the output can have them: they are watched while split reads."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from recast import names
from recast.errors import BadInput
from recast.manifest import Track
from recast.media.tracks import UNSEEN, as_dropped
from recast.spec import Container, Output

ONE_AT_A_TIME = frozenset({"mp4", "mov"})
"""Where a line of text ends as soon as the next begins."""
CURES = {
    "unseen": ": have FFmpeg write the source anew first",
    "overlap": ", and .{} shows one at a time: use .mkv",
}
SLACK = Fraction(1, 1000)
"""Containers' clocks round by so much."""


class Watch:
    """Looks at packets of other tracks.

    Args:
        tracks: what is planned for them.
        container: the output's.

    Attributes:
        numbers: the streams whose packets it wants.
    """

    def __init__(self, tracks: Sequence[Track], container: Container) -> None:
        self.numbers = frozenset(track.stream_index for track in tracks if _is_open(track, container))
        self._unseen = {track.stream_index for track in tracks if track.reason == UNSEEN}
        self._ends: dict[int, Fraction] = {}
        self._unfit: dict[int, str] = {}

    def look(self, packet: Any) -> None:
        """Take note of a packet."""
        number = packet.stream.index
        if number in self._unfit or packet.pts is None or not packet.size:
            return
        begin = packet.pts * packet.time_base
        if number in self._unseen:
            self._unfit[number] = f"begins at {float(begin):.3f} s, too late to be known when the file is opened"
        elif begin < self._ends.get(number, begin) - SLACK:
            self._unfit[number] = f"has lines that overlap, at {float(begin):.3f} s"
        self._ends[number] = begin + (packet.duration or 0) * packet.time_base

    def settle(self, tracks: Sequence[Track], output: Output, name: str) -> tuple[Track, ...]:
        """The tracks as their packets have them, once all were seen.

        Args:
            tracks: what was planned.
            output: where they go.
            name: how errors call the source.

        Raises:
            BadInput: the output cannot have one, which may not be dropped.
        """
        unfit = {
            track.stream_index: self._unfit[track.stream_index]
            for track in tracks
            if track.stream_index in self._unfit and _is_open(track, output.container)
        }
        for track in tracks:
            if track.stream_index in unfit and track.kind not in output.drop_tracks:
                cure = CURES["unseen" if track.reason == UNSEEN else "overlap"].format(output.container)
                raise BadInput(
                    f"{name}: {track.kind} track {track.stream_index} ({track.codec}) {unfit[track.stream_index]}"
                    f"{cure}, or leave it out by dropTracks {track.kind}",
                    reason=names.UNSUPPORTED_TRACKS,
                )
        return tuple(
            as_dropped(track, f"it {unfit[track.stream_index]}") if track.stream_index in unfit else track
            for track in tracks
        )


def _is_open(track: Track, container: Container) -> bool:
    """Whether a track's packets may yet say otherwise."""
    return track.reason == UNSEEN or (track.action == "Convert" and container in ONE_AT_A_TIME)
