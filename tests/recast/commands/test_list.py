"""`recast list`: the jobs of a namespace, and how each stands."""

import json
from pathlib import Path

import pytest

from recast.cli import main
from recast.kube.errors import ApiNotFound
from tests.recast.commands.conftest import Run
from tests.recast.commands.fakecluster import FakeApi

STALLED = {
    "type": "Stalled", "status": "True", "reason": "NodeLost", "message": "bring it back",
    "lastTransitionTime": "2026-11-24T00:00:00Z",
}  # fmt: skip


@pytest.fixture
def jobs(api: FakeApi) -> None:
    api.add_job("younger", creationTimestamp="2026-11-24T00:00:09Z", labels={"a": "b"})
    api.add_job(
        "older",
        status={
            "phase": "Swapping", "progress": "12/40", "frames": {"perSecond": 96}, "conditions": [STALLED],
            "estimatedCompletionTime": "2999-01-01T00:00:00Z",
        },
    )  # fmt: skip


def test_each_job_is_a_row_the_oldest_first(jobs: None, run: Run) -> None:
    rows = [line.split() for line in run("list")[0].splitlines()]
    assert rows[0] == ["NAME", "PHASE", "SEGMENTS", "FPS", "LEFT", "AGE", "NOTE"]
    # What does not move has no time left: its age is next.
    assert rows[1][:4] == ["older", "Swapping", "12/40", "96"] and rows[1][5:] == ["NodeLost"]
    assert rows[2][:2] == ["younger", "Pending"] and len(rows) == 3


def test_a_failed_job_shows_its_reason_and_a_deleted_one_that_it_goes(jobs: None, api: FakeApi, run: Run) -> None:
    failure = {"code": 65, "reason": "NoFace", "message": "none"}
    api.add_job("older", status={"phase": "Failed", "progress": "1/4", "failure": failure})
    api.add_job("younger", creationTimestamp="2026-11-24T00:00:09Z", deletionTimestamp="2026-11-24T00:00:10Z")
    rows = [line.split() for line in run("list")[0].splitlines()]
    assert (rows[1][1], rows[1][-1]) == ("Failed", "NoFace") and rows[2][1] == "Cancelled"


def test_labels_and_namespaces_choose(jobs: None, run: Run) -> None:
    assert [line.split()[0] for line in run("list", "-l", "a=b")[0].splitlines()] == ["NAME", "younger"]
    assert run("list", "-n", "empty")[0] == "no jobs in namespace empty\n"
    assert run("list", "-A", "-l", "a=c")[0] == "no jobs on the cluster with a=c\n"
    assert run("list", "-A")[0].splitlines()[1].split()[:2] == ["renders", "older"]


def test_json_is_what_the_api_has_one_object_a_line(jobs: None, run: Run) -> None:
    lines = run("list", "--json")[0].splitlines()
    assert {json.loads(line)["metadata"]["name"] for line in lines} == {"older", "younger"}


CLUSTER = "clusters: [{name: a, cluster: {server: 'http://127.0.0.1:1'}}]"
CONTEXT = "contexts: [{name: a, context: {cluster: a, user: a}}]"


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        (None, 78, "no cluster to talk to"),
        ("a: [", 78, "no cluster to talk to"),
        (f"{CLUSTER}\n{CONTEXT}\nusers: []\ncurrent-context: b", 78, "no cluster to talk to"),
        (f"{CLUSTER}\n{CONTEXT}\nusers: [{{name: a, user: {{}}}}]\ncurrent-context: a", 69, "does not answer"),
    ],
)
def test_a_kubeconfig_that_leads_nowhere_is_told_of_in_one_line(
    text: str | None, code: int, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "kubeconfig"
    if text is not None:
        path.write_text(text)
    assert main(["list", "--kubeconfig", str(path)]) == code
    err = capsys.readouterr().err
    assert said in err and err.count("\n") == 1


def test_a_cluster_without_the_crd_is_told_of_in_one_line(api: FakeApi, run: Run) -> None:
    api.fault = ApiNotFound("GET: 404 the server could not find the requested resource", status=404)
    for words in (["list"], ["explain", "older"]):
        _, err = run(*words, code=78)
        assert err.startswith("recast: the cluster knows no FaceSwapJob: install") and err.count("\n") == 1
