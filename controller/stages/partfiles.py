"""The parts on this machine's disk, one after another: fetched whole and checked, the next while one is read."""

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from recast import names
from recast.errors import NotFound, Transient
from recast.storage import Storage


@dataclass(frozen=True)
class StoredPart:
    """A committed part in the store.

    Attributes:
        sha256: of the object, as its report says.
    """

    uri: str
    sha256: str


class PartFiles:
    """Brings parts, in order; at most three are on the disk at once."""

    def __init__(self, storage: Storage, parts: Sequence[StoredPart], folder: Path) -> None:
        self._storage, self._parts, self._folder = storage, parts, folder
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="recast-parts")
        self._coming: dict[int, Future[None]] = {}

    def path(self, number: int) -> Path:
        """Where a part is once it is there."""
        return self._folder / f"part{number:06d}.mkv"

    def bring(self, number: int) -> None:
        """Have a part on the disk and begin to fetch the next; the one before it may go.

        Raises:
            Transient: it is not in the store.
            Corrupt: it is not what its report says.
        """
        for wanted in (number, number + 1):
            if wanted < len(self._parts) and wanted not in self._coming:
                self._coming[wanted] = self._threads.submit(self._fetch, wanted)
        self._coming[number].result()
        if number:
            self.path(number - 1).unlink(missing_ok=True)

    def stop(self) -> None:
        """Fetch no more; what is under way is not waited for."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _fetch(self, number: int) -> None:
        part = self._parts[number]
        try:
            self._storage.download(part.uri, self.path(number), sha256=part.sha256)
        except NotFound as error:
            raise Transient(f"{part.uri}: is gone: run the swap stage again", reason=names.NOT_READY) from error
