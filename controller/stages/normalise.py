"""Normalise: give each slice of a giant GOP packets of its own. Run as `python -m controller.stages.normalise`.

    segments/000009.mkv --decode once--> slice after slice --encode without loss--> normalised/000009-<sha256>.mkv ...
                                                              and then all of them in normalised/000009.json

It runs between split and swap, where `segments.normalise` is set. What it made of an object is committed by one
record, written last and only once; the slices are named by their content, so another copy of this stage does no harm.
"""

import tempfile
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from av.video.frame import VideoFrame

from recast import log
from recast.errors import FramesDamaged, NotFound, RecastError
from recast.layout import RunLayout, file_sha256
from recast.manifest import Chunk, NormalisedObject, NormalisedSegment, Plan, Segment
from recast.media.lossless import write_slice
from recast.media.segments import decode_segment, kept_frames
from recast.mending import Mender
from recast.packets import PlannedSegment, as_split, read_chunk
from recast.stage import StageInput, StageResult, end_process, run_stage
from recast.storage.storage import Storage
from recast.storageconfig import make_storage
from recast.watchdog import Watchdog
from recast.wording import counted


def main() -> int:
    """Run the stage; returns the exit code."""
    return run_stage(normalise)


def normalise(job: StageInput) -> StageResult:
    """Normalise what the plan says is to be; what is committed is left as it is."""
    work = _Normalise(job, make_storage(job.spec), job.run_layout)
    frames = segments = 0
    for number, slices in work.objects():
        work.do(number, slices)
        segments += len(slices)
        frames += sum(segment.frames for segment in slices)
    return StageResult(
        run=job.run, segments=segments, frames=frames, message=f"{counted(segments, 'segment')} normalised"
    )


class _Normalise:
    def __init__(self, job: StageInput, storage: Storage, layout: RunLayout) -> None:
        self._policy = job.spec.video.on_bad_frames
        self._stall_seconds = job.spec.worker.stall_seconds
        self._storage, self._layout = storage, layout
        self._plan = Plan.model_validate_json(storage.get(layout.plan, promised=True))
        self._chunks: dict[int, Chunk] = {}

    def _chunk(self, number: int) -> Chunk:
        """A chunk of the plan, read once for all segments in a row."""
        if number not in self._chunks:
            self._chunks = {number: read_chunk(self._storage, self._layout, self._plan, number)}
        return self._chunks[number]

    def objects(self) -> Iterator[tuple[int, list[Segment]]]:
        """Each object that is to be normalised, and its segments."""
        for number in range(len(self._plan.chunks)):
            chunk = self._chunk(number)
            for name, segments in groupby(chunk.segments, lambda segment: segment.object):
                if name in chunk.normalise:
                    yield name, list(segments)

    def do(self, number: int, segments: list[Segment]) -> None:
        """Make and commit an object's segments, unless they are there."""
        if self._is_whole(number):
            log.info("object is committed", object=number, segments=len(segments))
            return
        with tempfile.TemporaryDirectory(prefix="recast-normalise-") as folder:
            packets = Path(folder, "packets.mkv")
            self._storage.download(self._layout.segment(number), packets, sha256=segments[0].sha256)
            slice_ = Path(folder, "slice.mkv")
            try:
                made = self._strictly(segments, packets, slice_)
            except FramesDamaged as error:
                log.warning("damage: the object is begun again", detail=str(error))
                made = self._mended(segments, packets, slice_)
        record = NormalisedObject(segments=made).model_dump_json(by_alias=True).encode()
        # Of two copies of this stage one's record stays; the other's slices, if they differ, are never read.
        self._storage.put(self._layout.normalised_record(number), record, if_absent=True)
        log.info("object committed", object=number, segments=len(made))

    def _strictly(self, segments: list[Segment], packets: Path, path: Path) -> tuple[NormalisedSegment, ...]:
        """Make them in one decode that the first sign of damage stops."""
        marks = self._planned(segments[0].index).marks
        if marks.damaged:
            raise FramesDamaged(f"object {marks.object}: the source's container calls packets of it damaged")
        frames = decode_segment(packets, threads=self._plan.encode.threads, strict=True, preroll=marks.preroll)
        return tuple(self._slice(segment, frames, path) for segment in segments)

    def _mended(self, segments: list[Segment], packets: Path, path: Path) -> tuple[NormalisedSegment, ...]:
        """Make them once more, with pictures in place of those that do not decode whole."""
        mender = Mender(self._policy, self._plan, self._planned, self._storage, packets.parent)
        mending = mender.look([self._planned(segment.index) for segment in segments], packets)
        frames = mending.frames(packets)
        made = [self._slice(segment, frames, path) for segment in segments]
        runs = [mending.runs(segment) for segment in segments]
        return tuple(one.model_copy(update={"bad_frames": bad}) for one, bad in zip(made, runs, strict=True))

    def _planned(self, index: int) -> PlannedSegment:
        """A segment as split wrote it."""
        number = self._plan.chunk_of(index)
        chunk = self._chunk(number)
        segment = chunk.segments[index - self._plan.chunks[number]]
        return as_split(self._layout, chunk, segment)

    def _slice(self, segment: Segment, frames: Iterator[VideoFrame], path: Path) -> NormalisedSegment:
        """Make one segment's packets out of the next frames, and store them."""
        name, plan = f"segment {segment.index}", self._plan
        try:
            with Watchdog(self._stall_seconds, lambda: f"normalising {name}") as dog:
                kept = kept_frames(frames, segment, plan.video, name)
                write_slice(path, kept, plan.video, threads=plan.encode.threads, moved=dog.moved, name=name)
        except RecastError as error:
            error.segment = segment.index
            raise
        sha256 = file_sha256(path)
        made = NormalisedSegment(index=segment.index, sha256=sha256, size=path.stat().st_size)
        self._storage.upload(self._layout.normalised(segment.index, sha256), path, if_absent=True)
        path.unlink()
        log.info("progress", segment=segment.index, frames=segment.frames, of=segment.frames, bytes=made.size)
        return made

    def _is_whole(self, number: int) -> bool:
        """Whether an object's segments are committed, and all there; a record that names lost ones is removed."""
        uri = self._layout.normalised_record(number)
        try:
            record = NormalisedObject.model_validate_json(self._storage.get(uri))
        except NotFound:
            return False
        slices = (self._layout.normalised(made.index, made.sha256) for made in record.segments)
        if all(self._storage.exists(slice_) for slice_ in slices):
            return True
        self._storage.delete(uri)
        return False


if __name__ == "__main__":
    end_process(main())
