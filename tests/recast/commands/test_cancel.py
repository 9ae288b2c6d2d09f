"""`recast cancel`: only what was meant goes, and `--wait` means that its pods are gone."""

import pytest

from recast.commands import cancel
from tests.recast.commands.conftest import Run
from tests.recast.commands.fakecluster import FakeApi


@pytest.fixture(autouse=True)
def jobs(api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cancel, "LOOK_SECONDS", 0.01)
    for name in ("a", "b", "c"):
        api.add_job(name, labels={"set": "one"} if name != "c" else {})


@pytest.mark.parametrize(
    ("words", "gone"),
    [
        (["a"], ["a"]),
        (["a", "c", "a"], ["a", "c"]),
        (["-l", "set=one"], ["a", "b"]),
        (["--all"], ["a", "b", "c"]),
    ],
)
def test_what_was_meant_goes(words: list[str], gone: list[str], api: FakeApi, run: Run) -> None:
    out, _ = run("cancel", *words)
    assert sorted(api.deleted) == gone
    assert out.splitlines() == [f"{name}: cancelled" for name in gone]


@pytest.mark.parametrize("words", [[], ["a", "--all"], ["a", "-l", "set=one"]])
def test_it_must_be_clear_what_is_meant(words: list[str], api: FakeApi, run: Run) -> None:
    assert "give names of jobs, or --all, or --selector" in run("cancel", *words, code=64)[1]
    assert not api.deleted


def test_a_name_that_is_none_is_66_and_the_others_go(api: FakeApi, run: Run) -> None:
    _, err = run("cancel", "x", "a", code=66)
    assert err.startswith("recast: x: no such job in namespace renders") and api.deleted == ["a"]


def test_nothing_to_cancel_is_no_fault(api: FakeApi, run: Run) -> None:
    assert run("cancel", "-l", "set=none")[0] == "no jobs to cancel in namespace renders\n"


def test_a_finished_job_is_removed(api: FakeApi, run: Run) -> None:
    api.add_job("a", status={"phase": "Succeeded"})
    assert run("cancel", "a")[0] == "a: removed\n"


def test_wait_ends_when_the_pods_are_gone(api: FakeApi, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    api.add_pod("a-1", "a", "swap")
    looks: list[float] = []

    def sleep(seconds: float) -> None:
        looks.append(seconds)
        if len(looks) == 3:
            api.items = {key: each for key, each in api.items.items() if not key.endswith("a-1")}

    monkeypatch.setattr(cancel.time, "sleep", sleep)
    run("cancel", "a", "--wait")
    assert len(looks) == 3


def test_pods_that_stay_are_75_and_named(api: FakeApi, run: Run) -> None:
    api.add_pod("a-1", "a", "swap")
    _, err = run("cancel", "a", "b", "--wait", "--timeout", "0", code=75)
    assert "recast: a: not gone after 0 s: see `kubectl get pods --namespace renders" in err and "uid-a" in err
