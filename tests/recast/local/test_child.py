"""How a stage ended, in its own words or in ours."""

import os
import sys
from pathlib import Path

import pytest

from recast import exitcodes, names
from recast.local.child import StageChild, StageFailed, result_of_the_dead
from recast.local.kept import KEEP_AFTER
from recast.stage import StageInput, StageResult
from tests.recast.local.builders import spec


@pytest.mark.parametrize(
    ("status", "code", "reason"),
    [
        (-9, 75, names.TRY_AGAIN),
        (-15, 75, names.TRY_AGAIN),
        (1, 70, names.INTERNAL_ERROR),
        (0, 70, names.INTERNAL_ERROR),
    ],
    ids=["killed", "terminated", "a traceback", "success without a word"],
)
def test_a_stage_that_could_not_say_how_it_ended(status: int, code: int, reason: str) -> None:
    result = result_of_the_dead(status, Path("/runs/log.jsonl"))
    assert (result.code, result.reason) == (code, reason)
    assert status < 0 or "/runs/log.jsonl" in result.message


FULL = "/tmp/0-part.mkv: its disk is full"
TELLS = f"""
import os
from recast.errors import Transient
from recast.stage import run_stage
def body(job):
    raise Transient({FULL!r}, reason="DiskFull")
os._exit(run_stage(body))
"""


def test_what_a_stage_says_is_heard_where_the_disk_is_full(tmp_path: Path) -> None:
    job = StageInput(namespace="n", name="j", uid="u", spec=spec()).model_dump_json(by_alias=True)
    nowhere = tmp_path / "none" / "message.json"
    environment = dict(os.environ) | {"RECAST_STAGE": job, "RECAST_TERMINATION_LOG": str(nowhere)}
    child = StageChild([sys.executable, "-c", TELLS], environment, nowhere, Path("/dev/full"))
    child.process.wait(60)
    result = child.poll()
    assert result is not None
    assert (result.code, result.reason, result.message) == (75, names.DISK_FULL, FULL)


def test_a_failed_stages_own_code_reason_and_words_are_the_runs() -> None:
    failed = StageFailed("mux", StageResult(code=66, reason=names.INPUT_NOT_FOUND, message="a.mov: not there"))
    assert (failed.exit_code, failed.reason, str(failed)) == (66, names.INPUT_NOT_FOUND, "a.mov: not there")


@pytest.mark.parametrize("signal_number", [9, 11, 6, 7])
def test_a_stage_that_crashed_is_tried_again_and_what_is_done_is_kept(signal_number: int) -> None:
    # Decoders and drivers crash; a pod that did would be tried again.
    code = result_of_the_dead(-signal_number, Path("log")).code
    assert code in exitcodes.RETRIED and code in KEEP_AFTER


def test_no_stage_is_started_whose_log_cannot_be_kept(tmp_path: Path) -> None:
    began = tmp_path / "began"
    with pytest.raises(FileNotFoundError):
        StageChild(["touch", str(began)], os.environ, tmp_path / "message", tmp_path / "none" / "log.jsonl")
    assert not began.exists()
