"""Objects over loopback HTTP: ranges by RFC 9110, nothing but what was offered, errors of the store kept."""

import http.client
import io
import socket
import struct
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from recast.errors import BadInput, RecastError, StorageUnavailable
from recast.storage.loopback import LoopbackServer
from recast.storage.ranged import RangedReader

DATA = bytes(range(256)) * 10
SIZE = len(DATA)
OBJECTS = {"s3://b/data": DATA, "s3://b/empty": b"", "s3://b/large": DATA * 1024}


class Reader(io.BytesIO):
    size = 0


class FakeStorage:
    """Objects in memory; `opened` notes each URI and version asked for."""

    def __init__(self) -> None:
        self.opened: list[tuple[str, str | None]] = []
        self.error: RecastError | None = None

    def open(self, uri: str, *, etag: str | None = None, size: int | None = None, wrap: object = None) -> RangedReader:
        self.opened.append((uri, etag))
        if self.error is not None:
            raise self.error
        reader = Reader(OBJECTS[uri])
        reader.size = len(OBJECTS[uri])
        return reader  # type: ignore[return-value]


@pytest.fixture(scope="module")
def storage() -> FakeStorage:
    return FakeStorage()


@pytest.fixture(scope="module")
def server(storage: FakeStorage) -> Iterator[LoopbackServer]:
    with LoopbackServer(storage) as server:  # type: ignore[arg-type]
        yield server


@pytest.fixture(scope="module")
def url(server: LoopbackServer) -> str:
    return server.url("s3://b/data")


def ask(url: str, range_: str | None = None, method: str = "GET") -> tuple[int, dict[str, str], bytes]:
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.netloc, timeout=5)
    try:
        connection.request(method, address.path, headers={"Range": range_} if range_ else {})
        answer = connection.getresponse()
        return answer.status, {key.lower(): value for key, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def test_without_a_range_all_of_it_comes(url: str) -> None:
    status, headers, body = ask(url)
    assert (status, body) == (200, DATA)
    assert headers["content-length"] == str(SIZE) and headers["accept-ranges"] == "bytes"
    assert "content-range" not in headers


@pytest.mark.parametrize(
    ("range_", "first", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=0-", 0, SIZE),
        ("bytes=5-9", 5, 10),
        (f"bytes={SIZE - 1}-", SIZE - 1, SIZE),
        (f"bytes=5-{SIZE - 1}", 5, SIZE),
        (f"bytes=5-{SIZE}", 5, SIZE),
        ("bytes=5-99999999", 5, SIZE),
        ("bytes=-1", SIZE - 1, SIZE),
        ("bytes=-100", SIZE - 100, SIZE),
        ("bytes=-99999999", 0, SIZE),
    ],
)
def test_a_range_gives_just_its_bytes(url: str, range_: str, first: int, end: int) -> None:
    status, headers, body = ask(url, range_)
    assert (status, body) == (206, DATA[first:end])
    assert headers["content-range"] == f"bytes {first}-{end - 1}/{SIZE}"
    assert headers["content-length"] == str(end - first)


@pytest.mark.parametrize("range_", [f"bytes={SIZE}-", f"bytes={SIZE}-{SIZE + 5}", "bytes=99999999-", "bytes=-0"])
def test_a_range_that_no_byte_is_in_is_not_satisfiable(url: str, range_: str) -> None:
    status, headers, body = ask(url, range_)
    assert (status, body, headers["content-range"]) == (416, b"", f"bytes */{SIZE}")


@pytest.mark.parametrize(
    "range_",
    ["bytes=9-5", "bytes=a-b", "bytes=5", "bytes=", "bytes=-", "bytes=1-2-3", "bytes= 1 - 2x", "items=0-5", "0-5"],
)  # fmt: skip
def test_a_range_that_means_nothing_is_ignored(url: str, range_: str) -> None:
    status, headers, body = ask(url, range_)
    assert (status, body) == (200, DATA)
    assert "content-range" not in headers


def test_of_several_ranges_all_bytes_come_and_the_answer_says_so(url: str) -> None:
    status, headers, body = ask(url, "bytes=0-1,5-6")
    assert body == DATA
    assert status == 200 or headers["content-range"] == f"bytes 0-{SIZE - 1}/{SIZE}"


def test_an_empty_object_can_be_read_and_no_range_of_it(server: LoopbackServer) -> None:
    empty = server.url("s3://b/empty")
    assert ask(empty)[::2] == (200, b"")
    assert ask(empty, "bytes=0-")[0] == 416
    # RFC 9110 calls a suffix of it satisfiable, but has no way to write the range.
    assert ask(empty, "bytes=-5")[0] in (200, 416)


def test_head_tells_the_size_and_sends_nothing(url: str) -> None:
    status, headers, body = ask(url, method="HEAD")
    assert (status, headers["content-length"], body) == (200, str(SIZE), b"")


def test_an_object_larger_than_a_piece_comes_whole(server: LoopbackServer) -> None:
    large = server.url("s3://b/large")
    assert ask(large)[2] == OBJECTS["s3://b/large"]
    assert ask(large, "bytes=1000000-2400000")[2] == OBJECTS["s3://b/large"][1000000:2400001]


def test_one_connection_serves_many_requests(url: str) -> None:
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.netloc, timeout=5)
    for first in (0, 700, 3):
        connection.request("GET", address.path, headers={"Range": f"bytes={first}-{first + 9}"})
        assert connection.getresponse().read() == DATA[first : first + 10]
    connection.close()


