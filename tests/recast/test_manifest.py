"""What split writes is what the others read, fractions and all."""

import json
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from recast.fields import Model
from recast.manifest import (
    Chunk,
    EncoderChoice,
    EncodeSettings,
    Hdr,
    OutputRecord,
    PartReport,
    Plan,
    Segment,
    SourceObject,
    Track,
    VideoFacts,
)

FACTS = VideoFacts(
    stream_index=1, codec="hevc", width=1920, height=1080, pix_fmt="yuv420p10le", time_base=Fraction(1, 90000),
    rate=Fraction(30000, 1001), sar=Fraction(4, 3), rotation=90, hflip=True, color_range=1, field_order="tff",
    hdr=Hdr(mastering="G(1,2)B(3,4)R(5,6)WP(7,8)L(9,1)", light_level="1000,400"),
)  # fmt: skip
SEGMENT = Segment(index=3, object=2, sha256="ab", size=10, first=7, pts=(-40, 0, 2**40), packets=(0, 2, 1))
PLAN = Plan(
    run="0123456789ab", source=SourceObject(uri="s3://studio/a.mov", etag='"x"', size=2**40), container="mov",
    video=FACTS, tracks=(Track(stream_index=0, kind="audio", codec="aac", action="Drop", reason="why"),),
    encode=EncodeSettings(codec="hevc", pix_fmt="yuv420p10le", quality="Lossless", preset="Auto", threads=2, gop=60),
    inputs={"engine": "Mesh", "faces": [["aa"]], "pixelVersion": 1}, segments=20, frames=400, chunks=(0, 8, 9),
    first_pts=-40, start_seconds=Fraction(-1, 25),
)  # fmt: skip
REPORT = PartReport(
    segment=3, digest="d", frames=2, packets_sha256="b", extradata_sha256="c", reorder=2, encoder="libx265",
    seconds={"decode": 0.25},
)  # fmt: skip
RECORD = OutputRecord(
    uri="file:///o.mp4", sha256="a", size=1, digest="d", frames=2, encoder="libx264", faces_found=1, faces_swapped=1,
    inputs={"engine": "Mesh"}, worker_seconds={"swap": 1.5}, worker_cpu_seconds=2.0, dropped_tracks=("data track 2",),
)  # fmt: skip
CHOICE = EncoderChoice(name="libx264", options={"crf": "18"}, extradata_sha256="c")


@pytest.mark.parametrize(
    "value", [FACTS, SEGMENT, Chunk(segments=(SEGMENT,)), PLAN, REPORT, RECORD, CHOICE], ids=lambda v: type(v).__name__
)
def test_what_is_written_is_what_is_read(value: Model) -> None:
    data = value.model_dump_json(by_alias=True)
    assert type(value).model_validate_json(data) == value
    assert type(value).model_validate_json(data).model_dump_json(by_alias=True) == data


@pytest.mark.parametrize("value", [SEGMENT, CHOICE], ids=lambda v: type(v).__name__)
def test_what_digests_are_made_of_is_the_same_before_and_after_the_wire(value: Model) -> None:
    again = type(value).model_validate_json(value.model_dump_json(by_alias=True))
    assert again.model_dump(mode="json") == value.model_dump(mode="json")
    assert json.loads(json.dumps(value.model_dump(mode="json"))) == value.model_dump(mode="json")


def test_fractions_are_text_on_the_wire() -> None:
    wire = json.loads(PLAN.model_dump_json(by_alias=True))
    assert (wire["video"]["timeBase"], wire["video"]["rate"], wire["startSeconds"]) == (
        "1/90000",
        "30000/1001",
        "-1/25",
    )


@given(st.fractions())
def test_every_fraction_comes_back_exactly(value: Fraction) -> None:
    facts = FACTS.model_copy(update={"rate": value})
    assert VideoFacts.model_validate_json(facts.model_dump_json(by_alias=True)).rate == value


@pytest.mark.parametrize("value", ["a", "1/2/3", ""])
def test_what_is_no_fraction_is_refused(value: str) -> None:
    data: dict[str, Any] = json.loads(FACTS.model_dump_json(by_alias=True))
    with pytest.raises(ValidationError):
        VideoFacts.model_validate(data | {"rate": value})


def test_a_field_of_a_later_version_is_refused() -> None:
    data: dict[str, Any] = json.loads(PLAN.model_dump_json(by_alias=True))
    with pytest.raises(ValidationError, match="Extra inputs"):
        Plan.model_validate(data | {"later": 1})


def test_a_segment_knows_its_frames() -> None:
    assert SEGMENT.frames == 3


@pytest.mark.parametrize(("segment", "chunk"), [(0, 0), (7, 0), (8, 1), (9, 2), (10, 2), (19, 2)])
def test_a_chunk_holds_the_segments_from_its_first_to_the_next_chunks(segment: int, chunk: int) -> None:
    assert PLAN.chunk_of(segment) == chunk


@given(st.lists(st.integers(1, 9), min_size=1, max_size=20))
def test_every_segment_is_in_the_chunk_that_lists_it(sizes: list[int]) -> None:
    firsts = [sum(sizes[:k]) for k in range(len(sizes))]
    plan = PLAN.model_copy(update={"chunks": tuple(firsts), "segments": sum(sizes)})
    listed = [number for number, size in enumerate(sizes) for _ in range(size)]
    assert [plan.chunk_of(segment) for segment in range(sum(sizes))] == listed
