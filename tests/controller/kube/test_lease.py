import threading
from copy import deepcopy
from typing import Any

import pytest

from controller.kube.lease import Elector, Times
from recast.kube.errors import AlreadyExists, ApiNotFound, ApiUnavailable, Conflict


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Leases:
    """An API with one lease."""

    def __init__(self) -> None:
        self.lease: dict[str, Any] | None = None
        self.version = 0
        self.away = False

    def get(self, _path: str) -> dict[str, Any]:
        self._check()
        if self.lease is None:
            raise ApiNotFound("no lease")
        return {**deepcopy(self.lease), "metadata": {"resourceVersion": str(self.version)}}

    def create(self, _path: str, body: dict[str, Any]) -> None:
        self._check()
        if self.lease is not None:
            raise AlreadyExists("there is one")
        self._write(body)

    def replace(self, _path: str, body: dict[str, Any]) -> None:
        self._check()
        if body["metadata"]["resourceVersion"] != str(self.version):
            raise Conflict("another was quicker")
        self._write(body)

    def _write(self, body: dict[str, Any]) -> None:
        self.lease, self.version = body, self.version + 1

    def _check(self) -> None:
        if self.away:
            raise ApiUnavailable("away")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def leases() -> Leases:
    return Leases()


def elector(leases: Leases, clock: Clock, identity: str, told: list[str] | None = None) -> Elector:
    return Elector(
        leases,  # type: ignore[arg-type]
        namespace="recast-system",
        name="recast-controller",
        identity=identity,
        times=Times(duration=15, deadline=10, retry=2),
        clock=clock,
        elected=lambda: told.append(identity) if told is not None else None,
    )


def holder(leases: Leases) -> str:
    assert leases.lease is not None
    return str(leases.lease["spec"]["holderIdentity"])


def test_the_first_takes_it_and_the_second_does_not(leases: Leases, clock: Clock) -> None:
    told: list[str] = []
    first, second = elector(leases, clock, "a", told), elector(leases, clock, "b", told)
    assert first.try_once() and not second.try_once()
    assert first.is_leader() and not second.is_leader()
    assert first.try_once() and told == ["a"], "renewing is no election"


def test_one_that_falls_silent_is_followed_after_the_leases_time(leases: Leases, clock: Clock) -> None:
    first, second = elector(leases, clock, "a"), elector(leases, clock, "b")
    first.try_once()
    assert not second.try_once()
    clock.now += 14
    assert not second.try_once()
    clock.now += 2
    assert second.try_once() and holder(leases) == "b"
    assert not first.is_leader(), "the old one knows by its own clock"
    assert not first.try_once(), "and by the lease"


def test_one_that_renews_is_not_followed_however_its_clock_goes(leases: Leases, clock: Clock) -> None:
    first, second = elector(leases, clock, "a"), elector(leases, clock, "b")
    first.try_once()
    for _ in range(20):
        clock.now += 5
        assert first.try_once()
        assert leases.lease is not None
        leases.lease["spec"]["renewTime"] = "1999-01-01T00:00:00.000000Z"
        assert not second.try_once()


def test_one_that_cannot_renew_stops_before_another_may_begin(leases: Leases, clock: Clock) -> None:
    first = elector(leases, clock, "a")
    first.try_once()
    leases.away = True
    clock.now += 9
    assert first.try_once() and first.is_leader()
    clock.now += 1
    assert not first.is_leader()


