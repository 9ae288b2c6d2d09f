"""A stage as a child process: what it says on the way, and how it ended."""

import contextlib
import json
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Mapping
from io import FileIO
from pathlib import Path
from typing import Any

from recast import exitcodes, names
from recast.errors import RecastError
from recast.process.children import spawn
from recast.stage import NOTICE, StageResult, read_result, result_in_log
from recast.storage.s3client import TRIED_AGAIN


class StageFailed(RecastError):
    """A stage ended with an error that is final for this run; it carries the stage's name, own words and code."""

    def __init__(self, stage: str, result: StageResult) -> None:
        super().__init__(result.message, reason=result.reason)
        self.stage, self.result = stage, result
        self.exit_code = result.code


class StageChild:
    """A stage process: its log is read for progress and kept in a file."""

    def __init__(self, argv: list[str], environment: Mapping[str, str], message: Path, log: Path) -> None:
        self.frames: dict[int, int] = {}
        self.notices: list[str] = []
        self.asked_again: deque[str] = deque(maxlen=1)
        self._message, self._log = message, log
        self._logged: StageResult | None = None
        # Here an error is told; the reader would be gone, and the stage stand still.
        kept = log.open("ab", buffering=0)
        # Ctrl-C reaches this process only; it stops its stages itself.
        self.process = spawn(argv, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, own_group=True)
        self._reader = threading.Thread(target=self._read, args=(kept,), daemon=True)
        self._reader.start()

    def poll(self) -> StageResult | None:
        """The stage's result, once it has ended."""
        status = self.process.poll()
        if status is None:
            return None
        self._reader.join(timeout=5)
        result = self._left() or self._logged
        return result if result is not None and result.code == status else result_of_the_dead(status, self._log)

    def _left(self) -> StageResult | None:
        try:
            return read_result(self._message.read_bytes())
        except OSError:
            return None

    def _read(self, kept: FileIO) -> None:
        assert self.process.stderr is not None
        with kept, self.process.stderr as lines:
            for line in lines:
                # A stage stands still where nobody reads what it says: also where the log's disk is full.
                with contextlib.suppress(OSError):
                    kept.write(line)
                with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):
                    self._take(json.loads(line))

    def _take(self, line: Mapping[str, Any]) -> None:
        self._logged = result_in_log(line) or self._logged
        if line["message"] == "progress":
            self.frames[line["segment"]] = line["frames"]
        elif line["message"] == NOTICE:
            self.notices.append(line["detail"])
        elif line["message"] == TRIED_AGAIN:
            self.asked_again.append(line["detail"])


def result_of_the_dead(status: int, log: Path) -> StageResult:
    """What to say of a stage that could not say it itself."""
    if status < 0:
        message = f"a stage was killed by {signal.Signals(-status).name}"
        return StageResult(code=exitcodes.TRY_AGAIN, reason=names.TRY_AGAIN, message=message)
    message = f"a stage ended with status {status} and said nothing: see {log}"
    return StageResult(code=exitcodes.BUG, reason=names.INTERNAL_ERROR, message=message)
