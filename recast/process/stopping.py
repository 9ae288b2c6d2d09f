"""SIGTERM, Ctrl-C and a closed terminal as an exception that unwinds: nothing half-written and no process stays."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from recast import exitcodes

STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

_held = 0
_held_code: int | None = None


class Terminated(BaseException):
    """A signal of `STOPPING` arrived; unwinds like KeyboardInterrupt.

    Args:
        code: the exit code that says which.
    """

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


@contextmanager
def terminated_by_signals(grace_seconds: float) -> Iterator[None]:
    """Raise `Terminated` in the main thread where a signal of `STOPPING` arrives; SIGHUP has SIGTERM's code.

    Args:
        grace_seconds: unwinding may take so long; then the process ends by itself, since an exception from a
            signal can be lost in a callback, or wait for what never comes.
    """

    def stop(number: int, _frame: FrameType | None) -> None:
        global _held_code
        # A second signal must not interrupt the clean-up.
        for each in STOPPING:
            signal.signal(each, signal.SIG_IGN)
        code = exitcodes.INTERRUPTED if number == signal.SIGINT else exitcodes.TERMINATED
        signal.signal(signal.SIGALRM, lambda _number, _frame: os._exit(code))
        signal.setitimer(signal.ITIMER_REAL, grace_seconds)
        if _held:
            _held_code = code
        else:
            raise Terminated(code)

    # What `nohup` starts goes on when its terminal is closed.
    heeded = [each for each in STOPPING if each != signal.SIGHUP or signal.getsignal(each) != signal.SIG_IGN]
    before = {number: signal.signal(number, stop) for number in heeded}
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def signals_held_back() -> Iterator[None]:
    """Let `Terminated` wait until the block is left: what was begun in it is then known to who cleans up."""
    global _held, _held_code
    _held += 1
    try:
        yield
    finally:
        _held -= 1
        if not _held and _held_code is not None:
            code, _held_code = _held_code, None
            raise Terminated(code)
