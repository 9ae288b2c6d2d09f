from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from controller.observe import DONE_PODS, FAILED_PODS, LOOK_SECONDS, SLOW_LOOK_SECONDS, Observer
from recast.kube import names as kube
from recast.kube.api import Page
from recast.kube.errors import Forbidden
from tests.controller.builders import NOW, job, resource, was_split, was_swapped

SWAP = job(kube.SWAP)
TIME = "2026-01-15T12:00:00Z"


def evicted(message: str) -> dict[str, Any]:
    """A pod that the kubelet ended."""
    return {
        "metadata": {"name": message, "labels": {kube.LABEL_JOB_NAME: SWAP.name}},
        "spec": {},
        "status": {"phase": "Failed", "reason": "Evicted", "message": message},
    }


def done_worker() -> dict[str, Any]:
    """A worker that is done, and has something to say."""
    ended = {"exitCode": 0, "message": '{"code":0,"reason":"Succeeded","message":"","notices":["cat.png: no face?"]}'}
    container = {"name": "stage", "state": {"terminated": ended}}
    status = {"phase": "Succeeded", "containerStatuses": [container]}
    return {"metadata": {"name": "done", "labels": {kube.LABEL_JOB_NAME: SWAP.name}}, "spec": {}, "status": status}


class Api:
    """Has some pods, and some events of refusal."""

    def __init__(self, pods: int = 1) -> None:
        self.asked: list[dict[str, str | None]] = []
        self.pods, self.events = pods, [{"message": "later", "lastTimestamp": "2"}, {"message": "quota"}]
        self.ends = False
        self.gpus = self.evictions = 0

    def list(self, path: str, **query: str | None) -> Iterator[Page]:
        self.asked.append({"path": path.rpartition("/")[2], **query})
        if query.get("field_selector") == DONE_PODS:
            yield Page([done_worker()], "1")
            return
        if query.get("field_selector") == FAILED_PODS:
            yield Page([evicted("low on ephemeral-storage"), evicted('exceeds the limit "16Gi"')], "1")
            return
        found: list[dict[str, Any]] = [
            {
                "metadata": {
                    "name": f"p{k}",
                    "labels": {kube.LABEL_JOB_NAME: SWAP.name},
                    "creationTimestamp": TIME,
                    "annotations": {kube.ANNOTATION_IGNORED: str(self.evictions)},
                },
                "spec": {"containers": [{"resources": {"limits": {"nvidia.com/gpu": str(self.gpus)}}}]},
                "status": {"containerStatuses": [{"name": "stage", "state": {"running": {"startedAt": TIME}}}]},
            }
            for k in range(self.pods)
        ]
        yield Page(found if path.endswith("pods") else list(self.events), "1")

    def create(self, path: str, body: dict[str, Any], *, dry_run: bool) -> None:
        assert dry_run, "nothing is kept"
        if self.ends:
            raise Forbidden("no", details={"causes": [{"reason": "NamespaceTerminating"}]})


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def api() -> Api:
    return Api()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def observer(api: Api, clock: Clock) -> Observer:
    return Observer(api, clock)  # type: ignore[arg-type]


def test_a_job_of_another_namespace_is_not_ours_whoever_it_calls_its_owner(observer: Observer, api: Api) -> None:
    foreign = replace(SWAP, namespace="elsewhere")
    assert observer.observe(resource(was_split()), (foreign,)).jobs == () and not api.asked


def test_live_pods_are_listed_now_and_then(observer: Observer, api: Api, clock: Clock) -> None:
    seen = resource(was_split())
    assert len(observer.observe(seen, (SWAP,)).pods) == 1
    clock.now = LOOK_SECONDS - 1
    assert len(observer.observe(seen, (SWAP,)).pods) == 1
    assert len(api.asked) == 1
    clock.now = LOOK_SECONDS + 1
    observer.observe(seen, (SWAP,))
    assert len(api.asked) == 2
    assert "status.phase!=Succeeded" in str(api.asked[0]["field_selector"])


def test_a_job_that_moves_is_looked_at_more_rarely(observer: Observer, api: Api, clock: Clock) -> None:
    seen = resource(was_split())
    for succeeded, now in ((0, 0.0), (1, LOOK_SECONDS + 1), (2, SLOW_LOOK_SECONDS - 1)):
        clock.now = now
        observer.observe(seen, (replace(SWAP, succeeded=succeeded),))
    assert len(api.asked) == 1


def test_of_a_job_that_has_ended_all_pods_are_read_each_time(observer: Observer, api: Api) -> None:
    done = replace(SWAP, complete=True)
    for _ in range(2):
        observer.observe(resource(was_split()), (done,))
    assert [asked["field_selector"] for asked in api.asked] == [None, None]


def test_stages_that_are_done_cost_nothing(observer: Observer, api: Api) -> None:
    finished = resource(was_swapped(completion_time=NOW))
    observer.observe(finished, (SWAP, job(kube.MUX)))
    observer.observe(resource(was_swapped()), (SWAP, job(kube.SPLIT)))
    assert api.asked == []


