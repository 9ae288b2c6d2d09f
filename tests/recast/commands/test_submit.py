"""`recast submit`: from files to the cluster, and along to the end."""

import io
import os
import signal
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from recast import exitcodes
from recast.commands import screen
from recast.commands.clusterarguments import seconds_of
from recast.errors import StorageUnavailable
from recast.kube import follow
from recast.kube.cluster import Change, Job
from recast.kube.errors import ApiError, ApiNotFound, ApiUnavailable, Forbidden, Invalid
from recast.kube.follow import Awaited, Following
from recast.kube.jobtext import exit_code, worst
from recast.status import Condition, Failure, FrameCounts, JobStatus
from recast.storage.storage import ObjectInfo, Storage
from recast.wording import span
from tests.recast.commands.conftest import Run
from tests.recast.commands.fakecluster import FakeApi, job_path

NOW = datetime(2026, 11, 24, tzinfo=UTC)
JOB: dict[str, Any] = {
    "apiVersion": "recast.video/v1alpha1",
    "kind": "FaceSwapJob",
    "metadata": {"name": "interview"},
    "spec": {
        "source": {"uri": "s3://studio/in/a.mov"},
        "output": {"uri": "s3://studio/out/a.mkv"},
        "engine": {"name": "Passthrough"},
        "storage": {"endpoint": "http://s3:8333", "scratch": "s3://scratch/recast"},
    },
}
DONE = {"phase": "Succeeded", "output": {"uri": "s3://studio/out/a.mkv", "size": 5_000_000, "sha256": "ab"}}


def failed(code: int) -> dict[str, Any]:
    return {"phase": "Failed", "failure": {"code": code, "reason": "BadInput", "message": "no"}}


@pytest.fixture
def file(tmp_path: Path) -> str:
    """A file of one job."""
    path = tmp_path / "job.yaml"
    path.write_text(yaml.safe_dump(JOB))
    return str(path)


def test_a_job_is_applied_and_said(file: str, api: FakeApi, run: Run) -> None:
    assert run("submit", file)[0] == "interview: submitted\n"
    applied = api.items[job_path("interview")]
    assert applied["spec"] == JOB["spec"] and applied["metadata"]["namespace"] == "renders"
    assert run("submit", file)[0] == "interview: unchanged\n"


def test_standard_input_is_a_file(api: FakeApi, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(yaml.safe_dump(JOB).encode())))
    assert run("submit", "-")[0] == "interview: submitted\n"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"kind: Pod")))
    assert run("submit", "-", code=64)[1].startswith("recast: <stdin>:1: kind: Pod")


def test_a_file_may_be_given_by_its_uri(file: str, api: FakeApi, run: Run) -> None:
    assert run("submit", f"file://{Path(file).absolute()}")[0] == "interview: submitted\n"


def test_one_fault_and_nothing_is_submitted(file: str, api: FakeApi, run: Run, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("a: b\n---\nc: d\n")
    _, err = run("submit", file, str(tmp_path / "bad.yaml"), code=exitcodes.USAGE)
    assert err.count("recast: ") == err.count("\n") == 2 and not api.items


def test_one_name_twice_is_a_fault(file: str, api: FakeApi, run: Run) -> None:
    assert "has this name already" in run("submit", file, file.replace("job", "./job"), code=64)[1]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["none.yaml"], 66, "none.yaml: no such file"),
        (["/"], 64, "/: is a folder: give the files in it"),
        (["~/job.yaml"], 64, "~/job.yaml: a shell leaves ~ as it is in quotes"),
        (["a.yaml", "--each", "s3://studio/in/"], 64, "--each and --output go together"),
        (["a.yaml", "--each", "in/", "--output", "s3://studio/out"], 64, "in/: give s3://bucket/prefix/"),
        (["a.yaml", "--timeout", "5s"], 64, "--timeout goes with --wait"),
        (["a.yaml", "--wait", "--timeout", "soon"], 64, "soon: give a time such as 90s"),
    ],
)
def test_what_cannot_be_is_one_line(words: list[str], code: int, said: str, run: Run) -> None:
    _, err = run("submit", *words, code=code)
    assert said in err and err.count("\n") == 1


