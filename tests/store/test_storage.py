"""Storage on a real S3 server: conditions, races, lost answers, broken bodies, wrong and missing things."""

import hashlib
import io
import os
import random
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.exceptions import ConnectionClosedError
from botocore.httpsession import URLLib3Session

from recast.errors import BadConfig, BadInput, Bug, Corrupt, NotFound, RecastError, StorageUnavailable
from recast.layout import RunLayout
from recast.manifest import PartReport
from recast.parts import commit_part, fetch_part, is_committed
from recast.storage.embedded import EmbeddedStore
from recast.storage.s3 import PART_BYTES
from recast.storage.s3client import make_client
from recast.storage.storage import Storage, StorageSettings

Send = Callable[[Any, AWSPreparedRequest], AWSResponse]


@pytest.fixture
def raw(s3: EmbeddedStore) -> Any:
    """Give a plain boto3 client: the world outside recast."""
    return make_client(s3.settings, attempts=1)


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """Give a file of 40 MiB: three parts."""
    path = tmp_path / "large"
    path.write_bytes(random.Random(3).randbytes(40 << 20))
    return path


def key_of(uri: str) -> str:
    return uri.split("/", 3)[3]


def intercept(monkeypatch: pytest.MonkeyPatch, handle: Callable[[AWSPreparedRequest, Send], Any]) -> None:
    """Let `handle` see each request as it goes to the wire; None from it lets the request pass."""
    send: Send = URLLib3Session.send

    def patched(self: Any, request: AWSPreparedRequest) -> AWSResponse:
        answer = handle(request, lambda _, again: send(self, again))
        return answer if answer is not None else send(self, request)

    monkeypatch.setattr(URLLib3Session, "send", patched)


def lose_first_answer(monkeypatch: pytest.MonkeyPatch, method: str, part_of_url: str) -> list[str]:
    """Carry out the first such request and break the connection in place of its answer."""
    lost: list[str] = []

    def handle(request: AWSPreparedRequest, send: Send) -> None:
        if not lost and request.method == method and part_of_url in str(request.url):
            assert send(None, request).status_code == 200
            lost.append(str(request.url))
            raise ConnectionClosedError(endpoint_url=request.url)

    intercept(monkeypatch, handle)
    return lost


def run_together(count: int, work: Callable[[int], bool]) -> list[int]:
    """Give the numbers of those of `count` threads whose work was True."""
    start = threading.Barrier(count)
    won: list[int] = []

    def one(number: int) -> None:
        start.wait()
        if work(number):
            won.append(number)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return won


def test_put_get_head(storage: Storage, prefix: str) -> None:
    uri = prefix + "a key/ü?#%20"
    assert not storage.exists(uri)
    assert storage.put(uri, b"one", metadata={"Run": "r1"})
    assert storage.get(uri) == b"one"
    info = storage.head(uri)
    assert (info.size, info.metadata["run"]) == (3, "r1")
    assert info.metadata["sha256"] == hashlib.sha256(b"one").hexdigest()
    assert storage.put(uri, b"two")
    assert storage.head(uri).etag != info.etag
    storage.delete(uri)
    storage.delete(uri)
    assert not storage.exists(uri)


def test_if_absent(storage: Storage, prefix: str) -> None:
    assert storage.put(prefix + "a", b"one", if_absent=True)
    assert not storage.put(prefix + "a", b"one", if_absent=True)
    assert not storage.put(prefix + "a", b"two", if_absent=True)
    assert storage.get(prefix + "a") == b"one"


@pytest.mark.parametrize("same", [True, False])
def test_race_of_puts_has_one_winner(storage: Storage, prefix: str, same: bool) -> None:
    def write(number: int) -> bool:
        return storage.put(prefix + "a", b"same" if same else bytes([number]), if_absent=True)

    won = run_together(8, write)
    assert len(won) == 1
    assert storage.get(prefix + "a") == (b"same" if same else bytes(won))


