"""Objects of the store as URLs on this machine's loopback, for FFmpeg: ranged, pinned, retried.

FFmpeg speaks plain HTTP to 127.0.0.1; credentials, certificates, If-Match and retries stay in `recast.storage`.
A URL holds a random word, so that no other user of the machine can guess it.
"""

import re
import secrets
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from recast import log
from recast.errors import RecastError
from recast.storage.ranged import RangedReader, Wrap
from recast.storage.storage import Storage

PIECE_BYTES = 1 << 20
POLL_SECONDS = 0.02
"""How long the end of serving may have to wait; by default it is half a second."""


class _Served:
    """An object under a URL; it is opened at the first request, and one connection after another reads on."""

    def __init__(self, open_: Callable[[], RangedReader]) -> None:
        self._open = open_
        self._reader: RangedReader | None = None
        self._lock = threading.Lock()

    @property
    def size(self) -> int:
        with self._lock:
            self._reader = self._reader or self._open()
            return self._reader.size

    def read(self, offset: int, length: int) -> bytes:
        with self._lock:
            self._reader = self._reader or self._open()
            self._reader.seek(offset)
            return self._reader.read(length) or b""

    def close(self) -> None:
        with self._lock:
            if self._reader is not None:
                self._reader.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        # FFmpeg hangs up whenever it has enough.
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class LoopbackServer:
    """Context manager: serves the objects it was told of.

    Attributes:
        error: the first error of the store while serving, where there was one.
    """

    def __init__(self, storage: Storage) -> None:
        self.error: RecastError | None = None
        self._storage = storage
        self._objects: dict[str, _Served] = {}
        self._word = secrets.token_urlsafe(16)
        self._server = _Server(("127.0.0.1", 0), self._handler())

    def url(self, uri: str, *, etag: str | None = None, size: int | None = None, wrap: Wrap | None = None) -> str:
        """Give the URL of an object, at the version `etag` of `size` where given; `wrap` looks at what is fetched."""
        path = f"/{self._word}/{len(self._objects)}"
        self._objects[path] = _Served(lambda: self._storage.open(uri, etag=etag, size=size, wrap=wrap))
        return f"http://127.0.0.1:{self._server.server_address[1]}{path}"

    def __enter__(self) -> Self:
        """Start serving."""
        threading.Thread(target=self._server.serve_forever, args=(POLL_SECONDS,), name="loopback", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        for served in self._objects.values():
            served.close()

    @contextmanager
    def blamed(self) -> Iterator[None]:
        """Let what the store said be the error of the block: FFmpeg makes something else of it, or a file's end."""
        try:
            yield
        except Exception:
            if self.error is not None:
                raise self.error from None
            raise
        if self.error is not None:
            raise self.error

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                outer._serve(self, body=True)

            def do_HEAD(self) -> None:
                outer._serve(self, body=False)

            def log_message(self, format: str, *args: Any) -> None:
                log.debug("loopback", request=format % args)

        return Handler

    def _serve(self, request: BaseHTTPRequestHandler, *, body: bool) -> None:
        known = self._objects.get(request.path)
        if known is None:
            request.send_error(HTTPStatus.NOT_FOUND)
            return
        try:
            size = known.size
            span = _range(request.headers.get("Range"), size) if body else None
            _send_headers(request, span, size)
            if not body:
                return
            first, end = span or (0, size)
            while first < end and (piece := known.read(first, min(end - first, PIECE_BYTES))):
                request.wfile.write(piece)
                first += len(piece)
        except (BrokenPipeError, ConnectionResetError):
            # FFmpeg closes a connection whenever it seeks.
            request.close_connection = True
        except RecastError as error:
            self.error = self.error or error
            request.close_connection = True


def _range(header: str | None, size: int) -> tuple[int, int] | None:
    """The bytes that a Range asks for, half open; None where it means nothing and is to be ignored.

    An empty span is one that no byte is in (RFC 9110, 14.1.2).
    """
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", header or "", re.ASCII)
    if match is None or match[0] == "bytes=-":
        return None
    first, last = match.groups()
    if not first:
        start = max(0, size - int(last))
        return (start, size) if int(last) and size else (size, size)
    if last and int(last) < int(first):
        return None
    return min(int(first), size), min(int(last) + 1, size) if last else size


def _send_headers(request: BaseHTTPRequestHandler, span: tuple[int, int] | None, size: int) -> None:
    if span is None:
        request.send_response(HTTPStatus.OK)
        length = size
    elif span[0] >= span[1]:
        request.send_response(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)
        request.send_header("Content-Range", f"bytes */{size}")
        length = 0
    else:
        request.send_response(HTTPStatus.PARTIAL_CONTENT)
        request.send_header("Content-Range", f"bytes {span[0]}-{span[1] - 1}/{size}")
        length = span[1] - span[0]
    request.send_header("Accept-Ranges", "bytes")
    request.send_header("Content-Length", str(length))
    request.end_headers()
