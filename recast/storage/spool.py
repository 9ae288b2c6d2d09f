"""What was fetched, kept on the disk for another reading, up to a size."""

import os
import tempfile
import threading
from contextlib import suppress
from typing import BinaryIO

from recast.storage.ranged import Fetch


class Spool:
    """Ranges of one object in a file without a name; threads may share it.

    Args:
        most: bytes that are kept.
    """

    def __init__(self, most: int) -> None:
        self._room = most
        self._places: dict[tuple[int, int], int] = {}
        self._lock = threading.Lock()
        self._file: BinaryIO | None = None

    def kept(self, fetch: Fetch) -> Fetch:
        """Fetch what is not here, and keep it while there is room."""

        def spooled(offset: int, length: int) -> bytes:
            here = self._read(offset, length)
            if here is not None:
                return here
            data = fetch(offset, length)
            self._keep(offset, data)
            return data

        return spooled

    def close(self) -> None:
        """Forget everything."""
        with self._lock:
            self._room = 0
            self._places.clear()
            if self._file is not None:
                self._file.close()

    def _read(self, offset: int, length: int) -> bytes | None:
        with self._lock:
            place = self._places.get((offset, length))
            if place is None or self._file is None:
                return None
            return os.pread(self._file.fileno(), length, place)

    def _keep(self, offset: int, data: bytes) -> None:
        with self._lock:
            if len(data) > self._room:
                return
            # Where the disk is full, what is missing is fetched again.
            with suppress(OSError):
                self._file = self._file or tempfile.TemporaryFile(prefix="recast-spool-")
                place = os.fstat(self._file.fileno()).st_size
                if os.pwrite(self._file.fileno(), data, place) == len(data):
                    self._places[offset, len(data)] = place
                    self._room -= len(data)
