"""A node whose pods are processes of this machine: the real stages, without a container runtime.

It does what a kubelet does, as far as Jobs can tell: a pod's first container is started with its own
environment, its end is reported with exit code and termination message, a deleted pod gets SIGTERM and then
SIGKILL, and its final status is reported before it is removed. Only pods that never restart are known.

A process is not a container: it sees this machine's files, and where it has no handler SIGTERM ends it, which
a container's first process would ignore.
"""

import os
import signal
import subprocess
import tempfile
import threading
import time
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from recast.errors import BadConfig
from recast.process.children import spawn
from tests.cluster import podstatus
from tests.cluster.api import Api, ApiError, Json
from tests.cluster.cluster import FINAL_PHASES, LEASES, NODES_LABEL, Cluster, ignore_gone, pod_path
from tests.cluster.podspec import CannotCreate, Process, VolumeMissing, make_process
from tests.cluster.waiting import wait_for

VALUE = "runner"
"""Of `NODES_LABEL`, on its node."""
AGENT = "recast-test-podrunner"
LOOK_SECONDS = 0.2
RETRY_SECONDS = 1.0
HEARTBEAT_SECONDS = 2.0
STOP_SECONDS = 15.0
DEFAULT_GRACE_SECONDS = 30
MISSING_IMAGES = "missing/"
"""Images of such names cannot be pulled."""


class PodRunner:
    """Context manager: a node, and its pods as processes.

    Args:
        cluster: where the node goes.
        folder: for what pods print, `NAMESPACE/POD.log`.
        node: its name.
        gpus: how many the node says to have.
        cpus: how many the node says to have; nothing limits what pods really take.
    """

    def __init__(
        self, cluster: Cluster, folder: Path, *, node: str = "runner-node", gpus: int = 4, cpus: int = 64
    ) -> None:
        self.node = node
        self.folder = folder
        self._cluster = cluster
        self._api = replace(cluster.api, headers={**cluster.api.headers, "User-Agent": AGENT})
        self._capacity = {
            "cpu": str(cpus),
            "memory": "512Gi",
            "ephemeral-storage": "4Ti",
            "pods": "500",
            "nvidia.com/gpu": str(gpus),
        }
        self._containers: dict[str, _Container] = {}
        self._stopping = threading.Event()
        self._frozen = threading.Event()
        self._threads: list[threading.Thread] = []
        self._held = ExitStack()

    def __enter__(self) -> Self:
        """Register the node, and wait until it takes pods."""
        self._work = Path(self._held.enter_context(tempfile.TemporaryDirectory(prefix="recast-pods-")))
        try:
            self._register()
            for target in (self._beat_on, self._look_on):
                thread = threading.Thread(target=target, name=f"{self.node} {target.__name__}", daemon=True)
                self._threads.append(thread)
                thread.start()
            wait_for(self._takes_pods, f"node {self.node} takes pods")
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Kill what runs, and remove the node and its pods."""
        try:
            self.stop()
        finally:
            with suppress(OSError):
                self._cluster.remove_node(self.node)

    def stop(self) -> None:
        """Kill what runs, as if the machine lost its power; the node stays as it is."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(STOP_SECONDS)
        for container in list(self._containers.values()):
            container.abandon()
        for container in list(self._containers.values()):
            container.join(STOP_SECONDS)
        self._held.close()

    def freeze(self) -> None:
        """Say and do nothing any more, as a kubelet that was stopped: processes run on, the node gets lost."""
        self._frozen.set()

    def thaw(self) -> None:
        """Go on."""
        self._frozen.clear()

    def process_id(self, namespace: str, pod: str) -> int | None:
        """Of a pod's process; None where it does not run."""
        for container in list(self._containers.values()):
            if container.namespace == namespace and container.name == pod:
                return container.process_id
        return None

    def log(self, namespace: str, pod: str) -> str:
        """What a pod has printed."""
        try:
            return self._log_path(namespace, pod).read_text(errors="replace")
        except FileNotFoundError:
            return ""

    def _log_path(self, namespace: str, pod: str) -> Path:
        return self.folder / namespace / f"{pod}.log"

    # The node.

    def _register(self) -> None:
        labels = {"kubernetes.io/hostname": self.node, "kubernetes.io/os": "linux", NODES_LABEL: VALUE}
        status = {"capacity": self._capacity, "allocatable": self._capacity, **self._node_status()}
        self._api.create("/api/v1/nodes", {"metadata": {"name": self.node, "labels": labels}, "status": status})

    def _node_status(self) -> Json:
        at = podstatus.now()
        ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "processes can be started"}
        address = {"type": "InternalIP", "address": "127.0.0.1"}
        return {"conditions": [ready | {"lastHeartbeatTime": at}], "addresses": [address]}

    def _takes_pods(self) -> bool:
        node = self._api.find(f"/api/v1/nodes/{self.node}")
        return node is not None and not node["spec"].get("taints")

    def _beat_on(self) -> None:
        while not self._stopping.is_set():
            # The server may be restarting, the node deleted.
            with suppress(OSError, ApiError):
                if not self._frozen.is_set():
                    self._api.strategic(f"/api/v1/nodes/{self.node}/status", {"status": self._node_status()})
                    self._renew()
            self._stopping.wait(HEARTBEAT_SECONDS)

    def _renew(self) -> None:
        spec = {"holderIdentity": self.node, "leaseDurationSeconds": 8, "renewTime": podstatus.now_micro()}
        try:
            self._api.merge(f"{LEASES}/{self.node}", {"spec": spec})
        except ApiError:
            self._api.create(LEASES, {"metadata": {"name": self.node}, "spec": spec})

    # Its pods.

    def _look_on(self) -> None:
        while not self._stopping.is_set():
            with suppress(OSError, ApiError):
                if not self._frozen.is_set():
                    self._look()
            self._stopping.wait(LOOK_SECONDS)

    def _look(self) -> None:
        """Compare the pods there are with the processes there are."""
        pods = self._api.get(f"/api/v1/pods?fieldSelector=spec.nodeName%3D{self.node}")["items"]
        there = {pod["metadata"]["uid"]: pod for pod in pods}
        for uid, pod in there.items():
            if container := self._containers.get(uid):
                container.see(pod)
            elif pod.get("status", {}).get("phase") in FINAL_PHASES:
                _remove_where_deleted(self._api, pod)
            else:
                self._start(uid, pod)
        for uid in [uid for uid in self._containers if uid not in there]:
            # Deleted by force: nobody asks for its status any more.
            self._containers[uid].abandon()
            if self._containers[uid].done:
                del self._containers[uid]

    def _start(self, uid: str, pod: Json) -> None:
        log = self._log_path(pod["metadata"]["namespace"], pod["metadata"]["name"])
        log.parent.mkdir(parents=True, exist_ok=True)
        folder = self._work / uid
        folder.mkdir()
        self._containers[uid] = _Container(pod, folder, log, self._api, self._frozen)


