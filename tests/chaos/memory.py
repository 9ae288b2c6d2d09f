"""Stages with little memory: more of it fails to be had, or the kernel kills who takes it."""

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.chaos.processes import Fork

MORE_MIB, CGROUP = "CHAOS_MORE_MIB", "CHAOS_CGROUP"
"""Variables of the stage's environment: what the classes below go by."""
CGROUPS = Path("/sys/fs/cgroup/memory")


class Bounded(Fork):
    """May map so many MiB more than the warm process it comes from."""

    @staticmethod
    def first() -> None:
        """Set the limit."""
        mapped = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        most = mapped + (int(os.environ[MORE_MIB]) << 20)
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


class Grouped(Fork):
    """Is in a control group."""

    @staticmethod
    def first() -> None:
        """Go into it."""
        Path(os.environ[CGROUP], "cgroup.procs").write_text(str(os.getpid()))


@contextmanager
def memory_group(name: str, mib: int) -> Iterator[Path]:
    """A control group of so many MiB; the test is skipped where none can be made."""
    folder = CGROUPS / name
    try:
        folder.mkdir()
        (folder / "memory.limit_in_bytes").write_text(str(mib << 20))
    except OSError as error:
        pytest.skip(f"no control group can be made here: {error}")
    try:
        yield folder
    finally:
        with suppress(FileNotFoundError):
            folder.rmdir()
