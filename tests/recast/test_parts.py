"""A part and its report: written at once, trusted only together, and short enough for an object's metadata."""

from pathlib import Path
from typing import Any

import pytest

from recast import names
from recast.errors import Bug, Corrupt, Transient
from recast.layout import RunLayout, sha256_hex
from recast.manifest import BadRun, PartReport
from recast.parts import REPORT, REPORT_SHA256, commit_part, fetch_part, is_committed, metadata_of, report_of
from recast.storage.s3 import MOST_METADATA_BYTES, _facts
from tests.kept import KeptMetadata

DIGEST = "0123456789abcdef"
REPORT_OF = PartReport(
    segment=3, digest=DIGEST, frames=2, packets_sha256="b", extradata_sha256="c", reorder=2, encoder="libx265"
)
BAD = (BadRun(first=7, frames=2, pts=280, seconds=0.28, shows=6), BadRun(first=12, frames=1, pts=480, seconds=0.48))
STAGES = ("decode", "swap", "encode", "pipeline", "download", "check", "engine", "upload")


@pytest.fixture(autouse=True)
def second_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recast.storage.storage.SECOND_LOOK_SECONDS", 0.0)


@pytest.fixture
def storage() -> KeptMetadata:
    return KeptMetadata()


@pytest.fixture
def layout(tmp_path: Path) -> RunLayout:
    return RunLayout(f"file://{tmp_path}/run")


@pytest.fixture
def part(tmp_path: Path) -> Path:
    path = tmp_path / "part.mkv"
    path.write_bytes(b"a part")
    return path


def largest() -> PartReport:
    """A report as long as one gets: twenty hours of a segment, every stage, every number with all its digits."""
    seconds = dict.fromkeys(STAGES, 72_000.123)
    return PartReport(
        segment=9_999_999, digest=DIGEST, frames=99_999_999, packets_sha256="f" * 64, extradata_sha256="f" * 64,
        reorder=16, encoder="h264_videotoolbox_of_forty_letters_______", decoder="Software",
        gpu_busy=0.12345678901234567, faces_found=999_999_999, faces_swapped=999_999_999, bad_runs=99_999_999,
        seconds=seconds, queue_fill={"decoded": 0.12345678901234567, "swapped": 0.12345678901234567},
        cpu_seconds=9_999_999.123,
    )  # fmt: skip


def test_the_longest_report_has_room_in_the_metadata_twice() -> None:
    facts = _facts("s3://b/part", metadata_of(largest()), "f" * 64)
    size = sum(len(key) + len(value) for key, value in facts.items())
    assert size < MOST_METADATA_BYTES - 500, f"{size} bytes"
    assert all(value.isascii() and value == value.strip() for value in facts.values())
    assert report_of(facts, 9_999_999, DIGEST) == largest()


@pytest.mark.parametrize(
    "more", [{"encoder": "e" * MOST_METADATA_BYTES}, {"seconds": {f"stage {k}": 0.5 for k in range(200)}}]
)
def test_a_report_that_is_too_long_is_a_bug_and_never_cut(more: dict[str, Any]) -> None:
    with pytest.raises(Bug, match=r"s3://b/part: \d+ characters of metadata"):
        _facts("s3://b/part", metadata_of(largest().model_copy(update=more)), "f" * 64)


def test_a_report_of_any_letters_is_ascii() -> None:
    odd = REPORT_OF.model_copy(update={"encoder": "código  de\nvideo"})
    metadata = metadata_of(odd)
    assert metadata[REPORT].isascii() and "\n" not in metadata[REPORT]
    assert report_of(metadata, 3, DIGEST) == odd
    with pytest.raises(Bug, match="ASCII"):
        _facts("s3://b/part", {"a": "ö"}, "f" * 64)


