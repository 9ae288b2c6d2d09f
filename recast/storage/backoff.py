"""How long to wait before a request: pure, so that a whole fleet can be played in no time.

Full jitter: a pause before another try is drawn from zero to a bound that doubles, so of many clients that were refused
at once hardly two come back at once. That alone starves the unlucky, since whoever is served asks again right away: so
a client that was refused also spaces out what it asks next, and closes up again as it is served.
"""

import random
import threading
from collections.abc import Callable

FIRST_SECONDS = 1.0
MOST_SECONDS = 20.0
MORE_WHERE_BUSY = 3
"""A store that says that it is busy is there, and is waited for longer than one that does not answer."""
FIRST_GAP_SECONDS = 0.1
MOST_GAP_SECONDS = 4.0
LEAST_GAP_SECONDS = 0.01
CLOSING_UP = 0.9

Draw = Callable[[], float]
"""Gives a number from 0 to 1."""


def pause_seconds(failed: int, *, attempts: int, busy: bool = False, draw: Draw = random.random) -> float | None:
    """How long to wait before the next try.

    Args:
        failed: tries that have failed, at least 1.
        attempts: tries in all; three times the retries where the store is busy.
        busy: whether the store asked for patience.
        draw: gives a number from 0 to 1.

    Returns:
        None where that was the last try.
    """
    most = 1 + (attempts - 1) * (MORE_WHERE_BUSY if busy else 1)
    if failed >= most:
        return None
    return float(draw() * min(MOST_SECONDS, FIRST_SECONDS * 2 ** (failed - 1)))


class Pace:
    """How close together a client's requests may be; threads may share it.

    The gap doubles with each refusal and shrinks by a tenth with each answer, as senders share a line in TCP.
    """

    def __init__(self, draw: Draw = random.random) -> None:
        self._draw = draw
        self._lock = threading.Lock()
        self._gap = 0.0
        self._next = 0.0

    def refused(self) -> None:
        """The store said that it is busy."""
        with self._lock:
            self._gap = min(MOST_GAP_SECONDS, max(FIRST_GAP_SECONDS, 2 * self._gap))

    def served(self) -> None:
        """The store did what it was asked."""
        with self._lock:
            self._gap *= CLOSING_UP
            if self._gap < LEAST_GAP_SECONDS:
                self._gap = 0.0

    def wait_seconds(self, now: float) -> float:
        """How long a request that is ready at `now` must wait; the next one comes after it."""
        with self._lock:
            begin = max(now, self._next)
            self._next = begin + self._gap * (0.5 + self._draw())
            return begin - now
