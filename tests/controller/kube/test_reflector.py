import threading
from collections.abc import Iterator
from typing import Any

import pytest

from controller.kube import reflector as module
from controller.kube.reflector import Reflector
from recast.kubeapi import Page
from recast.kubeerrors import ApiUnavailable, Gone

Item = dict[str, Any]


def item(name: str, version: int, value: str = "") -> Item:
    return {"metadata": {"name": name, "namespace": "studio", "resourceVersion": str(version)}, "value": value}


class Api:
    """Gives lists and watches as they were laid out; then holds until it is let go."""

    def __init__(self, lists: list[list[Item]], watches: list[list[Any]]) -> None:
        self._lists, self._watches = lists, watches
        self.listed = 0
        self.watched: list[str] = []
        self.idle, self.end = threading.Event(), threading.Event()

    def list(self, _path: str, **_: object) -> Iterator[Page]:
        found = self._lists[min(self.listed, len(self._lists) - 1)]
        self.listed += 1
        yield Page(found, str(100 * self.listed))

    def watch(self, _path: str, version: str, **_: object) -> Iterator[Item]:
        self.watched.append(version)
        if len(self.watched) > len(self._watches):
            self.idle.set()
            self.end.wait(5)
            return
        for event in self._watches[len(self.watched) - 1]:
            if isinstance(event, Exception):
                raise event
            yield event


def event(type_: str, found: Item) -> Item:
    return {"type": type_, "object": found}


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE_SECONDS", 0.001)
    monkeypatch.setattr(module, "MOST_PAUSE_SECONDS", 0.001)


def follow(api: Api) -> tuple[Reflector[str], list[str]]:
    """Follow until there is nothing more to hear; gives the cache, and what it told."""
    told: list[str] = []
    reflector: Reflector[str] = Reflector(
        api,  # type: ignore[arg-type]
        "/jobs",
        project=lambda found: f"{found['metadata']['name']}={found['value']}",
        index=lambda value: value.partition("=")[0],
        changed=told.append,
    )
    reflector.start()
    assert api.idle.wait(5)
    reflector.stop()
    api.end.set()
    return reflector, told


def test_it_lists_then_follows_from_there() -> None:
    api = Api(
        [[item("a", 1), item("b", 2)]], [[event("MODIFIED", item("a", 101, "new")), event("ADDED", item("c", 102))]]
    )
    reflector, told = follow(api)
    assert sorted(reflector.all()) == ["a=new", "b=", "c="]
    assert reflector.by_index("a") == ("a=new",)
    assert sorted(told) == ["a", "a", "b", "c"]
    assert api.watched == ["100", "102"] and api.listed == 1, "goes on after the last it heard"


def test_what_is_deleted_goes() -> None:
    reflector, told = follow(Api([[item("a", 1)]], [[event("DELETED", item("a", 101))]]))
    assert reflector.all() == () and reflector.by_index("a") == ()
    assert told == ["a", "a"]


def test_a_bookmark_moves_on_without_a_change() -> None:
    api = Api([[item("a", 1)]], [[event("BOOKMARK", {"metadata": {"resourceVersion": "150"}})]])
    _, told = follow(api)
    assert told == ["a"] and api.watched == ["100", "150"]


def test_too_old_it_lists_anew_and_tells_what_it_missed() -> None:
    api = Api([[item("a", 1), item("b", 1)], [item("b", 1), item("c", 3)]], [[Gone("too old")]])
    reflector, told = follow(api)
    assert sorted(reflector.all()) == ["b=", "c="]
    assert sorted(told) == ["a", "a", "b", "c"], "b did not change"
    assert api.watched == ["100", "200"]


def test_a_broken_watch_is_begun_again_where_it_broke(capsys: pytest.CaptureFixture[str]) -> None:
    api = Api([[item("a", 1)]], [[event("MODIFIED", item("a", 120, "x")), ApiUnavailable("broke")]])
    follow(api)
    assert api.watched == ["100", "120"] and api.listed == 1
    assert "watch broke" in capsys.readouterr().err


def test_an_object_that_cannot_be_read_does_not_end_it(capsys: pytest.CaptureFixture[str]) -> None:
    api = Api([[item("a", 1)]], [[event("ADDED", {"metadata": {}})]])
    reflector, _ = follow(api)
    assert reflector.all() == ("a=",) and api.listed == 2
    assert "watch failed" in capsys.readouterr().err


def test_watches_that_end_at_once_do_not_spin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE_SECONDS", 0.05)
    monkeypatch.setattr(module, "MOST_PAUSE_SECONDS", 10)
    api = Api([[item("a", 1)]], [[]] * 1000)
    reflector: Reflector[str] = Reflector(
        api,  # type: ignore[arg-type]
        "/jobs",
        project=str,
        index=str,
        changed=lambda _: None,
    )
    reflector.start()
    threading.Event().wait(0.4)
    reflector.stop()
    assert 1 <= len(api.watched) <= 8