def test_a_report_is_that_of_its_own_part_or_none() -> None:
    good = metadata_of(REPORT_OF)
    assert report_of(good, 3, DIGEST) == REPORT_OF
    later = good[REPORT].replace('"frames"', '"later":1,"frames"')
    for metadata, segment, digest in (
        ({}, 3, DIGEST),
        (good, 4, DIGEST),
        (good, 3, "f" * 16),
        ({REPORT: good[REPORT]}, 3, DIGEST),
        (good | {REPORT: good[REPORT].replace('"frames":2', '"frames":3')}, 3, DIGEST),
        ({REPORT: later, REPORT_SHA256: sha256_hex(later.encode())}, 3, DIGEST),
        ({REPORT: "", REPORT_SHA256: sha256_hex(b"")}, 3, DIGEST),
    ):
        assert report_of(metadata, segment, digest) is None, metadata


@pytest.mark.parametrize("bad", [(), BAD], ids=["whole", "bad frames"])
def test_what_is_committed_is_what_is_fetched(
    storage: KeptMetadata, layout: RunLayout, part: Path, tmp_path: Path, bad: tuple[BadRun, ...]
) -> None:
    assert not is_committed(storage, layout, 3, DIGEST)
    commit_part(storage, layout, part, REPORT_OF, bad)
    assert is_committed(storage, layout, 3, DIGEST)
    fetched = fetch_part(storage, layout, 3, DIGEST, tmp_path / "back")
    assert fetched.path.read_bytes() == b"a part" and fetched.bad_frames == bad
    assert fetched.report == REPORT_OF.model_copy(update={"bad_runs": len(bad)})
    # The part comes last: nobody finds one whose bad frames are still to be written.
    assert storage.written[-1] == layout.part(3, DIGEST)
    assert len(storage.written) == (2 if bad else 1)


def test_a_writer_that_was_killed_between_its_two_writes_has_committed_nothing(
    storage: KeptMetadata, layout: RunLayout, part: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(KeptMetadata, "upload", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            commit_part(storage, layout, part, REPORT_OF, BAD)
    assert storage.exists(layout.bad_frames(3, DIGEST)) and not is_committed(storage, layout, 3, DIGEST)
    commit_part(storage, layout, part, REPORT_OF, BAD)
    assert fetch_part(storage, layout, 3, DIGEST, tmp_path / "back").bad_frames == BAD


def test_a_part_whose_bad_frames_are_gone_is_not_committed(
    storage: KeptMetadata, layout: RunLayout, part: Path, tmp_path: Path
) -> None:
    commit_part(storage, layout, part, REPORT_OF, BAD)
    storage.delete(layout.bad_frames(3, DIGEST))
    assert not is_committed(storage, layout, 3, DIGEST)
    with pytest.raises(Transient, match=r"bad\.json.*run the swap stage again") as refused:
        fetch_part(storage, layout, 3, DIGEST, tmp_path / "back")
    assert refused.value.reason == names.NOT_READY


@pytest.mark.parametrize("data", [b"{", b"{}", b'{"runs":[]}'])
def test_bad_frames_that_are_not_those_of_the_report_are_an_error(
    storage: KeptMetadata, layout: RunLayout, part: Path, tmp_path: Path, data: bytes
) -> None:
    commit_part(storage, layout, part, REPORT_OF, BAD)
    storage.put(layout.bad_frames(3, DIGEST), data)
    with pytest.raises(Corrupt, match=r"bad\.json: has not the 2 runs .* remove it") as refused:
        fetch_part(storage, layout, 3, DIGEST, tmp_path / "back")
    assert refused.value.reason == names.PART_MISMATCH


def test_a_part_of_somebody_else_is_no_part(
    storage: KeptMetadata, layout: RunLayout, part: Path, tmp_path: Path
) -> None:
    storage.upload(layout.part(3, DIGEST), part)
    assert not is_committed(storage, layout, 3, DIGEST)
    with pytest.raises(Transient, match="has no report that can be read: run the swap stage again") as refused:
        fetch_part(storage, layout, 3, DIGEST, tmp_path / "back")
    assert refused.value.reason == names.NOT_READY and layout.part(3, DIGEST) in str(refused.value)
    commit_part(storage, layout, part, REPORT_OF, ())
    assert is_committed(storage, layout, 3, DIGEST)
