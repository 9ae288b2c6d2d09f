"""Who asked the API server for what: its audit log."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

POLICY: dict[str, Any] = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    # One line for each request, written when its answer is complete.
    "omitStages": ["RequestReceived", "ResponseStarted"],
    "rules": [{"level": "Metadata"}],
}


class AuditLog:
    """The audit log in a file.

    Args:
        path: the file, which the API server appends to.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def position(self) -> int:
        """Where the log ends now: what comes later is given by `events(since=...)`."""
        return self._path.stat().st_size if self._path.exists() else 0

    def events(self, *, agent: str = "", user: str | None = None, since: int = 0) -> Iterator[dict[str, Any]]:
        """Give the requests of clients whose User-Agent begins with `agent`, and of one user where given."""
        with self._path.open("rb") as log:
            log.seek(since)
            for line in log:
                if not line.endswith(b"\n"):
                    return
                event = json.loads(line)
                if not event.get("userAgent", "").startswith(agent):
                    continue
                if user is None or event["user"].get("username") == user:
                    yield event

    def count(self, *, agent: str = "", user: str | None = None, verb: str | None = None, since: int = 0) -> int:
        """Count requests."""
        return sum(verb in {None, event["verb"]} for event in self.events(agent=agent, user=user, since=since))