def test_race_of_multipart_uploads_has_one_winner(storage: Storage, prefix: str, tmp_path: Path, raw: Any) -> None:
    paths = [tmp_path / str(number) for number in range(4)]
    for number, path in enumerate(paths):
        path.write_bytes(bytes([number]) * (PART_BYTES + 1))
    uri = prefix + "out"
    won = run_together(4, lambda number: storage.upload(uri, paths[number], if_absent=True))
    assert len(won) == 1
    assert storage.get(uri) == paths[won[0]].read_bytes()
    assert unfinished(raw, uri) == []


def unfinished(raw: Any, uri: str) -> list[str]:
    bucket = uri.split("/")[2]
    uploads = raw.list_multipart_uploads(Bucket=bucket).get("Uploads", [])
    return [upload["UploadId"] for upload in uploads if upload["Key"] == key_of(uri)]


def test_unfinished_uploads_are_dropped_of_one_object_or_of_a_folder(
    storage: Storage, prefix: str, s3: EmbeddedStore, raw: Any
) -> None:
    key = prefix.removeprefix(f"s3://{s3.bucket}/")
    for name in ("out", "out2", "run/part"):
        raw.create_multipart_upload(Bucket=s3.bucket, Key=key + name)
    storage.drop_uploads(prefix + "out")
    left = [len(unfinished(raw, prefix + name)) for name in ("out", "out2", "run/part")]
    assert left == [0, 1, 1]
    storage.drop_uploads(prefix + "run/")
    left = [len(unfinished(raw, prefix + name)) for name in ("out2", "run/part")]
    assert left == [1, 0]


def test_multipart_roundtrip(storage: Storage, prefix: str, large: Path, tmp_path: Path) -> None:
    uri = prefix + "large"
    assert storage.upload(uri, large, if_absent=True, metadata={"run": "r"})
    assert not storage.upload(uri, large, if_absent=True)
    info = storage.head(uri)
    sha256 = hashlib.sha256(large.read_bytes()).hexdigest()
    assert (info.size, info.metadata["sha256"], info.metadata["run"]) == (40 << 20, sha256, "r")
    assert info.etag.endswith(f'-{info.size // PART_BYTES}"')
    assert storage.download(uri, tmp_path / "back", sha256=sha256) == info.metadata
    assert (tmp_path / "back").read_bytes() == large.read_bytes()
    with pytest.raises(Corrupt, match="expected 00"):
        storage.download(uri, tmp_path / "wrong", sha256="00")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["back", "large"]


def test_a_part_in_several_pieces_carries_its_report(
    storage: Storage, prefix: str, large: Path, tmp_path: Path
) -> None:
    layout, digest = RunLayout(prefix.rstrip("/")), "0123456789abcdef"
    report = PartReport(
        segment=7, digest=digest, frames=2, packets_sha256="b" * 64, extradata_sha256="c" * 64, reorder=2,
        encoder="libx265", seconds={f"stage {number}": number / 7 for number in range(20)},
    )  # fmt: skip
    commit_part(storage, layout, large, report, ())
    assert storage.head(layout.part(7, digest)).etag.endswith(f'-{(40 << 20) // PART_BYTES}"')
    assert is_committed(storage, layout, 7, digest)
    assert fetch_part(storage, layout, 7, digest, tmp_path / "back").report == report


@pytest.mark.parametrize("metadata", [{"a": "b" * 2000}, {"a": "ö"}], ids=["too long", "not ASCII"])
def test_metadata_that_a_store_would_refuse_is_a_bug(
    storage: Storage, prefix: str, large: Path, metadata: dict[str, str]
) -> None:
    with pytest.raises(Bug, match=f"{prefix}a: .* metadata"):
        storage.put(prefix + "a", b"one", metadata=metadata)
    with pytest.raises(Bug, match=f"{prefix}a: .* metadata"):
        storage.upload(prefix + "a", large, metadata=metadata)
    assert not storage.exists(prefix + "a")


