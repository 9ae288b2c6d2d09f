"""One process of a test cluster: started, watched, ended in time, its log kept."""

import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from recast.process.children import spawn

STOP_SECONDS = 10.0
LAST_LINES = 12


class Component:
    """A process that can be started again after its end; its log goes on in the same file.

    Args:
        name: for errors, and of the log.
        command: program and arguments.
        folder: where it runs, where its home is, and where the log `NAME.log` goes.
    """

    def __init__(self, name: str, command: Sequence[str], folder: Path) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self._command = command
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        """Whether its process is there."""
        return self._process is not None and self._process.poll() is None

    @property
    def process_id(self) -> int | None:
        """Of the process that was started last."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start the process; it dies with this one. A terminal's Ctrl-C does not reach it: we end it, in order."""
        environment = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(self._folder)}
        with self.log.open("ab") as log:
            self._process = spawn(
                self._command, env=environment, stdout=log, stderr=log, cwd=self._folder, own_group=True
            )

    def ask_to_stop(self, number: int = signal.SIGTERM) -> None:
        """Send a signal, and go on."""
        if self._process is not None:
            self._process.send_signal(number)

    def stop(self, number: int = signal.SIGTERM, seconds: float = STOP_SECONDS) -> None:
        """End the process by a signal, and by SIGKILL where that does not help in time."""
        if self._process is None:
            return
        self.ask_to_stop(number)
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(seconds)

    def last_words(self) -> str:
        """The end of its log, for errors."""
        try:
            lines = self.log.read_text(errors="replace").strip().splitlines()
        except FileNotFoundError:
            lines = []
        state = "runs" if self.running else f"ended with {self._process.poll() if self._process else 'no start'}"
        return "\n".join([f"{self.name} {state}; its last lines:", *(line[:400] for line in lines[-LAST_LINES:])])
