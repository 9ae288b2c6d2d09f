"""Local files that keep their metadata, as objects in S3 do: for tests that need no server."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from recast.storage.storage import ObjectInfo, Storage, StorageSettings


class KeptMetadata(Storage):
    """Each file with the metadata it was last written with.

    Attributes:
        written: addresses, in the order in which they were written.
    """

    def __init__(self) -> None:
        super().__init__(StorageSettings(endpoint=None))
        self._metadata: dict[str, Mapping[str, str]] = {}
        self.written: list[str] = []

    def put(self, uri: str, data: bytes, *, if_absent: bool = False, metadata: Mapping[str, str] | None = None) -> bool:
        """Write a file, and its folder where that is missing."""
        self._note(uri, metadata)
        return super().put(uri, data, if_absent=if_absent)

    def upload(
        self, uri: str, path: Path, *, if_absent: bool = False, metadata: Mapping[str, str] | None = None
    ) -> bool:
        """Copy a file, and make its folder where that is missing."""
        self._note(uri, metadata)
        return super().upload(uri, path, if_absent=if_absent)

    def head(self, uri: str) -> ObjectInfo:
        """Give a file's facts."""
        return replace(super().head(uri), metadata=self._metadata.get(uri, {}))

    def download(self, uri: str, path: Path, *, sha256: str | None = None, promised: bool = False) -> Mapping[str, str]:
        """Copy a file."""
        super().download(uri, path, sha256=sha256, promised=promised)
        return self._metadata.get(uri, {})

    def _note(self, uri: str, metadata: Mapping[str, str] | None) -> None:
        Path(uri.removeprefix("file://")).parent.mkdir(parents=True, exist_ok=True)
        self._metadata[uri] = dict(metadata or {})
        self.written.append(uri)
