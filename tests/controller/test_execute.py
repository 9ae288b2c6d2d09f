from dataclasses import replace
from typing import Any

import pytest

from controller.execute import Executor, LeaseLost
from controller.planning.actions import (
    Action,
    CreateJob,
    DeleteJob,
    DeleteResource,
    Event,
    Plan,
    ScaleJob,
    SetFinalizer,
    SuspendJob,
)
from controller.planning.observed import Observed
from recast.errors import Bug
from recast.kube import names as kube
from recast.kube.errors import AlreadyExists, ApiError, ApiNotFound, ApiUnavailable, Conflict, Forbidden, Invalid
from tests.controller.builders import BEGAN, UID, begun, decide, resource

JOB = "/apis/batch/v1/namespaces/studio/jobs/j"
SELF = "/apis/recast.video/v1alpha1/namespaces/studio/faceswapjobs/interview"
(CREATE,) = [each for each in decide(Observed(resource())).actions if isinstance(each, CreateJob)]
TOLD = Event("Normal", "StageStarted", "split")


class Api:
    """Notes what is asked of it; fails where it was told to."""

    def __init__(self, **failures: Exception) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self._failures = failures
        self.bodies: list[dict[str, Any]] = []
        self.owner = UID

    def create(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        what = "event" if path.endswith("events") else "job"
        self.bodies.append(body)
        self._note(f"create {what}", body["metadata"]["name"])
        metadata = {**body["metadata"], "uid": "1", "creationTimestamp": "2026-01-15T12:00:00Z"}
        return {**body, "metadata": metadata}

    def get(self, path: str) -> dict[str, Any]:
        return {"metadata": {"ownerReferences": [{"uid": self.owner}]}}

    def patch(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        self._note("patch", path, body)
        return {"metadata": {"resourceVersion": "7"}}

    def delete(self, path: str, **options: Any) -> None:
        self._note("delete", path, options)

    def replace(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        self.bodies.append(body)
        self._note("status", path)
        metadata = {**body["metadata"], "creationTimestamp": "2026-01-15T12:00:00Z", "resourceVersion": "9"}
        return {**body, "metadata": metadata, "spec": {}}

    def _note(self, what: str, *rest: Any) -> None:
        self.asked.append((what, *rest))
        if failure := self._failures.get(what.replace(" ", "_")):
            raise failure


def run(api: Api, *actions: Action, events: tuple[Event, ...] = (), may_write: bool = True, **seen: Any) -> Any:
    executor = Executor(api, "controller-a", lambda: may_write)  # type: ignore[arg-type]
    found = replace(resource(), **seen)
    return executor.run(found, Plan(begun(), actions, events), write_status=True)


@pytest.mark.parametrize(
    ("action", "asked"),
    [
        (
            DeleteJob("j", "u"),
            ("delete", JOB, {"uid": "u"}),
        ),
        (SuspendJob("j", True), ("patch", JOB, {"spec": {"suspend": True}})),
        (ScaleJob("j", 3), ("patch", JOB, {"spec": {"parallelism": 3}})),
        (
            SetFinalizer(True),
            ("patch", SELF, {"metadata": {"finalizers": ["x", kube.FINALIZER], "resourceVersion": "5"}}),
        ),
        (SetFinalizer(False), ("patch", SELF, {"metadata": {"finalizers": ["x"], "resourceVersion": "5"}})),
        (DeleteResource(), ("delete", SELF, {"uid": UID})),
    ],
)
def test_each_action_is_one_request_that_changes_nothing_else(action: Action, asked: tuple[Any, ...]) -> None:
    api = Api()
    run(api, action, finalizers=("x",), resource_version="5")
    assert api.asked[0] == asked


def test_actions_come_before_the_status_and_events_after_it() -> None:
    api = Api()
    after, created = run(api, CREATE, events=(TOLD,))
    assert [each[0] for each in api.asked] == ["create job", "status", "create event"]
    assert [job.stage for job in created] == ["split"] and after.resource_version == "9"


def test_a_killed_look_can_be_done_again() -> None:
    api = Api(create_job=AlreadyExists("there"), create_event=AlreadyExists("there"))
    assert run(api, CREATE, events=(TOLD,))[1] == []
    gone = ApiNotFound("gone")
    run(Api(delete=gone, patch=gone), DeleteJob("j", "u"), ScaleJob("j", 2), SetFinalizer(False))


def test_events_of_the_same_words_have_the_same_name() -> None:
    names = set()
    for message in ("split", "split", "swap"):
        api = Api()
        run(api, events=(replace(TOLD, message=message),))
        names.add(api.asked[-1][1])
    assert len(names) == 2


def test_a_job_of_another_owner_is_not_taken_for_ours() -> None:
    api = Api(create_job=AlreadyExists("there"))
    api.owner = "somebody-else"
    with pytest.raises(Bug, match="belongs to something else"):
        run(api, CREATE)


def test_an_error_ends_it_before_the_status_says_that_all_went_well() -> None:
    api = Api(create_job=ApiUnavailable("away"))
    with pytest.raises(ApiUnavailable):
        run(api, CREATE, events=(TOLD,))
    assert [each[0] for each in api.asked] == ["create job"]


@pytest.mark.parametrize("actions", [(CREATE,), ()])
def test_without_the_lease_nothing_is_written(actions: tuple[Action, ...]) -> None:
    api = Api()
    with pytest.raises(LeaseLost):
        run(api, *actions, may_write=False)
    assert api.asked == []


def test_the_lease_is_asked_for_before_each_write() -> None:
    # The actions, the status and the event.
    for allowed in range(4):
        api, answers = Api(), iter([True] * allowed)
        executor = Executor(api, "controller-a", lambda: next(answers, False))  # type: ignore[arg-type]  # noqa: B023  # called at once
        with pytest.raises(LeaseLost):
            executor.run(resource(), Plan(begun(), (CREATE, ScaleJob("j", 3)), (TOLD,)), write_status=True)
        assert [each[0] for each in api.asked] == ["create job", "patch", "status"][:allowed]


def test_the_status_is_this_controllers_alone_and_says_only_what_is_known() -> None:
    api = Api()
    run(api, resource_version="5")
    assert api.asked == [("status", f"{SELF}/status")]
    (body,) = api.bodies
    written = {"name": "interview", "namespace": "studio", "uid": UID, "resourceVersion": "5"}
    assert body["metadata"] == written and "spec" not in body
    assert body["status"] and None not in body["status"].values()


def test_the_status_is_written_over_what_was_seen_and_over_nothing_newer() -> None:
    api = Api()
    run(api, SetFinalizer(True), resource_version="5")
    assert api.asked[0][2]["metadata"]["resourceVersion"] == "5"
    assert api.bodies[-1]["metadata"]["resourceVersion"] == "7", "its own write a moment ago is known"
    with pytest.raises(Conflict):
        run(Api(status=Conflict("the object has been modified")), events=(TOLD,), resource_version="5")


def test_an_event_is_cut_to_what_the_api_takes() -> None:
    api = Api()
    run(api, events=(replace(TOLD, message="x" * 5000),), name="n" * 253)
    body = api.bodies[-1]
    assert len(body["message"]) == 1024 and len(body["metadata"]["name"]) <= 253


def test_a_status_that_is_not_due_is_not_written() -> None:
    api = Api()
    executor = Executor(api, "controller-a", lambda: True)  # type: ignore[arg-type]
    found, made = executor.run(resource(), Plan(begun(), (), (TOLD,)), write_status=False)
    assert api.asked == [] and found == resource() and made == []


def test_a_refused_event_stops_nothing() -> None:
    run(Api(create_event=Forbidden("no")), events=(TOLD, TOLD))


def test_what_is_told_of_a_job_that_goes_is_told_before_it_goes() -> None:
    api = Api()
    executor = Executor(api, "controller-a", lambda: True)  # type: ignore[arg-type]
    executor.run(resource(begun()), Plan(begun(), (SetFinalizer(False),), (TOLD,)), write_status=False)
    assert [each[0] for each in api.asked] == ["create event", "patch"]


def test_a_namespace_that_ends_lets_its_deleted_jobs_go() -> None:
    ends = Forbidden("no", details={"causes": [{"reason": "NamespaceTerminating"}]})
    api = Api(create_job=ends)
    run(api, CREATE, deleted=resource().created, finalizers=(kube.FINALIZER,))
    assert api.asked[1][0] == "patch" and api.asked[1][2]["metadata"]["finalizers"] == []
    with pytest.raises(Forbidden):
        run(Api(create_job=ends), CREATE)


@pytest.mark.parametrize(
    "refusal",
    [
        Forbidden("POST /apis: 403 exceeded quota", said="exceeded quota"),
        Invalid("POST /apis: 422 too small", said="too small"),
    ],
)
def test_what_the_api_refuses_to_make_is_said_in_the_status_and_tried_again(refusal: ApiError) -> None:
    api = Api(create_job=refusal)
    with pytest.raises(type(refusal)):
        run(api, CREATE)
    assert [each[0] for each in api.asked] == ["create job", "status", "create event"]
    written = api.bodies[1]["status"]
    ready, stalled = written["conditions"]
    assert (ready["type"], ready["status"], ready["reason"]) == ("Ready", "False", "PodsRefused")
    assert (stalled["type"], stalled["reason"]) == ("Stalled", "PodsRefused") and f"needs: {refusal.said}: " in stalled[
        "message"
    ]
    assert written["startTime"] == begun().model_dump(mode="json", by_alias=True)["startTime"], "the deadline counts"
    assert "phase" not in written or written["phase"] == resource().status.phase, "nothing is said to run"


def test_a_job_that_is_being_deleted_gets_no_status_for_it() -> None:
    api = Api(create_job=Forbidden("exceeded quota: jobs"))
    with pytest.raises(Forbidden):
        run(api, CREATE, deleted=BEGAN)
    assert [each[0] for each in api.asked] == ["create job"]
