"""What mux takes for its own output, which parts it takes, and what it makes of their reports."""

import hashlib
import json
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from controller.stages import mux
from controller.stages.partfiles import PartFiles
from recast import names
from recast.errors import BadConfig, Transient
from recast.layout import RunLayout
from recast.manifest import (
    BadRun,
    Chunk,
    EncoderChoice,
    EncodeSettings,
    OutputRecord,
    PartReport,
    Plan,
    Segment,
    SourceObject,
    Track,
    VideoFacts,
)
from recast.parts import FetchedPart, commit_part
from recast.stage import StageInput
from tests.kept import KeptMetadata

DIGEST = "0123456789abcdef"
CONTENT = b"the output"
CHOICE = EncoderChoice(name="libx264", options={"crf": "18"}, extradata_sha256="x")
SEGMENTS = [
    Segment(index=k, object=k, sha256="", size=1, first=2 * k, pts=(80 * k, 80 * k + 40), packets=(0, 1))
    for k in range(3)
]
PLAN = Plan(
    run="r", source=SourceObject(uri="file:///a.mov", etag="e", size=1), container="mp4",
    video=VideoFacts(
        stream_index=0, codec="h264", width=64, height=48, pix_fmt="yuv420p", time_base=Fraction(1, 1000),
        rate=Fraction(25), sar=Fraction(1),
    ),
    tracks=(
        Track(stream_index=1, kind="audio", codec="aac"),
        Track(stream_index=2, kind="data", codec="mebx", action="Drop", reason="data that FFmpeg cannot write"),
    ),
    inputs={"engine": "Passthrough"}, segments=3, frames=6, chunks=(0, 2), first_pts=0, start_seconds=0,
    encode=EncodeSettings(codec="h264", pix_fmt="yuv420p", quality=1, preset="Auto", threads=1, gop=1),
)  # fmt: skip


def report(segment: Segment, **more: Any) -> PartReport:
    base: dict[str, Any] = {
        "segment": segment.index, "digest": PLAN.digest_of(segment, CHOICE), "frames": segment.frames,
        "packets_sha256": "", "extradata_sha256": "", "reorder": 0, "encoder": "libx264", "faces_found": 2,
        "faces_swapped": 1, "seconds": {"swap": 0.5}, "cpu_seconds": 1.5,
    }  # fmt: skip
    return PartReport(**(base | more))


class Place:
    """A job on this machine's disk."""

    def __init__(self, folder: Path) -> None:
        self.output = folder / "out.mp4"
        self.scratch = folder.as_uri() + "/scratch"
        self.layout = RunLayout.of(scratch=self.scratch, namespace="n", name="j", run="r")
        self.storage = KeptMetadata()
        self.folder = folder
        self.put(self.layout.plan, PLAN.model_dump_json(by_alias=True))
        for number, chunk in enumerate((SEGMENTS[:2], SEGMENTS[2:])):
            self.put(self.layout.chunk(number), Chunk(segments=tuple(chunk)).model_dump_json(by_alias=True))

    def put(self, uri: str, text: str) -> None:
        self.storage.put(uri, text.encode())

    def record(self, **more: Any) -> OutputRecord:
        base: dict[str, Any] = {
            "uri": self.output.as_uri(), "sha256": hashlib.sha256(CONTENT).hexdigest(), "size": len(CONTENT),
            "digest": DIGEST, "frames": 6, "encoder": "libx264", "faces_found": 0, "faces_swapped": 0,
            "worker_seconds": {}, "worker_cpu_seconds": 0, "inputs": {},
        }  # fmt: skip
        made = OutputRecord(**(base | more))
        self.put(self.layout.output_record, made.model_dump_json(by_alias=True))
        return made

    def commit(self, *segments: Segment) -> None:
        self.put(self.layout.encoder, CHOICE.model_dump_json(by_alias=True))
        for segment in segments:
            part = self.folder / "made.mkv"
            part.write_bytes(b"%d" % segment.index)
            commit_part(self.storage, self.layout, part, report(segment), ())

    def files(self) -> PartFiles:
        return PartFiles(self.storage, self.layout, self.mux()._name_parts(), self.folder, lambda: None)

    def bring(self) -> list[int]:
        """All parts, one after another."""
        files = self.files()
        return [files.bring(number).report.segment for number in range(len(SEGMENTS))]

    def here(self) -> list[str]:
        return sorted(path.name for path in self.folder.glob("part0*.mkv"))

    def mux(self, *, overwrite: bool = False) -> Any:
        spec = {
            "source": {"uri": "file:///a.mov"}, "output": {"uri": self.output.as_uri(), "overwrite": overwrite},
            "engine": {"name": "Passthrough"}, "storage": {"scratch": self.scratch},
        }  # fmt: skip
        stage = {"namespace": "n", "name": "j", "uid": "u", "run": "r", "spec": spec}
        return mux._Mux(StageInput.model_validate_json(json.dumps(stage)), self.storage, self.layout)


class QuietDog:
    """A watchdog that only notes whether it is still on watch."""

    made: list["QuietDog"] = []

    def __init__(self, *_: object) -> None:
        self.watches = True
        self.made.append(self)

    def moved(self) -> None: ...

    def stop(self) -> None:
        self.watches = False


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.setattr("recast.storage.storage.SECOND_LOOK_SECONDS", 0.0)
    monkeypatch.setattr(mux, "Watchdog", QuietDog)
    monkeypatch.setattr(QuietDog, "made", [])
    yield Place(tmp_path)


def test_an_output_that_is_not_there_was_not_published(place: Place) -> None:
    assert place.mux()._published(DIGEST) is None
    place.record()
    assert place.mux()._published(DIGEST) is None


