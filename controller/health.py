"""The controller's HTTP side: /healthz, /readyz and /metrics."""

import socket
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

Check = Callable[[], str | None]
"""Gives what is wrong, None where nothing is."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        host, port = address
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), handler)

    def server_bind(self) -> None:
        if self.address_family == socket.AF_INET6:
            # `::` is IPv4's addresses, too.
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()


def _serve_at(address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> _Server:
    host, port = address
    if host:
        return _Server(address, handler)
    try:
        return _Server(("::", port), handler)
    except OSError:
        # A node whose kernel has no IPv6.
        return _Server(("0.0.0.0", port), handler)  # noqa: S104  # the kubelet asks from outside


class HealthServer:
    """Serves in a thread of its own.

    Args:
        address: host and port; no host: all addresses, IPv6 and IPv4; port 0 takes any free one.
        healthy: whether the loop makes progress: where it does not, the pod should be restarted.
        ready: whether the controller knows the cluster's state.
        registry: what /metrics shows.
    """

    def __init__(self, address: tuple[str, int], healthy: Check, ready: Check, registry: CollectorRegistry) -> None:
        self._server = _serve_at(address, _handler(healthy, ready, registry))
        self._thread = threading.Thread(target=self._server.serve_forever, name="health", daemon=True)

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return self._server.server_port

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._server.shutdown()
        self._server.server_close()


def _handler(healthy: Check, ready: Check, registry: CollectorRegistry) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # noqa: N802  # http.server's name
            path = self.path.partition("?")[0]
            if path == "/metrics":
                self._answer(200, generate_latest(registry), CONTENT_TYPE_LATEST)
            elif path in ("/healthz", "/readyz"):
                wrong = (healthy if path == "/healthz" else ready)()
                self._answer(503 if wrong else 200, f"{wrong or 'ok'}\n".encode(), "text/plain; charset=utf-8")
            else:
                self._answer(404, b"see /healthz, /readyz, /metrics\n", "text/plain; charset=utf-8")

        def _answer(self, code: int, body: bytes, kind: str) -> None:
            self.send_response(code)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing: probes come every few seconds."""

    return Handler
