"""recast on a test cluster: CRD, role, controllers as processes, and FaceSwapJobs to feed them."""

import base64
import json
import os
import re
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import yaml

from recast.process.children import spawn
from recast.storage.embedded import EmbeddedStore
from tests.cluster.api import ApiError, Json
from tests.cluster.cluster import Cluster
from tests.cluster.controlplane import ControlPlane
from tests.cluster.waiting import wait_for

T = TypeVar("T")

ROOT = Path(__file__).parents[2]
MANIFESTS = ROOT / "manifests"
SYSTEM = "recast-system"
ACCOUNT = f"system:serviceaccount:{SYSTEM}:recast-controller"
RESOURCES = "/apis/recast.video/v1alpha1"
SECRET = "studio-s3"
STOP_SECONDS = 10.0


def install(cluster: Cluster) -> None:
    """Apply the CRD and the controller's role; what is there already is as good."""
    with suppress(ApiError):
        cluster.api.create("/api/v1/namespaces", {"metadata": {"name": SYSTEM}})
    for folder in ("crd", "rbac"):
        # Helm may have been the manager of the CRD before.
        cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(MANIFESTS / folder))
    wait_for(lambda: _is_established(cluster), "the CRD is established")


def _is_established(cluster: Cluster) -> bool:
    with suppress(ApiError):
        return bool(cluster.api.get(f"{RESOURCES}/faceswapjobs")["kind"] == "FaceSwapJobList")
    return False