def test_its_own_output_is_taken_as_published(place: Place) -> None:
    place.output.write_bytes(CONTENT)
    record = place.record()
    assert place.mux()._published(DIGEST) == record
    assert place.mux(overwrite=True)._published(DIGEST) == record


@pytest.mark.parametrize(
    "more",
    [{"digest": "f" * 16}, {"sha256": "0" * 64}, {"size": 9}, {"uri": "file:///elsewhere.mp4"}],
    ids=["of other parts", "of other content", "of another size", "of another address"],
)
def test_an_output_that_is_not_its_own_is_never_touched_without_leave(place: Place, more: dict[str, Any]) -> None:
    place.output.write_bytes(CONTENT)
    place.record(**more)
    with pytest.raises(BadConfig, match="exists already") as refused:
        place.mux()._published(DIGEST)
    assert refused.value.reason == names.OUTPUT_EXISTS
    assert place.mux(overwrite=True)._published(DIGEST) is None


def test_an_output_without_a_record_is_somebody_elses(place: Place) -> None:
    place.output.write_bytes(CONTENT)
    with pytest.raises(BadConfig, match="exists already"):
        place.mux()._published(DIGEST)


def test_committed_parts_are_brought_in_order_with_the_plans_times(place: Place) -> None:
    place.commit(*reversed(SEGMENTS))
    one = place.mux()
    assert one._name_parts() == [report(segment).digest for segment in SEGMENTS]
    assert list(one._pts) == [pts for segment in SEGMENTS for pts in segment.pts]
    assert place.bring() == [0, 1, 2]


def test_parts_that_were_read_go_and_the_first_may_be_asked_for_again(place: Place) -> None:
    place.commit(*SEGMENTS)
    files = place.files()
    for number in (0, 1, 2, 0, 1, 2):
        assert files.bring(number).path.read_bytes() == b"%d" % number
        files._threads.submit(int).result()
        wanted = [f"part{k:06d}.mkv" for k in (number, number + 1) if k < len(SEGMENTS)]
        assert place.here() == wanted


@pytest.mark.parametrize("committed", [[], SEGMENTS[:2], SEGMENTS[1:]], ids=["none", "the last missing", "the first"])
def test_a_part_that_is_not_committed_is_waited_for(place: Place, committed: list[Segment]) -> None:
    if committed:
        place.commit(*committed)
    with pytest.raises(Transient, match="not every part is there: .* run the swap stage again") as refused:
        place.bring()
    assert refused.value.reason == names.NOT_READY


def test_a_part_of_another_encoder_or_other_inputs_is_not_taken(place: Place) -> None:
    place.commit(*SEGMENTS)
    place.put(place.layout.encoder, CHOICE.model_copy(update={"options": {"crf": "19"}}).model_dump_json(by_alias=True))
    with pytest.raises(Transient, match="not every part is there"):
        place.bring()


def test_a_mux_without_a_run_is_configured_wrongly() -> None:
    spec = {
        "source": {"uri": "file:///a.mov"}, "output": {"uri": "file:///b.mp4"}, "engine": {"name": "Passthrough"},
        "storage": {"scratch": "s3://scratch/x"},
    }  # fmt: skip
    job = StageInput.model_validate({"namespace": "n", "name": "j", "uid": "u", "spec": spec})
    with pytest.raises(BadConfig, match="run is missing"):
        mux.mux(job)


def test_the_record_adds_the_parts_up_and_names_what_was_dropped() -> None:
    bad = (
        BadRun(first=3, frames=1, pts=120, seconds=0.12, shows=2),
        BadRun(first=4, frames=2, pts=160, seconds=0.16, shows=2),
    )
    parts = [
        FetchedPart(Path(), report(segment, seconds={"swap": 0.5, "decode": k}), bad[k - 1 : k])
        for k, segment in enumerate(SEGMENTS)
    ]
    record = mux._record("file:///b.mp4", PLAN, parts, PLAN.tracks[:1], DIGEST, "ab", 9)
    assert record.bad_frames == (bad[0].model_copy(update={"frames": 3}),)
    assert (record.frames, record.faces_found, record.faces_swapped, record.size) == (6, 6, 3, 9)
    assert record.worker_seconds == {"swap": 1.5, "decode": 3.0} and record.worker_cpu_seconds == 4.5
    assert record.dropped_tracks == (
        "audio track 1 (aac): it has no packets",
        "data track 2 (mebx): data that FFmpeg cannot write",
    )


def test_the_last_word_says_where_no_face_was_changed(place: Place) -> None:
    assert "no face changed" in mux._bad_of(place.record(inputs={"engine": "Mesh"}))
    assert mux._bad_of(place.record(inputs={"engine": "Mesh"}, faces_swapped=1)) == ""
    assert mux._bad_of(place.record(inputs={"engine": "Passthrough"})) == ""


def test_consent_is_written_into_the_outputs_metadata(place: Place) -> None:
    one = place.mux()
    assert one._metadata() == {}
    consent = {"reference": "REL-1", "subject": "Ada L."}
    one._spec = one._spec.model_validate(one._spec.model_dump(by_alias=True) | {"consent": consent})
    assert one._metadata()["comment"].endswith("Consent: REL-1, Ada L.")


def test_no_watchdog_outlives_the_stage(place: Place) -> None:
    spec = {
        "source": {"uri": "file:///a.mov"}, "output": {"uri": place.output.as_uri()},
        "engine": {"name": "Passthrough"}, "storage": {"scratch": place.scratch},
    }  # fmt: skip
    with pytest.raises(Transient):
        mux.mux(StageInput.model_validate({"namespace": "n", "name": "j", "uid": "u", "run": "r", "spec": spec}))
    assert [dog.watches for dog in QuietDog.made] == [False]
