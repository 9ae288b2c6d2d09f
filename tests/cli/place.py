"""The command line as people use it: real processes, in folders that show what is left behind."""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

RUN_SECONDS = 120
"""A run of these clips takes a few seconds; a busy machine may need many times that."""
STOP_SECONDS = 20
"""The promise is 10 s; the rest is for a busy machine."""


@dataclass(frozen=True)
class Place:
    """Folders of one test: what it may leave anything in."""

    folder: Path
    more: Mapping[str, str] = field(default_factory=dict)

    @property
    def out(self) -> Path:
        return self.folder / "out"

    def environment(self) -> dict[str, str]:
        own = {"XDG_CACHE_HOME": str(self.folder / "cache"), "TMPDIR": str(self.folder / "tmp")}
        return {key: value for key, value in os.environ.items() if not key.startswith("AWS_")} | own | self.more

    def start(self, *arguments: str | Path) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "recast.cli", *map(str, arguments)]
        return subprocess.Popen(
            command, env=self.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def run(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        process = self.start(*arguments)
        out, err = process.communicate(timeout=RUN_SECONDS)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def runs(self) -> list[Path]:
        """Kept stores."""
        return list((self.folder / "cache" / "recast" / "runs").glob("*"))

    def temporary(self) -> list[str]:
        return [path.name for path in (self.folder / "tmp").iterdir()]

    def processes(self) -> list[str]:
        """Command lines of processes that know this test's folders."""
        return list(self._known().values())

    def processes_of(self, module: str) -> list[int]:
        """Process numbers of those that run `module`."""
        return [number for number, line in self._known().items() if f"-m\0{module}\0" in line]

    def _known(self) -> dict[int, str]:
        found = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal() and int(entry.name) != os.getpid():
                try:
                    if str(self.folder).encode() in (entry / "environ").read_bytes():
                        found[int(entry.name)] = (entry / "cmdline").read_text()
                except OSError:
                    continue
        return found