def test_what_was_not_offered_is_not_there(url: str) -> None:
    base, word = url.rsplit("/", 2)[:2]
    for path in ("/", f"/{word}/99", f"/{word}", "/0", f"/{word}x/0", f"/{word}/0/", f"/{word}/./0", "/etc/passwd"):
        assert ask(base + path)[0] == 404, path


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE"])
def test_nothing_can_be_written(url: str, method: str) -> None:
    assert ask(url, method=method)[0] == 501


def test_two_servers_have_different_words(storage: FakeStorage, url: str) -> None:
    other: Any = LoopbackServer(storage)  # type: ignore[arg-type]
    word = urlsplit(other.url("s3://b/data")).path.split("/")[1]
    other._server.server_close()
    assert len(word) >= 20 and word not in url


def test_it_listens_on_loopback_only(url: str) -> None:
    assert urlsplit(url).hostname == "127.0.0.1"


def test_the_pinned_version_is_asked_for(server: LoopbackServer, storage: FakeStorage) -> None:
    ask(server.url("s3://b/data", etag='"abc"'), "bytes=0-0")
    assert storage.opened[-1] == ("s3://b/data", '"abc"')


def test_the_stores_first_error_is_kept_for_the_stage(storage: FakeStorage) -> None:
    with LoopbackServer(storage) as server:  # type: ignore[arg-type]
        url = server.url("s3://b/data")
        for error in (BadInput("overwritten"), StorageUnavailable("down")):
            storage.error = error
            with pytest.raises((http.client.HTTPException, OSError)):
                ask(url)
        storage.error = None
        assert ask(url)[0] == 200
        assert isinstance(server.error, BadInput)


def test_whoever_hangs_up_is_no_error(url: str, capfd: pytest.CaptureFixture[str]) -> None:
    address = urlsplit(url)
    others = set(threading.enumerate())
    with socket.create_connection((str(address.hostname), int(address.port or 0)), timeout=5) as client:
        client.sendall(f"GET {address.path} HTTP/1.1\r\nRange: bytes=0-1\r\n\r\n".encode())
        assert client.recv(1)
        (serving,) = set(threading.enumerate()) - others
        # Closed with a reset, as a socket is that holds something unread.
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    serving.join(5)
    assert not serving.is_alive()
    assert capfd.readouterr().err == ""
