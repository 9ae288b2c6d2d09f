"""What every stage process is given and what it leaves behind: environment in, one JSON object out.

A stage reads `RECAST_STAGE` (JSON) and, a worker, `JOB_COMPLETION_INDEX`; it writes one JSON object of at
most 4,096 bytes to the path in `RECAST_TERMINATION_LOG`. Kubernetes and the local runner set the same.
"""

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

from pydantic import ValidationError

from recast import exitcodes, log, names
from recast.errors import BadConfig, RecastError
from recast.fields import Model
from recast.layout import RunLayout, job_folder
from recast.process.exhausted import exhaustion_told
from recast.process.stopping import Terminated, terminated_by_signals
from recast.spec import JobSpec

TERMINATION_LIMIT_BYTES = 4096
ENDED = "stage ended"
"""What a stage's last line of log says."""
NOTICE = "notice"
"""What a line of log says whose `detail` people should read, though the stage goes on."""
STOP_SECONDS = 8.0
"""A stage that was asked to stop has gone by then; it is killed after ten."""


class StageInput(Model):
    """`RECAST_STAGE`: the job, and where in its life it is."""

    namespace: str
    name: str
    uid: str
    attempt: int = 0
    run: str | None = None
    spec: JobSpec
    segments_per_pod: int = 1

    @property
    def folder(self) -> str:
        """Where all of this job's runs are; ends with a slash."""
        return job_folder(scratch=self.spec.storage.scratch, namespace=self.namespace, name=self.name)

    def layout(self, run: str) -> RunLayout:
        """The keys of this job's `run`."""
        return RunLayout.of(scratch=self.spec.storage.scratch, namespace=self.namespace, name=self.name, run=run)

    @property
    def run_layout(self) -> RunLayout:
        """The keys of the run that split has named.

        Raises:
            BadConfig: it is not told.
        """
        if self.run is None:
            raise BadConfig("RECAST_STAGE: run is missing: split reports it")
        return self.layout(self.run)


@dataclass(frozen=True)
class StageResult:
    """What a stage reports when it ends.

    Attributes:
        code: the process' exit code.
        reason: a word of `recast.names`.
        message: one sentence for people.
        segment: the segment that this is about, where there is one.
        frames, segments: how many there are, or were done.
        run: the run's name, from split.
        output: what was published, from mux: uri, size, sha256, encoder, facesSwapped, droppedTracks,
            badFrames.
        notices: what people should look at once more, from a worker: photos in doubt; None where it did not look.
        content_check: what the content check saw, from split: frames, highest.
        seconds, cpu_seconds: wall and CPU time of the stage.
    """

    code: int = exitcodes.OK
    reason: str = names.SUCCEEDED
    message: str = ""
    segment: int | None = None
    frames: int | None = None
    segments: int | None = None
    run: str | None = None
    output: Mapping[str, object] | None = None
    notices: Sequence[str] | None = None
    content_check: Mapping[str, float] | None = None
    seconds: float | None = None
    cpu_seconds: float | None = None
    peak_rss_bytes: int | None = None

    @property
    def told(self) -> dict[str, Any]:
        """The fields that say something."""
        return {key: value for key, value in asdict(self).items() if value is not None}


def read_stage_input() -> StageInput:
    """Read and check `RECAST_STAGE`.

    Raises:
        BadConfig: it is missing or not what the spec allows.
    """
    text = os.environ.get("RECAST_STAGE")
    if text is None:
        raise BadConfig("RECAST_STAGE is not set: a stage is started by the controller or by `recast run`")
    try:
        # The controller may be newer than the image that its job began with.
        return StageInput.model_validate_json(text, extra="ignore")
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BadConfig(f"RECAST_STAGE: {where}: {first['msg']}") from error


def run_stage(body: Callable[[StageInput], StageResult]) -> int:
    """Run a stage's body with signals, errors, logs and the termination message in place.

    Returns:
        The exit code for `sys.exit`.
    """
    with terminated_by_signals(STOP_SECONDS):
        result = _result_of(body)
    usage = os.times()
    result = replace(
        result,
        seconds=round(log.uptime_seconds(), 3),
        cpu_seconds=round(usage.user + usage.system + usage.children_user + usage.children_system, 3),
        peak_rss_bytes=log.peak_rss_bytes(),
    )
    write_termination_message(result)
    level = log.info if result.code == exitcodes.OK else log.error
    fields = result.told
    level(ENDED, detail=fields.pop("message"), **fields)
    return result.code


def result_in_log(line: Mapping[str, Any]) -> StageResult | None:
    """The result that a stage's last line of log holds, too: a full disk takes no termination message."""
    if line.get("message") != ENDED:
        return None
    return _known(dict(line) | {"message": line["detail"]})


def read_result(message: str | bytes | None) -> StageResult | None:
    """The result in a termination message; None where it is none of ours."""
    try:
        return _known(json.loads(message or ""))
    except (ValueError, TypeError, AttributeError):
        return None


def _known(fields: Mapping[str, Any]) -> StageResult:
    """The result in these fields: a newer stage may say more."""
    return StageResult(**{key: value for key, value in fields.items() if key in StageResult.__dataclass_fields__})


def end_process(code: int) -> NoReturn:
    """End without waiting for threads that may be stuck in a dead store or a hung codec."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _result_of(body: Callable[[StageInput], StageResult]) -> StageResult:
    try:
        job = read_stage_input()
        log.bind(job=f"{job.namespace}/{job.name}", attempt=job.attempt)
        with exhaustion_told():
            return body(job)
    except RecastError as error:
        log.debug("traceback", error=error)
        return StageResult(code=error.exit_code, reason=error.reason, message=str(error), segment=error.segment)
    except Terminated as stop:
        reason = names.INTERRUPTED if stop.code == exitcodes.INTERRUPTED else names.TERMINATED
        return StageResult(code=stop.code, reason=reason, message="stopped by a signal")
    except OSError as error:
        log.error("traceback", error=error)
        return StageResult(code=exitcodes.TRY_AGAIN, reason=names.TRY_AGAIN, message=f"{error}")
    except Exception as error:
        log.error("traceback", error=error)
        message = f"{type(error).__name__}: {error} (a bug in recast: please report it with the log)"
        return StageResult(code=exitcodes.BUG, reason=names.INTERNAL_ERROR, message=message)


def write_termination_message(result: StageResult) -> None:
    """Leave `result` where `RECAST_TERMINATION_LOG` says, if it says so."""
    path = os.environ.get("RECAST_TERMINATION_LOG")
    if path is None:
        return
    try:
        Path(path).write_bytes(_fitting(result.told))
    except OSError as error:
        print(f"recast: {path}: cannot write the termination message: {error}", file=sys.stderr)


def _fitting(fields: dict[str, Any]) -> bytes:
    """The fields as JSON of no more bytes than Kubernetes takes: notices go, the message is cut, dropped tracks go."""
    while True:
        # Escaped, a letter outside ASCII would cost up to 12 bytes.
        data = json.dumps(fields, ensure_ascii=False).encode(errors="replace")
        over = len(data) - TERMINATION_LIMIT_BYTES
        if over <= 0:
            return data
        if fields.get("notices"):
            fields["notices"] = fields["notices"][:-1]
        elif fields["message"]:
            fields["message"] = str(fields["message"])[: -1 - over // 6]
        elif fields.get("output", {}).get("droppedTracks"):
            fields["output"] = {**fields["output"], "droppedTracks": fields["output"]["droppedTracks"][:-1]}
        else:
            fields.pop("output")
