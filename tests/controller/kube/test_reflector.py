import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from controller.kube import reflector as module
from controller.kube.reflector import Reflector
from recast.kube.api import Page
from recast.kube.errors import ApiError, ApiNotFound, ApiUnavailable, Forbidden, Gone
from tests.fakeapi import Answer, FakeApi, refusal

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
    assert reflector.by_index("a") == ("a=new",) and reflector.synced.is_set()
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


def test_an_object_that_is_not_what_it_should_be_hides_no_other(capsys: pytest.CaptureFixture[str]) -> None:
    bad: Item = {"metadata": item("b", 2)["metadata"]}
    changes = [event("ADDED", item("c", 101)), event("MODIFIED", bad | {"metadata": item("c", 102)["metadata"]})]
    api = Api([[item("a", 1), bad]], [[*changes, event("ADDED", item("d", 103))]])
    reflector, told = follow(api)
    assert sorted(reflector.all()) == ["a=", "d="] and api.listed == 1
    assert told == ["a", "c", "c", "d"], "what can no longer be read is gone"
    assert "object cannot be read" in capsys.readouterr().err


class Stopping(threading.Event):
    """Notes the pauses, takes none, and stops after so many."""

    def __init__(self, rounds: int) -> None:
        super().__init__()
        self._rounds = rounds
        self.pauses: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self.pauses.append(timeout)
        if len(self.pauses) == self._rounds:
            self.set()
        return self.is_set()


def run(api: Any, monkeypatch: pytest.MonkeyPatch, rounds: int = 6) -> tuple[Reflector[str], list[float]]:
    """Follow for some rounds in this thread; gives the cache, and the pauses between them."""
    monkeypatch.setattr(module, "FIRST_PAUSE_SECONDS", 1.0)
    monkeypatch.setattr(module, "MOST_PAUSE_SECONDS", 10.0)
    monkeypatch.setattr("controller.kube.reflector.random.uniform", lambda _low, high: high)
    stopping = Stopping(rounds)
    reflector: Reflector[str] = Reflector(api, "/jobs", project=str, index=str, changed=lambda _: None)
    monkeypatch.setattr(reflector, "_stopping", stopping)
    reflector._run()
    return reflector, stopping.pauses


def test_watches_that_end_at_once_do_not_spin(monkeypatch: pytest.MonkeyPatch) -> None:
    api = Api([[item("a", 1)]], [[]] * 10)
    _, pauses = run(api, monkeypatch)
    assert pauses == [2, 4, 8, 10, 10, 10] and len(api.watched) == 6 and api.listed == 1


def test_nor_do_watches_that_are_always_too_old(monkeypatch: pytest.MonkeyPatch) -> None:
    api = Api([[item("a", 1)]], [[Gone("too old")]] * 10)
    _, pauses = run(api, monkeypatch)
    assert pauses == [2, 4, 8, 10, 10, 10] and api.listed == 6


@pytest.mark.parametrize("error", [ApiUnavailable("away"), KeyError("metadata")], ids=["away", "unreadable"])
def test_nor_do_lists_that_fail_and_nothing_counts_as_known(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Away(Api):
        def list(self, _path: str, **_: object) -> Iterator[Page]:
            self.listed += 1
            raise error

    api = Away([], [])
    reflector, pauses = run(api, monkeypatch)
    assert pauses == [2, 4, 8, 10, 10, 10] and api.listed == 6
    assert not reflector.synced.is_set() and not api.watched
    assert len(capsys.readouterr().err.splitlines()) >= 6


@pytest.mark.parametrize("error", [Forbidden("403 no"), ApiNotFound("404 none")], ids=["403", "404"])
def test_refused_it_asks_less_and_less_often_and_says_so_once(
    error: ApiError, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Refusing(Api):
        def list(self, _path: str, **_: object) -> Iterator[Page]:
            self.listed += 1
            raise error

    monkeypatch.setattr(module, "REFUSED_PAUSE_SECONDS", 60.0)
    reflector, pauses = run(Refusing([], []), monkeypatch, rounds=7)
    assert pauses == [2, 4, 8, 16, 32, 60, 60]
    assert reflector.refused == str(error) and not reflector.synced.is_set()
    assert capsys.readouterr().err.count("watch is refused") == 1


def test_a_watch_that_is_refused_is_listed_anew_and_then_told_of(capsys: pytest.CaptureFixture[str]) -> None:
    api = Api([[item("a", 1)]], [[Forbidden("no")]])
    known: list[tuple[str, ...]] = []
    reflector: Reflector[str] = Reflector(
        api,  # type: ignore[arg-type]
        "/jobs",
        project=lambda found: str(found["metadata"]["name"]),
        index=str,
        changed=lambda _: None,
        allowed=lambda: known.append(reflector.all()),
    )
    reflector.start()
    assert api.idle.wait(5)
    reflector.stop()
    api.end.set()
    assert api.listed == 2 and api.watched == ["100", "200"], "what was missed is in the list"
    assert reflector.refused is None and known == [("a",)], "told once, when it knows again"
    assert "watch is allowed again" in capsys.readouterr().err


def test_after_a_good_watch_the_pause_is_short_again(monkeypatch: pytest.MonkeyPatch) -> None:
    class Long(Api):
        now = 0.0

        def watch(self, _path: str, version: str, **_: object) -> Iterator[Item]:
            self.watched.append(version)
            # The third lasts.
            self.now += 60 if len(self.watched) == 3 else 1
            yield from ()

    api = Long([[]], [])
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: api.now))
    _, pauses = run(api, monkeypatch, rounds=5)
    assert pauses == [2, 4, 1, 2, 4]


