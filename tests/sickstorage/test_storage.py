"""Each fault, on each way to read and to write: what was written, or an error in bounded time, never other bytes."""

import random
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from recast.errors import Corrupt, NotFound, RecastError, StorageUnavailable
from recast.storage.embedded import EmbeddedStore
from recast.storage.s3client import make_client
from recast.storage.storage import Storage
from tests.s3proxy import INTERNAL_ERROR, Answer, Forward, Hook, Request, S3Proxy
from tests.sickstorage.faults import (
    OF_ANY_REQUEST,
    OF_BODIES,
    always,
    bit_flip,
    cut_short,
    cut_to_fit,
    first,
    flipped,
    lost_answer,
    no_answer,
    reset_in_the_body,
    slow_down,
    stall_in_the_body,
    wrong_etag,
)

DATA = random.Random(7).randbytes(8 << 10)
LIMIT_SECONDS = 60.0

Read = Callable[[Storage, str, Path], bytes]


def get(storage: Storage, uri: str, _: Path) -> bytes:
    return storage.get(uri)


def download(storage: Storage, uri: str, path: Path) -> bytes:
    storage.download(uri, path)
    return path.read_bytes()


def ranged(storage: Storage, uri: str, _: Path) -> bytes:
    with storage.open(uri) as reader:
        return reader.read() or b""


@pytest.fixture(scope="module", params=["ours", "foreign"])
def stored(request: pytest.FixtureRequest, s3: EmbeddedStore, storage: Storage) -> str:
    """An object that recast wrote, and one that another tool did: without our sha256."""
    uri = f"s3://{s3.bucket}/tests/{request.param}/object"
    if request.param == "ours":
        storage.put(uri, DATA)
    else:
        raw: Any = make_client(s3.settings, attempts=1)
        raw.meta.events.register("before-call.s3.PutObject", _without_checksum)
        raw.put_object(Bucket=s3.bucket, Key=uri.split("/", 3)[3], Body=DATA)
    return uri


def _without_checksum(params: dict[str, Any], **_: object) -> None:
    for name in [name for name in params["headers"] if "checksum" in name.lower()]:
        del params["headers"][name]


@pytest.mark.parametrize("read", [get, download])
@pytest.mark.parametrize("fault", [*OF_ANY_REQUEST, *OF_BODIES])
def test_a_fault_that_passes_costs_time_and_nothing_else(
    proxy: S3Proxy, through: Storage, stored: str, tmp_path: Path, fault: Hook, read: Read
) -> None:
    if read is download and "foreign" in stored and fault in (bit_flip, cut_to_fit):
        pytest.skip("whoever downloads what others wrote knows its sha256")
    proxy.hook = first(2, fault)
    assert read(through, stored, tmp_path / "copy") == DATA


@pytest.mark.parametrize("fault", [*OF_ANY_REQUEST, *(fault for fault in OF_BODIES if fault is not bit_flip)])
def test_ranged_reads_get_over_faults_too(proxy: S3Proxy, through: Storage, stored: str, fault: Hook) -> None:
    proxy.hook = first(2, fault, lambda request: request.method == "GET")
    assert ranged(through, stored, Path()) == DATA


@pytest.mark.parametrize("fault", [reset_in_the_body, stall_in_the_body])
def test_an_answer_that_an_object_is_not_there_may_break_off_too(
    proxy: S3Proxy, through: Storage, prefix: str, fault: Hook
) -> None:
    proxy.hook = first(2, fault)
    with pytest.raises(NotFound):
        through.get(f"{prefix}nothing")
    assert len(proxy.requests) > 2