class Controller:
    """Context manager: a controller as a process, under exactly its own role.

    Args:
        control_plane: what it works on.
        folder: for its log.
        kubeconfig: how it signs in; as its ServiceAccount where None.
        arguments: more of them.
        environment: more of it.
    """

    def __init__(
        self,
        control_plane: ControlPlane,
        folder: Path,
        *arguments: str,
        kubeconfig: Path | None = None,
        identity: str = "controller-a",
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._kubeconfig = kubeconfig or account_kubeconfig(control_plane)
        self._identity, self._arguments = identity, arguments
        self._environment = dict(os.environ) | dict(environment or {})
        folder.mkdir(parents=True, exist_ok=True)
        self.log = folder / f"{identity}.log"
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Start it."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop it; an error in the test comes with the log's end."""
        self.stop()
        if error is not None:
            error.add_note(f"{self._identity}: " + "\n".join(self.lines()[-30:]))

    def start(self) -> None:
        """Start it, again too."""
        command = [
            sys.executable, "-m", "controller", "--kubeconfig", str(self._kubeconfig),
            "--stage-image", "recast/controller:test", "--worker-image", "recast/segment-worker:test",
            "--lease-namespace", SYSTEM, "--identity", self._identity, "--health", "127.0.0.1:0", *self._arguments,
        ]  # fmt: skip
        with self.log.open("ab") as log:
            self.process = spawn(command, env=self._environment, stdout=log, stderr=log, cwd=ROOT)

    def stop(self) -> int:
        """Ask it to end; give its exit code."""
        return self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once."""
        self._end(signal.SIGKILL)

    def signal(self, number: int) -> None:
        """Send a signal."""
        assert self.process is not None
        self.process.send_signal(number)

    def lines(self) -> list[str]:
        """What it has logged."""
        return self.log.read_text(errors="replace").splitlines() if self.log.exists() else []

    def get(self, path: str) -> str:
        """Ask its HTTP side."""
        ports = [match[1] for line in self.lines() if (match := re.search(r'"health": "127.0.0.1:(\d+)"', line))]
        with urllib.request.urlopen(f"http://127.0.0.1:{ports[-1]}{path}", timeout=5) as answer:
            return str(answer.read().decode())

    def _end(self, number: int) -> int:
        if self.process is None:
            return 0
        with suppress(ProcessLookupError):
            self.process.send_signal(number)
        try:
            return self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"{self._identity} did not end within {STOP_SECONDS:g} s") from None


def account_kubeconfig(control_plane: ControlPlane) -> Path:
    """How the controller signs in: as the ServiceAccount that the role is bound to."""
    return control_plane.kubeconfig_for(ACCOUNT, ["system:serviceaccounts", f"system:serviceaccounts:{SYSTEM}"])


def sample(name: str, **changes: Any) -> Json:
    """Make a FaceSwapJob that changes nothing, for pods that are only played.

    Args:
        name: its name.
        changes: of its spec, by field.
    """
    spec: Json = {
        "source": {"uri": f"s3://studio/in/{name}.mov"},
        "output": {"uri": f"s3://studio/out/{name}.mp4"},
        "engine": {"name": "Passthrough"},
        "storage": {"endpoint": "http://127.0.0.1:1", "scratch": "s3://scratch/recast"},
    }
    return {
        "apiVersion": "recast.video/v1alpha1",
        "kind": "FaceSwapJob",
        "metadata": {"name": name},
        "spec": spec | changes,
    }


def stored(store: EmbeddedStore) -> Json:
    """A spec's `storage` for a real store."""
    return {
        "endpoint": store.endpoint,
        "credentialsSecret": SECRET,
        "scratch": f"s3://{store.bucket}/scratch",
    }


def create_secret(cluster: Cluster, namespace: str, store: EmbeddedStore) -> None:
    """Make the Secret that `stored` names."""
    keys = {
        key: value
        for key, value in store.environment().items()
        if key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    }
    data = {key: base64.b64encode(value.encode()).decode() for key, value in keys.items()}
    cluster.api.create(f"/api/v1/namespaces/{namespace}/secrets", {"metadata": {"name": SECRET}, "data": data})


def path_of(namespace: str, name: str | None = None) -> str:
    """A FaceSwapJob's path, or that of all of a namespace."""
    return f"{RESOURCES}/namespaces/{namespace}/faceswapjobs" + (f"/{name}" if name else "")


def apply(cluster: Cluster, namespace: str, job: Json) -> None:
    """Apply a FaceSwapJob as a user does."""
    cluster.kubectl("apply", "--namespace", namespace, "-f", "-", stdin=yaml.safe_dump(job))


def status_of(cluster: Cluster, namespace: str, name: str) -> Json:
    """A FaceSwapJob's status."""
    found: Json = cluster.api.get(path_of(namespace, name)).get("status") or {}
    return found


def condition(status: Json, type_: str) -> Json:
    """A condition of a status; empty where there is none."""
    return next((each for each in status.get("conditions", ()) if each["type"] == type_), {})


def wait_for_job_phase(cluster: Cluster, namespace: str, name: str, *phases: str, seconds: float = 60.0) -> Json:
    """Wait until a FaceSwapJob is in one of these phases; give its status."""

    def look() -> Json | None:
        status = status_of(cluster, namespace, name)
        return status if status.get("phase") in phases else None

    return wait_for(
        look,
        f"{name} is {' or '.join(phases)}",
        seconds=seconds,
        otherwise=lambda: json.dumps(status_of(cluster, namespace, name))[:2000],
    )


def wait_for_stalled(cluster: Cluster, namespace: str, name: str, reason: str, seconds: float = 30.0) -> str:
    """Wait until a FaceSwapJob says why it does not move; give the sentence."""

    def look() -> str | None:
        found = condition(status_of(cluster, namespace, name), "Stalled")
        return str(found["message"]) if found.get("reason") == reason else None

    return wait_for(
        look,
        f"{name} is stalled by {reason}",
        seconds=seconds,
        otherwise=lambda: json.dumps(status_of(cluster, namespace, name))[:2000],
    )


@contextmanager
def watched(look: Callable[[], T]) -> Iterator[list[T]]:
    """Collect what a look at the cluster shows, each time that it changes, as fast as one can look."""
    seen: list[T] = []
    stop = threading.Event()

    def look_on() -> None:
        while not stop.wait(0.05):
            with suppress(ApiError, OSError):
                now = look()
                if not seen or seen[-1] != now:
                    seen.append(now)

    thread = threading.Thread(target=look_on, daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        stop.set()
        thread.join()
