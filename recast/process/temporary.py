"""A run's folder of temporary files: what a run that was killed leaves is told from what a run is using by a lock."""

import fcntl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PREFIX = "recast-run-"
LOCK = "lock"


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Make a folder of temporary files, for as long as the block goes on."""
    with tempfile.TemporaryDirectory(prefix=PREFIX) as name, (Path(name) / f"{LOCK}.new").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        # A lock that is seen is held.
        Path(lock.name).rename(Path(name) / LOCK)
        yield Path(name)


def abandoned_folders() -> Iterator[Path]:
    """Folders whose run was killed; those that are somebody else's are passed over."""
    for folder in sorted(Path(tempfile.gettempdir()).glob(f"{PREFIX}*")):
        with suppress(OSError), (folder / LOCK).open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield folder