def test_where_there_are_still_no_pods_it_asks_why(observer: Observer, api: Api, clock: Clock) -> None:
    api.pods = 0
    assert observer.observe(resource(was_split()), (SWAP,)).refusals == ()
    clock.now = LOOK_SECONDS + 1
    found = observer.observe(resource(was_split()), (SWAP,))
    assert found.refusals == ("quota", "later") and not found.namespace_ends
    api.ends = True
    clock.now = 3 * LOOK_SECONDS
    assert observer.observe(resource(was_split()), (SWAP,)).namespace_ends


def test_a_deleted_job_is_looked_at_only_while_it_is_held(observer: Observer, api: Api) -> None:
    gone = replace(resource(was_split()), deleted=NOW)
    assert observer.observe(gone, (SWAP,)).pods == () and not api.asked
    assert observer.observe(replace(gone, finalizers=(kube.FINALIZER,)), (SWAP,)).pods


def test_jobs_of_attempts_that_are_over_cost_nothing(observer: Observer, api: Api) -> None:
    assert observer.observe(resource(was_split()), (replace(SWAP, attempt=7),)).pods == () and not api.asked


def test_a_job_that_waits_for_quota_has_no_pods_and_nobody_is_asked_why(
    observer: Observer, api: Api, clock: Clock
) -> None:
    api.pods = 0
    for clock.now in (0.0, LOOK_SECONDS + 1):
        assert observer.observe(resource(was_split()), (replace(SWAP, suspended=True),)).refusals == ()
    assert [asked["path"] for asked in api.asked] == ["pods", "pods"]


def test_the_next_stages_job_is_looked_at_at_once(observer: Observer, api: Api) -> None:
    observer.observe(resource(), (job(kube.SPLIT),))
    observer.observe(resource(was_split()), (SWAP,))
    assert [asked["path"] for asked in api.asked] == ["pods", "pods"]
    assert SWAP.name in str(api.asked[1]["label_selector"])


def test_one_that_is_done_is_forgotten(observer: Observer, api: Api) -> None:
    observer.observe(resource(was_split()), (SWAP,))
    observer.observe(resource(was_swapped(completion_time=NOW)), (SWAP,))
    observer.observe(resource(was_split()), (SWAP,))
    assert len(api.asked) == 2


def test_a_stage_that_has_just_begun_is_not_taken_for_refused(observer: Observer, api: Api, clock: Clock) -> None:
    observer.observe(resource(was_split()), (SWAP,))
    api.pods = 0
    clock.now = LOOK_SECONDS + 1
    mux = job(kube.MUX)
    assert observer.observe(resource(was_swapped()), (mux,)).refusals == ()
    assert all(asked["path"] == "pods" for asked in api.asked)


def test_pods_with_gpus_that_are_gone_are_kept_as_long_as_they_were_seen(api: Api, clock: Clock) -> None:
    observer = Observer(api, clock, now=lambda: NOW + timedelta(seconds=clock.now))  # type: ignore[arg-type]
    api.pods, api.gpus, seen = 3, 1, resource(was_split())
    assert observer.observe(seen, (SWAP,)).gone == ()
    clock.now, api.pods = 40, 2
    (gone,) = observer.observe(seen, (SWAP,)).gone
    assert (gone.name, gone.finished, gone.ended) == ("p2", NOW, True), "it was last seen at the first look"
    clock.now, api.pods = 80, 1
    assert [each.name for each in observer.observe(seen, (SWAP,)).gone] == ["p2", "p1"]
    # All are listed at the end: what is there after all has told itself how long it ran.
    clock.now, api.pods = 85, 2
    over = observer.observe(seen, (replace(SWAP, complete=True),))
    assert [each.name for each in over.gone] == ["p2"] and len(over.pods) == 2
    assert observer.observe(seen, (job(kube.SWAP, uid="another"),)).gone == (), "another attempt begins anew"


def test_pods_without_gpus_are_not_kept(observer: Observer, api: Api, clock: Clock) -> None:
    observer.observe(resource(was_split()), (SWAP,))
    clock.now, api.pods = 40, 0
    assert observer.observe(resource(was_split()), (SWAP,)).gone == ()


def test_what_took_more_disk_than_it_may_is_looked_for_once_after_each_bad_end(
    observer: Observer, api: Api, clock: Clock
) -> None:
    seen = resource(was_split())
    for look, (evictions, lists) in enumerate([(0, 1), (1, 3), (1, 4), (2, 6)]):
        api.evictions, clock.now = evictions, look * (LOOK_SECONDS + 1)
        found = observer.observe(seen, (SWAP,)).overfilled
        assert [pod.name for pod in found] == (['exceeds the limit "16Gi"'] if evictions else [])
        assert len(api.asked) == lists


def test_photos_in_doubt_are_asked_for_once_when_the_first_worker_is_done(
    observer: Observer, api: Api, clock: Clock
) -> None:
    for look, (succeeded, lists) in enumerate([(0, 1), (1, 3), (2, 4)]):
        clock.now = look * (SLOW_LOOK_SECONDS + 1)
        found = observer.observe(resource(was_split()), (replace(SWAP, succeeded=succeeded),)).notices
        assert found == (("cat.png: no face?",) if succeeded else None) and len(api.asked) == lists
    clock.now += SLOW_LOOK_SECONDS + 1
    assert observer.observe(resource(was_split(notices=())), (replace(SWAP, succeeded=3),)).notices is None
    assert len(api.asked) == lists + 1
