"""The source as split reads it: opened once for all passes, and compared with what the store says of it."""

import io
import threading
from collections.abc import Callable

from recast import log
from recast.errors import Corrupt
from recast.manifest import SourceSums
from recast.storage.ranged import BLOCK_BYTES, Fetch, RangedReader, Wrap
from recast.storage.spool import Spool
from recast.storage.storage import ObjectInfo, Storage
from recast.storage.sums import SUM_BYTES, BlockSums, OrderedHash

SPOOL_BYTES = 256 << 20
"""Far more than the head that is looked at before packets are cut; a shorter source is fetched once for all passes."""


class SourceFile:
    """A source, opened: what one pass fetched of its begin is not fetched again by another.

    Args:
        storage: where it is.
        info: the source.
        moved: called at each reading, by whatever pass.
    """

    def __init__(self, storage: Storage, info: ObjectInfo, moved: Callable[[], None]) -> None:
        self._storage, self._info, self._moved = storage, info, moved
        self._sums = BlockSums(info.size)
        expected = storage.content_hash(info)
        self._hash = OrderedHash(expected) if expected is not None else None
        self._spool = Spool(SPOOL_BYTES)
        self._fetched, self._lock = 0, threading.Lock()
        self._reader = self._open(lambda fetch: self._spool.kept(self._hashed(fetch)))

    def rewound(self) -> io.RawIOBase:
        """The file, at its beginning; one pass reads at a time."""
        self._reader.seek(0)
        return self._reader

    def close(self) -> None:
        """Read no more."""
        self._reader.close()
        self._spool.close()

    def _open(self, wrap: Wrap) -> RangedReader:
        reader = self._storage.open(self._info.uri, etag=self._info.etag, size=self._info.size, wrap=wrap)
        reader.told = self._moved
        return reader

    def sums(self) -> SourceSums | None:
        """What its bytes are, for later readers; what no pass asked for is read for it.

        Returns:
            None for a local file.

        Raises:
            Corrupt: what was read is not what the store has.
        """
        if self._info.uri.startswith("file://"):
            return None
        if self._hash is None:
            self._look_again()
        else:
            self._read_rest(self._hash)
        log.info("source read", bytes=self._fetched, size=self._info.size)
        return SourceSums(block_bytes=SUM_BYTES, crc32=self._sums.crc32)

    def _hashed(self, fetch: Fetch) -> Fetch:
        checked = self._sums.checked(self._counted(fetch), self._info.uri)

        def hashed(offset: int, length: int) -> bytes:
            data = checked(offset, length)
            missing = self._hash.update(offset, data) if self._hash else None
            while missing is not None and self._hash:
                rest = checked(missing, min(BLOCK_BYTES, self._info.size - missing))
                missing = self._hash.update(missing, rest)
            return data

        return hashed

    def _counted(self, fetch: Fetch) -> Fetch:
        def counted(offset: int, length: int) -> bytes:
            data = fetch(offset, length)
            with self._lock:
                self._fetched += len(data)
            return data

        return counted

    def _read_rest(self, whole: OrderedHash) -> None:
        while whole.position < self._info.size:
            place = whole.position
            self._reader.seek(place)
            whole.update(place, self._reader.read(BLOCK_BYTES) or b"")
        if not whole.agrees():
            raise Corrupt(
                f"{self._info.uri}: what was read is not what its {whole.says} says: try again, or write it again"
            )

    def _look_again(self) -> None:
        """Where the store says nothing of the content, damage on the way shows as a difference of two readings."""
        log.info("source is read twice: its store gives no hash of it", uri=self._info.uri)
        with self._open(self._hashed) as again:
            while again.read(BLOCK_BYTES):
                continue