def test_it_tells_how_long_the_server_was_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow(Api):
        now = 0.0

        def watch(self, _path: str, version: str, **_: object) -> Iterator[Item]:
            self.now += 30
            yield event("BOOKMARK", {"metadata": {"resourceVersion": "150"}})
            self.now += 7

    api = Slow([[]], [])
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: api.now))
    reflector, _ = run(api, monkeypatch, rounds=1)
    assert reflector.silent_seconds() == 7


def test_it_asks_for_what_it_was_told_to(monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeApi(Answer({"metadata": {"resourceVersion": "3"}, "items": []}), refusal(410)) as fake:
        reflector: Reflector[str] = Reflector(
            fake.client(),
            "/jobs",
            project=str,
            index=str,
            changed=lambda _: None,
            label_selector="x=y",
            watch_seconds=9,
        )
        monkeypatch.setattr(reflector, "_stopping", Stopping(1))
        reflector._run()
    listed, watched = (asked.query for asked in fake.asked)
    assert listed["labelSelector"] == watched["labelSelector"] == "x=y" and "watch" not in listed
    assert (watched["watch"], watched["resourceVersion"], watched["timeoutSeconds"]) == ("true", "3", "9")


def test_over_the_wire_it_lists_watches_and_lists_again() -> None:
    def page(version: str, *found: Item) -> Answer:
        return Answer({"metadata": {"resourceVersion": version}, "items": list(found)})

    old = {"type": "ERROR", "object": {"code": 410, "reason": "Expired"}}
    told: list[str] = []
    there = threading.Event()

    def changed(name: str) -> None:
        told.append(name)
        if name == "c":
            there.set()

    with FakeApi(
        page("100", item("a", 1)),
        Answer([event("ADDED", item("b", 101)), old]),
        page("200", item("b", 101), item("c", 150)),
        Answer([], silent_seconds=60),
    ) as fake:
        reflector: Reflector[str] = Reflector(
            fake.client(),
            "/apis/batch/v1/jobs",
            project=lambda found: str(found["metadata"]["name"]),
            index=str,
            changed=changed,
        )
        reflector.start()
        assert there.wait(5)
        reflector.stop()
    assert sorted(reflector.all()) == ["b", "c"] and sorted(told) == ["a", "a", "b", "c"]
    assert [asked.query.get("resourceVersion") for asked in fake.asked][:3] == [None, "100", None]


def test_an_object_that_moves_is_told_to_both() -> None:
    told: list[str] = []
    api = Api([[item("a", 1, "x")]], [[event("MODIFIED", item("a", 101, "y"))]])
    reflector: Reflector[str] = Reflector(
        api,  # type: ignore[arg-type]
        "/jobs",
        project=lambda found: str(found["value"]),
        index=lambda value: value,
        changed=told.append,
    )
    reflector.start()
    assert api.idle.wait(5)
    reflector.stop()
    api.end.set()
    assert reflector.by_index("x") == () and reflector.by_index("y") == ("y",)
    assert sorted(told) == ["x", "x", "y"]