class _Container:
    """The life of one pod, in a thread."""

    def __init__(self, pod: Json, folder: Path, log: Path, api: Api, frozen: threading.Event) -> None:
        self.namespace: str = pod["metadata"]["namespace"]
        self.name: str = pod["metadata"]["name"]
        self._pod = pod
        self._folder = folder
        self._log = log
        self._api = api
        self._frozen = frozen
        self._started: str = pod.get("status", {}).get("startTime") or podstatus.now()
        self._deleted = threading.Event()
        self._abandoned = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._live, name=f"pod {self.name}", daemon=True)
        self.see(pod)
        self._thread.start()

    @property
    def done(self) -> bool:
        """Nothing of it runs any more."""
        return not self._thread.is_alive()

    @property
    def process_id(self) -> int | None:
        """Of its process; None where it does not run."""
        process = self._process
        return process.pid if process is not None else None

    def see(self, pod: Json) -> None:
        """Take note of the pod's newest state."""
        self._pod = pod
        if pod["metadata"].get("deletionTimestamp"):
            self._deleted.set()
            if self.done:
                _remove_where_deleted(self._api, pod)

    def abandon(self) -> None:
        """Kill the process; there is nobody to report to."""
        self._abandoned.set()
        self._deleted.set()

    def join(self, seconds: float) -> None:
        """Wait for its end."""
        self._thread.join(seconds)

    def _live(self) -> None:
        try:
            process = self._wait_until_it_can_start()
            if process is None:
                self._report(podstatus.never_ran(self._pod, self._started))
            else:
                self._run(process)
        finally:
            self._kill_all()

    def _wait_until_it_can_start(self) -> Process | None:
        """Try until the process can be started; None where the pod is deleted before."""
        said = None
        tries = 0
        while not self._deleted.is_set():
            try:
                if stuck := self._image_problem(tries):
                    problem = stuck
                else:
                    return make_process(self._pod, self._folder, self._api.find)
            except CannotCreate as error:
                problem = ("CreateContainerConfigError", str(error))
            except VolumeMissing:
                # What is missing stands in events only.
                problem = ("ContainerCreating", "")
            except OSError as error:
                problem = ("ContainerCreating", str(error))
            if problem != said:
                self._report(podstatus.waiting(self._pod, self._started, *problem))
                said = problem
            tries += 1
            self._deleted.wait(RETRY_SECONDS)
        return None

    def _image_problem(self, tries: int) -> tuple[str, str] | None:
        container = self._pod["spec"]["containers"][0]
        image = container["image"]
        if not image.startswith(MISSING_IMAGES):
            return None
        if container.get("imagePullPolicy") == "Never":
            return "ErrImageNeverPull", f'Container image "{image}" is not present with pull policy of Never'
        if tries == 0:
            return "ErrImagePull", f'failed to pull and unpack image "{image}": not found'
        return "ImagePullBackOff", f'Back-off pulling image "{image}"'

    def _run(self, process: Process) -> None:
        began = podstatus.now()
        try:
            with self._log.open("ab") as log:
                self._process = spawn(
                    process.command,
                    env=process.environment,
                    cwd=process.folder,
                    stdout=log,
                    stderr=log,
                    own_group=True,
                )
        except BadConfig as error:
            # The container runtime's words for a program that is not in the image.
            message = f"failed to create containerd task: {error}"
            self._report(podstatus.ended(self._pod, self._started, began, 128, message))
            return
        self._report(podstatus.running(self._pod, self._started, began))
        code = self._wait(self._process)
        self._kill_all()
        message = process.message.read_bytes()[: podstatus.MESSAGE_BYTES].decode(errors="replace")
        self._report(podstatus.ended(self._pod, self._started, began, code, message))

    def _wait(self, process: "subprocess.Popen[bytes]") -> int:
        """Wait for the end; stop the process where the pod is deleted."""
        killed_at: float | None = None
        while True:
            try:
                code = process.wait(LOOK_SECONDS)
                return code if code >= 0 else 128 - code
            except subprocess.TimeoutExpired:
                pass
            if self._abandoned.is_set():
                self._kill_all()
            elif self._deleted.is_set() and killed_at is None:
                process.send_signal(signal.SIGTERM)
                killed_at = time.monotonic() + self._grace()
            if killed_at is not None and time.monotonic() > killed_at:
                self._kill_all()

    def _grace(self) -> float:
        return float(self._pod["metadata"].get("deletionGracePeriodSeconds", DEFAULT_GRACE_SECONDS))

    def _kill_all(self) -> None:
        """Kill the process and all it has started: no process of a container outlives its first one."""
        if process := self._process:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            if process.poll() is not None:
                # Its number may be another's from now on.
                self._process = None

    def _report(self, status: Json) -> None:
        """Write the status, as soon as there is a server that takes it."""
        while not self._abandoned.is_set():
            if not self._frozen.is_set():
                try:
                    self._api.strategic(f"{pod_path(self._pod)}/status", {"status": status})
                    return
                except ApiError as error:
                    if error.status < 500:
                        return ignore_gone(error)
                except OSError:
                    pass
            self._abandoned.wait(LOOK_SECONDS)


def _remove_where_deleted(api: Api, pod: Json) -> None:
    """Remove a pod that was deleted and has ended. Finalizers may hold it; the Job controller takes them off."""
    metadata = pod["metadata"]
    if metadata.get("deletionTimestamp") and metadata.get("deletionGracePeriodSeconds") != 0:
        try:
            api.delete(pod_path(pod), gracePeriodSeconds=0, preconditions={"uid": metadata["uid"]})
        except ApiError as error:
            ignore_gone(error)
