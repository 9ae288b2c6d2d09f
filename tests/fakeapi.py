"""An API server that answers what it is told to, for the client's own tests; the real one is in tests/cluster."""

import json
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

from kubernetes.client.configuration import Configuration

from recast.kube.api import KubeApi


@dataclass(frozen=True)
class Answer:
    """One answer.

    Attributes:
        body: an object, sent as JSON; text, sent as it is; or the events of a watch, a line each;
            bytes among them are sent as they are.
        cut: whether the connection breaks before the answer's end.
        silent_seconds: how long nothing is said.
        held_seconds: how long a connection that is cut stays open before, without a word.
    """

    body: Any = field(default_factory=dict)
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False
    silent_seconds: float = 0.0
    held_seconds: float = 0.0


@dataclass(frozen=True)
class Asked:
    """One request."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


def refusal(status: int, reason: str = "", message: str = "no", **details: Any) -> Answer:
    """What an API server says where it refuses."""
    return Answer({"kind": "Status", "reason": reason, "message": message, "details": details}, status)


class FakeApi:
    """Context manager: gives `answers` one after another, the last one for ever.

    Attributes:
        asked: the requests so far.
    """

    def __init__(self, *answers: Answer) -> None:
        self.asked: list[Asked] = []
        self._answers: Sequence[Answer] = answers or (Answer(),)
        self._over = threading.Event()
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _answer(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                fake._answer(self, self.rfile.read(length))

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer  # noqa: N815  # names of http.server

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._server.shutdown()
        self._server.server_close()

    def client(self) -> KubeApi:
        """A client of this server."""
        configuration = Configuration()
        configuration.host = f"http://127.0.0.1:{self._server.server_port}"
        return KubeApi(configuration, "studio")

    def _answer(self, handler: BaseHTTPRequestHandler, body: bytes) -> None:
        url = urlsplit(handler.path)
        said = json.loads(body) if body else None
        self.asked.append(
            Asked(handler.command, url.path, dict(parse_qsl(url.query)), dict(handler.headers.items()), said)
        )
        answer = self._answers[min(len(self.asked), len(self._answers)) - 1]
        # The client may have hung up by now.
        with suppress(BrokenPipeError, ConnectionResetError):
            self._say(handler, answer)

    def _say(self, handler: BaseHTTPRequestHandler, answer: Answer) -> None:
        handler.close_connection = answer.cut
        if self._over.wait(answer.silent_seconds):
            handler.close_connection = True
            return
        handler.send_response(answer.status)
        for name, value in answer.headers.items():
            handler.send_header(name, value)
        if isinstance(answer.body, list):
            # As API servers send a watch: each line is there at once.
            handler.send_header("Transfer-Encoding", "chunked")
            lines = (each if isinstance(each, bytes) else json.dumps(each).encode() + b"\n" for each in answer.body)
            pieces = [b"%x\r\n%b\r\n" % (len(line), line) for line in lines]
            pieces += [] if answer.cut else [b"0\r\n\r\n"]
        else:
            data = (answer.body if isinstance(answer.body, str) else json.dumps(answer.body)).encode()
            handler.send_header("Content-Length", str(len(data) + 10 * answer.cut))
            pieces = [data]
        handler.end_headers()
        for piece in pieces:
            handler.wfile.write(piece)
        if answer.cut:
            self._over.wait(answer.held_seconds)
