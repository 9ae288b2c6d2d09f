"""Local files behind `file://` URIs: read in place, published whole.

A file is written beside its target under a hidden name, flushed to disk, and then linked or renamed to its
name, so nobody ever sees half of it. The hidden name is of the form `.NAME.recast-PID-RANDOM.part`. Its writer
holds a lock on it: one that is free was left by a process that was killed outright, and `drop_uploads` removes it.
"""

import errno
import fcntl
import os
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from recast.errors import BadConfig, BadInput, NotFound, StorageUnavailable
from recast.process.exhausted import raise_if_exhausted
from recast.storage.ranged import RangedReader, Wrap
from recast.storage.stored import ObjectInfo, TooLarge, changed, local_path

LOCAL_BLOCK_BYTES = 1 << 20
HIDDEN_SUFFIX = ".part"

# Filesystems without hard links say so in one of these ways.
_NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})


class FileStore:
    """`file://` URIs. Local files have no metadata, so nothing is checked against a sha256 here."""

    def head(self, uri: str) -> ObjectInfo:
        """Give size and version of a regular file."""
        with reading(uri):
            return _info(uri, local_path(uri).stat())

    def content_hash(self, info: ObjectInfo) -> None:
        """Know nothing of it."""

    def get(self, uri: str, *, most: int | None) -> bytes:
        """Read a file whole."""
        with self.open(uri, etag=None) as reader:
            if most is not None and reader.size > most:
                raise TooLarge(uri, reader.size, most)
            return reader.read() or b""

    def copy(self, uri: str, sink: BinaryIO) -> Mapping[str, str]:
        """Copy a file; it has no metadata."""
        with self.open(uri, etag=None) as reader:
            shutil.copyfileobj(reader, sink, LOCAL_BLOCK_BYTES)
        return {}

    def put(self, uri: str, data: bytes, *, if_absent: bool, metadata: Mapping[str, str]) -> bool:
        """Publish bytes; metadata is dropped."""
        return _publish(uri, if_absent, lambda part: part.write_bytes(data))

    def upload(self, uri: str, path: Path, *, if_absent: bool, metadata: Mapping[str, str]) -> bool:
        """Publish a copy of a file; metadata is dropped."""
        with reading(str(path)):
            path.stat()
        return _publish(uri, if_absent, lambda part: shutil.copyfile(path, part))

    def open(self, uri: str, *, etag: str | None, size: int | None = None, wrap: Wrap | None = None) -> RangedReader:
        """Open a file in place. A change of size or time of writing is found at each block."""
        with reading(uri):
            file = _LocalFile(uri)
        if etag is not None and etag != file.info.etag:
            file.close()
            raise changed(uri)
        return _LocalReader(file)

    def list(self, prefix_uri: str) -> Iterator[ObjectInfo]:
        """Give the files whose URIs begin with the prefix."""
        prefix = local_path(prefix_uri)
        folder = prefix if prefix_uri.endswith("/") else prefix.parent
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            uri = f"file://{path}"
            if uri.startswith(prefix_uri):
                yield self.head(uri)

    def delete(self, uri: str) -> None:
        """Remove a file."""
        with _writing(uri):
            local_path(uri).unlink(missing_ok=True)

    def drop_uploads(self, uri: str) -> None:
        """Remove the hidden files of killed writers of a file; of a folder none, for it is the user's own."""
        if uri.endswith("/"):
            return
        target = local_path(uri)
        with _writing(uri):
            for name in os.listdir(target.parent):
                if name.startswith(_hidden_prefix(target)) and name.endswith(HIDDEN_SUFFIX):
                    _remove_unlocked(target.with_name(name))

    def delete_prefix(self, uri: str, *, but: str | None) -> None:
        """Refuse: local folders are the user's own, and hold nothing that recast put there to clear."""
        raise BadConfig(f"{uri}: recast does not delete local folders")


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Give a hidden file beside `target` to write to and rename, locked; what is left of it is removed."""
    part = target.with_name(f"{_hidden_prefix(target)}{os.getpid()}-{secrets.token_hex(4)}{HIDDEN_SUFFIX}")
    try:
        with _writing(str(target)), _locked(part):
            yield part
    finally:
        with suppress(OSError):
            part.unlink()


def _hidden_prefix(target: Path) -> str:
    stem = os.fsdecode(os.fsencode(target.name)[:180])
    return f".{stem}.recast-"


@contextmanager
def _locked(part: Path) -> Iterator[None]:
    """Make a file that is locked for as long as this process uses it."""
    while True:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            # Where a filesystem has no locks, nobody takes it for free either.
            with suppress(OSError):
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            # Between its making and its locking it may have been taken for a dead one's.
            if os.fstat(descriptor).st_nlink:
                yield
                return
        finally:
            os.close(descriptor)


def _remove_unlocked(part: Path) -> None:
    """Remove a hidden file, unless its writer lives. One that went away meanwhile is as good."""
    with suppress(OSError):
        descriptor = os.open(part, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            part.unlink()
        finally:
            os.close(descriptor)


def _publish(uri: str, if_absent: bool, write: Callable[[Path], object]) -> bool:
    target = local_path(uri)
    # Before a long copy, not after it; the link decides.
    if if_absent and os.path.lexists(target):
        return False
    with replacing(target) as part:
        write(part)
        _flush(part)
        if not if_absent:
            part.replace(target)
        elif not _link(part, target):
            return False
        # Not every filesystem can flush a folder; the file has its name by now in any case.
        with suppress(OSError):
            _flush(target.parent)
    return True


def _link(part: Path, target: Path) -> bool:
    """Give `part` the name `target` too, unless that is taken."""
    try:
        target.hardlink_to(part)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        # Without links there is no way to both refuse a taken name and show only whole files. A file made
        # by someone else in this very instant would be replaced.
        if os.path.lexists(target):
            return False
        part.replace(target)
    return True


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class _LocalFile:
    """An open file that notices when it is written to."""

    def __init__(self, uri: str) -> None:
        # O_NONBLOCK: opening a named pipe would wait for a writer.
        self._descriptor = os.open(local_path(uri), os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            self.info = _info(uri, os.fstat(self._descriptor))
        except BaseException:
            self.close()
            raise

    def fetch(self, offset: int, length: int) -> bytes:
        with reading(self.info.uri):
            data = os.pread(self._descriptor, length, offset)
            self.check()
        if len(data) != length:
            raise changed(self.info.uri)
        return data

    def check(self) -> None:
        if _etag(os.fstat(self._descriptor)) != self.info.etag:
            raise changed(self.info.uri)

    def close(self) -> None:
        os.close(self._descriptor)


class _LocalReader(RangedReader):
    def __init__(self, file: _LocalFile) -> None:
        info = file.info
        # The kernel reads ahead by itself.
        super().__init__(
            file.fetch, name=info.uri, size=info.size, etag=info.etag, block_bytes=LOCAL_BLOCK_BYTES, ahead=0
        )
        self._file = file

    def close(self) -> None:
        if self.closed:
            return
        super().close()
        try:
            self._file.check()
        finally:
            self._file.close()


def _info(uri: str, status: os.stat_result) -> ObjectInfo:
    if stat.S_ISDIR(status.st_mode):
        raise BadInput(f"{uri}: is a folder: give a file")
    if not stat.S_ISREG(status.st_mode):
        raise BadInput(f"{uri}: a pipe or a device, which cannot be sought in: save it to a file first")
    return ObjectInfo(uri=uri, size=status.st_size, etag=_etag(status), metadata={})


def _etag(status: os.stat_result) -> str:
    return f'"{status.st_dev:x}-{status.st_ino:x}-{status.st_size:x}-{status.st_mtime_ns:x}"'


@contextmanager
def reading(name: str) -> Iterator[None]:
    """Say of a file that cannot be read which one it is, and what to do."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotFound(f"{name}: no such file: check the path") from error
    except PermissionError as error:
        raise NotFound(f"{name}: may not be read; check its permissions") from error
    except OSError as error:
        raise_if_exhausted(error, name)
        raise StorageUnavailable(f"{name}: {error.strerror or error}; check the disk") from error


@contextmanager
def _writing(target: str) -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, NotADirectoryError) as error:
        raise BadConfig(f"{target}: its folder does not exist; make it or choose another") from error
    except (PermissionError, IsADirectoryError) as error:
        raise BadConfig(f"{target}: cannot be written to; check permissions or choose another") from error
    except OSError as error:
        raise_if_exhausted(error, target)
        if error.errno == errno.EROFS:
            raise BadConfig(f"{target}: read-only filesystem; choose another folder") from error
        raise StorageUnavailable(f"{target}: {error.strerror or error}; check the disk") from error
