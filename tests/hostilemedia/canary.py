"""What nobody may touch: a file whose opening is seen, and a server on this machine that notes who asks."""

from __future__ import annotations

import ctypes
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import Self

IN_OPEN = 0x20


class Canary:
    """Context manager.

    Args:
        path: a file that is there; `opened` says whether anybody has opened it since.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.asked: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append(self.path)
                self.send_error(404)

            def do_HEAD(self) -> None:
                self.do_GET()

            def log_message(self, format: str, *args: object) -> None:
                """Nobody reads it."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True

    @property
    def url(self) -> str:
        """An address that notes who asks for it."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/canary{self.path.suffix}"

    def touched(self) -> list[str]:
        """What was opened or asked for since this was last called."""
        try:
            os.read(self._watch, 1 << 16)
            opened = [f"{self.path.name} was opened"]
        except BlockingIOError:
            opened = []
        asked, self.asked = self.asked, []
        return opened + asked

    def __enter__(self) -> Self:
        libc = ctypes.CDLL(None, use_errno=True)
        self._watch = libc.inotify_init1(os.O_NONBLOCK)
        assert libc.inotify_add_watch(self._watch, os.fsencode(self.path), IN_OPEN) >= 0
        Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._watch)
        self._server.shutdown()
        self._server.server_close()
