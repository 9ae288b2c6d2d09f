"""`recast run`: from arguments to a job, and what is refused before any work."""

import argparse
import json
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from recast import exitcodes, names
from recast.cli import main, make_parser
from recast.commands import run
from recast.errors import BadConfig, BadInput, RecastError, StorageUnavailable, Transient, UsageError
from recast.local.child import StageFailed
from recast.local.run import RunReport
from recast.manifest import OutputRecord
from recast.process.stopping import Terminated
from recast.spec import JobSpec
from recast.stage import StageResult

FACE = ["--face", "f.png", "--consent", "release 12"]


def parse(*arguments: str) -> argparse.Namespace:
    return make_parser("run").parse_args(["run", *arguments])


def spec(*arguments: str, source: str = "/in/a.mov", output: str = "/out/b.mp4") -> JobSpec:
    return run.spec_of(parse(source, output, *arguments))


def test_the_least_command_is_a_job_with_the_defaults() -> None:
    job = spec(*FACE)
    assert (job.source.uri, job.output.uri) == ("file:///in/a.mov", "file:///out/b.mp4")
    assert (job.engine.name, job.video.codec, job.video.quality, job.audio.codec) == ("Mesh", "Auto", 18, "Copy")
    assert (job.output.overwrite, job.output.drop_tracks, job.segments.target_seconds) == (False, (), 10)
    assert job.consent is not None and job.consent.reference == "release 12"
    assert job.segments.max_parallelism == run.default_workers() >= 1


