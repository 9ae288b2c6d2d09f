from datetime import timedelta

import pytest

from controller.planning.deadline import with_waiting, worked
from recast.status import JobStatus, Waited
from tests.controller.builders import NOW, begun


def later(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)


def test_what_has_not_begun_has_used_up_nothing() -> None:
    assert worked(JobStatus(), NOW) == timedelta()
    assert with_waiting(JobStatus(), True, NOW) == JobStatus()


def test_time_stands_still_while_it_waits_and_goes_on_after() -> None:
    status = begun(start_time=NOW)
    assert worked(status, NOW + later(100)) == later(100)
    held = with_waiting(status, True, NOW + later(100))
    assert worked(held, NOW + later(5_000)) == later(100)
    gone_on = with_waiting(held, False, NOW + later(5_000))
    assert gone_on.waited == Waited(seconds=4_900)
    assert worked(gone_on, NOW + later(5_010)) == later(110)
    again = with_waiting(with_waiting(gone_on, True, NOW + later(5_010)), False, NOW + later(6_010))
    assert worked(again, NOW + later(6_020)) == later(120)


@pytest.mark.parametrize("waits", [True, False])
def test_what_goes_on_as_it_was_changes_nothing(waits: bool) -> None:
    status = begun(waited=Waited(seconds=3, since=NOW if waits else None))
    assert with_waiting(status, waits, NOW + later(9)) is status


def test_a_clock_that_was_set_back_takes_nothing_away() -> None:
    held = begun(waited=Waited(seconds=7, since=NOW))
    assert with_waiting(held, False, NOW - later(60)).waited == Waited(seconds=7)