def test_a_namespace_in_the_file_must_be_the_one_that_was_asked_for(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "job.yaml"
    path.write_text(yaml.safe_dump({**JOB, "metadata": {"name": "a", "namespace": "here"}}))
    assert "metadata.namespace: here: not the there" in run("submit", str(path), "-n", "there", code=64)[1]


DENIED = {"causes": [{"message": "bucket foreign is not allowed"}]}
CHANGED = {"causes": [{"field": "spec", "message": "Invalid value: video cannot be changed"}]}


@pytest.mark.parametrize(
    ("refusal", "code", "said"),
    [
        (Invalid("422", status=422, details=CHANGED), 64, "interview: spec: Invalid value: video cannot be changed"),
        (Forbidden("403", status=403, details=DENIED), 78, "interview: bucket foreign is not allowed"),
        (Forbidden("exceeded quota: q", status=403), 78, "interview: exceeded quota: q"),
    ],
    ids=["a rule of the schema", "a policy", "a quota"],
)
def test_what_the_server_has_against_a_job_is_one_line_and_does_not_hold_up_the_others(
    refusal: ApiError, code: int, said: str, api: FakeApi, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "jobs.yaml"
    path.write_text(yaml.safe_dump_all([JOB, {**JOB, "metadata": {"name": "trailer"}}]))
    apply = api.apply

    def refusing(path: str, body: Any, **options: Any) -> Any:
        if path.endswith("interview"):
            raise refusal
        return apply(path, body, **options)

    monkeypatch.setattr(api, "apply", refusing)
    out, err = run("submit", str(path), code=code)
    assert out == "trailer: submitted\n"
    assert err == f"recast: {path}:1: {said}\n"


def test_a_job_that_is_on_its_way_out_is_not_touched(file: str, api: FakeApi, run: Run) -> None:
    api.add_job("interview", deletionTimestamp="2026-11-24T00:00:00Z")
    assert "still being deleted: submit it again once it is gone" in run("submit", file, code=75)[1]


def test_a_job_that_failed_before_says_how_to_try_again(file: str, api: FakeApi, run: Run) -> None:
    api.add_job("interview", spec=JOB["spec"], status=failed(66))
    out, err = run("submit", file, "--wait", code=66)
    assert (
        out == "interview: unchanged, Failed before; `recast cancel interview` and submit it again to try once more\n"
    )
    assert "recast: interview: failed: BadInput: no\n" in err


@pytest.mark.parametrize(
    ("fault", "code", "said"),
    [
        (Forbidden("GET: 403 guest cannot list", status=403), 78, "guest cannot list: ask for a role that allows it"),
        (Forbidden("POST: 403 denied by policy: no consent", status=403), 78, "denied by policy: no consent"),
        (ApiUnavailable("https://h: no answer"), 69, "no answer: check --context and the network"),
    ],
)
def test_a_cluster_that_says_no_is_one_line(
    fault: Any, code: int, said: str, file: str, api: FakeApi, run: Run
) -> None:
    api.fault = fault
    _, err = run("submit", file, code=code)
    assert said in err and err.count("\n") == 1


# --wait


def test_a_job_is_followed_to_its_output(file: str, api: FakeApi, run: Run) -> None:
    api.script = [
        lambda: api.report("interview", phase="Splitting"),
        lambda: api.report("interview", phase="Swapping", progress="0/4"),
        lambda: api.report("interview", **DONE),
    ]
    out, err = run("submit", file, "--wait")
    assert out == "interview: submitted\ninterview: s3://studio/out/a.mkv, 5.0 MB\n"
    assert err.endswith("recast: interview: Succeeded\n")


def test_a_job_that_changed_no_face_ends_with_a_warning(tmp_path: Path, api: FakeApi, run: Run) -> None:
    mesh = {"engine": {"name": "Mesh"}, "faces": [{"source": ["s3://studio/a.png"]}], "consent": {"reference": "r"}}
    (tmp_path / "job.yaml").write_text(yaml.safe_dump(JOB | {"spec": JOB["spec"] | mesh}))
    api.script = [lambda: api.report("interview", **DONE, facesSwapped=0)]
    _, err = run("submit", str(tmp_path / "job.yaml"), "--wait")
    assert "recast: warning: interview: no face was changed" in err


@pytest.mark.parametrize("code", [65, 75, 78, 137])
def test_the_jobs_code_is_the_exit_code(code: int, file: str, api: FakeApi, run: Run) -> None:
    api.script = [lambda: api.report("interview", **failed(code))]
    assert "recast: interview: failed: BadInput: no\n" in run("submit", file, "--wait", code=code)[1]


def test_a_job_that_goes_away_is_75(file: str, api: FakeApi, run: Run) -> None:
    api.script = [lambda: api.remove("interview")]
    assert "interview: was deleted before it was done" in run("submit", file, "--wait", code=75)[1]


@pytest.mark.parametrize(
    ("number", "code", "how"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "stopped")]
)
def test_a_signal_leaves_the_jobs_and_says_so(
    file: str, run: Run, monkeypatch: pytest.MonkeyPatch, number: int, code: int, how: str
) -> None:
    def interrupted(*_: object) -> None:
        os.kill(os.getpid(), number)

    monkeypatch.setattr(Following, "_look", interrupted)
    _, err = run("submit", file, "--wait", code=code)
    assert f"{how}: the jobs go on" in err and "`recast cancel interview` stops them" in err


def test_a_namespace_that_is_not_there_is_named(file: str, api: FakeApi, run: Run) -> None:
    api.fault = ApiNotFound('PATCH /apis: 404 namespaces "nowhere" not found', status=404)
    _, err = run("submit", file, "-n", "nowhere", code=66)
    assert err == "recast: there is no namespace nowhere: make it, or give -n NAMESPACE\n"


def job(name: str = "a", uid: str = "1", **status: Any) -> Job:
    return Job("renders", name, uid, NOW, status=JobStatus.model_validate(status))


class Screen:
    """Keeps what is said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def show(self, jobs: Any, changed: Any, now: datetime) -> None:
        """Nothing."""

    def say(self, text: str) -> None:
        self.lines.append(text)


def following(*jobs: Job) -> Following:
    return Following(jobs, Screen(), patience=100)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (Change("Listed", "renders", [job()]), None),
        (Change("Listed", "elsewhere", []), None),
        (Change("Listed", "renders", []), 75),
        (Change("Listed", "renders", [job(uid="2")]), 75),
        (Change("Changed", "renders", [job(**DONE)]), 0),
        (Change("Changed", "renders", [job(**failed(78))]), 78),
        (Change("Changed", "renders", [job("b", **DONE)]), None),
        (Change("Changed", "renders", [job(uid="2", **DONE)]), 75),
        (Change("Deleted", "renders", [job()]), 75),
        (Change("Deleted", "renders", [job(**DONE)]), 0),
        (Change("Deleted", "renders", [job(uid="0")]), None),
    ],
)
def test_news_of_a_job_and_of_what_took_its_name(change: Change, code: int | None) -> None:
    follows = following(job())
    follows.take(change, 0)
    assert follows.jobs[("renders", "a")].code == code


def test_what_is_done_stays_done_when_its_time_to_live_is_over() -> None:
    follows = following(job())
    for change in (Change("Changed", "renders", [job(**DONE)]), Change("Listed", "renders", [])):
        follows.take(change, 0)
    assert follows.code == 0 and not follows.left


def test_a_silent_server_is_borne_for_a_while() -> None:
    follows = following(job())
    lines = follows._screen.lines  # type: ignore[attr-defined]
    silent = Change("Silent", "renders", error=ApiUnavailable("no answer"))
    for now in (0, 50, 100):
        follows.take(silent, now)
    follows.take(Change("Listed", "renders", [job()]), 101)
    follows.take(silent, 102)
    assert lines == [
        "no answer; the jobs go on; trying again", "the API server answers again",
        "no answer; the jobs go on; trying again",
    ]  # fmt: skip
    with pytest.raises(ApiUnavailable):
        follows.take(silent, 203)


def test_a_server_that_refuses_to_be_watched_ends_it_at_once(file: str, api: FakeApi, run: Run) -> None:
    def refuse() -> None:
        api.fault = Forbidden("GET: 403 guest cannot watch", status=403)

    api.script = [refuse, lambda: None]
    _, err = run("submit", file, "--wait", code=78)
    assert "no longer following: the jobs go on" in err and err.endswith("ask for a role that allows it\n")


@pytest.mark.parametrize(
    ("codes", "code"),
    [([], 0), ([0, 0], 0), ([0, 75], 75), ([75, 65], 65), ([65, 78], 78), ([137, 66], 66), ([69, 143], 143)],
)
def test_a_code_that_no_other_try_can_mend_is_the_worst(codes: list[int], code: int) -> None:
    assert worst(codes) == code


def test_a_code_that_no_process_can_end_with_is_75() -> None:
    for code in (0, 256, -9):
        assert exit_code(JobStatus(phase="Failed", failure=Failure(code=code, reason="a", message="b"))) == 75
    assert exit_code(JobStatus(phase="Failed")) == 75
    assert exit_code(JobStatus(phase="Suspended")) is None


# What people see


def plain(steps: list[tuple[int, dict[str, Any]]], capsys: pytest.CaptureFixture[str], jobs: int = 1) -> list[str]:
    shown = screen.Plain(jobs)
    awaited = [Awaited(job(f"j{number}")) for number in range(jobs)]
    for seconds, status in steps:
        changed = [awaited[0]] if awaited[0].heard(job("j0", **status)) else []
        shown.show(awaited, changed, NOW + timedelta(seconds=seconds))
    return [line.removeprefix("recast: ") for line in capsys.readouterr().err.splitlines()]


def swapping(done: int) -> dict[str, Any]:
    ends = NOW + timedelta(seconds=200)
    return {
        "phase": "Swapping", "progress": f"{done}/40", "frames": FrameCounts(per_second=96),
        "estimated_completion_time": ends,
    }  # fmt: skip


def stalled(*reason: str) -> dict[str, Any]:
    conditions = [
        Condition(type="Stalled", status="True", reason=word, message="do this", last_transition_time=NOW)
        for word in reason
    ]
    return {"phase": "Swapping", "progress": "3/40", "conditions": conditions}


def test_plain_lines_tell_of_phases_at_once_and_of_progress_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    steps = [(0, {}), (1, {}), (2, swapping(0)), (5, swapping(3)), (13, swapping(9)), (60, swapping(9)), (90, DONE)]
    assert plain(steps, capsys) == [
        "j0: Pending", "j0: Swapping 0/40 segments, 96 fps, 3m left", "j0: Swapping 9/40 segments, 96 fps, 3m left",
        "j0: Succeeded",
    ]  # fmt: skip


def test_what_stalls_is_said_once_and_so_is_that_it_moves_again(capsys: pytest.CaptureFixture[str]) -> None:
    steps = [(0, stalled()), (1, stalled("NodeLost")), (2, stalled("NodeLost")), (3, stalled())]
    assert plain(steps, capsys)[1:] == ["j0: stalled: NodeLost: do this", "j0: moves again"]


def test_photos_in_doubt_are_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    doubted = {"notices": ("cat.png: no face?",)}
    lines = plain([(0, swapping(0)), (1, swapping(1) | doubted), (2, swapping(2) | doubted)], capsys)
    assert lines[1:] == ["j0: warning: cat.png: no face?"]


def test_of_many_jobs_plain_lines_tell_of_progress_together(capsys: pytest.CaptureFixture[str]) -> None:
    lines = plain([(0, swapping(0)), (20, swapping(9)), (40, failed(65))], capsys, jobs=9)
    assert "0 of 9 jobs done, 0 at work" not in lines and "0 of 9 jobs done, 1 at work" in lines
    assert lines[-2:] == ["j0: failed: BadInput: no", "0 of 9 jobs done, 1 failed, 0 at work"]


@pytest.mark.parametrize("jobs", [1, 3])
def test_on_a_terminal_a_bar_or_a_table_shows_the_same(jobs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.StringIO()
    terminal.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    awaited = [Awaited(job(f"j{number}", **swapping(3))) for number in range(jobs)]
    with screen.open_screen(jobs) as shown:
        shown.show(awaited, awaited, NOW)
        awaited[0].heard(job("j0", **failed(65), progress="3/40"))
        shown.show(awaited, awaited[:1], NOW)
    text = terminal.getvalue()
    assert "3/40" in text and "j0: failed: BadInput: no" in text
    assert (f"of {jobs} jobs done" in text) is (jobs > 1)


@pytest.mark.parametrize(
    ("status", "later", "left"),
    [(swapping(3), 0, "3m"), (swapping(3), 3600, ""), (swapping(3) | stalled("NodeLost"), 0, "")],
    ids=["moves", "over", "stalled"],
)
def test_the_table_says_no_time_of_a_job_that_does_not_move(status: dict[str, Any], later: int, left: str) -> None:
    (row,) = screen.live_rows([Awaited(job("j0", **status))], NOW + timedelta(seconds=later))
    assert row[4] == left


def test_the_summary_names_each_jobs_end() -> None:
    awaited = [Awaited(job("a", **DONE)), Awaited(job("b", **failed(65))), Awaited(job("c"))]
    awaited[2].heard(None)
    rows = screen.summary_rows(awaited)
    assert [row[:3] for row in rows[1:]] == [["a", "Succeeded", "0"], ["b", "BadInput", "65"], ["c", "Deleted", "75"]]
    assert rows[1][5:] == ["5.0 MB", "s3://studio/out/a.mkv"]


@pytest.mark.parametrize(
    ("text", "seconds"), [("45", 45), ("90s", 90), ("1h30m", 5400), ("0.5m", 30), ("1d", 86_400), ("0", 0)]
)
def test_durations(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize(
    ("seconds", "text"), [(-5, "0s"), (119, "119s"), (600, "10m"), (7300, "2h1m"), (180_000, "2d2h")]
)
def test_spans(seconds: int, text: str) -> None:
    assert span(timedelta(seconds=seconds)) == text


# --each


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The objects that are in the store."""
    uris: list[str] = []

    def listed(self: Storage, prefix: str) -> list[ObjectInfo]:
        if self.settings.endpoint == "http://down":
            raise StorageUnavailable(f"{prefix}: no answer")
        return [ObjectInfo(uri, 1, "e", {}) for uri in uris if uri.startswith(prefix)]

    monkeypatch.setattr(Storage, "list", listed)
    return uris


EACH = ("--each", "s3://studio/in", "--output", "s3://studio/out")


def test_each_source_is_a_job_and_what_is_there_is_left_alone(
    file: str, api: FakeApi, run: Run, store: list[str]
) -> None:
    store += ["s3://studio/in/a.mov", "s3://studio/in/b.mov", "s3://studio/in-between/c.mov", "s3://studio/in/x.txt"]
    out, err = run("submit", file, *EACH)
    assert len(out.splitlines()) == 2
    assert err == "recast: 2 submitted, 0 are there already, 0 have their output already; 1 object is no video\n"
    store += ["s3://studio/in/c.mov", "s3://studio/in/d.mov", "s3://studio/out/d.mkv"]
    out, err = run("submit", file, *EACH)
    assert len(out.splitlines()) == 1
    assert err == "recast: 1 submitted, 2 are there already, 1 has its output already; 1 object is no video\n"


def test_each_waits_for_those_that_are_there_too_and_tells_of_failures(
    file: str, api: FakeApi, run: Run, store: list[str]
) -> None:
    store += ["s3://studio/in/a.mov"]
    out, _ = run("submit", file, *EACH)
    name = out.partition(":")[0]
    api.report(name, **failed(65))
    out, err = run("submit", file, *EACH, "--wait", code=65)
    assert f"1 failed before: `recast cancel {name}`, and submit again" in err and not out


def test_each_says_where_a_job_of_that_name_writes_elsewhere(
    file: str, api: FakeApi, run: Run, store: list[str]
) -> None:
    store += ["s3://studio/in/a.mov"]
    run("submit", file, *EACH)
    _, err = run("submit", file, *EACH[:3], "s3://studio/other")
    assert "writes to s3://studio/out/a.mkv, not to s3://studio/other/a.mkv: give the template another name" in err


def test_each_needs_one_template_sources_and_a_store(file: str, run: Run, store: list[str], tmp_path: Path) -> None:
    assert "s3://studio/in/: no videos there, of 0 objects" in run("submit", file, *EACH, code=66)[1]
    _, err = run("submit", file, *EACH, "--endpoint-url", "http://down", code=69)
    assert "give --endpoint-url where the store is reached from here by another address" in err
    two = tmp_path / "two.yaml"
    two.write_text(yaml.safe_dump_all([JOB, {**JOB, "metadata": {"name": "b"}}]))
    assert "with --each there is one template only" in run("submit", str(two), *EACH, code=64)[1]


def test_the_patience_is_minutes() -> None:
    assert follow.PATIENCE_SECONDS >= 120
