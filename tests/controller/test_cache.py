import time
from collections.abc import Iterable
from dataclasses import replace

import pytest

from controller.cache import HEARD_SECONDS, Cache
from controller.planning.observed import Resource, StageJob
from recast.kube import names as kube
from tests.controller.builders import UID, begun, job, resource


class Watch:
    """What a watch has shown so far."""

    def __init__(self) -> None:
        self.resources: list[Resource] = []
        self.shown: list[StageJob] = []

    def resource(self, _uid: str) -> Resource | None:
        return next(iter(self.resources), None)

    def jobs(self, _uid: str) -> Iterable[StageJob]:
        return list(self.shown)


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def cache(watch: Watch) -> Cache:
    return Cache(watch)


def test_what_was_written_counts_until_the_watch_has_it(cache: Cache, watch: Watch) -> None:
    old, new = replace(resource(), resource_version="9"), replace(resource(begun()), resource_version="10")
    watch.resources.append(old)
    cache.remember(new, UID, ())
    assert cache.resource(UID) == new
    newer = replace(old, resource_version="11")
    watch.resources[:] = [newer]
    assert cache.resource(UID) == newer
    watch.resources[:] = [old]
    assert cache.resource(UID) == old, "it is forgotten once it was overtaken"


def test_gone_is_gone(cache: Cache, watch: Watch) -> None:
    cache.remember(resource(begun()), UID, [job(kube.SPLIT)])
    assert cache.resource(UID) is None and cache.jobs(UID) == ()


def test_a_job_just_made_is_known_before_the_watch_shows_it(cache: Cache, watch: Watch) -> None:
    made = job(kube.SPLIT)
    cache.remember(None, UID, [made])
    assert cache.jobs(UID) == (made,)
    shown = replace(made, active=1)
    watch.shown.append(shown)
    assert cache.jobs(UID) == (shown,), "and once only"
    watch.shown.clear()
    assert cache.jobs(UID) == (), "shown and gone is gone"


def test_a_job_that_is_never_shown_was_deleted(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.remember(None, UID, [job(kube.SPLIT)])
    later = time.monotonic() + HEARD_SECONDS + 1
    monkeypatch.setattr("controller.cache.time.monotonic", lambda: later)
    assert cache.jobs(UID) == ()
