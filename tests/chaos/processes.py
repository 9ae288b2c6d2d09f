"""Stage processes that can be killed: the pods' own commands, or, where many are started, forks of a warm Python.

Importing a stage takes most of a second, its work on a clip of a second less than that. A fork of a process that has
the imports behind it runs the same module as `__main__`, and is as real a process to a signal.
"""

import json
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from recast.process.children import spawn
from recast.stage import StageInput

MODULES = {"split": "controller.stages.split", "swap": "segment_worker", "mux": "controller.stages.mux"}
"""What the pods run, by stage."""
END_SECONDS = 120.0
"""A stage of these clips takes a second or two; a busy machine may need many times that."""
POLL_SECONDS = 0.005


class Running(Protocol):
    """A stage that was started."""

    pid: int

    def code(self) -> int | None:
        """Its exit code, negative where a signal ended it; None while it runs."""


Start = Callable[[str, Mapping[str, str], Path], Running]
"""`start(stage, environment, log)` starts a stage."""


class Command:
    """A stage as the pods start it.

    Args:
        stage: split, swap or mux.
        environment: all of it.
        log: where its log lines go.
    """

    def __init__(self, stage: str, environment: Mapping[str, str], log: Path) -> None:
        command = [sys.executable, "-m", MODULES[stage]]
        with log.open("ab") as file:
            self._process = spawn(command, env=environment, stdout=subprocess.DEVNULL, stderr=file, own_group=True)
        self.pid = self._process.pid

    def code(self) -> int | None:
        """As `Running` says."""
        return self._process.poll()


class Fork:
    """A stage as a fork of a process that has its imports behind it. Arguments as `Command`'s.

    Attributes:
        first: what the fork does before anything else.
    """

    first: Callable[[], object] = dict

    def __init__(self, stage: str, environment: Mapping[str, str], log: Path) -> None:
        self._process = _WARM.Process(target=_run, args=(type(self).first, MODULES[stage], dict(environment), str(log)))
        with _ASKING:
            self._process.start()
        self.pid = self._process.pid or 0

    def code(self) -> int | None:
        """As `Running` says."""
        with _ASKING:
            return self._process.exitcode


_ASKING = threading.Lock()
"""multiprocessing asks after all its children wherever one is started; of two who ask at once one is told 255."""
_WARM = multiprocessing.get_context("forkserver")
_WARM.set_forkserver_preload(["tests.chaos.warm"])


def _run(first: Callable[[], object], module: str, environment: dict[str, str], log: str) -> None:
    os.environ.clear()
    os.environ.update(environment)
    os.dup2(os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), 2)
    first()
    runpy.run_module(module, run_name="__main__")


@dataclass(frozen=True)
class Begun:
    """A stage that was given its work.

    Attributes:
        process: the process.
        message: where it says how it ended.
    """

    process: Running
    message: Path

    def end(self) -> tuple[int, dict[str, Any]]:
        """Wait for its end; gives its exit code and what it said, nothing where it was killed."""
        code = wait(self.process)
        return code, json.loads(self.message.read_text()) if self.message.exists() and code >= 0 else {}


def begin(start: Start, pod: str, job: StageInput, environment: Mapping[str, str], folder: Path) -> Begun:
    """Start a stage as the controller does.

    Args:
        start: how.
        pod: split, swap-INDEX or mux.
        job: its work.
        environment: more of it: credentials, TMPDIR.
        folder: where its message and its log go.
    """
    stage, _, index = pod.partition("-")
    message = folder / f"{job.name}-{pod}-{time.monotonic_ns()}.json"
    own = {
        "RECAST_STAGE": job.model_dump_json(by_alias=True),
        "RECAST_TERMINATION_LOG": str(message),
        "JOB_COMPLETION_INDEX": index,
    }
    return Begun(start(stage, {**environment, **own}, folder / f"{job.name}-{pod}.log"), message)


def wait(process: Running, seconds: float = END_SECONDS) -> int:
    """Wait for the end of a process; gives its exit code.

    Raises:
        TimeoutError: it does not end.
    """
    deadline = time.monotonic() + seconds
    while (code := process.code()) is None:
        if time.monotonic() > deadline:
            raise TimeoutError(f"process {process.pid} has not ended within {seconds:g} s")
        time.sleep(POLL_SECONDS)
    return code


def send(process: Running, number: signal.Signals) -> None:
    """Send a signal, unless the process is gone."""
    with suppress(ProcessLookupError):
        os.kill(process.pid, number)
