"""Whether what is read of an object is what was read before, and whether that is what the store has.

Stores check what is written, and a whole object that is read; of a range they say nothing. So the first reader of the
source keeps a CRC-32 of each block, later readers compare theirs, and the first one compares all of it with the hash
that the store gives of the whole object.
"""

import hashlib
import threading
import zlib
from collections.abc import Sequence

from recast import log
from recast.errors import Corrupt
from recast.storage.ranged import Fetch
from recast.storage.stored import ContentHash

SUM_BYTES = 512 << 10
"""Bytes of a block: ranges are read in multiples of it."""
MOST_AHEAD = 5
"""Ranges that are kept until those before them have come: what is read ahead, and an index at the end."""
NEAR_BYTES = 64 << 20
"""What is left out in reading is fetched for the hash's sake where this little lies between."""


class BlockSums:
    """CRC-32 of each block of an object; threads may share it.

    Args:
        size: of the object, in bytes.
        crc32: of each block, where it was read before.
    """

    def __init__(self, size: int, crc32: Sequence[int] = ()) -> None:
        self._size = size
        self._known: dict[int, int] = dict(enumerate(crc32))
        self._lock = threading.Lock()

    @property
    def crc32(self) -> tuple[int, ...]:
        """Of each block; all must have been read."""
        return tuple(self._known[number] for number in range(-(-self._size // SUM_BYTES)))

    def checked(self, fetch: Fetch, name: str) -> Fetch:
        """Compare what `fetch` gives with what is known, and keep what is new; what differs is fetched once more.

        Args:
            fetch: its ranges begin at a block's beginning, and end at a block's or the object's end.
            name: address of the object, for messages.
        """

        def compared(offset: int, length: int) -> bytes:
            for _ in range(2):
                data = fetch(offset, length)
                if self._agrees(offset, data):
                    return data
                what = f"{name}: bytes {offset} to {offset + length} are not what was read before"
                log.warning("read again", detail=what)
            raise Corrupt(
                f"{name}: bytes {offset} to {offset + length} are not what was read before, though it is the same "
                "version: check the store, and try again"
            )

        return compared

    def _agrees(self, offset: int, data: bytes) -> bool:
        view = memoryview(data)
        first = offset // SUM_BYTES
        found = {
            first + at // SUM_BYTES: zlib.crc32(view[at : at + SUM_BYTES]) for at in range(0, len(data), SUM_BYTES)
        }
        with self._lock:
            if any(self._known.get(number, crc) != crc for number, crc in found.items()):
                return False
            self._known.update(found)
            return True


class OrderedHash:
    """The hash of an object whose ranges come in nearly any order; threads may share it.

    Attributes:
        position: how many bytes from the beginning are hashed.
    """

    def __init__(self, expected: ContentHash) -> None:
        self._expected = expected
        self._whole = hashlib.new(expected.algorithm, usedforsecurity=False)
        self._part = hashlib.new(expected.algorithm, usedforsecurity=False)
        self._ahead: dict[int, bytes] = {}
        self._lock = threading.Lock()
        self.position = 0

    @property
    def says(self) -> str:
        """Where the expected hash comes from."""
        return "ETag" if self._expected.algorithm == "md5" else "sha256"

    def update(self, offset: int, data: bytes) -> int | None:
        """Take a range; one that was taken already is not taken again.

        Returns:
            where a range is missing that will not come by itself, it seems; None where there is none.
        """
        with self._lock:
            if offset >= self.position:
                self._ahead[offset] = data
            while self.position in self._ahead:
                self._hash(self._ahead.pop(self.position))
            while len(self._ahead) > MOST_AHEAD:
                farthest = max(self._ahead)
                if farthest - self.position <= NEAR_BYTES:
                    return self.position
                del self._ahead[farthest]
            return None

    def agrees(self) -> bool:
        """Whether it is the expected hash; all ranges must have been taken."""
        if self._expected.part_bytes and self.position % self._expected.part_bytes:
            self._whole.update(self._part.digest())
        return self._whole.hexdigest() == self._expected.digest

    def _hash(self, data: bytes) -> None:
        size = self._expected.part_bytes
        if size is None:
            self._whole.update(data)
            self.position += len(data)
            return
        while data:
            room = size - self.position % size
            piece, data = data[:room], data[room:]
            self._part.update(piece)
            self.position += len(piece)
            if self.position % size == 0:
                self._whole.update(self._part.digest())
                self._part = hashlib.new(self._expected.algorithm, usedforsecurity=False)
