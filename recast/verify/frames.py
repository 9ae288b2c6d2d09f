"""The pictures: as many, at the same times, each its own source picture.

Both files are decoded once, side by side: FFmpeg's framehash gives each picture's time and a hash of its
pixels, and a small gray copy goes to `match`. Where the counts differ, both are decoded again and the
pictures paired by their times.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise

from recast.verify.check import Check, failed, passed, skipped
from recast.verify.match import APART, HEIGHT, WIDTH, Matcher, Mismatch
from recast.verify.probe import NO_PTS, File, Track
from recast.verify.process import LINES, Running

MILLISECOND = Fraction(1, 1000)
NAMED = 3
FEW_FRAMES = 16
PASSED_OVER = re.compile(
    r"^\[[^\]]+\] (.*(?:exceeds containing master element|exceeds max length|invalid as first byte|Invalid length 0x"
    r"|Invalid track number|Error parsing frame sizes|[Ss]ample size \d+ is too large|Packet mismatch|CRC mismatch"
    r"|no checksum|header_idx invalid|packet_(?:obj|frag)_size|fragment position invalid|asf skip"
    r"|edit unit sync lost).*)"
)
"""How demuxers say that they passed over what they could not read, and go on: of what was there, nothing else tells."""
OF_TIMES = ("non monotonically increasing dts", "Last message repeated")


@dataclass(frozen=True)
class Frames:
    """The decoded frames of one file.

    Attributes:
        times: in seconds on the file's own clock; None where FFmpeg gives none.
        hashes: of the pixels.
        tick: the video's time base.
        complaints: what the decoder said.
        begins: time of the first frame, where it did not decode.
    """

    times: tuple[Fraction | None, ...]
    hashes: tuple[str, ...]
    tick: Fraction
    complaints: tuple[str, ...]
    begins: Fraction | None = None

    @property
    def start(self) -> Fraction:
        """Time of the first frame."""
        if self.begins is not None:
            return self.begins
        return next((time for time in self.times if time is not None), Fraction(0))

    @property
    def rises(self) -> bool:
        """Whether every frame has a time, none earlier than the one before.

        Frames may share a time: Matroska's millisecond merges those that are closer.
        """
        known = [time for time in self.times if time is not None]
        return len(known) == len(self.times) and all(a <= b for a, b in pairwise(known))


@dataclass(frozen=True)
class Replaced:
    """Frames of the source that did not decode whole, and were therefore replaced.

    Attributes:
        first: the first one's rank in the output.
        count: how many follow each other.
        shows: rank of the output's frame that is repeated in their place; None where they are what a decoder made.
    """

    first: int
    count: int
    shows: int | None


@dataclass(frozen=True)
class Seen:
    """Both files' frames, and what comparing them said."""

    source: Frames
    output: Frames
    checks: tuple[Check, ...]


def compare(
    source: File, output: File, *, lossless: bool, replaced: tuple[Replaced, ...] = (), lost: bool = False
) -> Seen:
    """Decodes both and compares them.

    Args:
        source: the source.
        output: what was made of it.
        lossless: every pixel must be equal.
        replaced: frames that are held against what stands in their place.
        lost: packets of the source are known to be missing in it.
    """
    matcher = None if lossless else Matcher()
    ours, theirs = _decode(source, output, matcher)
    instead = {each.first + place: each.shows for each in replaced for place in range(each.count)}
    if 0 in instead:
        # The decoder may have left out what the source begins with.
        ours = replace(ours, begins=_first_packet(source.video))
    pairs = _pairs(ours, theirs)
    count = _count(ours, theirs, pairs, instead)
    times = _times(ours, theirs, pairs, source.video, output)
    pairs = [(i, j) for i, j in pairs if j not in instead]
    if matcher is not None and (instead or len(ours.times) != len(theirs.times)):
        matcher = Matcher()
        _decode(source, output, matcher, pairs)
    checks = [_whole(ours, lost), count, times, _clean(ours, theirs)]
    if instead:
        checks.append(_instead(theirs, instead, lossless))
    if matcher is not None:
        checks.append(_pictures(matcher, pairs, ours))
    else:
        checks.append(_identical(ours, theirs, pairs))
    return Seen(ours, theirs, tuple(checks))


