"""A stage process: what it is given, how it ends, what it leaves behind."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recast import errors, exitcodes, log, names
from recast.errors import RecastError
from recast.process.stopping import Terminated
from recast.stage import (
    TERMINATION_LIMIT_BYTES,
    StageInput,
    StageResult,
    read_result,
    read_stage_input,
    run_stage,
    write_termination_message,
)

SPEC: dict[str, Any] = {
    "source": {"uri": "s3://studio/a.mov"},
    "output": {"uri": "s3://studio/b.mp4"},
    "engine": {"name": "Passthrough"},
    "storage": {"scratch": "s3://scratch/recast"},
}
STAGE: dict[str, Any] = {"namespace": "studio", "name": "interview", "uid": "u-1", "spec": SPEC}
ERRORS = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, RecastError)]
CODES = {
    "RecastError": 70, "UsageError": 64, "BadInput": 65, "NotFound": 66, "StorageUnavailable": 69, "Bug": 70,
    "Transient": 75, "Corrupt": 75, "BadConfig": 78, "FramesDamaged": 65, "NoBucket": 66,
}  # fmt: skip


@pytest.fixture
def message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A stage's environment; gives where its message goes, and puts signals and log fields back."""
    monkeypatch.setenv("RECAST_STAGE", json.dumps(STAGE))
    monkeypatch.setenv("RECAST_TERMINATION_LOG", str(tmp_path / "termination"))
    monkeypatch.setattr(log, "_bound", {})
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield tmp_path / "termination"
    for number, handler in handlers.items():
        signal.signal(number, handler)


def raising(error: BaseException) -> Callable[[StageInput], StageResult]:
    def body(_: StageInput) -> StageResult:
        raise error

    return body


@pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.__name__)
def test_an_errors_class_gives_the_exit_code_and_the_reason(kind: type[RecastError], message: Path) -> None:
    assert run_stage(raising(kind("s3://b/k: is\n  wrong: mend it"))) == CODES[kind.__name__]
    left = json.loads(message.read_text())
    assert left["code"] == CODES[kind.__name__]
    assert left["reason"] == kind.default_reason
    assert left["message"] == "s3://b/k: is wrong: mend it"


def test_an_errors_own_reason_and_segment_are_reported(message: Path) -> None:
    error = errors.BadInput("damaged", reason=names.CORRUPT_SOURCE)
    error.segment = 12
    assert run_stage(raising(error)) == 65
    assert json.loads(message.read_text()) | {"reason": "CorruptSource", "segment": 12} == json.loads(
        message.read_text()
    )


@pytest.mark.parametrize("error", [ValueError("no"), KeyError("no"), AssertionError("no"), RecursionError("no")])
def test_what_nobody_expected_is_a_bug(error: Exception, message: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_stage(raising(error)) == exitcodes.BUG
    left = json.loads(message.read_text())
    assert (left["code"], left["reason"]) == (70, names.INTERNAL_ERROR)
    assert type(error).__name__ in left["message"] and "report it" in left["message"]
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(28, "No space left on device"), names.DISK_FULL),
        (MemoryError(), names.EXHAUSTED),
        (PermissionError("no"), names.TRY_AGAIN),
        (ConnectionError("no"), names.TRY_AGAIN),
    ],
)
def test_what_the_machine_refuses_is_tried_again(error: Exception, reason: str, message: Path) -> None:
    assert run_stage(raising(error)) == exitcodes.TRY_AGAIN
    assert json.loads(message.read_text())["reason"] == reason


@pytest.mark.parametrize(("code", "reason"), [(143, names.TERMINATED), (130, names.INTERRUPTED)])
def test_a_signal_that_unwinds_is_no_error_of_its_own(code: int, reason: str, message: Path) -> None:
    assert run_stage(raising(Terminated(code))) == code
    assert json.loads(message.read_text())["reason"] == reason


