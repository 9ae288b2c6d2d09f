"""What a job does about frames that do not decode: fails, repeats the last good one, or takes what the decoder makes.

Workers come here once decoding has shown a sign of damage, and so does the normalise stage. What stands in a bad
frame's place may have to come from another segment: it is the last good frame of the whole video, wherever it was cut.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from av.video.frame import VideoFrame

from recast import log
from recast.errors import MEND_OR_SAY, FramesDamaged
from recast.manifest import BadRun, Marks, Plan, Segment, joined
from recast.media.damage import Group, last_good, mended, survey
from recast.packets import PlannedSegment
from recast.spec import OnBadFrames
from recast.storage.storage import Storage


@dataclass
class Mending:
    """What an object of packets is to be decoded to.

    Attributes:
        concealed: stamps of the frames that are what the decoder made of them; filled while they are decoded.
    """

    plan: Plan
    groups: Sequence[Group]
    conceal: bool
    before: tuple[int, VideoFrame] | None
    numbers: dict[int, int]
    concealed: set[int] = field(default_factory=set)

    @property
    def bad(self) -> frozenset[int]:
        """Stamps of the bad frames."""
        return frozenset().union(*(group.bad for group in self.groups))

    def frames(self, path: Path) -> Generator[VideoFrame, None, None]:
        """The object's frames, each under its stamp."""
        before = self.before[1] if self.before is not None else None
        return mended(path, self.groups, before, self.plan.video, conceal=self.conceal, concealed=self.concealed)

    def runs(self, segment: Segment) -> tuple[BadRun, ...]:
        """A segment's bad frames, and what was shown in their place, once it was decoded."""
        shown = self.before[0] if self.before is not None else None
        shows: dict[int, int | None] = {}
        for group in self.groups:
            for stamp in group.frames:
                if stamp not in group.bad:
                    shown = self.numbers[stamp]
                else:
                    shows[self.numbers[stamp]] = None if stamp in self.concealed else shown
        numbered = ((segment.first + place, pts) for place, pts in enumerate(segment.pts))
        return joined(
            BadRun(first=number, frames=1, pts=pts, seconds=seconds_of(self.plan, pts), shows=shows[number])
            for number, pts in numbered
            if number in shows
        )


def seconds_of(plan: Plan, pts: int) -> float:
    """A time of the source in seconds from its first frame, to the millisecond."""
    return round(float((pts - plan.first_pts) * plan.video.time_base), 3)


class Mender:
    """Finds out about damage.

    Args:
        policy: what the job asks for.
        plan: the job's.
        segment: gives a segment of the plan.
        storage: where their packets are.
        folder: where those of other segments may be put.
    """

    def __init__(
        self,
        policy: OnBadFrames,
        plan: Plan,
        segment: Callable[[int], PlannedSegment],
        storage: Storage,
        folder: Path,
    ) -> None:
        self._policy, self._plan, self._segment = policy, plan, segment
        self._storage, self._folder = storage, folder

    def look(self, asked: Sequence[PlannedSegment], packets: Path) -> Mending:
        """What segments' packets are to be decoded to.

        Args:
            asked: the segments, all of the same object.
            packets: that object, here.

        Raises:
            FramesDamaged: frames of the segments are bad, and the job asks to fail; or not one of the video is good.
        """
        parts = self._parts(asked[0])
        groups, numbers = _surveyed(parts, asked[0].marks, packets)
        mending = Mending(self._plan, groups, self._policy == "Original", None, numbers)
        all_bad = mending.bad
        for own in (planned.segment for planned in asked):
            bad = [place for place, stamp in enumerate(own.packets) if stamp in all_bad]
            log.warning("damage was looked for", segment=own.index, bad=len(bad), policy=self._policy)
            if bad and self._policy == "Fail":
                raise self._refusal(own, bad)
        if groups[0].frames[0] in groups[0].bad:
            mending.before = self._borrowed(parts, packets, groups, numbers)
        return mending

    def _refusal(self, segment: Segment, bad: Sequence[int]) -> FramesDamaged:
        number, pts = segment.first + bad[0], segment.pts[bad[0]]
        more = f", nor {len(bad) - 1} more of its frames" if len(bad) > 1 else ""
        error = FramesDamaged(
            f"segment {segment.index}: frame {number}, at {seconds_of(self._plan, pts):.3f} s (pts {pts}), does not "
            f"decode whole{more}: {MEND_OR_SAY}"
        )
        error.segment = segment.index
        return error

    def _parts(self, planned: PlannedSegment) -> list[Segment]:
        """All segments that are made from the same object, in order."""
        first = last = planned.segment.index
        while first > 0 and self._segment(first - 1).uri == planned.uri:
            first -= 1
        while last + 1 < self._plan.segments and self._segment(last + 1).uri == planned.uri:
            last += 1
        return [self._segment(index).segment for index in range(first, last + 1)]

    def _borrowed(
        self, parts: Sequence[Segment], packets: Path, groups: Sequence[Group], numbers: dict[int, int]
    ) -> tuple[int, VideoFrame]:
        """The last good frame before an object, or else the first one after its beginning, and their number."""
        index = parts[0].index - 1
        while index >= 0:
            earlier = self._elsewhere(index, first=False)
            if isinstance(earlier, tuple):
                return earlier
            index = earlier[0].index - 1
        own = last_good(packets, groups, first=True)
        if own is not None:
            return numbers[own[0]], own[1]
        index = parts[-1].index + 1
        while index < self._plan.segments:
            later = self._elsewhere(index, first=True)
            if isinstance(later, tuple):
                return later
            index = later[-1].index + 1
        raise FramesDamaged(f"{self._plan.source.uri}: not one of its frames decodes whole: copy the source again")

    def _elsewhere(self, index: int, *, first: bool) -> tuple[int, VideoFrame] | list[Segment]:
        """A good frame of another segment's object and its number; where there is none, that object's segments."""
        planned = self._segment(index)
        parts = self._parts(planned)
        packets = self._folder / "borrowed.mkv"
        self._storage.download(planned.uri, packets, sha256=planned.segment.sha256)
        try:
            groups, numbers = _surveyed(parts, planned.marks, packets)
            # Of a normalised slice, replaced frames look good.
            groups = [replace(group, bad=group.bad | planned.replaced()) for group in groups]
            good = last_good(packets, groups, first=first)
        finally:
            packets.unlink()
        return parts if good is None else (numbers[good[0]], good[1])


def _surveyed(parts: Sequence[Segment], marks: Marks, packets: Path) -> tuple[list[Group], dict[int, int]]:
    """The groups of an object, and the number in the whole video of each frame, by its stamp."""
    frames = [stamp for part in parts for stamp in part.packets]
    groups = survey(packets, frames, preroll=marks.preroll, damaged=marks.damaged)
    return groups, {stamp: parts[0].first + place for place, stamp in enumerate(frames)}