# Decoding. ---------------------------------------------------------------------------------------------


def _decode(
    source: File, output: File, matcher: Matcher | None, pairs: list[tuple[int, int]] | None = None
) -> tuple[Frames, Frames]:
    """Decodes both at once, and shows the matcher the pairs: by rank unless others are given."""
    with ExitStack() as stack:
        runs = [stack.enter_context(_start(file, matcher is not None)) for file in (source, output)]
        if matcher is not None:
            left, right = (_pictures_of(run) for run in runs)
            if pairs is None:
                for a, b in zip(left, right, strict=False):
                    matcher.push(a, b)
            else:
                left = _chosen(left, [a for a, _ in pairs])
                right = _chosen(right, [b for _, b in pairs])
                for a, b in zip(left, right, strict=False):
                    matcher.push(a, b)
        for run in runs:
            run.finish()
        ours, theirs = (_frames(run) for run in runs)
        return ours, theirs


def _start(file: File, pictures: bool) -> Running:
    one = ["-map", f"0:{file.video.index}", "-fps_mode", "passthrough", "-enc_time_base", "demux"]
    options = [*one, "-f", "framehash", "-hash", "murmur3", LINES]
    if pictures:
        small = f"scale={WIDTH}:{HEIGHT}:flags=area+accurate_rnd+bitexact,format=gray"
        options += [*one, "-vf", small, "-f", "rawvideo", "pipe:1"]
    return Running(file.media, options)


def _pictures_of(run: Running) -> Iterator[bytes]:
    size = WIDTH * HEIGHT
    while len(picture := run.read(size)) == size:
        yield picture


def _chosen(pictures: Iterator[bytes], ranks: list[int]) -> Iterator[bytes]:
    wanted = iter(ranks)
    rank = next(wanted, None)
    for i, picture in enumerate(pictures):
        if i == rank:
            yield picture
            rank = next(wanted, None)


def _frames(run: Running) -> Frames:
    tick = Fraction(1)
    times: list[Fraction | None] = []
    hashes = []
    for line in run.lines:
        if line.startswith("#tb 0: "):
            tick = Fraction(line[7:])
        if line.startswith("#"):
            continue
        fields = line.split(",")
        pts = int(fields[2])
        times.append(None if pts == NO_PTS else pts * tick)
        hashes.append(fields[5].strip())
    return Frames(tuple(times), tuple(hashes), tick, tuple(run.said))


# Pairing. ----------------------------------------------------------------------------------------------


def _pairs(ours: Frames, theirs: Frames) -> list[tuple[int, int]]:
    """Ranks in source and output of the same frame: in order where there are as many, else by their times."""
    if len(ours.times) == len(theirs.times) or not (ours.rises and theirs.rises):
        return [(i, i) for i in range(min(len(ours.times), len(theirs.times)))]
    left, right = relative(ours), relative(theirs)
    close = theirs.tick
    pairs, i, j = [], 0, 0
    while i < len(left) and j < len(right):
        if abs(left[i] - right[j]) <= close:
            pairs.append((i, j))
            i, j = i + 1, j + 1
        elif left[i] < right[j]:
            i += 1
        else:
            j += 1
    return pairs


def relative(frames: Frames) -> list[Fraction]:
    """Times less the first one's."""
    return [time - frames.start for time in frames.times if time is not None]


def timeless(ours: Frames, video: Track) -> bool:
    """Whether the source's packets carry no times of showing, as in bare streams and H.264 in AVI."""
    none = sum(packet.pts is None for packet in video.packets)
    return 2 * none > len(video.packets) or not ours.rises


# Checks. -----------------------------------------------------------------------------------------------


def _named(texts: list[str]) -> str:
    more = f", and {len(texts) - NAMED} more" if len(texts) > NAMED else ""
    return ", ".join(texts[:NAMED]) + more


def at(time: Fraction | None) -> str:
    """A time for people."""
    return "no time" if time is None else f"{float(time):.3f} s"


def _first_packet(video: Track) -> Fraction:
    return min((packet.pts for packet in video.packets if packet.pts is not None), default=0) * video.time_base


