"""The command line against a real API server with the real CRD; the tests play the controller."""

import copy
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from recast import exitcodes
from recast.cli import main
from recast.kube import names as kube
from recast.kube.documents import parse_jobs
from recast.storage.embedded import EmbeddedStore
from recast.storage.storage import Storage
from tests.cluster.api import APPLY, ApiError, Json
from tests.cluster.cluster import Cluster
from tests.cluster.controlplane import ControlPlane
from tests.cluster.objects import pod_spec
from tests.cluster.system import RESOURCES, install
from tests.cluster.waiting import wait_for

NOW = "2026-11-24T00:00:00Z"
JOB: dict[str, Any] = {
    "apiVersion": "recast.video/v1alpha1",
    "kind": "FaceSwapJob",
    "metadata": {"name": "interview"},
    "spec": {
        "source": {"uri": "s3://studio/in/a.mov"},
        "output": {"uri": "s3://studio/out/a.mkv"},
        "faces": [{"source": ["s3://studio/faces/ada.png"]}],
        "consent": {"reference": "REL-2026-0117"},
        "video": {"quality": 20},
        "segments": {"maxParallelism": 4},
        "storage": {"scratch": "s3://scratch/recast"},
    },
}


class Cli:
    """The command line, signed in to the test cluster."""

    def __init__(self, cluster: Cluster, namespace: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.cluster, self.namespace = cluster, namespace
        self._folder, self._capsys = folder, capsys

    def __call__(self, *words: str, code: int = 0, kubeconfig: Path | None = None) -> tuple[str, str]:
        config = str(kubeconfig or self.cluster.kubeconfig)
        found = main([*words, "--namespace", self.namespace, "--kubeconfig", config])
        out, err = self._capsys.readouterr()
        assert found == code, (out, err)
        return out, err

    def file(self, *jobs: Json) -> str:
        path = self._folder / "jobs.yaml"
        path.write_text(yaml.safe_dump_all(jobs))
        return str(path)

    def path(self, name: str = "interview") -> str:
        return f"{RESOURCES}/namespaces/{self.namespace}/faceswapjobs/{name}"

    def report(self, name: str = "interview", **status: Any) -> None:
        """Write a status as the controller does."""
        meta = self.cluster.api.get(self.path(name))["metadata"]
        body = {
            "apiVersion": JOB["apiVersion"],
            "kind": JOB["kind"],
            "metadata": {"name": name, "uid": meta["uid"]},
            "status": {"observedGeneration": meta["generation"], **status},
        }
        query = f"?fieldManager={kube.FIELD_MANAGER}&force=true"
        self.cluster.api.request("PATCH", self.path(name) + "/status" + query, body, APPLY)

    @contextmanager
    def reporting(self, *statuses: Json, name: str = "interview") -> Iterator[None]:
        """Write one status after another, as soon as the job is there."""

        def body() -> None:
            wait_for(lambda: self.cluster.api.find(self.path(name)), "the job")
            for status in statuses:
                time.sleep(0.4)
                self.report(name, **status)

        thread = threading.Thread(target=body)
        thread.start()
        yield
        thread.join()


@pytest.fixture(scope="module")
def crd(cluster: Cluster) -> None:
    install(cluster)


@pytest.fixture
def cli(cluster: Cluster, crd: None, namespace: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    return Cli(cluster, namespace, tmp_path, capsys)


def job(name: str = "interview", **spec: Any) -> Json:
    made: Json = copy.deepcopy(JOB)
    made["metadata"]["name"] = name
    made["spec"] |= spec
    return made


def changed(*steps: Any) -> Json:
    """The job with one value set, at a path."""
    made = job()
    *path, last, value = steps
    place: Any = made
    for step in path:
        place = place[step] if isinstance(step, int) else place.setdefault(step, {})
    if value is None:
        del place[last]
    else:
        place[last] = value
    return made


GOOD: list[tuple[Any, ...]] = [
    ("spec", "suspend", False),
    ("spec", "engine", {"name": "Passthrough"}),
    ("spec", "video", "quality", "Lossless"),
    ("spec", "segments", "perPod", 3),
    ("spec", "segments", "targetSeconds", "0.5"),
    ("spec", "segments", "targetSeconds", "Auto"),
    ("spec", "ttlSecondsAfterFinished", "Never"),
    ("spec", "worker", "affinity", {"nodeAffinity": {"anything": [1, {"a_b": "c"}]}}),
    ("spec", "worker", "resources", {"requests": {"cpu": 4, "ephemeral-storage": "1Gi"}}),
    ("spec", "worker", "gpuResource", "nvidia.com/mig-1g.5gb"),
    ("spec", "output", "uri", "s3://studio/out/a b/\u00fc.MP4"),
    ("metadata", "labels", {"kueue.x-k8s.io/queue-name": "renders", "a": ""}),
    ("metadata", "annotations", {"a/b": "x" * 5000}),
    ("metadata", "name", "a.b-c"),
]
BAD: list[tuple[Any, ...]] = [
    ("spec", "video", "quality", 64),
    ("spec", "video", "quality", -1),
    ("spec", "video", "quality", "18"),
    ("spec", "video", "quality", 18.5),
    ("spec", "video", "codec", "Vp9"),
    ("spec", "video", "preset", "slow; rm"),
    ("spec", "video", "threads", "2"),
    ("spec", "video", "qualty", 3),
    ("spec", "segments", "targetSeconds", 0),
    ("spec", "segments", "targetSeconds", "0.0"),
    ("spec", "segments", "targetSeconds", "auto"),
    ("spec", "segments", "max_parallelism", 3),
    ("spec", "segments", "perPod", 0),
    ("spec", "segments", "retries", True),
    ("spec", "source", "uri", "file:///in/a.mov"),
    ("spec", "source", "uri", "/in/a.mov"),
    ("spec", "output", "uri", "s3://studio/out/a.avi"),
    ("spec", "output", "dropTracks", ["sound"]),
    ("spec", "output", "dropTracks", "data"),
    ("spec", "faces", 0, "source", []),
    ("spec", "faces", 0, "source", 0, "file:///a.png"),
    ("spec", "faces", 0, "target", {"select": "largest"}),
    ("spec", "faces", []),
    ("spec", "consent", None),
    ("spec", "consent", "reference", ""),
    ("spec", "consent", "reference", 20260117),
    ("spec", "storage", None),
    ("spec", "storage", "scratch", None),
    ("spec", "storage", "endpoint", "s3:8333"),
    ("spec", "storage", "caBundle", {"configMap": "a"}),
    ("spec", "worker", "tolerations", [{"effect": "Never"}]),
    ("spec", "ttlSecondsAfterFinished", "never"),
    ("spec", "suspend", "yes"),
    ("metadata", "labels", {"a": True}),
    ("metadata", "labels", {"a": "b c"}),
    ("metadata", "name", "Interview"),
    ("metadata", "name", "a..b"),
    ("spec", "worker", "nodeSelector", {"a": "x" * 64}),
    ("spec", "worker", "resources", {"requests": {"cpu": "lots"}}),
    ("spec", "worker", "resources", {"limits": {"nvidia.com/mig-1g.5gb": 1}}),
    ("spec", "worker", "resources", {"requests": {"nvidia.com/gpu": 1}}),
    ("spec", "worker", "gpuResource", "cpu"),
]


def cases() -> Iterator[Any]:
    for steps, good in [*((each, True) for each in GOOD), *((each, False) for each in BAD)]:
        name = "-".join(str(step)[:20] for step in steps)
        yield pytest.param(changed(*steps), good, id=f"{'good' if good else 'bad'}-{name}")


@pytest.mark.parametrize(("made", "good"), list(cases()))
def test_what_the_command_line_takes_the_api_server_takes_and_nothing_else(made: Json, good: bool, cli: Cli) -> None:
    parsed = parse_jobs(yaml.safe_dump(made), "jobs.yaml")
    assert bool(parsed.jobs) is good, parsed.problems
    path = cli.path().rpartition("/")[0]
    try:
        cli.cluster.api.create(f"{path}?dryRun=All&fieldValidation=Strict", made)
    except ApiError as error:
        assert not good, error
    else:
        assert good


def test_what_is_submitted_twice_is_one_job(cli: Cli) -> None:
    file = cli.file(job(), job("trailer"))
    assert cli("submit", file)[0] == "interview: submitted\ntrailer: submitted\n"
    before = cli.cluster.api.get(cli.path())["metadata"]
    assert cli("submit", file)[0] == "interview: unchanged\ntrailer: unchanged\n"
    after = cli.cluster.api.get(cli.path())["metadata"]
    # Not the resourceVersion: the server writes the status once by itself, as the CRD begins it.
    assert (after["uid"], after["generation"]) == (before["uid"], before["generation"])


def test_who_else_applies_the_same_meets_no_conflict_and_changes_nothing(cli: Cli) -> None:
    made = job(worker={"tolerations": [{"key": "spot", "value": "yes"}]})
    file = cli.file(made)
    cli("submit", file)

    def apply(*options: str) -> tuple[str, str]:
        said = cli.cluster.kubectl("apply", "--namespace", cli.namespace, "-f", file, *options).stdout
        return said, cli.cluster.api.get(cli.path())["metadata"]["resourceVersion"]

    for options in (("--server-side", "--field-manager=flux"), ()):
        _, before = apply(*options)
        said, after = apply(*options)
        assert after == before, said
    assert said.endswith(" unchanged\n")
    assert cli.cluster.api.get(cli.path())["spec"]["faces"] == made["spec"]["faces"]


def test_a_dry_run_asks_the_server_and_changes_nothing(cli: Cli) -> None:
    assert cli("submit", cli.file(job()), "--dry-run")[0] == "interview: submitted (dry run)\n"
    assert cli.cluster.api.find(cli.path()) is None


def test_what_may_change_is_changed_and_what_may_not_is_refused_in_one_line(cli: Cli) -> None:
    cli("submit", cli.file(job()))
    assert cli("submit", cli.file(job(segments={"maxParallelism": 9})))[0] == "interview: changed\n"
    _, err = cli("submit", cli.file(job(video={"quality": 30})), code=exitcodes.USAGE)
    assert err.count("\n") == 1
    assert "jobs.yaml:1: interview: spec: " in err and "video cannot be changed: delete the job" in err
    assert len(err) < 500


SWAPPING = {
    "phase": "Swapping", "progress": "1/4", "segments": {"total": 4, "succeeded": 1},
    "frames": {"total": 400, "done": 100, "perSecond": 96},
}  # fmt: skip
DONE = {
    "phase": "Succeeded", "progress": "4/4", "segments": {"total": 4, "succeeded": 4}, "completionTime": NOW,
    "output": {"uri": "s3://studio/out/a.mkv", "size": 12_345_678, "sha256": "ab"}, "frames": {"total": 400},
}  # fmt: skip
FAILED = {
    "phase": "Failed", "completionTime": NOW,
    "failure": {"code": 65, "reason": "CorruptSource", "message": "split: it is cut off", "segment": 3, "pod": "x-1"},
}  # fmt: skip


def test_wait_follows_a_job_to_its_output(cli: Cli) -> None:
    with cli.reporting({"phase": "Splitting"}, SWAPPING, {"phase": "Muxing", "progress": "4/4"}, DONE):
        out, err = cli("submit", cli.file(job()), "--wait", "--timeout", "60s")
    assert out == "interview: submitted\ninterview: s3://studio/out/a.mkv, 400 frames, 12.3 MB\n"
    lines = [line.removeprefix("recast: interview: ") for line in err.splitlines()]
    assert lines[-4:] == ["Splitting", "Swapping 1/4 segments, 96 fps", "Muxing 4/4 segments", "Succeeded 4/4 segments"]


def test_wait_ends_with_the_jobs_own_code(cli: Cli) -> None:
    with cli.reporting(SWAPPING, FAILED):
        _, err = cli("submit", cli.file(job()), "--wait", code=65)
    assert "recast: interview: failed: CorruptSource: split: it is cut off (segment 3, pod x-1)\n" in err


def test_of_many_jobs_the_worst_code_counts(cli: Cli) -> None:
    with cli.reporting(DONE), cli.reporting(FAILED, name="trailer"):
        out, _ = cli("submit", cli.file(job(), job("trailer")), "--wait", code=65)
    rows = [line.split() for line in out.splitlines()[2:]]
    assert rows[0][:3] == ["JOB", "RESULT", "CODE"]
    assert rows[1][:3] == ["interview", "Succeeded", "0"] and rows[2][:3] == ["trailer", "CorruptSource", "65"]


def test_a_job_that_is_deleted_meanwhile_is_75(cli: Cli) -> None:
    cli("submit", cli.file(job()))
    timer = threading.Timer(1.0, lambda: cli.cluster.api.delete(cli.path()))
    timer.start()
    _, err = cli("submit", cli.file(job()), "--wait", code=75)
    timer.join()
    assert "interview: was deleted before it was done" in err


def test_when_the_time_is_over_the_job_goes_on(cli: Cli) -> None:
    _, err = cli("submit", cli.file(job()), "--wait", "--timeout", "1s", code=75)
    assert "not done after 1 s: the jobs go on" in err and "`recast cancel interview` stops them" in err
    assert cli.cluster.api.find(cli.path())


def test_ctrl_c_leaves_the_job_and_says_so(cli: Cli) -> None:
    words = ["submit", cli.file(job()), "--wait", "-n", cli.namespace, "--kubeconfig", str(cli.cluster.kubeconfig)]
    command = [sys.executable, "-m", "recast.cli", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "interview: submitted\n"
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    assert process.returncode == exitcodes.INTERRUPTED
    assert err.endswith("follows them again, `recast cancel interview` stops them\n") and "Traceback" not in err
    assert cli.cluster.api.find(cli.path())


def test_wait_lives_through_the_death_of_the_api_server(control_plane: ControlPlane, cli: Cli) -> None:
    cli("submit", cli.file(job()))
    cli.report(**SWAPPING)

    def fault() -> None:
        time.sleep(1)
        control_plane.restart_apiserver()
        cli.report(**DONE)

    thread = threading.Thread(target=fault)
    thread.start()
    _, err = cli("submit", cli.file(job()), "--wait", "--timeout", "100s")
    thread.join()
    assert "Succeeded" in err


def test_each_video_under_a_prefix_becomes_a_job_once(
    cli: Cli, s3: EmbeddedStore, storage: Storage, prefix: str
) -> None:
    for key in ("in/a.mov", "in/day 2/b.MXF", "in/notes.txt", "in/done.mp4", "out/done.mkv"):
        storage.put(prefix + key, b"")
    template = job("dailies", storage={"endpoint": s3.settings.endpoint, "scratch": "s3://scratch/recast"})
    words = ("submit", cli.file(template), "--each", f"{prefix}in/", "--output", f"{prefix}out")
    out, err = cli(*words)
    assert err == "recast: 2 submitted, 0 are there already, 1 has its output already; 1 object is no video\n"
    names = [line.partition(":")[0] for line in out.splitlines()]
    outputs = [cli.cluster.api.get(cli.path(name))["spec"]["output"]["uri"] for name in names]
    assert outputs == [f"{prefix}out/a.mkv", f"{prefix}out/day 2/b.mkv"]
    assert [name.rpartition("-")[0] for name in names] == ["dailies-a", "dailies-day-2-b"]
    out, err = cli(*words)
    assert not out and "recast: 0 submitted, 2 are there already" in err


def test_list_shows_how_each_stands(cli: Cli) -> None:
    assert cli("list")[0] == f"no jobs in namespace {cli.namespace}\n"
    cli("submit", cli.file(job(), job("trailer")))
    cli.report(**SWAPPING)
    cli.report("trailer", **FAILED)
    rows = [line.split() for line in cli("list")[0].splitlines()]
    assert rows[0] == ["NAME", "PHASE", "SEGMENTS", "FPS", "LEFT", "AGE", "NOTE"]
    assert rows[1][:4] == ["interview", "Swapping", "1/4", "96"]
    assert rows[2][:2] == ["trailer", "Failed"] and rows[2][-1] == "CorruptSource"
    assert cli.namespace in cli("list", "--all-namespaces")[0]
    assert json.loads(cli("list", "--json")[0].splitlines()[0])["metadata"]["name"] == "interview"


def test_cancel_removes_jobs(cli: Cli) -> None:
    cli("submit", cli.file(job(), job("trailer"), job("teaser")))
    assert cli("cancel", "trailer", "--wait")[0] == "trailer: cancelled\n"
    _, err = cli("cancel", "trailer", "interview", code=66)
    assert "trailer: no such job" in err
    assert cli("cancel", "--all")[0] == "teaser: cancelled\n"
    assert cli.cluster.api.get(cli.path("")[:-1])["items"] == []


def test_who_may_not_is_told_in_one_line(control_plane: ControlPlane, cli: Cli) -> None:
    kubeconfig = control_plane.kubeconfig_for("guest")
    for words in (["submit", cli.file(job())], ["list"], ["explain", "x"], ["cancel", "--all"]):
        _, err = cli(*words, code=exitcodes.BAD_CONFIG, kubeconfig=kubeconfig)
        assert err.count("\n") == 1 and "guest" in err and "ask for a role that allows it" in err


def test_a_namespace_that_is_not_there_is_named(cli: Cli) -> None:
    cli.namespace = "nowhere"
    _, err = cli("submit", cli.file(job()), code=exitcodes.NOT_FOUND)
    assert err == "recast: there is no namespace nowhere: make it, or give -n NAMESPACE\n"


def owned(cli: Cli, name: str, spec: Json) -> Json:
    """A stage's Job of the interview."""
    parent = cli.cluster.api.get(cli.path())
    labels = {
        kube.LABEL_JOB: "interview", kube.LABEL_UID: parent["metadata"]["uid"],
        kube.LABEL_STAGE: "split", kube.LABEL_ATTEMPT: "0",
    }  # fmt: skip
    owner = {"apiVersion": JOB["apiVersion"], "kind": JOB["kind"], "name": "interview", "controller": True}
    body = {
        "metadata": {"name": name, "labels": labels, "ownerReferences": [owner | {"uid": parent["metadata"]["uid"]}]},
        "spec": {"template": {"metadata": {"labels": labels}, "spec": spec}},
    }
    made: Json = cli.cluster.api.create(f"/apis/batch/v1/namespaces/{cli.namespace}/jobs", body)
    return made


def explained(cli: Cli, text: str) -> str:
    """What explain says, once it says this."""

    def look() -> str | None:
        out, _ = cli("explain", "interview")
        return out if text in out else None

    return wait_for(look, f"explain says {text}", otherwise=lambda: cli("explain", "interview")[0])


def test_explain_says_that_no_controller_looks(cli: Cli) -> None:
    cli("submit", cli.file(job()))
    out = explained(cli, "No controller has looked at it for ")
    assert out.startswith("interview: Pending; no pods; ")


def test_explain_says_why_no_node_takes_a_pod(cli: Cli) -> None:
    cli("submit", cli.file(job()))
    cli.report(phase="Splitting")
    owned(cli, "interview-split-0", pod_spec(["true"]) | {"nodeSelector": {"no": "such-node"}})
    out = explained(cli, " fits on no node: ")
    assert out.startswith("interview: Splitting; 1 pod not running yet; ")


def test_explain_says_what_the_cluster_has_against_the_pods(cli: Cli) -> None:
    cli.cluster.api.merge(
        f"/api/v1/namespaces/{cli.namespace}",
        {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}},
    )
    cli("submit", cli.file(job()))
    cli.report(phase="Splitting")
    owned(cli, "interview-split-0", pod_spec(["true"]))
    out = explained(cli, "The cluster refuses the pods of Job interview-split-0: ")
    assert "violates PodSecurity" in out
