from datetime import timedelta

import pytest

from controller.planning.conditions import with_condition, with_readiness, without_condition
from recast import names
from recast.kube import names as kube
from recast.status import MESSAGE_LIMIT, Condition, JobStatus
from tests.controller.builders import BEGAN, NOW, STUCK, begun, fact


def set_stalled(status: JobStatus, value: str = "True", message: str = "wait") -> JobStatus:
    return with_condition(status, kube.STALLED, value, "Unschedulable", message, generation=1, now=NOW)  # type: ignore[arg-type]


def test_a_condition_that_says_the_same_changes_nothing() -> None:
    status = set_stalled(begun())
    later = with_condition(
        status, kube.STALLED, "True", "Unschedulable", "wait", generation=1, now=NOW + timedelta(hours=1)
    )
    assert later is status


def test_its_time_is_that_of_its_status_not_of_its_message() -> None:
    status = begun(conditions=(fact(kube.STALLED),))
    found = set_stalled(status, message="still").condition(kube.STALLED)
    assert found is not None and (found.last_transition_time, found.message) == (BEGAN, "still")
    found = set_stalled(status, "False").condition(kube.STALLED)
    assert found is not None and found.last_transition_time == NOW


def test_conditions_stand_in_one_order_and_once_each() -> None:
    status = set_stalled(set_stalled(begun(conditions=(fact(kube.SPLIT_COMPLETE),))), "False")
    assert [each.type for each in status.conditions] == [kube.SPLIT_COMPLETE, kube.STALLED]
    other = with_condition(begun(), kube.STALLED, "True", "X", "x", generation=1, now=NOW)
    other = with_condition(other, kube.SPLIT_COMPLETE, "True", "X", "x", generation=1, now=NOW)
    assert [each.type for each in other.conditions] == [kube.SPLIT_COMPLETE, kube.STALLED]


def test_a_long_message_is_cut() -> None:
    found = set_stalled(begun(), message="x" * 10_000).condition(kube.STALLED)
    assert found is not None and len(found.message) == MESSAGE_LIMIT


def test_a_condition_that_is_not_there_is_removed_for_nothing() -> None:
    status = begun()
    assert without_condition(status, kube.STALLED) is status
    assert without_condition(set_stalled(status), kube.STALLED) == status


def test_it_says_which_spec_it_is_about_and_since_when_in_whole_seconds() -> None:
    late = NOW + timedelta(microseconds=7)
    status = with_condition(begun(), kube.STALLED, "True", "X", "x", generation=7, now=late)
    found = status.condition(kube.STALLED)
    assert found is not None and (found.observed_generation, found.last_transition_time) == (7, NOW)
    # A status is read back from the API to the second: it must be equal then.
    assert JobStatus.model_validate_json(status.model_dump_json(by_alias=True)) == status


def test_another_spec_or_reason_is_a_change() -> None:
    status = set_stalled(begun())
    assert with_condition(status, kube.STALLED, "True", "Unschedulable", "wait", generation=2, now=NOW) != status
    assert with_condition(status, kube.STALLED, "True", "NodeLost", "wait", generation=1, now=NOW) != status


SUSPENDED = fact(kube.SUSPENDED, reason=names.JOB_SUSPENDED)
RESUMED = fact(kube.SUSPENDED, "False", names.JOB_RESUMED)
FAILED = fact(kube.FAILED, reason=names.NO_FACE)
COMPLETE = fact(kube.COMPLETE, reason=names.SUCCEEDED)


@pytest.mark.parametrize(
    ("there", "ready", "reason", "stalled"),
    [
        ((), "False", names.PROGRESSING, False),
        ((RESUMED,), "False", names.PROGRESSING, False),
        ((SUSPENDED,), "False", names.JOB_SUSPENDED, False),
        ((STUCK,), "False", names.UNSCHEDULABLE, True),
        ((FAILED,), "False", names.NO_FACE, True),
        ((COMPLETE,), "True", names.SUCCEEDED, False),
    ],
)
def test_what_gitops_tools_go_by(there: tuple[Condition, ...], ready: str, reason: str, stalled: bool) -> None:
    status = with_readiness(begun(conditions=there), generation=1, now=NOW)
    found = status.condition(kube.READY)
    assert found is not None and (found.status, found.reason) == (ready, reason)
    assert status.is_true(kube.STALLED) == stalled
    assert with_readiness(status, generation=1, now=NOW + timedelta(hours=1)) is status
