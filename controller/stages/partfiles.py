"""The parts on this machine's disk, one after another: fetched whole and checked, the next while one is read."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from recast.layout import RunLayout
from recast.parts import FetchedPart, fetch_part
from recast.storage.storage import Storage
from recast.watchdog import wait_for


class PartFiles:
    """Brings parts, in order; at most three are on the disk at once.

    Args:
        storage: where they are.
        layout: of the run.
        digests: of all parts, in order.
        folder: where they are put.
        moved: called now and then while one is waited for.
    """

    def __init__(
        self, storage: Storage, layout: RunLayout, digests: Sequence[str], folder: Path, moved: Callable[[], None]
    ) -> None:
        self._storage, self._layout, self._digests, self._folder = storage, layout, digests, folder
        self._moved = moved
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="recast-parts")
        self._coming: dict[int, Future[FetchedPart]] = {}

    def bring(self, number: int) -> FetchedPart:
        """Have a part on the disk and begin to fetch the next; all others may go.

        Raises:
            Transient: it is not in the store.
            Corrupt: it is not what was written.
        """
        for wanted in (number, number + 1):
            if wanted < len(self._digests) and wanted not in self._coming:
                self._coming[wanted] = self._threads.submit(self._fetch, wanted)
        part = wait_for(self._coming[number], self._moved)
        for other in [known for known in self._coming if known not in (number, number + 1)]:
            self._coming.pop(other).cancel()
            self._path(other).unlink(missing_ok=True)
        return part

    def stop(self) -> None:
        """Fetch no more; what is under way is not waited for."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _path(self, number: int) -> Path:
        return self._folder / f"part{number:06d}.mkv"

    def _fetch(self, number: int) -> FetchedPart:
        return fetch_part(self._storage, self._layout, number, self._digests[number], self._path(number))