def test_a_term_that_ended_while_the_answer_was_awaited_is_told_as_a_new_one(
    leases: Leases, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    first = elector(leases, clock, "a", told)
    first.try_once()
    clock.now += 9
    read = leases.get

    def get_slowly(path: str) -> dict[str, Any]:
        clock.now += 2
        assert not first.is_leader(), "what is asked now is left undone"
        return read(path)

    monkeypatch.setattr(leases, "get", get_slowly)
    assert first.try_once() and first.is_leader()
    assert told == ["a", "a"]


def test_of_two_that_find_it_free_one_gets_it(leases: Leases, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = elector(leases, clock, "a"), elector(leases, clock, "b")
    read = leases.get

    def get_and_be_late(path: str) -> dict[str, Any]:
        monkeypatch.setattr(leases, "get", read)
        try:
            return read(path)
        finally:
            assert first.try_once()

    monkeypatch.setattr(leases, "get", get_and_be_late)
    assert not second.try_once() and holder(leases) == "a"


def test_let_go_it_is_free_at_once(leases: Leases, clock: Clock) -> None:
    first, second = elector(leases, clock, "a"), elector(leases, clock, "b")
    first.try_once()
    first.stop()
    assert not first.is_leader()
    assert second.try_once() and leases.lease is not None
    assert leases.lease["spec"]["leaseTransitions"] == 1


def test_stopping_leaves_the_lease_of_another(leases: Leases, clock: Clock) -> None:
    first, second = elector(leases, clock, "a"), elector(leases, clock, "b")
    first.try_once()
    second.stop()
    assert holder(leases) == "a"
    assert leases.lease is not None
    leases.lease["spec"]["holderIdentity"] = "b"
    assert first.is_leader(), "it has not heard of it yet"
    first.stop()
    assert holder(leases) == "b"


def test_a_renewal_changes_the_time_and_nothing_else(leases: Leases, clock: Clock) -> None:
    first = elector(leases, clock, "a")
    first.try_once()
    assert leases.lease is not None
    leases.lease["spec"] |= {"renewTime": "old", "acquireTime": "then", "leaseTransitions": 7}
    first.try_once()
    spec = leases.lease["spec"]
    assert (spec["acquireTime"], spec["leaseTransitions"], spec["leaseDurationSeconds"]) == ("then", 7, 15)
    assert spec["renewTime"] != "old"


def test_one_that_lost_it_and_has_it_again_is_told_again(leases: Leases, clock: Clock) -> None:
    told: list[str] = []
    first = elector(leases, clock, "a", told)
    first.try_once()
    leases.away = True
    clock.now += 11
    assert not first.try_once()
    leases.away = False
    assert first.try_once() and told == ["a", "a"], "what changed meanwhile was not looked at"


def test_a_longer_lease_of_another_is_waited_for(leases: Leases, clock: Clock) -> None:
    elector(leases, clock, "a").try_once()
    assert leases.lease is not None
    leases.lease["spec"]["leaseDurationSeconds"] = 40
    second = elector(leases, clock, "b")
    second.try_once()
    clock.now += 39
    assert not second.try_once()
    clock.now += 2
    assert second.try_once()


def test_a_lease_without_a_holder_is_free(leases: Leases, clock: Clock) -> None:
    leases.lease = {"spec": None}
    assert elector(leases, clock, "a").try_once() and holder(leases) == "a"


def test_a_first_lease_is_made_by_one_only(leases: Leases, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    elector(leases, clock, "a").try_once()
    late = elector(leases, clock, "b")

    def not_yet(_path: str) -> dict[str, Any]:
        raise ApiNotFound("no lease")

    monkeypatch.setattr(leases, "get", not_yet)
    assert not late.try_once() and holder(leases) == "a"


def test_a_server_that_is_away_holds_up_no_stop(
    leases: Leases, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    first = elector(leases, clock, "a")
    first.try_once()
    leases.away = True
    first.stop()
    assert not first.is_leader()
    assert "not released" in capsys.readouterr().err


def test_its_thread_takes_it_keeps_it_and_lets_it_go(leases: Leases, monkeypatch: pytest.MonkeyPatch) -> None:
    taken, renewed = threading.Event(), threading.Event()
    write = leases.replace

    def replace(path: str, body: dict[str, Any]) -> None:
        write(path, body)
        renewed.set()

    monkeypatch.setattr(leases, "replace", replace)
    first = Elector(
        leases,  # type: ignore[arg-type]
        namespace="n",
        name="l",
        identity="a",
        times=Times(retry=0.005),
        elected=taken.set,
    )
    assert not first.is_leader()
    first.start()
    assert taken.wait(5) and renewed.wait(5) and first.is_leader()
    first.stop()
    assert not first.is_leader() and holder(leases) == ""
    assert not first._thread.is_alive()


def test_a_try_in_flight_does_not_take_back_what_was_let_go(leases: Leases, clock: Clock) -> None:
    first = elector(leases, clock, "a")
    first.try_once()
    first.stop()
    assert not first.try_once() and not first.is_leader()
    assert holder(leases) == ""


def test_an_error_that_nobody_thought_of_does_not_end_it(
    leases: Leases, clock: Clock, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tried = threading.Semaphore(0)

    def broken() -> bool:
        tried.release()
        raise RuntimeError("broken")

    first = elector(leases, clock, "a")
    monkeypatch.setattr(first, "_times", Times(retry=0.001))
    monkeypatch.setattr(first, "try_once", broken)
    first.start()
    assert all(tried.acquire(timeout=5) for _ in range(3)), "it goes on trying"
    first.stop()
    assert "lease failed" in capsys.readouterr().err
