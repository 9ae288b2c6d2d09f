"""A tenant: its clip and face in the store, its jobs, and what becomes of them."""

from pathlib import Path

from recast.storage.embedded import EmbeddedStore
from recast.storage.storage import Storage
from recast.verify.report import verify
from tests import faces
from tests.cluster.api import Json
from tests.cluster.objects import pods_of
from tests.cluster.system import SECRET, apply, sample, status_of, wait_for_job_phase
from tests.cluster.waiting import wait_for
from tests.e2e.node import Node

TENANTS = ("studio", "rival")
FRAMES = 120
SEGMENTS = 4
JOB_SECONDS = 240.0


class Studio:
    """One namespace and its part of the store.

    Args:
        node: where its pods run.
        namespace: its own.
        store: the S3.
        storage: on it.
        folder: for files.
    """

    def __init__(self, node: Node, namespace: str, store: EmbeddedStore, storage: Storage, folder: Path) -> None:
        self.node, self.namespace, self.storage = node, namespace, storage
        self.base = f"s3://{store.bucket}/{namespace}"
        self._store, self._folder = store, folder
        self.clip = faces.talking_head(folder, frames=FRAMES)
        storage.upload(f"{self.base}/in.mp4", self.clip)
        storage.upload(f"{self.base}/face.png", faces.photo())
        self._undisturbed: str | None = None

    def job(self, name: str, *, retain: str = "OnFailure", **changes: object) -> Json:
        """A FaceSwapJob of four short segments with the mesh engine, two pods at once."""
        made = sample(
            name,
            source={"uri": f"{self.base}/in.mp4"},
            output={"uri": f"{self.base}/{name}.mp4"},
            engine={"name": "Mesh"},
            faces=[{"source": [f"{self.base}/face.png"]}],
            consent={"reference": "a test"},
            segments={"targetSeconds": "0.9", "maxParallelism": 2, "perPod": 1},
            storage={
                "endpoint": self._store.endpoint,
                "credentialsSecret": SECRET,
                "scratch": f"{self.base}/scratch",
                "retain": retain,
            },
            worker={"resources": {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"memory": "1Gi"}}},
            stages={
                stage: {"resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "1Gi"}}}
                for stage in ("split", "mux")
            },
        )
        made["spec"] |= changes
        return made

    def apply(self, job: Json) -> str:
        """Apply a job; give its name."""
        apply(self.node, self.namespace, job)
        name: str = job["metadata"]["name"]
        return name

    def done(self, name: str) -> Json:
        """Wait until a job has succeeded; give its status."""
        status = wait_for_job_phase(self.node, self.namespace, name, "Succeeded", "Failed", seconds=JOB_SECONDS)
        assert status["phase"] == "Succeeded", status
        return status

    def status(self, name: str) -> Json:
        """A job's status."""
        return status_of(self.node, self.namespace, name)

    def faults(self, status: Json) -> list[object]:
        """What `recast verify` finds wrong with an output."""
        output = self._folder / "out.mp4"
        self.storage.download(status["output"]["uri"], output, sha256=status["output"]["sha256"])
        return [check for check in verify(self.clip, output) if not check.ok]

    def undisturbed(self) -> str:
        """The sha256 of what the job makes when nothing happens to it."""
        if self._undisturbed is None:
            status = self.done(self.apply(self.job("undisturbed")))
            assert self.faults(status) == []
            self._undisturbed = status["output"]["sha256"]
        return self._undisturbed

    def pods(self, *phases: str, stage: str = "swap") -> list[Json]:
        """Pods of a stage that are in one of these phases; all that live where none is given."""
        wanted = phases or ("Pending", "Running")
        return [
            pod
            for pod in pods_of(self.node, self.namespace)
            if f"-{stage}-" in pod["metadata"]["name"] and pod["status"].get("phase") in wanted
        ]

    def working(self, name: str, *, finished: int = 1) -> Json:
        """Wait until a job has finished some segments and a worker is at the next; give that pod."""
        wait_for(
            lambda: self.status(name).get("segments", {}).get("succeeded", 0) >= finished,
            f"{name} has finished {finished} segments",
            seconds=JOB_SECONDS,
            otherwise=lambda: self.status(name),
        )
        return wait_for(lambda: self.pods("Running"), "a worker", seconds=30)[-1]

    def scratch(self) -> list[str]:
        """Keys in the scratch folder."""
        return [info.uri for info in self.storage.list(f"{self.base}/scratch/")]


def worker_process(pod: Json) -> int:
    """The process of a worker's pod, as this machine numbers it."""
    uid = pod["metadata"]["uid"]
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            inside = uid in (folder / "cgroup").read_text() and b"segment_worker" in (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if inside:
            return int(folder.name)
    raise AssertionError(f"no process of {pod['metadata']['name']}")
