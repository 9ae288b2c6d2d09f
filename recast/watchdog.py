"""Ends a stage in which nothing has moved for too long: hung encoders and drivers are a fact of life."""

import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from types import TracebackType
from typing import Self, TypeVar

from recast import exitcodes, log, names
from recast.stage import StageResult, write_termination_message

T = TypeVar("T")

WAIT_SECONDS = 0.5


def wait_for(task: Future[T], moved: Callable[[], None]) -> T:
    """What a task gives that has time limits of its own, as all that the store does: to wait for it is no stall.

    Args:
        task: in another thread.
        moved: called now and then, until it is done.

    Raises:
        Exception: what the task raises.
    """
    while not wait([task], timeout=WAIT_SECONDS).done:
        moved()
    return task.result()


class Watchdog:
    """Watches from a thread of its own, since what hangs may be deep in C; a context manager, or until `stop`.

    Args:
        seconds: how long nothing may move.
        describe: says what was going on, for the message.
        end: how to end the process; a test passes its own.
    """

    def __init__(self, seconds: float, describe: Callable[[], str], end: Callable[[int], object] = os._exit) -> None:
        self._seconds, self._describe, self._end = seconds, describe, end
        self._moved_at = time.monotonic()
        self._stop = threading.Event()
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()

    def __enter__(self) -> Self:
        """Watch already."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Watch no more."""
        self.stop()

    def moved(self) -> None:
        """Something moved."""
        self._moved_at = time.monotonic()

    def stop(self) -> None:
        """Watch no more."""
        self._stop.set()

    def _watch(self) -> None:
        while not self._stop.wait(min(1.0, self._seconds / 4)):
            if time.monotonic() - self._moved_at < self._seconds:
                continue
            message = f"{self._describe()}: nothing moved for {self._seconds:g} s: ended, to be tried again"
            log.error("stalled", detail=message)
            write_termination_message(StageResult(code=exitcodes.TRY_AGAIN, reason=names.STALLED, message=message))
            self._end(exitcodes.TRY_AGAIN)
            return
