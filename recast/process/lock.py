"""A folder's lock: held by who uses the folder, and let go of in whatever way its process ends."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

LOCK = "lock"


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Use a folder, which is made where it is missing, for as long as the block goes on; others may use it, too."""
    with ExitStack() as stack:
        while not _locked(folder, stack):
            pass
        yield


@contextmanager
def claimed(folder: Path) -> Iterator[bool]:
    """Give whether nobody uses a folder; then nobody begins to before the block is left.

    Raises:
        FileNotFoundError: it has no lock.
    """
    with (folder / LOCK).open("r+") as lock:
        free = True
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            free = False
        yield free


def _locked(folder: Path, stack: ExitStack) -> bool:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        lock = stack.enter_context((folder / LOCK).open("w"))
    except FileNotFoundError:
        return False
    fcntl.flock(lock, fcntl.LOCK_SH)
    # Between its making and its locking it may have been taken for a dead one's, and removed.
    return os.fstat(lock.fileno()).st_nlink > 0
