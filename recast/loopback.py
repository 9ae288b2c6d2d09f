"""Objects of the store as URLs on this machine's loopback, for FFmpeg: ranged, pinned, retried.

FFmpeg speaks plain HTTP to 127.0.0.1; credentials, certificates, If-Match and retries stay in `recast.storage`.
A URL holds a random word, so that no other user of the machine can guess it.
"""

import secrets
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from recast import log
from recast.errors import RecastError
from recast.storage import Storage

PIECE_BYTES = 1 << 20


class LoopbackServer:
    """Context manager: serves the objects it was told of.

    Attributes:
        error: the first error of the store while serving, where there was one.
    """

    def __init__(self, storage: Storage) -> None:
        self.error: RecastError | None = None
        self._storage = storage
        self._objects: dict[str, tuple[str, str | None]] = {}
        self._word = secrets.token_urlsafe(16)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True

    def url(self, uri: str, *, etag: str | None = None, suffix: str = "") -> str:
        """Give the URL of an object, at the version `etag` where given."""
        path = f"/{self._word}/{len(self._objects)}{suffix}"
        self._objects[path] = (uri, etag)
        return f"http://127.0.0.1:{self._server.server_address[1]}{path}"

    def __enter__(self) -> Self:
        """Start serving."""
        threading.Thread(target=self._server.serve_forever, name="loopback", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()

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
            with self._storage.open(known[0], etag=known[1]) as source:
                span = _span(request.headers.get("Range"), source.size)
                _send_headers(request, span, source.size)
                if not body or span is None:
                    return
                source.seek(span[0])
                left = span[1] - span[0]
                while left > 0 and (piece := source.read(min(left, PIECE_BYTES))):
                    request.wfile.write(piece)
                    left -= len(piece)
        except (BrokenPipeError, ConnectionResetError):
            # FFmpeg closes a connection whenever it seeks.
            request.close_connection = True
        except RecastError as error:
            self.error = self.error or error
            request.close_connection = True


def _span(header: str | None, size: int) -> tuple[int, int] | None:
    """The bytes asked for, half open; None where there are none (RFC 9110, 14.1.2)."""
    if not header or not header.startswith("bytes=") or "," in header:
        return 0, size
    first, _, last = header[6:].partition("-")
    if not first:
        return max(0, size - int(last)), size
    start, end = int(first), int(last) + 1 if last else size
    return (start, min(end, size)) if start < size else None


def _send_headers(request: BaseHTTPRequestHandler, span: tuple[int, int] | None, size: int) -> None:
    if span is None:
        request.send_response(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)
        request.send_header("Content-Range", f"bytes */{size}")
        request.send_header("Content-Length", "0")
        request.end_headers()
        return
    partial = request.headers.get("Range") is not None
    request.send_response(HTTPStatus.PARTIAL_CONTENT if partial else HTTPStatus.OK)
    request.send_header("Accept-Ranges", "bytes")
    request.send_header("Content-Length", str(span[1] - span[0]))
    if partial:
        request.send_header("Content-Range", f"bytes {span[0]}-{span[1] - 1}/{size}")
    request.end_headers()
