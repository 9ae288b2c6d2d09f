import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from controller.kube import reflector as module
from controller.watches import Scope, Watches
from recast.kube.api import Page
from recast.kube.errors import ApiError, ApiNotFound, ApiUnavailable, Forbidden, Unauthorized
from tests.cluster.waiting import wait_for

FSJ, JOBS = "faceswapjobs", "jobs"


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FIRST_PAUSE_SECONDS", "MOST_PAUSE_SECONDS", "REFUSED_PAUSE_SECONDS"):
        monkeypatch.setattr(module, name, 0.001)


class Api:
    """A cluster in which each namespace has one FaceSwapJob with one Job; what is in `refused` may not be read."""

    def __init__(self) -> None:
        self.refused: dict[str, ApiError] = {}
        self.over = threading.Event()

    def list(self, path: str, **_: object) -> Iterator[Page]:
        place, kind = self._asked(path)
        yield Page([object_of(place, kind)], "7")

    def watch(self, path: str, _version: str, **_: object) -> Iterator[dict[str, Any]]:
        while not self.over.wait(0.005):
            self._asked(path)
            yield {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "8"}}}

    def _asked(self, path: str) -> tuple[str, str]:
        words = path.split("/")
        place, kind = words[-2] if "namespaces" in words else "everywhere", words[-1]
        if error := self.refused.get(f"{place}/{kind}"):
            raise error
        return place, kind


def object_of(place: str, kind: str) -> Mapping[str, Any]:
    metadata = {
        "namespace": place,
        "name": "job",
        "uid": f"{place}-{kind}",
        "creationTimestamp": "2026-01-15T12:00:00Z",
    }
    owner = {"uid": f"{place}-{FSJ}", "controller": True}
    return {"metadata": metadata | ({"ownerReferences": [owner]} if kind == JOBS else {}), "spec": {}}


class Followed:
    """The watches of some namespaces, and what they told."""

    def __init__(self, api: Api, *namespaces: str | None) -> None:
        self.told: list[str] = []
        self.watches = Watches(
            [Scope(api, each, changed=self.told.append, watch_seconds=9) for each in namespaces]  # type: ignore[arg-type]
        )
        self.watches.start()

    @property
    def seen(self) -> list[str]:
        return sorted(each.namespace for each in self.watches.resources())

    def waits(self) -> bool:
        """Whether it is not ready, and does not get so within a while."""
        stop = threading.Event()
        threading.Timer(0.2, stop.set).start()
        return not self.watches.wait(stop)

    def stop(self) -> None:
        for scope in self.watches.scopes:
            scope.resources.stop()
            scope.jobs.stop()


Follow = Callable[..., Followed]


@pytest.fixture
def api() -> Iterator[Api]:
    found = Api()
    yield found
    found.over.set()


@pytest.fixture
def follow(api: Api) -> Iterator[Follow]:
    """Follows some namespaces, until the test's end."""
    begun: list[Followed] = []

    def begin(*namespaces: str | None) -> Followed:
        begun.append(Followed(api, *namespaces))
        return begun[-1]

    yield begin
    for each in begun:
        each.stop()


def test_jobs_are_found_by_their_owner_in_each_namespace(follow: Follow) -> None:
    followed = follow("a", "b")
    assert followed.watches.wait(threading.Event()) and followed.seen == ["a", "b"]
    found = followed.watches.resource(f"b-{FSJ}")
    assert found is not None and found.namespace == "b"
    assert [job.uid for job in followed.watches.jobs(found.uid)] == ["b-jobs"]


@pytest.mark.parametrize("kind", [FSJ, JOBS])
@pytest.mark.parametrize("error", [Forbidden("no"), ApiNotFound("none")], ids=["403", "404"])
def test_a_namespace_that_may_not_be_read_holds_up_no_other(
    kind: str, error: ApiError, api: Api, follow: Follow
) -> None:
    api.refused[f"b/{kind}"] = error
    followed = follow("a", "b")
    assert followed.watches.wait(threading.Event()) and followed.watches.wrong() is None
    assert followed.seen == ["a"] and followed.watches.resource(f"b-{FSJ}") is None
    assert [scope.is_refused() for scope in followed.watches.scopes] == [0, 1]


@pytest.mark.parametrize("kind", [FSJ, JOBS])
def test_refused_later_its_jobs_are_not_looked_at_till_both_are_known_again(
    kind: str, api: Api, follow: Follow
) -> None:
    followed = follow("a", "b")
    assert followed.watches.wait(threading.Event())
    api.refused[f"b/{kind}"] = Forbidden("no")
    wait_for(lambda: followed.seen == ["a"], "b is not seen")
    assert [job.uid for job in followed.watches.jobs(f"b-{FSJ}")] == ["b-jobs"], "a look under way knows its Jobs"
    assert followed.watches.wrong() is None
    followed.told.clear()
    del api.refused[f"b/{kind}"]
    wait_for(lambda: f"b-{FSJ}" in followed.told, "b is looked at")
    assert followed.seen == ["a", "b"]


@pytest.mark.parametrize("places", [("a", "b"), (None,)], ids=["each", "the cluster"])
def test_nothing_that_may_be_read_is_not_ready(places: tuple[str | None, ...], api: Api, follow: Follow) -> None:
    for place in places:
        api.refused[f"{place or 'everywhere'}/{FSJ}"] = Forbidden("403 faceswapjobs is forbidden")
    followed = follow(*places)
    assert followed.waits()
    assert followed.watches.wrong() == "403 faceswapjobs is forbidden"
    api.refused.clear()
    wait_for(lambda: followed.watches.wrong() is None, "it is ready")


@pytest.mark.parametrize("error", [Unauthorized("who?"), ApiUnavailable("away")], ids=["401", "away"])
def test_trouble_of_the_server_is_waited_for(error: ApiError, api: Api, follow: Follow) -> None:
    api.refused[f"b/{JOBS}"] = error
    followed = follow("a", "b")
    assert followed.waits() and followed.watches.wrong() == "the caches are not filled yet"


def test_silence_counts_where_the_server_does_not_refuse(
    api: Api, follow: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.refused[f"b/{JOBS}"] = Forbidden("no")
    followed = follow("a", "b")
    assert followed.watches.wait(threading.Event())
    quiet = {"a": 3.0, "b": 900.0}
    for scope in followed.watches.scopes:
        for each in (scope.resources, scope.jobs):
            monkeypatch.setattr(each, "silent_seconds", lambda place=scope.namespace: quiet[place])
    assert followed.watches.silent_seconds() == 3
