"""An S3 endpoint that leads to what is no S3: by its name, or by what it answers."""

import gc
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from recast.errors import BadConfig, RecastError
from recast.storage.storage import Storage, StorageSettings


@pytest.fixture(autouse=True)
def _signed_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "someone")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")


@contextmanager
def answering(status: int, headers: dict[str, str], seen: list[str]) -> Iterator[str]:
    """A server that notes what is asked and answers everything the same."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            seen.append(f"{self.command} {self.path}")
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_HEAD = do_PUT = do_GET  # noqa: N815

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize(
    "host",
    ["169.254.169.254", "2852039166", "0xa9fea9fe", "[::ffff:a9fe:a9fe]", "[fd00:ec2::254]", "[fe80::1]", "0.0.0.0"],  # noqa: S104
)
def test_no_request_goes_to_an_inner_address(host: str) -> None:
    storage = Storage(StorageSettings(endpoint=f"http://{host}:8333"), attempts=1)
    with pytest.raises(BadConfig, match="is no S3: correct storage.endpoint"):
        storage.get("s3://studio/a.mov")


def test_nor_to_a_name_that_leads_to_one(monkeypatch: pytest.MonkeyPatch) -> None:
    # No DNS here gives such an answer.
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("169.254.169.254", 0))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    storage = Storage(StorageSettings(endpoint="http://s3.attacker.example.com"), attempts=1)
    with pytest.raises(BadConfig, match=r"leads to 169\.254\.169\.254"):
        storage.head("s3://studio/a.mov")


# botocore leaves the connection of a refused redirect to the garbage collector.
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("headers", [{}, {"x-amz-bucket-region": "eu-central-1"}], ids=["plain", "with-region"])
def test_a_redirect_is_not_followed(status: int, headers: dict[str, str]) -> None:
    inner: list[str] = []
    asked: list[str] = []
    with (
        answering(200, {}, inner) as secret_place,
        answering(status, {"Location": f"{secret_place}/latest/meta-data", **headers}, asked) as endpoint,
    ):
        storage = Storage(StorageSettings(endpoint=endpoint), attempts=1)
        for call in (storage.head, storage.get):
            with pytest.raises(RecastError):
                call("s3://studio/a.mov")
        with pytest.raises(RecastError):
            storage.put("s3://studio/b.mp4", b"x")
    assert inner == [] and 3 <= len(asked) <= 6
    del storage, call
    gc.collect()