def _count(ours: Frames, theirs: Frames, pairs: list[tuple[int, int]], instead: dict[int, int | None]) -> Check:
    a, b = len(ours.times), len(theirs.times)
    if a == b:
        return passed("frame count", f"{a} frame{'' if a == 1 else 's'}")
    kept, shown = {i for i, _ in pairs}, {j for _, j in pairs}
    if len(kept) == a and set(range(b)) - shown <= set(instead):
        return passed("frame count", f"{b} frames, {b - a} of which do not decode in the source at all")
    lost = [f"frame {i}: missing (source {at(ours.times[i])})" for i in range(a) if i not in kept]
    extra = [f"output frame {j}: no such frame (output {at(theirs.times[j])})" for j in range(b) if j not in shown]
    what = "; ".join(_named(texts) for texts in (lost, extra) if texts)
    return failed("frame count", f"{a} in the source, {b} in the output; {what}")


def _times(ours: Frames, theirs: Frames, pairs: list[tuple[int, int]], video: Track, output: File) -> Check:
    if not theirs.rises:
        return failed("timestamps", "the output's go back from one frame to the next")
    left, right = _due(ours, video), relative(theirs)
    if left is None:
        return _constant(theirs, video, output)
    # Of frames that share a time, FFmpeg shows all but one at their decode times, a little earlier.
    shared = ours.tick if len(set(left)) < len(left) else Fraction(0)
    wrong = []
    for i, j in pairs:
        if abs(right[j] - left[i]) > max(shared, _allowed(left[i], theirs.tick, output)):
            wrong.append(f"frame {i}: at {float(right[j]):.6f} s, in the source {float(left[i]):.6f} s")
    a, b = len(left), len(right)
    if not wrong and a != b and len(pairs) < min(a, b):
        left_over = min(a, b) - len(pairs)
        stand = "1 frame stands at a time" if left_over == 1 else f"{left_over} frames stand at times"
        wrong.append(f"{stand} that the source does not have")
    if wrong:
        return failed("timestamps", _named(wrong))
    return passed("timestamps", f"{len(pairs)} equal, first to last {float(left[-1] if left else 0):.3f} s")


def _due(ours: Frames, video: Track) -> list[Fraction] | None:
    """When the source's frames are to be shown, less the first one's time; None where it does not say.

    Packets may carry their decode times alone (H.264 in MXF without temporal offsets), or some times out of order
    (files that were joined): what FFmpeg shows then are its guesses, and the frames' times are the packets', in order.
    """
    stated = [packet.pts for packet in video.packets if packet.pts is not None]
    if len(stated) == len(video.packets) == len(ours.times):
        in_order = sorted(stated)
        times = [pts * video.time_base for pts in in_order]
        if all(a < b for a, b in pairwise(stated)) or _is_near(times, ours, video):
            return [time - times[0] for time in times]
    return relative(ours) if ours.rises else None


def _is_near(times: list[Fraction], ours: Frames, video: Track) -> bool:
    """Whether times are within a few frames of what FFmpeg shows."""
    length = _frame_length(video)
    if length is None or not ours.rises:
        return False
    most = FEW_FRAMES * length
    return all(shown is not None and abs(time - shown) <= most for time, shown in zip(times, ours.times, strict=True))


def _frame_length(video: Track) -> Fraction | None:
    """The duration that most packets have, in seconds."""
    lengths = Counter(packet.duration for packet in video.packets if packet.duration)
    return lengths.most_common(1)[0][0] * video.time_base if lengths else None


def _allowed(time: Fraction, tick: Fraction, output: File) -> Fraction:
    """How far a time may be off: not at all where the output's clock can say it."""
    if output.is_matroska:
        return MILLISECOND
    return Fraction(0) if (time / tick).denominator == 1 else tick / 2


def _constant(theirs: Frames, video: Track, output: File) -> Check:
    """The source says no times: the output's must be evenly spaced, as its rate wants."""
    times = relative(theirs)
    if len(times) < 2:
        return passed("timestamps", "one frame")
    step = _frame_length(video) or (times[-1] / (len(times) - 1))
    slack = MILLISECOND if output.is_matroska else theirs.tick / 2
    wrong = [f"frame {i}: at {float(t):.6f} s" for i, t in enumerate(times) if abs(t - i * step) > slack]
    if wrong:
        return failed("timestamps", f"not one frame every {float(step):.6f} s: {_named(wrong)}")
    return passed("timestamps", f"the source has none; one frame every {float(step):.6f} s")


