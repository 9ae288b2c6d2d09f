"""The source as split reads it: whatever its store says of its content, a damaged bit does not get past the end."""

import random
import zlib
from typing import Any

import pytest

from controller.stages.sourcefile import SourceFile
from recast.errors import Corrupt
from recast.storage.embedded import EmbeddedStore
from recast.storage.ranged import BLOCK_BYTES, BLOCKS_KEPT
from recast.storage.s3client import make_client
from recast.storage.storage import Storage
from recast.storage.stored import ContentHash
from recast.storage.sums import SUM_BYTES
from tests.s3proxy import S3Proxy
from tests.sickstorage.faults import bit_flip, first

DATA = random.Random(9).randbytes((11 << 20) + 3)
PART_BYTES = 5 << 20


def put_by_recast(store: EmbeddedStore, uri: str) -> None:
    Storage(store.settings).put(uri, DATA)


def put_by_another(store: EmbeddedStore, uri: str) -> None:
    client: Any = make_client(store.settings, attempts=1)
    client.put_object(Bucket=store.bucket, Key=uri.split("/", 3)[3], Body=DATA)


def put_in_parts(store: EmbeddedStore, uri: str) -> None:
    client: Any = make_client(store.settings, attempts=1)
    place = {"Bucket": store.bucket, "Key": uri.split("/", 3)[3]}
    place["UploadId"] = client.create_multipart_upload(**place)["UploadId"]
    parts = []
    for number in range(3):
        body = DATA[number * PART_BYTES :][:PART_BYTES]
        etag = client.upload_part(**place, PartNumber=number + 1, Body=body)["ETag"]
        parts.append({"PartNumber": number + 1, "ETag": etag})
    client.complete_multipart_upload(**place, MultipartUpload={"Parts": parts})


WAYS = {"by recast": put_by_recast, "by another": put_by_another, "in parts": put_in_parts, "unknown": put_by_another}


@pytest.mark.parametrize("way", WAYS)
def test_all_of_it_is_compared(
    way: str, proxy: S3Proxy, s3: EmbeddedStore, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri, key = f"{prefix}source", f"{prefix}source".split("/", 3)[3]
    WAYS[way](s3, uri)
    storage = Storage(proxy.settings, attempts=3)
    if way == "unknown":
        monkeypatch.setattr(Storage, "content_hash", lambda *_: None)
    else:
        assert isinstance(storage.content_hash(storage.head(uri)), ContentHash)
    # A demuxer looks at the end, and then leaves things out.
    places = (0, 10 << 20, 4 << 20)

    moves: list[None] = []

    def read() -> SourceFile:
        source = SourceFile(storage, storage.head(uri), lambda: moves.append(None))
        file = source.rewound()
        for place in places:
            file.seek(place)
            assert len(file.read(1000) or b"") == 1000
        return source

    proxy.forget()
    whole = read()
    # One look at the source, and one at its first part where its ETag is that of parts.
    assert [request.method for request in proxy.requests].count("HEAD") == (2 if way == "in parts" else 1)
    before = len(moves)
    sums = whole.sums()
    whole.close()
    # The watchdog hears of a second reading, too: that of a large source takes longer than it waits.
    assert before == len(places) and (len(moves) > before) is (way == "unknown")
    assert sums is not None
    assert sums.crc32 == tuple(zlib.crc32(DATA[at : at + SUM_BYTES]) for at in range(0, len(DATA), SUM_BYTES))
    assert proxy.bytes_read(key) == len(DATA) * (2 if way == "unknown" else 1)

    proxy.hook = first(1, bit_flip, lambda request: request.range is not None)
    damaged = read()
    with pytest.raises(Corrupt, match="source"):
        damaged.sums()
    damaged.close()


def test_a_second_pass_over_more_than_memory_holds_fetches_nothing(
    proxy: S3Proxy, s3: EmbeddedStore, prefix: str
) -> None:
    uri, key = f"{prefix}source", f"{prefix}source".split("/", 3)[3]
    storage = Storage(proxy.settings, attempts=3)
    size = (BLOCKS_KEPT + 2) * BLOCK_BYTES + 5
    Storage(s3.settings).put(uri, bytes(size))
    proxy.forget()
    source = SourceFile(storage, storage.head(uri), lambda: None)
    for _ in range(3):
        file, read = source.rewound(), 0
        while piece := file.read(BLOCK_BYTES):
            read += len(piece)
        assert read == size
    assert source.sums() is not None
    source.close()
    assert proxy.bytes_read(key) == size
