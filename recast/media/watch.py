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
"""Where a line of text ends as soon as the next begins, and must say how long it stands."""
MOST_SECONDS = Fraction(2**31 - 1, 1_000_000)
"""How long FFmpeg's MP4 lets a line stand: 32 bits with a sign, of a clock of microseconds."""
SHOWS_ONE = ", and .{} shows one at a time: use .mkv"
MUST_SAY = ", which .{} must: use .mkv"
TOO_LONG = ", longer than .{} can say: use .mkv"
WRITE_ANEW = ": have FFmpeg write the source anew first"
SLACK = Fraction(1, 1000)
"""Containers' clocks round by so much."""
SCRIPT = b"\x02\x00\x0aon"
"""How FLV's own data begins: a name of ten letters (onMetaData, onCuePoint), as AMF 0 has strings."""
PICTURES = "dvd_subtitle"
"""Lines as pictures, which .mp4 holds as they are."""
NO_TEXT = "data of FLV itself, no text"


class Watch:
    """Looks at packets of other tracks.

    Args:
        tracks: what is planned for them.
        container: the output's.

    Attributes:
        numbers: the streams whose packets it wants.
    """

    def __init__(self, tracks: Sequence[Track], container: Container) -> None:
        self.numbers = frozenset(
            track.stream_index for track in tracks if _is_open(track, container) or _may_be_script(track)
        )
        self._unseen = {track.stream_index for track in tracks if track.reason == UNSEEN}
        self._pictures = {track.stream_index for track in tracks if track.codec == PICTURES}
        self._ends: dict[int, Fraction] = {}
        self._unfit: dict[int, tuple[str, str]] = {}
        self._endless: dict[int, Fraction] = {}
        self._is_script: dict[int, bool] = {}

    def look(self, packet: Any) -> None:
        """Take note of a packet."""
        number = packet.stream.index
        if number in self._unfit or packet.pts is None or not packet.size:
            return
        begin = packet.pts * packet.time_base
        if number in self._unseen:
            words = f"begins at {float(begin):.3f} s, too late to be known when the file is opened"
            self._unfit[number] = words, WRITE_ANEW
        elif begin < self._ends.get(number, begin) - SLACK and number not in self._pictures:
            self._unfit[number] = f"has lines that overlap, at {float(begin):.3f} s", SHOWS_ONE
        length = (packet.duration or 0) * packet.time_base
        if length > MOST_SECONDS and number not in self._unseen:
            self._unfit[number] = f"has a line that stands for {float(length):.0f} s, at {float(begin):.3f} s", TOO_LONG
        self._ends[number] = begin + length
        self._is_script[number] = self._is_script.get(number, True) and bytes(packet).startswith(SCRIPT)
        self._endless.pop(number, None)
        if not packet.duration:
            self._endless[number] = begin

    def settle(self, tracks: Sequence[Track], output: Output, name: str) -> tuple[Track, ...]:
        """The tracks as their packets have them, once all were seen.

        Args:
            tracks: what was planned.
            output: where they go.
            name: how errors call the source.

        Raises:
            BadInput: the output cannot have one, which may not be dropped.
        """
        return tuple(self._settle(track, output, name) for track in tracks)

    def _settle(self, track: Track, output: Output, name: str) -> Track:
        number = track.stream_index
        if _may_be_script(track) and self._is_script.get(number):
            return as_dropped(track, NO_TEXT)
        unfit = self._unfit.get(number)
        if unfit is None and (begin := self._endless.get(number)) is not None:
            unfit = f"does not say how long its last line stands, at {float(begin):.3f} s", MUST_SAY
        if unfit is None or not _is_open(track, output.container):
            return track
        words, cure = unfit
        if track.kind not in output.drop_tracks:
            raise BadInput(
                f"{name}: {track.kind} track {number} ({track.codec}) {words}{cure.format(output.container)}, or leave "
                f"it out by dropTracks {track.kind}",
                reason=names.UNSUPPORTED_TRACKS,
            )
        return as_dropped(track, f"it {words}")


def _is_open(track: Track, container: Container) -> bool:
    """Whether a track's packets may yet say otherwise."""
    is_timed = track.action == "Convert" or (track.action == "Copy" and track.codec == PICTURES)
    return track.reason == UNSEEN or (is_timed and container in ONE_AT_A_TIME)


def _may_be_script(track: Track) -> bool:
    """Whether FFmpeg may take for text what a FLV says of itself on the way."""
    return track.action == "Convert" and track.codec == "text"