def _whole(ours: Frames, lost: bool) -> Check:
    """The source itself: where packets of it are missing, an output without them equals it and is not whole."""
    said = [words[1] for line in ours.complaints if (words := PASSED_OVER.match(line))]
    if not said:
        return passed("source", "read without a gap")
    if lost:
        return skipped("source", f"packets of it are missing, as the report says: {said[0]}")
    return failed("source", f"it is damaged, and packets of it are missing: {said[0]}")


def _clean(ours: Frames, theirs: Frames) -> Check:
    # Frames may share Matroska's millisecond; whether their times are right is another check's.
    said = [line for line in theirs.complaints if line.strip() and not any(words in line for words in OF_TIMES)]
    if not said:
        return passed("decodes", "without a complaint")
    if ours.complaints:
        return skipped("decodes", f"the decoder complains of both files: {said[0]}")
    return failed("decodes", said[0])


def _instead(theirs: Frames, instead: dict[int, int | None], lossless: bool) -> Check:
    """Frames that were replaced: what is repeated must be so, as far as an encoder with losses lets that be told."""
    name, last = "bad frames", len(theirs.hashes) - 1
    wrong = [f"there is no frame {j}" for j, shows in instead.items() if max(j, shows or 0) > last]
    if lossless and not wrong:
        wrong = [
            f"frame {j} does not show frame {shows}"
            for j, shows in instead.items()
            if shows is not None and theirs.hashes[j] != theirs.hashes[shows]
        ]
    if wrong:
        return failed(name, _named(wrong))
    repeated = sum(shows is not None for shows in instead.values())
    return passed(name, f"{repeated} repeat another frame, {len(instead) - repeated} are as the decoder mended them")


def _pictures(matcher: Matcher, pairs: list[tuple[int, int]], ours: Frames) -> Check:
    found = matcher.finish()
    if not pairs:
        return skipped("pictures", "no two frames can be paired by their times")
    # First: by chance, some pictures of another video stand nearer to the source's than to their neighbours.
    if (apart := matcher.apart()) > APART:
        what = "they are another video's, or cropped or padded"
        return failed("pictures", f"{what}: half of the area is {apart:.0f} of 255 gray levels off")
    if found:
        return failed("pictures", _named([_mismatch(each, pairs, ours) for each in found]))
    if not matcher.judged:
        return _untold(matcher)
    return passed("pictures", f"{matcher.judged} of {matcher.pairs} told from their neighbours, each its own source's")


def _untold(matcher: Matcher) -> Check:
    """Where no picture can be told from its neighbours."""
    if matcher.moving:
        return skipped("pictures", "what moves is less than what encoder and swap changed: no frame can be told by it")
    return skipped("pictures", "nothing moves: no frame can be told from its neighbours")


def _mismatch(each: Mismatch, pairs: list[tuple[int, int]], ours: Frames) -> str:
    rank = pairs[each.frame][0]
    where = f"frame {rank} (source {at(ours.times[rank])})"
    if each.shows is None:
        return f"{where}: is not its source picture"
    shows = pairs[min(max(each.shows, 0), len(pairs) - 1)][0]
    return f"{where}: shows source frame {shows}"


def _identical(ours: Frames, theirs: Frames, pairs: list[tuple[int, int]]) -> Check:
    """Lossless: every pixel as it was."""
    ranks = {digest: i for i, digest in reversed(list(enumerate(ours.hashes)))}
    wrong = []
    for i, j in pairs:
        if ours.hashes[i] != theirs.hashes[j]:
            shows = ranks.get(theirs.hashes[j])
            what = "its pixels differ" if shows is None else f"shows source frame {shows}"
            wrong.append(f"frame {i} (source {at(ours.times[i])}): {what}")
    if wrong:
        return failed("pictures", _named(wrong))
    return passed("pictures", f"{len(pairs)} equal to the last bit")