def test_lost_answer_to_a_put_is_a_success(storage: Storage, prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lost = lose_first_answer(monkeypatch, "PUT", key_of(prefix))
    assert storage.put(prefix + "a", b"one", if_absent=True)
    assert lost
    assert not storage.put(prefix + "a", b"one", if_absent=True)


@pytest.mark.parametrize("if_absent", [True, False])
def test_lost_answer_to_a_complete_is_a_success(
    storage: Storage, prefix: str, large: Path, monkeypatch: pytest.MonkeyPatch, if_absent: bool
) -> None:
    lost = lose_first_answer(monkeypatch, "POST", "uploadId=")
    assert storage.upload(prefix + "a", large, if_absent=if_absent)
    assert lost
    assert storage.get(prefix + "a") == large.read_bytes()


@pytest.mark.parametrize("failure", [KeyboardInterrupt(), ConnectionClosedError(endpoint_url="u")])
def test_a_failed_upload_leaves_nothing(
    s3: EmbeddedStore,
    prefix: str,
    large: Path,
    raw: Any,
    monkeypatch: pytest.MonkeyPatch,
    failure: BaseException,
) -> None:
    def handle(request: AWSPreparedRequest, _: Send) -> None:
        if "partNumber=2" in str(request.url):
            raise failure

    uri = prefix + "a"
    with monkeypatch.context() as patch:
        intercept(patch, handle)
        with pytest.raises((KeyboardInterrupt, StorageUnavailable)):
            Storage(s3.settings, attempts=2).upload(uri, large)
    assert unfinished(raw, uri) == []
    assert not Storage(s3.settings).exists(uri)


def test_a_file_that_changes_while_it_is_stored(
    storage: Storage, prefix: str, large: Path, raw: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def handle(request: AWSPreparedRequest, _: Send) -> None:
        if "partNumber=1" in str(request.url):
            os.utime(large)

    with monkeypatch.context() as patch, pytest.raises(RecastError, match="changed"):
        intercept(patch, handle)
        storage.upload(prefix + "a", large)
    assert unfinished(raw, prefix + "a") == []


def test_reader_gives_the_bytes(storage: Storage, prefix: str, large: Path) -> None:
    uri, content = prefix + "large", large.read_bytes()
    storage.upload(uri, large)
    with storage.open(uri, etag=storage.head(uri).etag) as reader:
        assert reader.read() == content
        randomly = random.Random(4)
        for _ in range(30):
            start, length = randomly.randrange(len(content)), randomly.randrange(1 << 20)
            reader.seek(start)
            assert reader.read(length) == content[start : start + length]
    with storage.open(uri, etag=storage.head(uri).etag, size=len(content)) as reader:
        assert reader.read() == content
    with storage.open(uri) as reader:
        reader.seek(-10, io.SEEK_END)
        assert reader.read() == content[-10:]


def test_an_overwritten_source_is_noticed(storage: Storage, prefix: str, large: Path) -> None:
    uri = prefix + "source"
    storage.upload(uri, large)
    pinned = storage.head(uri).etag
    reader = storage.open(uri, etag=pinned)
    reader.read(10)
    with large.open("r+b") as file:
        file.write(b"other")
    storage.upload(uri, large)
    reader.seek(30 << 20)
    with pytest.raises(BadInput, match="changed"):
        reader.read(10)
    with pytest.raises(BadInput, match="changed"):
        storage.open(uri, etag=pinned)
    with pytest.raises(BadInput, match="changed"), storage.open(uri, etag=pinned, size=large.stat().st_size) as later:
        later.read(10)
    storage.delete(uri)
    with pytest.raises(NotFound), storage.open(uri, etag=pinned, size=large.stat().st_size) as later:
        later.read(10)
    with pytest.raises(NotFound):
        reader.read(10)


@pytest.mark.parametrize("broken", [2, 100])
def test_bodies_that_break_off(
    storage: Storage, prefix: str, large: Path, monkeypatch: pytest.MonkeyPatch, broken: int
) -> None:
    storage.upload(prefix + "large", large)
    left = [None] * broken

    def handle(request: AWSPreparedRequest, send: Send) -> AWSResponse | None:
        if request.method != "GET" or not left:
            return None
        left.pop()
        answer = send(None, request)
        answer.raw = io.BytesIO(answer.raw.read(1000))
        return answer

    intercept(monkeypatch, handle)
    with storage.open(prefix + "large") as reader:
        if broken == 2:
            assert reader.read() == large.read_bytes()
        else:
            with pytest.raises(StorageUnavailable):
                reader.read()


def test_bytes_that_are_not_those_written(storage: Storage, prefix: str, raw: Any, tmp_path: Path) -> None:
    uri = prefix + "a"
    raw.put_object(
        Bucket=uri.split("/")[2],
        Key=key_of(uri),
        Body=b"onf",
        Metadata={"sha256": hashlib.sha256(b"one").hexdigest()},
    )
    with pytest.raises(Corrupt, match="sha256"):
        storage.get(uri)
    with pytest.raises(Corrupt, match="sha256"):
        storage.download(uri, tmp_path / "a")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("missing", ["a", "s3://no-such-bucket/a"])
def test_what_is_missing(storage: Storage, prefix: str, missing: str, tmp_path: Path) -> None:
    uri = missing if missing.startswith("s3:") else prefix + missing
    for read in (storage.head, storage.get, storage.open, lambda uri: storage.download(uri, tmp_path / "a")):
        with pytest.raises(NotFound, match=uri):
            read(uri)
    assert not storage.exists(uri)
    assert list(tmp_path.iterdir()) == []


def test_a_bucket_is_not_made_by_a_typing_error(storage: Storage) -> None:
    with pytest.raises(RecastError) as found:
        storage.put("s3://no-such-bucket/a", b"")
    assert found.value.exit_code in (66, 78)


def test_wrong_credentials(s3: EmbeddedStore, prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("AWS_SECRET_ACCESS_KEY", "wrong"), ("AWS_ACCESS_KEY_ID", "wrong")):
        monkeypatch.setenv(name, value)
        stranger = Storage(s3.settings)
        for call in (stranger.head, stranger.get, stranger.open, stranger.delete):
            with pytest.raises(BadConfig, match="credentials") as found:
                call(prefix + "a")
            assert found.value.exit_code == 78
        with pytest.raises(BadConfig, match="credentials"):
            stranger.put(prefix + "a", b"")


def test_no_credentials(s3: EmbeddedStore, prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(BadConfig, match="AWS_ACCESS_KEY_ID"):
        Storage(s3.settings).head(prefix + "a")


def test_a_dead_server(s3: EmbeddedStore) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        dead = StorageSettings(endpoint=f"http://127.0.0.1:{unused.getsockname()[1]}")
        begin = time.monotonic()
        with pytest.raises(StorageUnavailable, match="s3://bucket/key") as found:
            Storage(dead, attempts=3).get("s3://bucket/key")
    assert found.value.exit_code == 69
    assert time.monotonic() - begin < 10


def test_list_pages_and_delete_prefix(s3: EmbeddedStore, prefix: str) -> None:
    storage = Storage(s3.settings)
    names = [f"run1/{number:02}" for number in range(7)] + ["run10/a"]
    for name in names:
        storage.put(prefix + name, name.encode())

    pages: list[str] = []
    # Reaches inside: pages are 1,000 objects long otherwise.
    client = storage._stores["s3"]._client  # type: ignore[attr-defined]
    client.meta.events.register(
        "before-parameter-build.s3.ListObjectsV2",
        lambda params, **_: pages.append(params.update(MaxKeys=3) or "page"),
    )
    listed = list(storage.list(prefix))
    assert [info.uri for info in listed] == [prefix + name for name in names]
    assert [info.size for info in listed] == [len(name) for name in names]
    assert len(pages) == 3
    storage.delete_prefix(prefix + "run1/", but=prefix + "run1/05")
    assert [info.uri for info in storage.list(prefix)] == [prefix + "run1/05", prefix + "run10/a"]
    storage.delete_prefix(prefix + "run1/")
    assert [info.uri for info in storage.list(prefix)] == [prefix + "run10/a"]
    for refused in (prefix + "run1", prefix.split("tests")[0]):
        with pytest.raises(RecastError, match="folder"):
            storage.delete_prefix(refused)
