"""Where each segment's packets are: worker and mux both read the plan's segments here, so that they agree.

A segment's packets are the object that split wrote, or, for a slice of a giant GOP where `segments.normalise` is
set, what the normalise stage made of it. Either way the segment names their sha256, so a part's digest follows it.
"""

from dataclasses import dataclass

from recast import names
from recast.errors import NotFound, Transient
from recast.layout import RunLayout
from recast.manifest import BadRun, Chunk, Marks, NormalisedObject, NormalisedSegment, Plan, Segment
from recast.storage.storage import Storage


@dataclass(frozen=True)
class PlannedSegment:
    """A segment as a worker does it.

    Attributes:
        segment: sha256, size and packets are those of the object at `uri`.
        uri: its packets.
        marks: what is to be known of these packets.
        bad_frames: of the source, whose pictures in these packets are replaced already.
    """

    segment: Segment
    uri: str
    marks: Marks
    bad_frames: tuple[BadRun, ...] = ()

    def replaced(self, *, unswapped: bool = False) -> frozenset[int]:
        """Stamps of frames whose pictures were replaced; unswapped: only of those that no face is changed in."""
        first, packets = self.segment.first, self.segment.packets
        runs = (run for run in self.bad_frames if run.shows is None or not unswapped)
        return frozenset(packets[number - first] for run in runs for number in range(run.first, run.first + run.frames))


def read_chunk(storage: Storage, layout: RunLayout, plan: Plan, number: int) -> Chunk:
    """A chunk of the plan, as split wrote it."""
    if plan.chunk is not None:
        return plan.chunk
    return Chunk.model_validate_json(storage.get(layout.chunk(plan.first_chunk + number), promised=True))


def read_segments(storage: Storage, layout: RunLayout, plan: Plan, number: int) -> tuple[PlannedSegment, ...]:
    """The segments of a chunk.

    Raises:
        Transient: some are still to be normalised.
    """
    chunk = read_chunk(storage, layout, plan, number)
    made = {item.index: item for number in chunk.normalise for item in _read_record(storage, layout, number).segments}
    return tuple(_planned(layout, chunk, segment, made.get(segment.index)) for segment in chunk.segments)


def as_split(layout: RunLayout, chunk: Chunk, segment: Segment) -> PlannedSegment:
    """A segment as split wrote it, whether it is to be normalised or not."""
    return PlannedSegment(segment, layout.segment(segment.object), chunk.marks_of(segment.object))


def _read_record(storage: Storage, layout: RunLayout, number: int) -> NormalisedObject:
    uri = layout.normalised_record(number)
    try:
        return NormalisedObject.model_validate_json(storage.get(uri))
    except NotFound as error:
        raise Transient(f"{uri}: not there yet: run the normalise stage first", reason=names.NOT_READY) from error


def _planned(layout: RunLayout, chunk: Chunk, segment: Segment, made: NormalisedSegment | None) -> PlannedSegment:
    if made is None:
        return as_split(layout, chunk, segment)
    own = {"sha256": made.sha256, "size": made.size, "packets": tuple(range(segment.frames))}
    return PlannedSegment(
        segment.model_copy(update=own),
        layout.normalised(segment.index, made.sha256),
        Marks(object=segment.object),
        made.bad_frames,
    )
