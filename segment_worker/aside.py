"""Work beside the main work, one task at a time: the next segment is fetched, the last one checked and uploaded."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context


class Aside:
    """A thread for one kind of task.

    Args:
        name: of the thread.
    """

    def __init__(self, name: str) -> None:
        self._executor = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._task: Future[None] | None = None

    def begin(self, task: Callable[[], None]) -> None:
        """Have `task` done, after the one before it, whose error is raised here."""
        self.end()
        # Its log lines carry what those of this thread do.
        self._task = self._executor.submit(copy_context().run, task)

    def end(self) -> None:
        """Wait for the task, where there is one. Its error is raised here."""
        task, self._task = self._task, None
        if task is not None:
            task.result()

    def stop(self) -> None:
        """Begin nothing more; what runs is not waited for."""
        self._executor.shutdown(wait=False, cancel_futures=True)
