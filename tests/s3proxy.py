"""Stands between recast and a real S3 server: sees each request, and may answer, damage, delay or cut it.

    with S3Proxy(store) as proxy:
        proxy.hook = lambda request, forward: SLOW_DOWN if request.number < 3 else forward()
        Storage(proxy.settings).get(uri)

A client of the proxy signs for the proxy's own address, and the store is shown that address.
"""

import http.client
import re
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import parse_qsl, unquote, urlsplit

from recast.storage.embedded import EmbeddedStore
from recast.storage.stored import StorageSettings

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "expect"}
OPERATIONS = (
    ("POST", "uploads", "CreateMultipartUpload"),
    ("POST", "uploadId", "CompleteMultipartUpload"),
    ("PUT", "partNumber", "UploadPart"),
    ("DELETE", "uploadId", "AbortMultipartUpload"),
    ("POST", "delete", "DeleteObjects"),
    ("GET", "list-type", "ListObjects"),
)


@dataclass(frozen=True)
class Request:
    """What a client asks.

    Attributes:
        number: counts from 1.
        key: empty where the request is about the bucket.
        headers: names in lower case.
    """

    number: int
    method: str
    bucket: str
    key: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    @property
    def operation(self) -> str:
        """As S3 names it."""
        for method, parameter, name in OPERATIONS:
            if self.method == method and parameter in self.query:
                return name
        return f"{self.method.capitalize()}Object"

    @property
    def range(self) -> tuple[int, int] | None:
        """First byte and length of a ranged read."""
        found = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("range", ""))
        return (int(found[1]), int(found[2]) - int(found[1]) + 1) if found else None


@dataclass(frozen=True)
class Answer:
    """What the client gets, and how.

    Attributes:
        length: the Content-Length that is said; the body's own if None.
        cut: the connection is closed after so many bytes of the body.
        reset: closed by a reset, as a machine on the way does it that has forgotten the connection.
        piece: bytes sent at once.
        pause: seconds before each piece.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    length: int | None = None
    cut: int | None = None
    reset: bool = False
    piece: int = 1 << 20
    pause: float = 0.0


class Gone(Exception):
    """Raised by a hook: the connection is closed without an answer."""


Forward = Callable[..., Answer]
"""Passes the request on, or a changed one that it is given."""
Hook = Callable[[Request, Forward], Answer]


def refusal(status: int, code: str) -> Answer:
    """An error as S3 says it."""
    body = f"<Error><Code>{code}</Code><Message>injected</Message></Error>".encode()
    return Answer(status, {"content-type": "application/xml"}, body)


SLOW_DOWN = refusal(503, "SlowDown")
INTERNAL_ERROR = refusal(500, "InternalError")


class S3Proxy:
    """Context manager: the proxy.

    Attributes:
        hook: gets each request and what forwards it, in a thread of the client's connection.
        exchanges: requests and what they were answered, in the order of the answers.
    """

    def __init__(self, store: EmbeddedStore) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._count = 0
        self.exchanges: list[tuple[Request, Answer]] = []
        self.hook: Hook = lambda _, forward: forward()
        self._server = _Server(("127.0.0.1", 0), _handler(self))

    @property
    def endpoint(self) -> str:
        """URL of the proxy."""
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def settings(self) -> StorageSettings:
        """The store through the proxy, for `Storage`."""
        return StorageSettings(endpoint=self.endpoint)

    @property
    def bucket(self) -> str:
        """The store's bucket."""
        return self._store.bucket

    @property
    def requests(self) -> list[Request]:
        """Requests that were answered so far."""
        with self._lock:
            return [request for request, _ in self.exchanges]

    def __enter__(self) -> Self:
        """Begin to serve."""
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End; what hangs in a hook is left to its thread."""
        self._server.shutdown()
        self._server.server_close()

    def forget(self) -> None:
        """Count from 1 again."""
        with self._lock:
            self._count = 0
            self.exchanges.clear()

    def bytes_read(self, key: str) -> int:
        """Bytes of an object that clients were sent."""
        with self._lock:
            return sum(
                len(answer.body)
                for request, answer in self.exchanges
                if (request.method, request.key) == ("GET", key) and answer.status < 300
            )

    def _serve(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        url = urlsplit(path)
        bucket, _, key = unquote(url.path).lstrip("/").partition("/")
        query = dict(parse_qsl(url.query, keep_blank_values=True))
        lowered = {name.lower(): value for name, value in headers.items()}
        with self._lock:
            self._count += 1
            request = Request(self._count, method, bucket, key, query, lowered, body)
        answer = self.hook(request, lambda sent=request: self._forward(sent, path, headers))
        with self._lock:
            self.exchanges.append((request, answer))
        return answer

    def _forward(self, request: Request, path: str, headers: Mapping[str, str]) -> Answer:
        # Asked each time: a store that is started again is somewhere else.
        upstream = urlsplit(self._store.endpoint)
        connection = http.client.HTTPConnection(upstream.hostname or "", upstream.port, timeout=60)
        try:
            kept = {name: value for name, value in headers.items() if name.lower() not in HOP_BY_HOP}
            connection.request(request.method, path, request.body or None, kept)
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders() if name.lower() not in HOP_BY_HOP}
            length = found.pop("content-length", None)
            body = answer.read()
            said = int(length) if request.method == "HEAD" and length is not None else None
            return Answer(answer.status, found, body, length=said)
        except (OSError, http.client.HTTPException) as error:
            raise Gone(str(error)) from error
        finally:
            connection.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512

    def handle_error(self, *_: object) -> None:
        """Say nothing: clients are killed here."""


def _handler(proxy: S3Proxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Headers and body go in two packets.
        disable_nagle_algorithm = True

        def _serve(self) -> None:
            try:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                self._send(proxy._serve(self.command, self.path, dict(self.headers), body))
            except (Gone, OSError):
                self.close_connection = True

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _serve  # noqa: N815  # http.server's names

        def _send(self, answer: Answer) -> None:
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            if answer.status != http.client.NO_CONTENT:
                self.send_header("Content-Length", str(len(answer.body) if answer.length is None else answer.length))
            self.end_headers()
            body = memoryview(answer.body)[: answer.cut]
            for start in range(0, len(body), answer.piece):
                _wait(answer.pause)
                self.wfile.write(body[start : start + answer.piece])
            if answer.cut is not None or (self.command != "HEAD" and len(answer.body) != (answer.length or len(body))):
                self.close_connection = True
            if answer.reset:
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.rfile.close()
                self.connection.close()

        def log_message(self, *_: object) -> None:
            pass

    return Handler


def _wait(seconds: float) -> None:
    if seconds:
        threading.Event().wait(seconds)
