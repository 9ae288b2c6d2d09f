"""What is refused before any work, and in which order."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from recast import exitcodes, names
from recast.cli import main
from recast.commands import run
from recast.commands.early import check_output, check_photos, check_place, check_source
from recast.errors import BadConfig, BadInput, NotFound, RecastError, UsageError
from recast.spec import FacePair, Limits, Target
from tests.recast.commands.test_run import FACE, spec


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "a.mov").write_bytes(b"video")
    (tmp_path / "taken.mp4").write_bytes(b"taken")
    (tmp_path / "folder.mp4").mkdir()
    (tmp_path / "nowhere.mp4").symlink_to(tmp_path / "target.mp4")
    return tmp_path


@pytest.mark.parametrize(
    ("output", "error", "what"),
    [
        ("a.mov", UsageError, "same file"),
        ("folder.mp4", UsageError, "folder"),
        ("none/b.mp4", BadConfig, "does not exist"),
        ("taken.mp4", BadConfig, "exists already"),
        ("nowhere.mp4", BadConfig, "exists already"),
    ],
)
def test_an_output_that_would_fail_late_is_refused_early(
    place: Path, output: str, error: type[RecastError], what: str
) -> None:
    with pytest.raises(error, match=what):
        check_output(spec(*FACE, source=str(place / "a.mov"), output=str(place / output)), place / "no-run")


def test_an_output_that_exists_is_taken_where_that_was_asked_for_or_a_run_was_cut_short(place: Path) -> None:
    taken = {"source": str(place / "a.mov"), "output": str(place / "taken.mp4")}
    check_output(spec(*FACE, "--overwrite", **taken), place / "no-run")
    check_output(spec(*FACE, **taken), place)
    check_output(spec(*FACE, source=taken["source"], output=str(place / "new.mp4")), place / "no-run")


@pytest.mark.parametrize("name", ["a.mov", "./a.mov", "link.mov", "linked/a.mov"])
def test_a_source_under_another_name_is_still_the_file_that_would_be_overwritten(place: Path, name: str) -> None:
    (place / "link.mov").symlink_to(place / "a.mov")
    (place / "linked").symlink_to(place)
    with pytest.raises(UsageError, match="same file"):
        check_output(
            spec(*FACE, "--overwrite", source=str(place / name), output=str(place / "a.mov")), place / "no-run"
        )


def test_an_output_that_a_run_was_cut_short_before_is_no_link_that_leads_nowhere(place: Path) -> None:
    job = spec(*FACE, source=str(place / "a.mov"), output=str(place / "nowhere.mp4"))
    with pytest.raises(BadConfig, match="exists already") as refused:
        check_output(job, place)
    assert refused.value.reason == names.OUTPUT_EXISTS


def test_a_source_is_a_file_with_something_in_it(place: Path) -> None:
    (place / "empty.mov").write_bytes(b"")
    check_source(f"file://{place}/a.mov")
    check_source("s3://bucket/not/looked/at.mov")
    for name, error, what in (
        ("none.mov", NotFound, "no such file"),
        ("empty.mov", BadInput, "is empty"),
        ("folder.mp4", BadInput, "is a folder"),
    ):
        with pytest.raises(error, match=what):
            check_source(f"file://{place}/{name}")


def test_what_may_not_be_read_or_written_is_refused_by_its_name(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    job = spec(*FACE, source=str(place / "a.mov"), output=str(place / "new.mp4"))
    monkeypatch.setattr("os.open", refused)
    with pytest.raises(NotFound, match=r"a\.mov: may not be read"):
        check_source(job.source.uri)
    monkeypatch.setattr("os.access", lambda *_: False)
    # So it is where the folder cannot even be looked into.
    monkeypatch.setattr(Path, "exists", refused)
    with pytest.raises(BadConfig, match=r"new\.mp4: its folder .* cannot be written"):
        check_output(job, place / "no-run")
    monkeypatch.setattr(Path, "is_dir", refused)
    with pytest.raises(BadConfig, match=r"r\.json: the report cannot be written"):
        check_place(place / "r.json", "report")


def photo(place: Path, name: str = "face.png") -> str:
    cv2.imwrite(str(place / name), np.zeros((8, 8, 3), np.uint8))
    return f"file://{place / name}"


@pytest.mark.parametrize(
    ("name", "limits", "error", "what"),
    [
        ("none.png", Limits(), NotFound, "none.png: no such file"),
        ("middle", Limits(), NotFound, "middle: no such file; whom to change is one of largest, all"),
        ("a.mov", Limits(), BadInput, "not an image"),
        ("face.png", Limits(image_bytes=9), BadInput, r"limits.imageBytes \(--limit image-bytes=N\) allows 9"),
        ("face.png", Limits(image_pixels=63), BadInput, "limits.imagePixels .* allows 63"),
    ],
)
def test_a_photo_that_would_be_refused_late_is_refused_early(
    place: Path, name: str, limits: Limits, error: type[RecastError], what: str
) -> None:
    uri, good = photo(place), photo(place, "good.png")
    pairs = [FacePair(source=(good,), target=Target(select="Reference", reference=f"file://{place / name}"))]
    if name != "middle":
        pairs.append(FacePair(source=("s3://bucket/f.png", f"file://{place / name}")))
    for pair in pairs:
        with pytest.raises(error, match=what):
            check_photos((pair,), limits)
    check_photos((FacePair(source=(uri, good)),), Limits())


def test_a_wrong_input_is_told_of_before_an_output_that_exists(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(place / "cache"))
    monkeypatch.setattr(run, "embedded_job", lambda *_: pytest.fail("the work began"))
    for source, words, what in (
        ("folder.mp4", ["--engine", "passthrough"], "is a folder"),
        ("a.mov", ["--face", str(place / "none.png"), "--consent", "r"], "none.png: no such file"),
        ("a.mov", ["--engine", "passthrough"], "exists already"),
    ):
        assert main(["run", str(place / source), str(place / "taken.mp4"), *words]) in exitcodes.NEVER_RETRIED
        assert what in capsys.readouterr().err


def test_a_report_that_cannot_be_written_is_refused_before_the_work(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(place / "cache"))
    monkeypatch.setattr(run, "embedded_job", lambda *_: pytest.fail("the work began"))
    arguments = ["--engine", "passthrough", "--report", str(place / "none" / "report.json")]
    code = main(["run", str(place / "a.mov"), str(place / "new.mp4"), *arguments])
    assert code in exitcodes.NEVER_RETRIED
    assert "report.json" in capsys.readouterr().err
