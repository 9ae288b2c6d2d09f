"""Which source picture an output picture shows, though a part of it was changed and all of it encoded again.

Pictures are small and gray, cut into tiles. Between the source picture A of an output picture O, and a
neighbour B, lies D = B - A. In each tile p = <O - A, D> / <D, D> says where O stands on the way from A (0)
to B (1): noise is mostly at right angles to D and cancels. Tiles that do not move say nothing; nor does one
that is near to neither picture: that is what a swapped face looks like. The weighted
median of p over the others is the verdict; above one half O is nearer to B.

An encoder may repeat what moves little, and a face may be swapped all the time: a tile that is as far off its
source in the pictures around is not asked either. What hides in that, because all pictures are late, shows in
the median of p over all tiles and many pictures.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

WIDTH, HEIGHT, TILE = 128, 96, 16
TILES = WIDTH * HEIGHT // TILE**2
REACH = 3
"""Neighbours looked at, each way."""
AROUND = 4
"""Pictures each way that say how far a tile is off its source as a rule."""

MOVES = 1.5
"""Gray levels (root mean square) that a tile must move to be asked."""
MOVES_LITTLE = 0.5
"""The same where many pictures are asked together."""
CLEARLY = 2.5
"""How much further than a tile is off its source as a rule it must move to be asked."""
NEAR = 0.5
"""How near to one of two pictures, by the distance between them, a tile must be to be asked which."""
NOT_FAR = 2.0
"""The same where many pictures are asked together."""
HEAVIEST = 6.0
"""Gray levels beyond which more motion gives a tile no more weight: a few must not outvote the rest."""
LEAST_ASKED = 2
"""Tiles of a picture that must say something."""
WINDOW = 25
UNLIKE = 5.0
"""Gray levels that a tile is off its source, beyond three times what is the rule for it."""
APART = 32.0
"""Gray levels that half of the area is off in half of the pictures, where these are another video's. x264 at its lowest
quality takes 16 of talking heads, sport and film, and 25 of noise; a swapped face that fills the frame comes to 15.
Other videos are 45 to 250 off, a cropped or mirrored one 60 and 80. (Where source and another are dark or pale, within
some 30 levels, no encoder's loss can be told from that: they are not found to be another's.)"""

Gray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Mismatch:
    """An output picture that is not its source's.

    Attributes:
        frame: its rank.
        shows: rank of the source picture it shows; None where it is none of the neighbours.
    """

    frame: int
    shows: int | None


@dataclass(frozen=True)
class _Way:
    """From the source picture to one neighbour, for each tile.

    Attributes:
        along: how far the output stands on it.
        length: gray levels from end to end.
        aside: how far the output is from the nearer end, by the distance between both.
    """

    along: Gray
    length: Gray
    aside: Gray


@dataclass(frozen=True)
class _Evidence:
    """What the tiles of one output picture say.

    Attributes:
        frame: its rank.
        off: gray levels that each tile is off its source.
        ways: to each neighbour, by its distance in frames.
    """

    frame: int
    off: Gray
    ways: dict[int, _Way]


class Matcher:
    """Takes pairs of pictures in order, then says which do not match.

    Attributes:
        pairs: taken.
        judged: of these, told from their neighbours.
        moving: of these, that differ from their neighbours.
    """

    def __init__(self) -> None:
        self._ring: deque[tuple[int, Gray, Gray]] = deque(maxlen=2 * REACH + 1)
        self._evidence: deque[_Evidence] = deque(maxlen=2 * AROUND + 1)
        self._found: list[Mismatch] = []
        self._late: dict[int, list[float]] = {-1: [], 1: []}
        self._off: list[npt.NDArray[np.float16]] = []
        self.pairs = 0
        self.judged = 0
        self.moving = 0

    def push(self, source: bytes, output: bytes) -> None:
        """The next pair: `WIDTH` x `HEIGHT` bytes each."""
        self._ring.append((self.pairs, tiles(source), tiles(output)))
        self.pairs += 1
        if self.pairs > REACH:
            self._weigh(self.pairs - 1 - REACH)

    def finish(self) -> list[Mismatch]:
        """Judges what is left, and all of it together."""
        for frame in range(max(self.pairs - REACH, 0), self.pairs):
            self._weigh(frame)
        for evidence in list(self._evidence)[-AROUND:] if self.pairs > AROUND else list(self._evidence):
            self._judge(evidence)
        return self._late_together() or self._found or self._unlike()

    def apart(self) -> float:
        """Gray levels that half of the area is off its source, in half of the pictures."""
        return float(np.median(np.median(np.array(self._off, np.float32), axis=1)))

    def _weigh(self, frame: int) -> None:
        """Asks the tiles of one picture; judges the one `AROUND` before it, whose followers are now known."""
        around = {number - frame: (source, output) for number, source, output in self._ring}
        source, output = around[0]
        off = output - source
        ways = {step: _way(off, pair[0] - source) for step, pair in around.items() if step}
        evidence = _Evidence(frame, np.sqrt((off * off).mean(axis=1)), ways)
        self._evidence.append(evidence)
        self._off.append(evidence.off.astype(np.float16))
        for step, verdicts in self._late.items():
            way = ways.get(step)
            verdicts.append(np.nan if way is None else _loosely(way))
        if frame >= AROUND:
            self._judge(next(each for each in self._evidence if each.frame == frame - AROUND))

    def _judge(self, evidence: _Evidence) -> None:
        others = [each.off for each in self._evidence if abs(each.frame - evidence.frame) in range(1, AROUND + 1)]
        usual = np.median(others, axis=0) if others else np.zeros(TILES)
        best: tuple[float, int] | None = None
        asked = moves = False
        for step, way in evidence.ways.items():
            moving = way.length > np.maximum(MOVES, CLEARLY * usual)
            verdict = _verdict(way, moving & (way.aside < NEAR), least=LEAST_ASKED)
            asked |= not np.isnan(verdict)
            moves |= bool((way.length > MOVES).sum() >= LEAST_ASKED)
            if verdict > 0.5 and (best is None or abs(verdict - 1) < best[0]):
                best = abs(verdict - 1), step
        self.judged += asked
        self.moving += moves
        if best is not None:
            self._found.append(Mismatch(evidence.frame, evidence.frame + best[1]))

    def _late_together(self) -> list[Mismatch]:
        """The first picture of the first window whose pictures together stand nearer to their neighbours."""
        for step, verdicts in self._late.items():
            for start in range(0, max(len(verdicts) - WINDOW // 2, 1), WINDOW // 2):
                window = np.array(verdicts[start : start + WINDOW])
                late = np.flatnonzero(window > 0.5)
                known = window[~np.isnan(window)]
                if len(known) > min(WINDOW, len(verdicts)) // 2 and np.median(known) > 0.6:
                    first = start + int(late[0])
                    return [Mismatch(first, first + step)]
        return []

    def _unlike(self) -> list[Mismatch]:
        """Pictures far off their source over a third of the area, while those around them are near."""
        off = np.array(self._off, np.float32)
        found = []
        for frame in range(len(off)):
            beside = np.concatenate([off[max(frame - AROUND, 0) : frame], off[frame + 1 : frame + 1 + AROUND]])
            if len(beside) >= 2:
                outliers = off[frame] > 3 * np.median(beside, axis=0) + UNLIKE
                if outliers.mean() > 0.35:
                    found.append(Mismatch(frame, None))
        return found


def tiles(picture: bytes) -> Gray:
    """A picture as one row of pixels for each tile."""
    pixels = np.frombuffer(picture, np.uint8).reshape(HEIGHT // TILE, TILE, WIDTH // TILE, TILE)
    return pixels.swapaxes(1, 2).reshape(TILES, TILE * TILE).astype(np.float32)


def _way(off: Gray, way: Gray) -> _Way:
    """Where an output stands between its source and a neighbour.

    Args:
        off: the output's tiles less the source's.
        way: the neighbour's tiles less the source's.
    """
    length = (way * way).sum(axis=1)
    along = (off * way).sum(axis=1) / np.maximum(length, 1e-6)
    nearest = np.minimum((off * off).sum(axis=1), ((off - way) ** 2).sum(axis=1))
    return _Way(along, np.sqrt(length) / TILE, np.sqrt(nearest / np.maximum(length, 1e-6)))


def _loosely(way: _Way) -> float:
    """The verdict of a picture that is asked together with many."""
    return _verdict(way, (way.length > MOVES_LITTLE) & (way.aside < NOT_FAR), least=4)


def _verdict(way: _Way, asked: npt.NDArray[np.bool_], *, least: int) -> float:
    """The weighted median over the tiles that are asked; not a number where they are fewer than `least`."""
    if asked.sum() < least:
        return float("nan")
    values, weights = way.along[asked], np.minimum(way.length[asked], HEAVIEST)
    order = np.argsort(values)
    sums = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(sums, sums[-1] / 2)])