@pytest.mark.parametrize(
    ("arguments", "where", "value"),
    [
        (["--codec", "hevc"], "video.codec", "Hevc"),
        (["--codec", "prores"], "video.codec", "ProRes"),
        (["--quality", "30"], "video.quality", 30),
        (["--quality", "Lossless"], "video.quality", "Lossless"),
        (["--preset", "slow"], "video.preset", "slow"),
        (["--preset", "auto"], "video.preset", "Auto"),
        (["--pixel-format", "yuv420p"], "video.pixel_format", "Yuv420p"),
        (["--audio", "aac"], "audio.codec", "Aac"),
        (["--drop-tracks", "data, cover"], "output.drop_tracks", ("data", "cover")),
        (["--overwrite"], "output.overwrite", True),
        (["--segment-seconds", "2.5"], "segments.target_seconds", 2.5),
        (["--segment-seconds", "auto"], "segments.target_seconds", "Auto"),
        (["--normalise"], "segments.normalise", True),
        (["--workers", "3"], "segments.max_parallelism", 3),
        (["--retries", "0"], "segments.retries", 0),
        (["--scratch", "s3://scratch/x", "--endpoint-url", "http://h:1"], "storage.scratch", "s3://scratch/x"),
        (["--scratch", "s3://scratch/x", "--endpoint-url", "http://h:1"], "storage.endpoint", "http://h:1"),
        (["--engine", "passthrough"], "engine.name", "Passthrough"),
    ],
)
def test_an_option_is_a_field_of_the_job(arguments: list[str], where: str, value: Any) -> None:
    found: Any = spec(*FACE, *arguments)
    for name in where.split("."):
        found = getattr(found, name)
    assert found == value


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        ([], "--face PHOTO (or --swap PHOTO=WHO) and --consent TEXT (on whose permission) are needed"),
        (["--face", "f.png"], "recast: --consent TEXT (on whose permission) is needed"),
        (["--swap", "f.png=all"], "recast: --consent TEXT (on whose permission) is needed"),
        (["--consent", "release 12"], "recast: --face PHOTO (or --swap PHOTO=WHO) is needed"),
        (["--face", "f.png", "--consent", " "], "--consent is blank"),
        (["--face", "f.png", "--consent", ""], "--consent is blank"),
        ([*FACE[:3], "Müller\n2"], "--consent 'Müller\\n2': give a line of 1 to 512 characters"),
        ([*FACE[:3], "x" * 513], f"--consent {60 * 'x'}...: give a line of 1 to 512 characters"),
        ([*FACE, "--workers", "0"], "--workers 0: give 1 to 100000"),
        ([*FACE, "--workers", "100001"], "--workers 100001: give 1 to 100000"),
        ([*FACE, "--quality", "best"], "--quality best: give 0 (best) to 63, or lossless"),
        ([*FACE, "--quality", "-1"], "--quality -1: give 0 (best) to 63, or lossless"),
        ([*FACE, "--quality", "64"], "--quality 64: give 0 (best) to 63, or lossless"),
        ([*FACE, "--preset", "crf=0:x"], "--preset crf=0:x: give letters and digits, 16 at most"),
        ([*FACE, "--preset", "nosuch"], "--preset: no codec has a preset nosuch: h264 and hevc: ultrafast, "),
        (
            [*FACE, "--preset", "slow", "--codec", "av1", "--encoder", "software"],
            "av1 has no preset slow: give a number",
        ),
        ([*FACE, "--drop-tracks", "sound"], "--drop-tracks sound"),
        ([*FACE, "--segment-seconds", "0"], "--segment-seconds 0: give more than 0, at most 3600, or auto"),
        ([*FACE, "--segment-seconds", "3601"], "--segment-seconds 3601: give more than 0"),
        ([*FACE, "--segment-seconds", "nan"], "--segment-seconds nan: give more than 0"),
        ([*FACE, "--retries", "-1"], "--retries -1: give 0 to 20"),
        ([*FACE, "--retries", "21"], "--retries 21: give 0 to 20"),
        ([*FACE, "--select", "256"], "--select 256: give a number from 0 to 255"),
        ([*FACE, "--select", "b.png", "--max-distance", "2.5"], "--max-distance 2.5: give more than 0, at most 2"),
        ([*FACE, "--scratch", "scratch/x"], "--scratch scratch/x: give s3://"),
        ([*FACE, "--scratch", "s3://scratch/x", "--endpoint-url", "h:1"], "--endpoint-url h:1: give http://"),
        ([*FACE, "--scratch", "s3://scratch/x", "--endpoint-url", "http://169.254.1.1"], "is a metadata service"),
        ([*FACE[:1], "gs://b/f.png", *FACE[2:]], "gs://b/f.png"),
        ([*FACE, "--limit", "bytes=x"], "--limit bytes=x: give a number"),
        ([*FACE, "--limit", "bytes=0"], "--limit bytes=0: give at least 1"),
        ([*FACE, "--limit", "image-pixels=999999999999"], "image-pixels=999999999999: give at most"),
        ([*FACE, "--segment-seconds", "long"], "--segment-seconds: give more than 0, at most 3600, or auto"),
    ],
)
def test_what_cannot_be_a_job_is_refused_as_usage(
    arguments: list[str], what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "/in/a.mov", "/out/b.mp4", *arguments]) == exitcodes.USAGE
    error = capsys.readouterr().err
    assert what in error and error.startswith("recast: ") and error.count("\n") == 1


def test_all_of_a_range_that_is_told_can_be_asked_for() -> None:
    for words in (
        ["--quality", "0"], ["--quality", "63"], ["--segment-seconds", "3600"], ["--retries", "20"],
        ["--workers", "100000"], ["--select", "255"], ["--select", "b.png", "--max-distance", "2"],
        ["--preset", "13"], ["--preset", "p7"],
    ):  # fmt: skip
        assert spec(*FACE, *words)
    assert spec(*FACE[:3], 512 * "x")


@pytest.mark.parametrize("name", ["bad\udcff.mp4", "a" * 5000])
def test_an_address_that_cannot_be_told_on_is_named_with_its_argument(name: str) -> None:
    with pytest.raises(UsageError, match=r"^SOURCE .*: give a path in UTF-8"):
        spec(*FACE, source=name)


