"""Stands between a client and the API server: counts requests, answers in its place, or stops at any of them.

The client is given a kubeconfig for plain HTTP on loopback; the proxy signs in upstream as the client's user.
"""

import http.client
import json
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

PIECE = 64 << 10
HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "host"}


@dataclass(frozen=True)
class Request:
    """What the client asks.

    Attributes:
        number: counts from 1.
        path: with its query.
    """

    number: int
    method: str
    path: str
    body: bytes

    @property
    def writes(self) -> bool:
        """Whether it may change something."""
        return self.method not in ("GET", "HEAD")


@dataclass(frozen=True)
class Answer:
    """An answer in the API server's place."""

    status: int
    reason: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def body(self) -> bytes:
        """A Status object, as the API server would send."""
        status = {
            "kind": "Status",
            "apiVersion": "v1",
            "status": "Failure",
            "code": self.status,
            "reason": self.reason,
            "message": f"injected {self.status} {self.reason}",
        }
        return json.dumps(status).encode()


class Silence:
    """Never answer, and never close: a half-open connection."""


Verdict = Answer | Silence | None
Before = Callable[[Request], Verdict]
After = Callable[[Request, int], None]


class ApiProxy:
    """Context manager: the proxy.

    Args:
        kubeconfig: JSON, of the user to sign in as upstream.
        folder: where the client's kubeconfig is written.
    """

    def __init__(self, kubeconfig: Path, folder: Path) -> None:
        config = json.loads(kubeconfig.read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        self._upstream = urlsplit(cluster["server"])
        self._context = ssl.create_default_context(cafile=cluster["certificate-authority"])
        self._context.load_cert_chain(user["client-certificate"], user["client-key"])
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._open: set[socket.socket] = set()
        self.requests: list[Request] = []
        self.before: Before = lambda _: None
        self.after: After = lambda _request, _status: None
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self.kubeconfig = folder / f"proxy-{self._server.server_port}.kubeconfig"
        config["clusters"][0]["cluster"] = {"server": f"http://127.0.0.1:{self._server.server_port}"}
        config["users"][0]["user"] = {}
        self.kubeconfig.write_text(json.dumps(config))

    def __enter__(self) -> Self:
        """Begin to serve."""
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End, with all that hangs."""
        self._stopped.set()
        self._server.shutdown()
        self._server.server_close()
        self.cut()

    def cut(self) -> None:
        """Cut every connection to the API server, watches too."""
        with self._lock:
            for connection in self._open:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue

    def count(self, *, writes: bool = False) -> int:
        """How many requests there were."""
        with self._lock:
            return sum(request.writes or not writes for request in self.requests)

    def _note(self, method: str, path: str, body: bytes) -> Request:
        with self._lock:
            request = Request(len(self.requests) + 1, method, path, body)
            self.requests.append(request)
            return request

    def _connect(self) -> http.client.HTTPSConnection:
        host, port = self._upstream.hostname or "", self._upstream.port
        connection = http.client.HTTPSConnection(host, port, context=self._context, timeout=600)
        connection.connect()
        with self._lock:
            self._open.add(connection.sock)
        return connection

    def _forget(self, connection: http.client.HTTPSConnection) -> None:
        with self._lock:
            self._open.discard(connection.sock)
        connection.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Say nothing: clients are killed here."""


def _handler(proxy: ApiProxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            request = proxy._note(self.command, self.path, body)
            match proxy.before(request):
                case Answer() as answer:
                    self._send(answer.status, {"Content-Type": "application/json"} | answer.headers, answer.body)
                case Silence():
                    proxy._stopped.wait()
                case None:
                    self._forward(request)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815  # http.server's names

        def _forward(self, request: Request) -> None:
            try:
                connection = proxy._connect()
            except OSError:
                # The client sees what it would see of a server that is gone.
                self.close_connection = True
                return
            try:
                headers = {key: value for key, value in self.headers.items() if key.lower() not in HOP_BY_HOP}
                headers.pop("Accept-Encoding", None)
                connection.request(request.method, request.path, request.body or None, headers)
                upstream = connection.getresponse()
                if "watch=" in request.path or "follow=" in request.path:
                    self._stream(upstream)
                else:
                    content = upstream.read()
                    proxy.after(request, upstream.status)
                    self._send(upstream.status, dict(upstream.getheaders()), content)
            except (OSError, http.client.HTTPException):
                self.close_connection = True
            finally:
                proxy._forget(connection)

        def _stream(self, upstream: http.client.HTTPResponse) -> None:
            self.send_response(upstream.status)
            self.send_header("Content-Type", upstream.getheader("Content-Type", "application/json"))
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            while piece := upstream.read1(PIECE):
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                self.wfile.flush()
            self.wfile.write(b"0\r\n\r\n")

        def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response(status)
            for key, value in headers.items():
                if key.lower() not in HOP_BY_HOP:
                    self.send_header(key, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    return Handler
