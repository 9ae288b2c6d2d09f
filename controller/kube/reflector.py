"""A cache of a collection that follows the API server: a list, then a watch, and again when that breaks."""

import random
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

from recast import log
from recast.kube.api import WATCH_SECONDS, KubeApi
from recast.kube.errors import ApiError, ApiNotFound, Forbidden, Gone

T = TypeVar("T")

FIRST_PAUSE_SECONDS = 0.2
MOST_PAUSE_SECONDS = 10.0
REFUSED_PAUSE_SECONDS = 60.0
"""Where the server refuses: somebody must allow it first."""
HEALTHY_SECONDS = 5.0
"""A watch that lasted so long was a good one: the next pause is short again."""


class Reflector(Generic[T]):
    """Keeps what `project` takes of each object; runs in a thread of its own.

    Args:
        api: the connection.
        path: the collection.
        project: takes what is needed of an object, so that the cache stays small.
        index: the value under which an object is found.
        changed: told of the index value of each object that was added, changed or removed.
        label_selector: only these objects.
        watch_seconds: after so long the server ends a watch, and it is begun again.
        allowed: told when a collection that was refused is known again.

    Attributes:
        refused: what the API server says where this collection may not be read, or is none; else None. What was
            known of it before is kept, and may be out of date.
    """

    def __init__(
        self,
        api: KubeApi,
        path: str,
        *,
        project: Callable[[Mapping[str, Any]], T],
        index: Callable[[T], str],
        changed: Callable[[str], None],
        label_selector: str | None = None,
        watch_seconds: int = WATCH_SECONDS,
        allowed: Callable[[], None] = lambda: None,
    ) -> None:
        self._api, self._path, self._selector = api, path, label_selector
        self._project, self._index, self._changed = project, index, changed
        self._watch_seconds, self._allowed = watch_seconds, allowed
        self._lock = threading.Lock()
        self._objects: dict[str, T] = {}
        self._by_index: dict[str, dict[str, T]] = {}
        self._version: str | None = None
        self._stopping = threading.Event()
        self._heard_at = time.monotonic()
        self.synced = threading.Event()
        self.refused: str | None = None
        self._thread = threading.Thread(target=self._run, name=f"reflector {path}", daemon=True)

    def start(self) -> None:
        """Begin to follow."""
        self._thread.start()

    def stop(self) -> None:
        """Follow no more; a watch that waits is left to its thread, which ends with the process."""
        self._stopping.set()

    def by_index(self, value: str) -> tuple[T, ...]:
        """The objects that are indexed under `value`."""
        with self._lock:
            return tuple(self._by_index.get(value, {}).values())

    def all(self) -> tuple[T, ...]:
        """All objects."""
        with self._lock:
            return tuple(self._objects.values())

    def silent_seconds(self) -> float:
        """How long ago the API server was last heard of: bookmarks come about once a minute."""
        return time.monotonic() - self._heard_at

    def _run(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while not self._stopping.is_set():
            began = time.monotonic()
            try:
                self._follow()
            except Gone:
                self._version = None
            except (Forbidden, ApiNotFound) as error:
                self._refuse(str(error))
            except ApiError as error:
                log.warning("watch broke", path=self._path, detail=str(error))
            except Exception as error:
                # An object that cannot be read must not end the thread in silence.
                log.error("watch failed", path=self._path, error=error)
                self._version = None
            # Also a watch that ends at once, again and again, must not spin.
            pause = (
                FIRST_PAUSE_SECONDS
                if time.monotonic() - began > HEALTHY_SECONDS
                else min(pause * 2, REFUSED_PAUSE_SECONDS if self.refused else MOST_PAUSE_SECONDS)
            )
            self._stopping.wait(pause * random.uniform(0.5, 1.0))  # noqa: S311  # a pause is no secret

    def _follow(self) -> None:
        if self._version is None:
            self._version = self._list()
            self.synced.set()
            self._allow()
        events = self._api.watch(self._path, self._version, label_selector=self._selector, seconds=self._watch_seconds)
        for event in events:
            if self._stopping.is_set():
                return
            self._heard_at = time.monotonic()
            self._take(event)

    def _refuse(self, why: str) -> None:
        # Once it is allowed, a list says for sure what there is.
        self._version = None
        self._heard_at = time.monotonic()
        if self.refused is None:
            log.warning("watch is refused", path=self._path, detail=why)
        self.refused = why

    def _allow(self) -> None:
        if self.refused is not None:
            self.refused = None
            log.info("watch is allowed again", path=self._path)
            self._allowed()

    def _list(self) -> str:
        """Read all anew; what is gone meanwhile is told, too."""
        found: dict[str, T] = {}
        version = ""
        for page in self._api.list(self._path, label_selector=self._selector):
            version = page.resource_version
            for each in page.items:
                value = self._projected(each)
                if value is not None:
                    found[_key(each)] = value
        self._heard_at = time.monotonic()
        with self._lock:
            before = self._objects
            self._objects, self._by_index = found, {}
            for key, value in found.items():
                self._by_index.setdefault(self._index(value), {})[key] = value
        changed = {self._index(value) for key, value in before.items() if found.get(key) != value}
        changed |= {self._index(value) for key, value in found.items() if before.get(key) != value}
        for name in changed:
            self._changed(name)
        return version

    def _take(self, event: Mapping[str, Any]) -> None:
        item = event["object"]
        self._version = item["metadata"]["resourceVersion"]
        if event["type"] == "BOOKMARK":
            return
        key = _key(item)
        value = self._projected(item)
        told = set() if value is None else {self._index(value)}
        with self._lock:
            before = self._objects.pop(key, None)
            if before is not None:
                told.add(self._index(before))
                self._forget(self._index(before), key)
            if value is not None and event["type"] != "DELETED":
                self._objects[key] = value
                self._by_index.setdefault(self._index(value), {})[key] = value
        for name in told:
            self._changed(name)

    def _projected(self, item: Mapping[str, Any]) -> T | None:
        """What is needed of an object; None where it cannot be read: anybody may have made it."""
        try:
            return self._project(item)
        except Exception as error:
            log.warning("object cannot be read", path=self._path, object=_key(item), detail=repr(error))
            return None

    def _forget(self, index: str, key: str) -> None:
        rest = self._by_index.get(index, {})
        rest.pop(key, None)
        if not rest:
            self._by_index.pop(index, None)


def _key(item: Mapping[str, Any]) -> str:
    return f"{item['metadata'].get('namespace', '')}/{item['metadata']['name']}"
