"""How long frames are shown: what an output's clock can say."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from recast.errors import BadInput
from recast.media.times import MOST_AT_ONE_TIME

MOST_TICKS = 2**31 - 2**24
"""Between two samples of a MP4: 32 bits with a sign, and room for what pictures are reordered by."""


@dataclass
class Gaps:
    """The widest gap between two frames' times, segment after segment.

    Attributes:
        widest: in ticks.
        begin: the time before it.
        last: the latest time so far.
        steps: that a tick must be divided in, since frames have the same time.
    """

    widest: int = 0
    begin: int = 0
    last: int | None = None
    steps: int = 1

    def add(self, times: Sequence[int]) -> None:
        """Take note of a segment's times."""
        known = times if self.last is None else (self.last, *times)
        for before, after in pairwise(known):
            if after == before:
                self.steps = MOST_AT_ONE_TIME
            elif after - before > self.widest:
                self.widest, self.begin = after - before, before
        self.last = times[-1]

    @property
    def room(self) -> int:
        """The most ticks between two frames."""
        return MOST_TICKS // self.steps

    def refuse_too_wide(self, first: int, time_base: Fraction, name: str) -> None:
        """Stop where the clock cannot say a gap.

        Args:
            first: the first frame's time.
            time_base: of all times.
            name: how errors call the source.

        Raises:
            BadInput: it cannot.
        """
        if self.widest <= self.room:
            return
        begin, length = (float(ticks * time_base) for ticks in (self.begin - first, self.widest))
        raise BadInput(
            f"{name}: no frame is shown anew for {length:.0f} s from {begin:.3f} s on, longer than a clock of "
            f"{time_base} s can say: cut the source there first"
        )
