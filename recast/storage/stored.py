"""What every store has in common: settings, object facts, addresses, and how a reader is told of a change."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal, Protocol

from recast import names
from recast.errors import BadConfig, BadInput
from recast.storage.ranged import RangedReader, Wrap


@dataclass(frozen=True)
class StorageSettings:
    """Where the object store is. Credentials come from the environment only, as AWS names them.

    Attributes:
        endpoint: URL of the store; None for AWS itself.
        region: region to sign for.
        force_path_style: address buckets as a path, not as a host name.
        ca_bundle: path of a PEM file to trust instead of the system's.
    """

    endpoint: str | None
    region: str = "us-east-1"
    force_path_style: bool = True
    ca_bundle: str | None = None


@dataclass(frozen=True)
class ContentHash:
    """What a store says that an object's content hashes to.

    Attributes:
        digest: in hex.
        part_bytes: the digest is of the digests of parts of this many bytes; of the content itself if None.
    """

    algorithm: Literal["sha256", "md5"]
    digest: str
    part_bytes: int | None = None


@dataclass(frozen=True)
class ObjectInfo:
    """Facts about a stored object.

    Attributes:
        uri: its address.
        size: bytes.
        etag: changes whenever the content does; quoted, as the store gives it.
        metadata: user metadata, keys in lower case; empty for local files and in listings.
        content: what the store says of the content, where that is told with the other facts.
    """

    uri: str
    size: int
    etag: str
    metadata: Mapping[str, str]
    content: ContentHash | None = None


class TooLarge(BadInput):
    """An object has more bytes than are read whole."""

    def __init__(self, uri: str, size: int, most: int) -> None:
        super().__init__(f"{uri}: too large: {size} bytes, at most {most} are read; give a smaller one")
        self.size = size


class Store(Protocol):
    """What one scheme must do; `recast.storage.storage.Storage` says of each call what it gives and raises."""

    def head(self, uri: str) -> ObjectInfo:
        """Give an object's facts."""

    def content_hash(self, info: ObjectInfo) -> ContentHash | None:
        """Give what the store says of the content."""

    def get(self, uri: str, *, most: int | None) -> bytes:
        """Read a whole object, checked."""

    def copy(self, uri: str, sink: BinaryIO) -> Mapping[str, str]:
        """Write an object's content to a file, from where that stands; gives its user metadata."""

    def put(self, uri: str, data: bytes, *, if_absent: bool, metadata: Mapping[str, str]) -> bool:
        """Write an object in one request."""

    def upload(self, uri: str, path: Path, *, if_absent: bool, metadata: Mapping[str, str]) -> bool:
        """Write an object from a file."""

    def open(self, uri: str, *, etag: str | None, size: int | None, wrap: Wrap | None) -> RangedReader:
        """Open an object for reading at random."""

    def list(self, prefix_uri: str) -> Iterator[ObjectInfo]:
        """Give the objects under a prefix."""

    def delete(self, uri: str) -> None:
        """Delete an object, if it is there."""

    def delete_prefix(self, uri: str, *, but: str | None) -> None:
        """Delete the objects under a folder, all but one."""

    def drop_uploads(self, uri: str) -> None:
        """Remove what killed writers left."""


def s3_address(uri: str) -> tuple[str, str]:
    """Split `s3://bucket/key` into bucket and key; the key is taken as it stands, without decoding.

    Raises:
        BadConfig: the URI has no bucket, or is not of this scheme.
    """
    scheme, _, rest = uri.partition("://")
    bucket, _, key = rest.partition("/")
    if scheme != "s3" or not bucket:
        raise BadConfig(f"{uri}: not an object's address; write s3://bucket/key")
    return bucket, key


def local_path(uri: str) -> Path:
    """Path of a `file:///...` URI: what stands behind `file://`, letter by letter.

    Raises:
        BadConfig: the URI is not of this scheme, names a host, or is not absolute.
    """
    rest = uri.removeprefix("file://")
    if rest == uri or not rest.startswith("/"):
        raise BadConfig(f"{uri}: not a local file's address; write file:///absolute/path")
    return Path(rest)


def changed(uri: str) -> BadInput:
    """Give the error for an object that is not the one that was opened or pinned."""
    return BadInput(
        f"{uri}: it changed while it was read; leave it alone and start the job again",
        reason=names.SOURCE_CHANGED,
    )
