"""Tells a machine that has run out of something from input that is bad and from code that is wrong.

A full disk, memory or table of open files comes as an OSError, as a MemoryError, as PyAV's kin of both, or in the
last words of FFmpeg. What then fails may go well on another node, or after someone has made room: it is never the
source's fault, and no bug.
"""

import errno
import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager

from recast import exitcodes, names
from recast.errors import RecastError, Transient

DISK = frozenset({errno.ENOSPC, errno.EDQUOT})
MEMORY = frozenset({errno.ENOMEM})
FILES = frozenset({errno.EMFILE, errno.ENFILE})
SHORT_BYTES = 64 << 20
"""With less left than this, any failure may be one of memory."""
_NO_THREAD = "can't start new thread"
FOLDER = "/tmp"  # noqa: S108  # it is only named
_NO_TEMPORARY = "No usable temporary directory"
"""How `tempfile` says that it could write its first bytes nowhere."""


def raise_if_exhausted(error: BaseException, where: str | None = None) -> None:
    """Raise what says which resource of this machine is used up, if that is what `error` comes from.

    Args:
        error: what was caught.
        where: the file or folder that was being written; where it is not given, the one that the error names, or
            else the folder of temporary files.

    Raises:
        Transient: a disk is full, its reason is DiskFull; or memory or open files are used up, Exhausted.
    """
    number = _number(error)
    if number in DISK:
        place = where or getattr(error, "filename", None) or os.environ.get("TMPDIR", FOLDER)
        full = f"{place}: its disk is full: make room there, or give it more"
        raise Transient(full, reason=names.DISK_FULL) from error
    if number in MEMORY:
        raise _exhausted(f"{where or 'this process'}: no memory is left: give it more") from error
    if number in FILES:
        raise _exhausted(f"{where or 'this process'}: too many files are open ({error}): raise ulimit -n") from error


def raise_if_short_of_memory(error: BaseException) -> None:
    """Raise where so little memory is left that `error` may come from its want: libraries often say something else.

    Raises:
        Transient: it is so; its reason is Exhausted.
    """
    try:
        # Asked for and not touched: that would take time, and be what a container is killed for.
        mmap.mmap(-1, SHORT_BYTES, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS).close()
    except OSError:
        raise _exhausted(f"no memory is left: give the stage more ({error})") from error


@contextmanager
def exhaustion_told() -> Iterator[None]:
    """Trust no verdict that may come from a machine that has run out of something.

    Raises:
        Transient: what comes out of the block, a final verdict or an unexpected error, does.
    """
    try:
        yield
    except RecastError as error:
        if error.exit_code in exitcodes.NEVER_RETRIED:
            raise_if_short_of_memory(error)
        raise
    except Exception as error:
        raise_if_exhausted(error)
        raise_if_short_of_memory(error)
        raise


def _exhausted(message: str) -> Transient:
    return Transient(message, reason=names.EXHAUSTED)


def _number(error: BaseException) -> int:
    """The error's number; FFmpeg as a program has only words for it."""
    if isinstance(error, MemoryError):
        return errno.ENOMEM
    text = str(error)
    if isinstance(error, RuntimeError) and text == _NO_THREAD:
        return errno.ENOMEM
    if isinstance(error, FileNotFoundError) and _NO_TEMPORARY in text:
        return errno.ENOSPC
    if isinstance(error, OSError):
        return error.errno or 0
    return next((number for number in sorted(DISK | MEMORY | FILES) if os.strerror(number) in text), 0)
