"""The proxy of these tests: through it a store is what it is without."""

import random
from pathlib import Path

import pytest

from recast.errors import NotFound, StorageUnavailable
from recast.storage.s3 import PART_BYTES
from recast.storage.storage import Storage
from tests.s3proxy import SLOW_DOWN, Answer, Forward, Gone, Request, S3Proxy


def test_everything_passes_and_is_counted(proxy: S3Proxy, prefix: str, tmp_path: Path) -> None:
    storage = Storage(proxy.settings)
    large = tmp_path / "large"
    large.write_bytes(random.Random(1).randbytes(PART_BYTES + 5))
    assert storage.put(f"{prefix}a key/ü?#%20", b"one")
    assert storage.upload(f"{prefix}large", large, if_absent=True)
    assert storage.get(f"{prefix}a key/ü?#%20") == b"one"
    storage.download(f"{prefix}large", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == large.read_bytes()
    assert len(list(storage.list(prefix))) == 2
    key = prefix.split("/", 3)[3]
    assert proxy.bytes_read(f"{key}large") == PART_BYTES + 5
    assert proxy.requests[0].key == f"{key}a key/ü?#%20"
    with storage.open(f"{prefix}large") as reader:
        reader.seek(PART_BYTES)
        assert reader.read() == large.read_bytes()[PART_BYTES:]
    assert proxy.requests[-1].range == (PART_BYTES, 5)
    storage.delete_prefix(prefix)
    with pytest.raises(NotFound):
        storage.head(f"{prefix}large")
    operations = {request.operation for request in proxy.requests}
    assert operations >= {"PutObject", "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload", "GetObject"}
    assert operations >= {"HeadObject", "ListObjects", "DeleteObjects"}


def test_a_hook_answers_in_the_stores_place_or_not_at_all(proxy: S3Proxy, prefix: str) -> None:
    storage = Storage(proxy.settings, attempts=2)
    storage.put(f"{prefix}a", b"one")

    def never(request: Request, forward: Forward) -> Answer:
        if request.number % 2:
            raise Gone
        return SLOW_DOWN

    proxy.hook = never
    with pytest.raises(StorageUnavailable):
        storage.get(f"{prefix}a")