@pytest.mark.parametrize("uri", ["s3://in/a.mov", "s3://My_Bucket/a.mov", "s3://bucket", "s3://bucket/../a.mov"])
def test_an_object_is_refused_with_what_an_address_is(uri: str) -> None:
    for argument, words in (("SOURCE", {"source": uri}), ("OUTPUT", {"output": uri + ".mp4"})):
        if uri != "s3://bucket" or argument == "SOURCE":
            with pytest.raises(UsageError, match=rf"^{argument} s3://.*: give s3://bucket/key, .* 3 to 63 small"):
                spec("--engine", "passthrough", "--scratch", "s3://scratch/x", **words)
    with pytest.raises(UsageError, match="^--scratch s3://in/x: give .* 3 to 63 small"):
        spec("--engine", "passthrough", "--scratch", "s3://in/x")


@pytest.mark.parametrize(("source", "output"), [("s3://b-1/a.mov", "/out/b.mp4"), ("/in/a.mov", "s3://b-1/b.mp4")])
def test_objects_need_a_scratch_prefix(source: str, output: str) -> None:
    with pytest.raises(UsageError, match="--scratch"):
        spec(*FACE, source=source, output=output)
    assert spec(*FACE, "--scratch", "s3://scratch/x", source=source, output=output)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--face", "s3://b-1/f.png", *FACE[2:]],
        [*FACE, "--select", "s3://b-1/bob.png"],
        [*FACE, "--engine", "inswapper", "--models", "s3://b-1/models"],
        [*FACE, "--content-check", "s3://b-1/check.onnx", "--content-threshold", "0.5"],
    ],
)
def test_photos_and_models_in_s3_need_one_too_for_the_store_on_this_machine_has_none(arguments: list[str]) -> None:
    with pytest.raises(UsageError, match="s3:// URIs need --scratch"):
        spec(*arguments)
    assert spec(*arguments, "--scratch", "s3://scratch/x")


def test_an_output_of_unknown_kind_is_refused_by_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "/in/a.mov", "/out/b.avi", *FACE]) == exitcodes.USAGE
    error = capsys.readouterr().err
    assert error.startswith("recast: /out/b.avi: ") and ".mp4, .mov or .mkv" in error


