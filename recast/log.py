"""Structured logs: one JSON object a line on standard error, with job and segment on each line."""

import json
import os
import resource
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any

_started = time.monotonic()
_bound: dict[str, Any] = {}
_within: ContextVar[Mapping[str, Any]] = ContextVar("fields of log lines", default=MappingProxyType({}))
_lock = threading.Lock()
_for_people = threading.Event()


def bind(**fields: Any) -> None:
    """Put `fields` on every line from now on."""
    _bound.update(fields)


@contextmanager
def within(**fields: Any) -> Iterator[None]:
    """Put `fields` on every line of this thread, in the block."""
    token = _within.set({**_within.get(), **fields})
    try:
        yield
    finally:
        _within.reset(token)


@contextmanager
def for_people() -> Iterator[None]:
    """Give warnings as plain lines in the block, as a command's own messages are."""
    _for_people.set()
    try:
        yield
    finally:
        _for_people.clear()


def debug(message: str, /, **fields: Any) -> None:
    """Log a detail; shown where RECAST_LOG=debug."""
    if os.environ.get("RECAST_LOG", "info") == "debug":
        _write("debug", message, fields)


def info(message: str, /, **fields: Any) -> None:
    """Log what happened."""
    _write("info", message, fields)


def warning(message: str, /, **fields: Any) -> None:
    """Log something that a person may want to look at."""
    _write("warning", message, fields)


def error(message: str, /, **fields: Any) -> None:
    """Log a failure."""
    _write("error", message, fields)


def uptime_seconds() -> float:
    """Seconds since this process loaded its logging."""
    return time.monotonic() - _started


def peak_rss_bytes() -> int:
    """The most memory that this process has held so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _write(level: str, message: str, fields: dict[str, Any]) -> None:
    failure = fields.pop("error", None)
    if isinstance(failure, BaseException):
        fields["traceback"] = "".join(traceback.format_exception(failure))
    elif failure is not None:
        fields["error"] = failure
    if level == "warning" and _for_people.is_set():
        print(f"recast: {fields.get('detail', message)}", file=sys.stderr, flush=True)
        return
    # Of one reading: between two of them a second may begin.
    now = time.time_ns()
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now // 1_000_000_000)) + f".{now // 1_000_000 % 1000:03d}Z"
    line = {"time": stamp, "level": level, **_bound, **_within.get(), "message": message, **fields}
    with _lock:
        print(json.dumps(line, default=str), file=sys.stderr, flush=True)
