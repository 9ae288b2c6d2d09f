"""A seekable binary file over anything that gives a range of bytes, with flat memory.

Blocks are fetched whole, by background threads, and the latest few are kept. A block whose two predecessors are
at hand is taken as part of a stream, so the next blocks are fetched ahead: this holds for a plain
sequential read and also for a demuxer that follows several tracks far apart in a badly interleaved file; not for
one that looks here and there, and now and then across the border of two blocks.
"""

import io
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

BLOCK_BYTES = 4 << 20
BLOCKS_KEPT = 8
BLOCKS_AHEAD = 2

Fetch = Callable[[int, int], bytes]
"""`fetch(offset, length)` gives exactly `length` bytes, or raises a RecastError."""
Wrap = Callable[[Fetch], Fetch]
"""Looks at what is fetched."""


class RangedReader(io.RawIOBase):
    """A read-only binary file; `read` and `readinto` come back short only at the end.

    One thread reads at a time. Memory is bounded by (`kept` + `ahead`) blocks.

    Attributes:
        name: address of the object, for messages.
        size: bytes.
        etag: of the object as it was opened.
        told: called at each reading; whoever opens it may set it.

    Raises:
        BadInput: on a read, if the object changed since it was opened.
        NotFound: on a read, if it is gone.
        StorageUnavailable: on a read, if the store does not answer, after retries.
    """

    def __init__(
        self,
        fetch: Fetch,
        *,
        name: str,
        size: int,
        etag: str,
        block_bytes: int = BLOCK_BYTES,
        kept: int = BLOCKS_KEPT,
        ahead: int = BLOCKS_AHEAD,
    ) -> None:
        """Fetch nothing yet.

        Args:
            fetch: gives a range.
            name: address of the object.
            size: bytes.
            etag: version of the object.
            block_bytes: bytes of each fetch.
            kept: blocks in memory.
            ahead: blocks fetched before they are asked for.
        """
        super().__init__()
        self.name = name
        self.size = size
        self.etag = etag
        self.told: Callable[[], None] = lambda: None
        self._fetch = fetch
        self._block_bytes = block_bytes
        self._kept = kept
        self._ahead = ahead
        self._position = 0
        self._blocks: OrderedDict[int, Future[bytes]] = OrderedDict()
        self._threads = ThreadPoolExecutor(1 + ahead, thread_name_prefix="recast-read")

    def readable(self) -> bool:
        """Say that this can be read."""
        return True

    def seekable(self) -> bool:
        """Say that this can be sought in."""
        return True

    def tell(self) -> int:
        """Give the position in bytes."""
        self._check_open()
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a position, which may lie past the end; nothing is fetched.

        Raises:
            ValueError: the position is negative, or `whence` is not known.
        """
        self._check_open()
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.size}.get(whence)
        if base is None or base + offset < 0:
            raise ValueError(f"cannot seek to {offset} from {whence}")
        self._position = base + offset
        return self._position

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        """Fill `buffer` from the position on; short only at the end."""
        self._check_open()
        self.told()
        target = memoryview(buffer).cast("B")
        done = 0
        while done < len(target) and self._position < self.size:
            index, skip = divmod(self._position, self._block_bytes)
            piece = memoryview(self._block(index))[skip : skip + len(target) - done]
            target[done : done + len(piece)] = piece
            done += len(piece)
            self._position += len(piece)
        return done

    def close(self) -> None:
        """Drop what is kept. Fetches under way end by themselves."""
        if not self.closed:
            self._threads.shutdown(wait=False, cancel_futures=True)
            self._blocks.clear()
        super().close()

    def _check_open(self) -> None:
        if self.closed:
            raise ValueError(f"{self.name}: read after close")

    def _block(self, index: int) -> bytes:
        wanted = self._start(index)
        if index - 1 in self._blocks and index - 2 in self._blocks:
            for following in range(index + 1, index + 1 + self._ahead):
                if following * self._block_bytes < self.size:
                    self._start(following)
        # The first to go are those that were neither read nor to be read next for longest.
        self._blocks.move_to_end(index)
        while len(self._blocks) > self._kept:
            self._blocks.popitem(last=False)[1].cancel()
        try:
            return wanted.result()
        except BaseException:
            # A failure is not kept: reading here again tries again.
            self._blocks.pop(index, None)
            raise

    def _start(self, index: int) -> Future[bytes]:
        block = self._blocks.get(index)
        if block is None:
            block = self._blocks[index] = self._threads.submit(self._load, index)
        self._blocks.move_to_end(index)
        return block

    def _load(self, index: int) -> bytes:
        offset = index * self._block_bytes
        return self._fetch(offset, min(self._block_bytes, self.size - offset))