def test_success_reports_what_was_done(message: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def body(job: StageInput) -> StageResult:
        assert (job.namespace, job.name, job.attempt, job.segments_per_pod) == ("studio", "interview", 0, 1)
        return StageResult(run="0123", frames=7, segments=2)

    assert run_stage(body) == 0
    left = json.loads(message.read_text())
    assert left.keys() == {
        "code", "reason", "message", "run", "frames", "segments", "seconds", "cpu_seconds", "peak_rss_bytes"
    }  # fmt: skip
    assert (left["code"], left["reason"], left["run"], left["frames"]) == (0, names.SUCCEEDED, "0123", 7)
    assert StageResult(**left).segments == 2
    last = json.loads(capsys.readouterr().err.splitlines()[-1])
    assert (last["level"], last["message"], last["job"]) == ("info", "stage ended", "studio/interview")


BAD_STAGES = {
    "missing": None,
    "empty": "",
    "no JSON": "{",
    "no object": "[]",
    "no spec": json.dumps({key: value for key, value in STAGE.items() if key != "spec"}),
    "faces without consent": json.dumps(
        STAGE | {"spec": SPEC | {"engine": {"name": "Mesh"}, "faces": [{"source": ["s3://studio/f.png"]}]}}
    ),
}


@pytest.mark.parametrize("text", BAD_STAGES.values(), ids=BAD_STAGES.keys())
def test_a_stage_that_is_started_wrongly_says_so_and_is_not_tried_again(
    text: str | None, message: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if text is None:
        monkeypatch.delenv("RECAST_STAGE")
    else:
        monkeypatch.setenv("RECAST_STAGE", text)
    assert run_stage(lambda job: pytest.fail("never called")) == exitcodes.BAD_CONFIG
    left = json.loads(message.read_text())
    assert (left["code"], left["reason"]) == (78, names.BAD_CONFIG)
    assert left["message"].startswith("RECAST_STAGE") and "\n" not in left["message"]


def test_what_a_newer_controller_says_beside_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    newer = SPEC | {"colour": 1, "source": SPEC["source"] | {"range": "Full"}}
    monkeypatch.setenv("RECAST_STAGE", json.dumps(STAGE | {"spec": newer, "shard": 1}))
    assert read_stage_input() == StageInput.model_validate(STAGE)


def test_fields_have_their_names_on_the_wire(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = STAGE | {"attempt": 2, "run": "0123", "segmentsPerPod": 4}
    monkeypatch.setenv("RECAST_STAGE", json.dumps(stage))
    job = read_stage_input()
    assert (job.attempt, job.run, job.segments_per_pod) == (2, "0123", 4)
    assert StageInput.model_validate_json(job.model_dump_json(by_alias=True)) == job


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.text(max_size=40), st.integers(1, 300), st.none() | st.text(max_size=64))
def test_a_message_never_exceeds_what_kubernetes_keeps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, times: int, run: str | None
) -> None:
    path = tmp_path / "termination"
    monkeypatch.setenv("RECAST_TERMINATION_LOG", str(path))
    write_termination_message(StageResult(code=65, reason=names.NO_VIDEO, message=text * times, run=run))
    data = path.read_bytes()
    assert len(data) <= TERMINATION_LIMIT_BYTES
    left = json.loads(data)
    assert (left["code"], left["reason"], left.get("run")) == (65, names.NO_VIDEO, run)
    assert (text * times).startswith(left["message"])


@pytest.mark.parametrize("message", [None, "", b"", "Killed", "[1]", "{", "null", '"x"', b"\xff", b'{"message": "\xc3'])
def test_words_that_are_not_ours_are_none(message: str | bytes | None) -> None:
    assert read_result(message) is None


def test_of_a_message_what_a_newer_stage_says_beside_is_left_out() -> None:
    assert read_result('{"code": 65, "message": "Zo\u00eb", "more": 1}'.encode()) == StageResult(
        code=65, message="Zo\u00eb"
    )


def test_a_stage_ends_as_it_should_where_its_message_cannot_be_written(
    message: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RECAST_TERMINATION_LOG", "/none/such/folder/termination")
    assert run_stage(raising(errors.NotFound("gone"))) == 66
    monkeypatch.delenv("RECAST_TERMINATION_LOG")
    assert run_stage(raising(errors.NotFound("gone"))) == 66


SCRIPT = """
import signal, sys, time
from recast.stage import run_stage, StageResult
def body(job):
    try:
        print("working", flush=True)
        time.sleep(60)
    finally:
        # Another signal must not interrupt this.
        print("cleaning up", flush=True)
        sys.stdin.readline()
        print("clean", flush=True)
sys.exit(run_stage(body))
"""


@pytest.mark.parametrize(
    ("number", "code", "reason"), [(signal.SIGTERM, 143, names.TERMINATED), (signal.SIGINT, 130, names.INTERRUPTED)]
)
def test_a_signal_unwinds_the_stage_and_a_second_one_does_not_stop_its_clean_up(
    number: int, code: int, reason: str, tmp_path: Path
) -> None:
    path = tmp_path / "termination"
    environment = os.environ | {"RECAST_STAGE": json.dumps(STAGE), "RECAST_TERMINATION_LOG": str(path)}
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as stage:
        assert stage.stdin and stage.stdout
        assert stage.stdout.readline() == b"working\n"
        stage.send_signal(number)
        assert stage.stdout.readline() == b"cleaning up\n"
        stage.send_signal(signal.SIGTERM)
        stage.stdin.write(b"\n")
        stage.stdin.close()
        assert stage.stdout.read() == b"clean\n"
        assert stage.wait(20) == code
    left = json.loads(path.read_text())
    assert (left["code"], left["reason"]) == (code, reason)


@pytest.mark.parametrize("letter", ["a", "ü", "日", "\U0001f600", '"', "\x01"])
def test_an_address_that_is_too_long_for_the_message_does_not_hold_the_pod(letter: str, message: Path) -> None:
    # Kubernetes takes 4,096 bytes; the output's address alone may be more.
    output = {"uri": f"s3://studio/{1060 * letter}.mp4", "size": 1, "droppedTracks": 12 * [120 * letter]}
    write_termination_message(StageResult(message=3 * str(output["uri"]), output=output, frames=7))
    data = message.read_bytes()
    left = json.loads(data)
    assert len(data) <= TERMINATION_LIMIT_BYTES and (left["code"], left["frames"]) == (0, 7)
    assert letter not in "aü" or left["output"]["uri"] == output["uri"]


def test_of_many_photos_in_doubt_some_are_left_out_of_the_message(message: Path) -> None:
    notices = [f"s3://studio/faces/{900 * letter}.png: this may be no face" for letter in "abcdefgh"]
    write_termination_message(StageResult(notices=notices, frames=7))
    data = message.read_bytes()
    assert len(data) <= TERMINATION_LIMIT_BYTES and json.loads(data)["notices"] == notices[:4]
