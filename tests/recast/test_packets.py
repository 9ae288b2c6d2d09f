"""Where a segment's packets are: worker and mux agree, and a part's digest follows what is read."""

from fractions import Fraction
from pathlib import Path

import pytest

from recast import names
from recast.errors import Transient
from recast.layout import RunLayout, part_digest
from recast.manifest import (
    Chunk,
    EncodeSettings,
    NormalisedObject,
    NormalisedSegment,
    Plan,
    Segment,
    SourceObject,
    VideoFacts,
)
from recast.packets import read_segments
from recast.storage.storage import Storage, StorageSettings

PLAN = Plan(
    run="r", source=SourceObject(uri="file:///a.mov", etag="e", size=1), container="mp4",
    video=VideoFacts(
        stream_index=0, codec="h264", width=64, height=48, pix_fmt="yuv420p", time_base=Fraction(1, 25),
        rate=Fraction(25), sar=Fraction(1),
    ),
    tracks=(), inputs={}, segments=4, frames=8, chunks=(0,), first_chunk=7, first_pts=0, start_seconds=0,
    encode=EncodeSettings(codec="h264", pix_fmt="yuv420p", quality=1, preset="Auto", threads=1, gop=1),
)  # fmt: skip
# Objects 0 and 2 are one segment each; object 1 is a giant GOP in two slices, in an order of its own.
SEGMENTS = tuple(
    Segment(index=index, object=number, sha256=f"{number}" * 64, size=9, first=2 * index, pts=(1, 2), packets=packets)
    for index, (number, packets) in enumerate([(0, (0, 1)), (1, (0, 2)), (1, (1, 3)), (2, (0, 1))])
)


@pytest.fixture
def storage() -> Storage:
    return Storage(StorageSettings(endpoint=None))


def laid_out(folder: Path, storage: Storage, *, normalise: tuple[int, ...] = ()) -> RunLayout:
    for name in ("plan", "normalised"):
        (folder / name).mkdir()
    layout = RunLayout(folder.as_uri())
    chunk = Chunk(segments=SEGMENTS, normalise=normalise)
    storage.put(layout.chunk(7), chunk.model_dump_json(by_alias=True).encode())
    return layout


def record(storage: Storage, layout: RunLayout, *sha256: str) -> None:
    made = tuple(NormalisedSegment(index=1 + k, sha256=text, size=5) for k, text in enumerate(sha256))
    data = NormalisedObject(segments=made).model_dump_json(by_alias=True).encode()
    storage.put(layout.normalised_record(1), data)


def test_segments_that_are_not_normalised_are_read_as_split_wrote_them(tmp_path: Path, storage: Storage) -> None:
    layout = laid_out(tmp_path, storage)
    planned = read_segments(storage, layout, PLAN, 0)
    assert tuple(each.segment for each in planned) == SEGMENTS
    assert [each.uri for each in planned] == [layout.segment(number) for number in (0, 1, 1, 2)]


def test_the_digest_of_a_segment_that_is_not_normalised_is_what_it_always_was(tmp_path: Path, storage: Storage) -> None:
    planned = read_segments(storage, laid_out(tmp_path, storage), PLAN, 0)[0]
    fields = {"index", "object", "sha256", "size", "first", "pts", "packets"}
    assert set(planned.segment.model_dump(mode="json")) == fields
    assert part_digest(segment=planned.segment.model_dump(mode="json"), inputs={}, encoder={}) == "1d616a421c17fd92"


def test_a_normalised_slice_is_read_from_packets_of_its_own(tmp_path: Path, storage: Storage) -> None:
    layout = laid_out(tmp_path, storage, normalise=(1,))
    record(storage, layout, "a" * 64, "b" * 64)
    before, first, second, after = read_segments(storage, layout, PLAN, 0)
    assert (before.segment, after.segment) == (SEGMENTS[0], SEGMENTS[3])
    assert first.uri == layout.normalised(1, "a" * 64) and second.uri == layout.normalised(2, "b" * 64)
    own = {"sha256": "b" * 64, "size": 5, "packets": (0, 1)}
    assert second.segment == SEGMENTS[2].model_copy(update=own)


def test_a_parts_digest_follows_the_normalised_bytes(tmp_path: Path, storage: Storage) -> None:
    layout = laid_out(tmp_path, storage, normalise=(1,))
    digests = set()
    for sha256 in ("a" * 64, "b" * 64):
        record(storage, layout, sha256, sha256)
        segment = read_segments(storage, layout, PLAN, 0)[1].segment
        digests.add(part_digest(segment=segment.model_dump(mode="json"), inputs={}, encoder={}))
    assert len(digests) == 2


def test_nothing_is_read_before_the_slices_are_committed(tmp_path: Path, storage: Storage) -> None:
    layout = laid_out(tmp_path, storage, normalise=(1,))
    with pytest.raises(Transient, match="normalise stage") as early:
        read_segments(storage, layout, PLAN, 0)
    assert early.value.reason == names.NOT_READY