@pytest.mark.parametrize("read", [get, download])
@pytest.mark.parametrize("fault", [*OF_ANY_REQUEST, *(fault for fault in OF_BODIES if fault is not wrong_etag)])
def test_a_fault_that_stays_ends_in_an_error(
    proxy: S3Proxy, through: Storage, stored: str, tmp_path: Path, fault: Hook, read: Read
) -> None:
    if read is download and "foreign" in stored and fault in (bit_flip, cut_to_fit):
        pytest.skip("whoever downloads what others wrote knows its sha256")
    proxy.hook = always(fault)
    begun = time.monotonic()
    with pytest.raises((StorageUnavailable, Corrupt), match=stored):
        read(through, stored, tmp_path / "copy")
    assert time.monotonic() - begun < LIMIT_SECONDS
    assert not (tmp_path / "copy").exists()


def test_a_wrong_etag_that_stays_is_no_other_version(proxy: S3Proxy, through: Storage, stored: str) -> None:
    proxy.hook = always(wrong_etag, lambda request: request.method == "GET")
    with pytest.raises(StorageUnavailable, match="another version"):
        ranged(through, stored, Path())


@pytest.mark.parametrize("fault", [*OF_ANY_REQUEST, wrong_etag])
@pytest.mark.parametrize("if_absent", [True, False])
def test_writes_get_over_faults(
    proxy: S3Proxy, through: Storage, storage: Storage, prefix: str, fault: Hook, if_absent: bool
) -> None:
    proxy.hook = first(2, fault)
    assert through.put(f"{prefix}a", DATA, if_absent=if_absent)
    proxy.hook = always(lambda _, forward: forward())
    assert storage.get(f"{prefix}a") == DATA
    assert not through.put(f"{prefix}a", b"other", if_absent=True)


def done_but_denied(_: Request, forward: Forward) -> Answer:
    forward()
    return INTERNAL_ERROR


def test_a_write_that_was_done_but_is_said_to_have_failed_is_ours(
    proxy: S3Proxy, through: Storage, prefix: str
) -> None:
    proxy.hook = first(2, done_but_denied)
    assert through.put(f"{prefix}a", DATA, if_absent=True)


def damaged_on_the_way_in(request: Request, forward: Forward) -> Answer:
    return forward(replace(request, body=flipped(request.body)))


def test_bytes_that_are_damaged_on_their_way_to_the_store_are_sent_again(
    proxy: S3Proxy, through: Storage, storage: Storage, prefix: str
) -> None:
    proxy.hook = first(2, damaged_on_the_way_in)
    through.put(f"{prefix}a", DATA)
    assert storage.get(f"{prefix}a") == DATA
    proxy.hook = always(damaged_on_the_way_in)
    with pytest.raises(RecastError):
        through.put(f"{prefix}b", DATA)
    assert not storage.exists(f"{prefix}b")


@pytest.mark.parametrize("fault", [slow_down, lost_answer, no_answer, wrong_etag])
def test_uploads_in_parts_get_over_faults(
    proxy: S3Proxy, storage: Storage, prefix: str, tmp_path: Path, fault: Hook
) -> None:
    large = tmp_path / "large"
    large.write_bytes(random.Random(8).randbytes((16 << 20) + 5))
    # Parts of 16 MiB need longer than the other tests' client waits.
    patient = Storage(proxy.settings, attempts=4, timeout=20)
    proxy.hook = first(1, fault, lambda request: request.operation == "UploadPart")
    if fault is wrong_etag:
        with pytest.raises(RecastError) as refused:
            patient.upload(f"{prefix}a", large)
        assert refused.value.exit_code == 75
    assert patient.upload(f"{prefix}a", large)
    storage.download(f"{prefix}a", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == large.read_bytes()


@pytest.mark.parametrize("fault", [*OF_ANY_REQUEST, cut_short, cut_to_fit])
def test_lists_are_whole_or_none(proxy: S3Proxy, through: Storage, storage: Storage, prefix: str, fault: Hook) -> None:
    names = [f"{prefix}{number}" for number in range(3)]
    for name in names:
        storage.put(name, b"")
    proxy.hook = first(2, fault)
    assert [info.uri for info in through.list(prefix)] == names
    proxy.hook = always(fault)
    with pytest.raises(StorageUnavailable):
        list(through.list(prefix))
