"""`recast logs`: the pods that are meant, in words."""

import json
from typing import Any

import pytest

from recast.commands import logs
from recast.kube.podlogs import choose, readable
from tests.recast.commands.conftest import Run
from tests.recast.commands.fakecluster import FakeApi, pod


def line(message: str, **fields: Any) -> str:
    return json.dumps({"time": "2026-11-24T00:01:02.345Z", "level": "info", **fields, "message": message})


@pytest.fixture(autouse=True)
def job(api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "LOOK_SECONDS", 0.01)
    api.add_job("a", status={"phase": "Swapping"})
    api.add_pod("a-swap-1", "a", "swap", index=1, per_pod=4)
    api.add_pod("a-swap-0", "a", "swap", index=0, per_pod=4)
    api.add_pod("a-split", "a", "split")
    api.add_pod("b-split", "b", "split")
    api.logs = {
        "a-split": [line("segment cut", segment=4, job="r/a", attempt=0)],
        "a-swap-0": [line("part committed", segment=3, frames=7)],
        "a-swap-1": [line("part committed", segment=4), "no JSON", line("part committed", segment=5)],
    }


def test_all_pods_are_printed_in_the_order_of_the_work(run: Run) -> None:
    out, err = run("logs", "a")
    assert err.splitlines() == [
        "--- split (pod a-split)", "--- swap 0-3 (pod a-swap-0)", "--- swap 4-7 (pod a-swap-1)"
    ]  # fmt: skip
    assert out.splitlines() == [
        "00:01:02.345 info    segment 4: segment cut",
        "00:01:02.345 info    segment 3: part committed frames=7",
        "00:01:02.345 info    segment 4: part committed",
        "no JSON",
        "00:01:02.345 info    segment 5: part committed",
    ]


def test_a_segment_is_that_of_its_worker_and_of_no_other_stage(run: Run) -> None:
    out, err = run("logs", "a", "--segment", "5")
    assert err == "--- swap 4-7 (pod a-swap-1)\n"
    assert out == "no JSON\n00:01:02.345 info    segment 5: part committed\n"


def test_json_lines_stay_what_they_are(run: Run, api: FakeApi) -> None:
    assert run("logs", "a", "--stage", "split", "--json")[0].splitlines() == api.logs["a-split"]
    assert run("logs", "a", "--stage", "swap", "--json", "--tail", "1")[0].splitlines()[-1] == api.logs["a-swap-1"][-1]


def test_a_pod_that_has_not_begun_has_no_log(run: Run, api: FakeApi) -> None:
    waiting = {
        "phase": "Pending",
        "containerStatuses": [{"name": "stage", "state": {"waiting": {"reason": "ContainerCreating"}}}],
    }
    api.add_pod("a-split", "a", "split", status=waiting)
    out, err = run("logs", "a", "--stage", "split")
    assert not out and err.endswith("recast: it has not begun: see `recast explain a`\n")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["x"], 66, "x: no such job in namespace renders"),
        (["a", "--stage", "mux"], 66, "a: no pods of mux are there: see `recast explain a`"),
        (["a", "--segment", "8"], 66, "a: no pods of segment 8 are there"),
        (["a", "--segment", "8", "--stage", "mux"], 64, "--segment goes with --stage swap only"),
    ],
)
def test_what_is_not_there_is_one_line(words: list[str], code: int, said: str, run: Run) -> None:
    _, err = run("logs", *words, code=code)
    assert said in err and err.count("\n") == 1


def test_follow_goes_on_with_new_pods_until_the_job_is_done(
    run: Run, api: FakeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sleep(_: float) -> None:
        api.add_pod("a-mux", "a", "mux")
        api.logs["a-mux"] = [line("muxing")]
        api.report("a", phase="Succeeded")

    monkeypatch.setattr(logs.time, "sleep", sleep)
    out, _ = run("logs", "a", "--follow")
    assert sorted(each.split()[0] for each in out.splitlines()) == ["mux", "split", *4 * ["swap"]]
    assert "mux        00:01:02.345 info    muxing" in out


def test_follow_says_which_pods_log_it_could_not_read(run: Run, api: FakeApi) -> None:
    del api.logs["a-split"]
    api.report("a", phase="Failed")

    def gone(*_: object, **__: object) -> Any:
        from recast.kube.errors import ApiNotFound

        raise ApiNotFound("404 gone", status=404)

    api.log_lines = gone  # type: ignore[method-assign]
    _, err = run("logs", "a", "--follow", "--stage", "split")
    assert err == "recast: pod a-split: 404 gone\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("plain", "plain"),
        ("{half", "{half"),
        ('["a"]', '["a"]'),
        ('{"no": "message"}', '{"no": "message"}'),
        (line("done", uri="s3://a/b c", n=1), '00:01:02.345 info    done uri="s3://a/b c" n=1'),
        (line("x", traceback="A:\n  b\n"), "00:01:02.345 info    x\n    A:\n      b"),
    ],
)
def test_lines_for_people(text: str, said: str) -> None:
    assert readable(text) == said


def test_pods_of_a_stage_are_sorted_by_attempt_and_index() -> None:
    items = [
        pod("d", "a", "mux"), pod("c", "a", "swap", attempt=1), pod("b", "a", "swap", index=10),
        pod("a", "a", "swap", index=9),
    ]  # fmt: skip
    assert [each.name for each in choose(items)] == ["a", "b", "c", "d"]
    assert [each.name for each in choose(items, "swap", 10)] == ["b"]
