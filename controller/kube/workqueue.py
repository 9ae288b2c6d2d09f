"""A queue of keys to look at: each at most once in it, none looked at by two at once, some only later."""

import heapq
import threading
import time
from collections import deque
from collections.abc import Callable

FIRST_RETRY_SECONDS = 0.5
MOST_RETRY_SECONDS = 60.0


class WorkQueue:
    """Threads may share it.

    Args:
        clock: monotonic seconds.
        waited: told how long a key was in the queue when it is taken.
    """

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, waited: Callable[[float], None] = lambda _: None
    ) -> None:
        self._clock, self._waited = clock, waited
        self._changed = threading.Condition()
        self._ready: deque[str] = deque()
        self._since: dict[str, float] = {}
        self._working: set[str] = set()
        self._again: set[str] = set()
        self._due: dict[str, float] = {}
        self._later: list[tuple[float, str]] = []
        self._failures: dict[str, int] = {}
        self._closed = False

    def add(self, key: str) -> None:
        """Have `key` looked at, once, soon; again after the present look where there is one."""
        with self._changed:
            self._add(key)

    def add_after(self, key: str, seconds: float) -> None:
        """Have `key` looked at after a while; of several times, the earliest counts."""
        with self._changed:
            due = self._clock() + seconds
            if key not in self._due or due < self._due[key]:
                self._due[key] = due
                heapq.heappush(self._later, (due, key))
                self._changed.notify()

    def retry(self, key: str) -> float:
        """Have `key` looked at again after a pause that grows each time; gives the pause."""
        with self._changed:
            failures = self._failures[key] = self._failures.get(key, 0) + 1
        pause = min(MOST_RETRY_SECONDS, FIRST_RETRY_SECONDS * 2.0 ** min(failures - 1, 16))
        self.add_after(key, pause)
        return pause

    def forget(self, key: str) -> None:
        """The last look went well: the next pause is short again."""
        with self._changed:
            self._failures.pop(key, None)

    def take(self, timeout: float | None = None) -> str | None:
        """Wait for a key; `done` must follow. None after `timeout` seconds, and when the queue is closed."""
        end = None if timeout is None else self._clock() + timeout
        with self._changed:
            while not self._closed:
                self._wake()
                if self._ready:
                    key = self._ready.popleft()
                    self._waited(self._clock() - self._since.pop(key))
                    self._working.add(key)
                    return key
                wait = self._pause(end)
                if wait is not None and wait <= 0:
                    return None
                self._changed.wait(wait)
            return None

    def done(self, key: str) -> None:
        """The look is over."""
        with self._changed:
            self._working.discard(key)
            if key in self._again:
                self._again.discard(key)
                self._add(key)

    def close(self) -> None:
        """Give no more keys."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def __len__(self) -> int:
        """How many wait to be looked at now."""
        with self._changed:
            return len(self._ready)

    def _add(self, key: str) -> None:
        if key in self._working:
            self._again.add(key)
        elif key not in self._since:
            self._since[key] = self._clock()
            self._ready.append(key)
            self._changed.notify()

    def _wake(self) -> None:
        now = self._clock()
        while self._later and self._later[0][0] <= now:
            due, key = heapq.heappop(self._later)
            # An earlier time may have been set since.
            if self._due.get(key) == due:
                del self._due[key]
                self._add(key)

    def _pause(self, end: float | None) -> float | None:
        """How long to wait at most; None for ever."""
        times = [time for time in (end, self._later[0][0] if self._later else None) if time is not None]
        if not times:
            return None
        if end is not None and end <= self._clock():
            return 0.0
        return max(0.001, min(times) - self._clock())