def test_a_folder_is_no_output(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is a folder: give a file name in it"):
        spec(*FACE, output=str(tmp_path))


@pytest.mark.parametrize(
    ("error", "code", "kept"),
    [
        (BadInput("x: y"), 65, False),
        (BadConfig("x: y"), 78, False),
        (StorageUnavailable("x: y"), 69, True),
        (Transient("x: y"), 75, True),
        (Terminated(143), 143, True),
        (Terminated(130), 130, True),
        (StageFailed("mux", StageResult(code=78, message="x: y")), 78, True),
    ],
    ids=lambda value: str(value),
)
def test_a_run_that_failed_keeps_what_the_same_command_can_go_on_from(
    error: RecastError | Terminated, code: int, kept: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    assert run._failed(error, code, folder, True) == code
    lines = capsys.readouterr().err.splitlines()
    assert folder.exists() is kept
    assert all(line.startswith("recast: ") for line in lines) and len(lines) == (2 if kept else 1)
    assert (str(folder) in lines[-1]) is kept


def test_a_full_disk_is_told_of_with_its_room_and_what_names_another(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(run.tempfile, "gettempdir", lambda: "/small")
    monkeypatch.setattr(run.shutil, "disk_usage", lambda _: SimpleNamespace(free=1_500_000))
    for place, said in (
        ("/small/recast-run-1/x.mkv", "1.5 MB free; they take .* TMPDIR"),
        ("/small/run", "1.5 MB are free there.* XDG_CACHE_HOME"),
        ("/small/run/store", "1.5 MB are free there.* XDG_CACHE_HOME"),
        ("/small/b.mp4", None),
    ):
        full = Transient(f"{place}: its disk is full", reason=names.DISK_FULL)
        assert run._failed(full, 75, Path("/small/run"), True) == 75
        told = capsys.readouterr().err
        assert told.count("\n") == 1 if said is None else re.search(said, told)


def test_what_was_begun_with_another_photo_is_removed_and_said_in_the_commands_own_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changed = StageResult(code=78, reason=names.INPUTS_CHANGED, message="local/12: give the job another name")
    for stage in ("split", "mux"):
        (tmp_path / "run").mkdir()
        assert run._failed(StageFailed(stage, changed), 78, tmp_path / "run", True) == 78
        assert not (tmp_path / "run").exists()
        assert capsys.readouterr().err == f"recast: {run.OUTDATED}\n"
    assert run._failed(StageFailed("split", changed), 78, tmp_path / "run", False) == 78
    assert "another name" in capsys.readouterr().err


def test_a_run_beside_another_of_the_same_command_gives_one_advice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(run, "is_in_use", lambda folder: folder == tmp_path)
    assert run._failed(Transient("store: in use by another run; wait for it to end"), 75, tmp_path, True) == 75
    assert capsys.readouterr().err == "recast: store: in use by another run; wait for it to end\n"
    assert tmp_path.exists()


REPORT = RunReport(
    run="0123456789ab",
    segments=2,
    record=OutputRecord(
        inputs={}, uri="file:///out/b.mp4", sha256="ab", size=9, digest="d", frames=7, encoder="libx264", faces_found=7,
        faces_swapped=6, worker_seconds={"swap": 1.0}, worker_cpu_seconds=2.0, dropped_tracks=("data track 2",),
    ),
    seconds=1.23456,
    stages={
        "split": [StageResult(seconds=1.0, cpu_seconds=0.5, peak_rss_bytes=10)],
        "swap": [
            StageResult(seconds=1.5, cpu_seconds=1.0, peak_rss_bytes=5), StageResult(seconds=2.0, peak_rss_bytes=7),
        ],
        "mux": [],
    },
)  # fmt: skip


def test_the_report_says_what_was_done() -> None:
    report = json.loads(json.dumps(run.report_json(REPORT, spec(*FACE))))
    assert report["output"] == {"uri": "file:///out/b.mp4", "sha256": "ab", "size": 9}
    assert (report["run"], report["frames"], report["segments"]) == ("0123456789ab", 7, 2)
    assert (report["facesFound"], report["facesSwapped"], report["encoder"]) == (7, 6, "libx264")
    assert report["consent"] == {"reference": "release 12", "subject": None}
    assert report["droppedTracks"] == ["data track 2"]
    assert report["stages"]["swap"] == {"processes": 2, "seconds": 3.5, "cpuSeconds": 1.0, "peakRssBytes": 7}
    assert report["stages"]["mux"]["processes"] == 0


@pytest.mark.parametrize(
    ("found", "swapped", "engine", "said"),
    [
        (0, 0, "mesh", "none was found"),
        (1, 0, "mesh", "1 face was found"),
        (9, 0, "mesh", "9 faces were found"),
        (9, 5, "mesh", None),
        (0, 0, "passthrough", None),
    ],
)
def test_a_run_that_changed_no_face_ends_with_a_warning(
    found: int, swapped: int, engine: str, said: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    record = REPORT.record.model_copy(update={"faces_found": found, "faces_swapped": swapped})
    arguments = ["--engine", "passthrough"] if engine == "passthrough" else FACE
    run._finish(replace(REPORT, record=record), spec(*arguments), parse("a", "b.mp4", *arguments))
    warned = [line for line in capsys.readouterr().err.splitlines() if line.startswith("recast: warning: ")]
    assert len(warned) == (said is not None) and all(str(said) in line for line in warned)


def test_the_last_line_counts_one_as_one_and_says_small_sizes(capsys: pytest.CaptureFixture[str]) -> None:
    record = REPORT.record.model_copy(update={"frames": 1, "faces_swapped": 1, "size": 21_400})
    run._finish(replace(REPORT, record=record), spec(*FACE), parse("a", "b.mp4", *FACE))
    assert capsys.readouterr().out == "/out/b.mp4: 1 frame, 21.4 kB, 1 face changed, 1.2 s\n"
