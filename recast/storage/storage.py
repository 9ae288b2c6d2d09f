"""Objects by URI: `s3://bucket/key` in an S3-compatible store, `file:///path` in place on this machine.

Everything a stage reads or writes goes through one `Storage`. It gives the guarantees the stages are built
on: a conditional write has one winner, a write is seen whole or not at all, bytes are checked against the
sha256 they were written with, and an object overwritten under a reader is noticed. All failures are
`recast.errors`; none of botocore's reach a caller.
"""

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TypeVar

from recast.errors import BadConfig, Corrupt, NotFound
from recast.storage.files import FileStore, replacing
from recast.storage.ranged import RangedReader, Wrap
from recast.storage.s3 import S3Store
from recast.storage.s3client import READ_TIMEOUT_SECONDS
from recast.storage.s3hashes import written_sha256
from recast.storage.stored import ContentHash, ObjectInfo, StorageSettings, Store

__all__ = ["ObjectInfo", "RangedReader", "Storage", "StorageSettings"]

DOWNLOAD_ATTEMPTS = 3
SECOND_LOOK_SECONDS = 1.0
"""Not every store shows at once what was just written."""

T = TypeVar("T")


class Storage:
    """All objects, by URI. One a process; threads may share it.

    Any call may raise:
        StorageUnavailable: the store does not answer, after retries, or its disk is full.
        BadConfig: credentials, endpoint, certificate, bucket name or address are wrong, or the store
            cannot do what is asked.
    """

    def __init__(self, settings: StorageSettings, *, attempts: int = 5, timeout: float = READ_TIMEOUT_SECONDS) -> None:
        """Connect to nothing yet.

        Args:
            settings: where the S3 store is.
            attempts: tries of each request, with growing pauses between them: 5 are about 10 s of a
                store that refuses connections. One that says that it is busy is asked three times as often.
            timeout: seconds without a byte after which a try has failed.
        """
        self.settings = settings
        store = S3Store(settings, attempts=attempts, timeout=timeout)
        self._stores: dict[str, Store] = {"s3": store, "file": FileStore()}

    def head(self, uri: str) -> ObjectInfo:
        """Give an object's facts without its content.

        Raises:
            NotFound: there is no such object.
        """
        return self._store(uri).head(uri)

    def content_hash(self, info: ObjectInfo) -> ContentHash | None:
        """Give what the store says that an object's content hashes to; None where it says nothing.

        Raises:
            NotFound: there is no such object.
        """
        return self._store(info.uri).content_hash(info)

    def exists(self, uri: str) -> bool:
        """Say whether there is such an object."""
        try:
            self.head(uri)
        except NotFound:
            return False
        return True

    def get(self, uri: str, *, most: int | None = None, promised: bool = False) -> bytes:
        """Read a whole object into memory, checked against its length and its sha256, or else its ETag.

        Args:
            uri: the object.
            most: bytes that it may have.
            promised: whether it was written before: then only a second look shows that it is not there.

        Raises:
            NotFound: there is no such object.
            BadInput: it has more than `most` bytes.
            Corrupt: its bytes are not those that were written, on further readings too.
        """
        return _looked_for(promised, lambda: self._store(uri).get(uri, most=most))

    def put(self, uri: str, data: bytes, *, if_absent: bool = False, metadata: Mapping[str, str] | None = None) -> bool:
        """Write an object in one request; its sha256 goes with it.

        Args:
            uri: where to.
            data: the content.
            if_absent: write only if nothing is there. Of several at once, one wins.
            metadata: more user metadata, ASCII, 1.8 KB at most; local files keep none.

        Returns:
            True if this call wrote the object, also where the store's answer was lost on the way; False
            if `if_absent` and something was there.
        """
        return self._store(uri).put(uri, data, if_absent=if_absent, metadata=metadata or {})

    def upload(
        self, uri: str, path: Path, *, if_absent: bool = False, metadata: Mapping[str, str] | None = None
    ) -> bool:
        """Write an object from a file; nobody sees it before it is whole.

        On S3 a large file goes in parts, and one request publishes it; on any failure, an interrupt too,
        the parts are dropped. A local target is a copy beside it that takes its name when it is on disk.

        Args:
            uri: where to.
            path: the file, which must not change meanwhile.
            if_absent: write only if nothing is there. Of several at once, one wins.
            metadata: more user metadata, ASCII, 1.8 KB at most; local files keep none. Its `sha256` is what later
                readers hold the content against: give it where it is known, else it is computed.

        Returns:
            As `put`.

        Raises:
            BadConfig: a local target's folder is missing or cannot be written to. 78 and not 66, for it
                is the job's output setting that is wrong and no input that is missing.
            Transient: the file changed while it was read.
        """
        return self._store(uri).upload(uri, path, if_absent=if_absent, metadata=metadata or {})

    def download(self, uri: str, path: Path, *, sha256: str | None = None, promised: bool = False) -> Mapping[str, str]:
        """Copy an object to a file, which is there only once it is whole and checked.

        Args:
            uri: the object.
            path: the file; one that exists is replaced.
            sha256: what its content must hash to, in hex; the sha256 it was written with if None. An object whose
                hash is known was there: only a second look shows that it is gone.
            promised: as `get`.

        Returns:
            its user metadata, keys in lower case.

        Raises:
            NotFound: there is no such object.
            BadInput: it was overwritten meanwhile.
            Corrupt: its bytes hash to something else, on further readings too.
        """
        for _ in range(DOWNLOAD_ATTEMPTS):
            with replacing(path) as part:
                with part.open("w+b") as sink:
                    known = promised or sha256 is not None
                    metadata = _looked_for(known, partial(self._store(uri).copy, uri, sink))
                    sink.seek(0)
                    actual = hashlib.file_digest(sink, "sha256").hexdigest()
                expected = sha256 or written_sha256(metadata)
                if expected is None or actual == expected:
                    part.replace(path)
                    return metadata
        raise Corrupt(f"{uri}: sha256 is {actual}, expected {expected}; write it again")

    def open(
        self, uri: str, *, etag: str | None = None, size: int | None = None, wrap: Wrap | None = None
    ) -> RangedReader:
        """Open an object as a seekable binary file with flat memory; `recast.storage.sums` can check its content.

        Args:
            uri: the object.
            etag: the version it must be; the present one if None.
            size: bytes of that version. In S3 nothing is asked before the first read, where both are known.
            wrap: looks at what is fetched; nothing is fetched of local files.

        Raises:
            NotFound: there is no such object.
            BadInput: it is of another version; later reads raise this too, once it is overwritten.
        """
        return self._store(uri).open(uri, etag=etag, size=size, wrap=wrap)

    def list(self, prefix_uri: str) -> Iterator[ObjectInfo]:
        """Give the objects whose URIs begin with `prefix_uri`, sorted, without their metadata."""
        return self._store(prefix_uri).list(prefix_uri)

    def delete(self, uri: str) -> None:
        """Delete an object; one that is not there is none too few."""
        self._store(uri).delete(uri)

    def delete_prefix(self, uri: str, *, but: str | None = None) -> None:
        """Delete all objects under a folder.

        Args:
            uri: the folder; ends with a slash, so that `run1` never takes `run10` along.
            but: the one that stays.
        """
        self._store(uri).delete_prefix(uri, but=but)

    def drop_uploads(self, uri: str) -> None:
        """Remove what writers that were killed left behind, which nobody sees but which takes room.

        On S3 that is every upload in parts that was not completed; one that is still under way then fails as
        `Transient`. Of a local file it is the hidden copies that no living process writes to.

        Args:
            uri: the object, or a folder with its slash.
        """
        self._store(uri).drop_uploads(uri)

    def _store(self, uri: str) -> Store:
        store = self._stores.get(uri.partition("://")[0])
        if store is None:
            raise BadConfig(f"{uri}: not an address recast knows; write s3://bucket/key or file:///path")
        return store


def _looked_for(promised: bool, read: Callable[[], T]) -> T:
    """Read something; once more, a little later, where it was promised and is not there."""
    if promised:
        try:
            return read()
        except NotFound:
            time.sleep(SECOND_LOOK_SECONDS)
    return read()
