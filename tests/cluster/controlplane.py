"""A real Kubernetes control plane on this machine's loopback: etcd, API server, controllers and scheduler.

No kubelet and no container runtime: pods go to KWOK's nodes (kwok.py), or run as processes (podrunner.py).
"""

import fcntl
import functools
import itertools
import json
import random
import shutil
import signal
import socket
import ssl
import tempfile
import time
import urllib.request
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from tests.cluster.api import Api, from_certificates
from tests.cluster.audit import POLICY, AuditLog
from tests.cluster.build import Programs
from tests.cluster.cluster import AGENT, Cluster
from tests.cluster.component import Component
from tests.cluster.pki import Authority, Certificate
from tests.cluster.waiting import TookTooLong, wait_for

HOST = "127.0.0.1"
# Below the range that Linux gives to outgoing connections, so that none of those takes a port from us.
PORTS = range(12_000, 32_000)
PORT_NAMES = ("etcd", "etcd-peer", "api", "controllers", "scheduler")
START_ATTEMPTS = 3
READY_SECONDS = 60.0
"""For one part. All are up in three to six seconds; a busy machine may need many times that."""
FOLDER_PREFIX = "recast-cluster-"
SETTLED_SECONDS = 60.0

NODE_LOST_SECONDS = 8
"""A node that is silent for so long is not ready."""
TOLERATION_SECONDS = 3
"""How long pods stay bound to such a node before they are deleted."""


class PortTaken(Exception):
    """Another program took a port between our looking and the part's listening."""


class ControlPlane(Cluster):
    """Context manager: a running control plane in a temporary folder of its own.

    Attributes:
        folder: keys, settings, logs and etcd's data; removed in the end.
        audit: who asked for what.
        scheduler, controllers, apiserver, etcd: the processes.
    """

    def __init__(self, programs: Programs) -> None:
        """Start nothing yet."""
        self.programs = programs
        self._held = ExitStack()

    def __enter__(self) -> Self:
        """Start all, and wait until pods can be made.

        Raises:
            Unavailable: there is no openssl.
            TookTooLong: a part did not come up.
        """
        try:
            for attempt in range(1, START_ATTEMPTS + 1):
                try:
                    self._prepare()
                    self._start()
                    return self
                except PortTaken:
                    self.stop()
                    if attempt == START_ATTEMPTS:
                        raise
        except BaseException:
            self.stop()
            raise
        raise AssertionError("the loop ends by itself")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop all."""
        self.stop()

    def stop(self) -> None:
        """End all processes and remove the folder."""
        self._held.close()

    def start_apiserver(self) -> None:
        """Start the API server on the same data and port, and wait until it is ready."""
        self.apiserver.start()
        self._await(self.apiserver, lambda: self.api.request("GET", "/readyz", timeout=2.0) == "ok")

    def kill_apiserver(self, number: int = signal.SIGKILL) -> None:
        """End the API server by a signal.

        On SIGTERM it waits a minute for clients that watch; it is killed after ten seconds.
        """
        self.apiserver.stop(number)

    def restart_apiserver(self, number: int = signal.SIGKILL) -> None:
        """End the API server by a signal and start it again; its clients see it gone for two to four seconds."""
        self.kill_apiserver(number)
        self.start_apiserver()

    def client_for(self, user: str, groups: Sequence[str] = (), agent: str = AGENT) -> Api:
        """Give a client that signs in as any user."""
        made = self._certificate(user, tuple(groups))
        return from_certificates(self.server, self._authority.certificate, made.certificate, made.key, agent)

    def kubeconfig_for(self, user: str, groups: Sequence[str] = ()) -> Path:
        """Give a kubeconfig that signs in as any user."""
        return self._kubeconfig(self._certificate(user, tuple(groups)))

    @property
    def server(self) -> str:
        """URL of the API server."""
        return f"https://{HOST}:{self._ports['api']}"

    @property
    def running(self) -> list[str]:
        """Names of the parts that run."""
        return [part.name for part in self._parts if part.running]

    def _prepare(self) -> None:
        """Make the folder, keys, settings and command lines."""
        remove_dead_folders()
        self.folder = Path(tempfile.mkdtemp(prefix=FOLDER_PREFIX))
        self._held.callback(shutil.rmtree, self.folder, ignore_errors=True)
        self._held.enter_context(_locked(self.folder))
        self._ports = dict(zip(PORT_NAMES, free_ports(len(PORT_NAMES)), strict=True))
        self._authority = Authority(self.folder)
        self._numbers = itertools.count()
        self._certificate = functools.cache(self._make_certificate)
        self.audit = AuditLog(self.folder / "audit.log")
        self.etcd = self._part("etcd", self._etcd_options())
        self.apiserver = self._part("kube-apiserver", self._apiserver_options())
        self.controllers = self._part("kube-controller-manager", self._controllers_options())
        self.scheduler = self._part("kube-scheduler", self._scheduler_options())
        self._parts = [self.etcd, self.apiserver, self.controllers, self.scheduler]
        super().__init__(
            self.kubeconfig_for("admin", ["system:masters"]),
            self.client_for("admin", ["system:masters"]),
            [str(self.programs.kube), "kubectl"],
        )

    def _start(self) -> None:
        self._held.callback(self._stop_parts)
        self.etcd.start()
        self._await(self.etcd, lambda: self._etcd_answers())
        self.start_apiserver()
        self.controllers.start()
        self.scheduler.start()
        self._await(self.scheduler, lambda: _healthy(self._ports["scheduler"]))
        account = "/api/v1/namespaces/default/serviceaccounts/default"
        self._await(self.controllers, lambda: self.api.find(account) is not None)

    def _stop_parts(self) -> None:
        self.scheduler.ask_to_stop()
        self.controllers.ask_to_stop()
        self.scheduler.stop()
        self.controllers.stop()
        # An API server whose etcd is gone waits for ever: it goes first.
        self.apiserver.stop()
        self.etcd.stop()

    def _await(self, part: Component, ready: Callable[[], bool]) -> None:
        """Wait until a part answers; fail at once where it has ended."""

        def look() -> bool:
            if not part.running:
                words = part.last_words()
                if "address already in use" in words:
                    raise PortTaken(words)
                raise TookTooLong(f"{part.name} does not start. {words}")
            # Any error is that of a server that is still starting.
            with suppress(Exception):
                return ready()
            return False

        wait_for(look, f"{part.name} is ready", seconds=READY_SECONDS, otherwise=part.last_words)

    def _part(self, name: str, options: dict[str, object]) -> Component:
        # etcd has no word for itself in its options; all parts take --name=value.
        command = [str(self.programs.kube), name, *(f"--{option}={value}" for option, value in options.items())]
        return Component(name, command, self.folder)

    def _etcd_answers(self) -> bool:
        with urllib.request.urlopen(f"http://{HOST}:{self._ports['etcd']}/health", timeout=2) as answer:
            return bool(json.loads(answer.read())["health"] == "true")

    def _etcd_options(self) -> dict[str, object]:
        own, peers = (f"http://{HOST}:{self._ports[name]}" for name in ("etcd", "etcd-peer"))
        return {
            "data-dir": self.folder / "etcd",
            "listen-client-urls": own,
            "advertise-client-urls": own,
            "listen-peer-urls": peers,
            "initial-advertise-peer-urls": peers,
            "initial-cluster": f"default={peers}",
            "log-level": "warn",
            # Processes are killed in tests, machines are not.
            "unsafe-no-fsync": "true",
        }

    def _apiserver_options(self) -> dict[str, object]:
        own = self._authority.server("kube-apiserver", [f"IP:{HOST}", "IP:10.96.0.1", "DNS:localhost"])
        accounts = self._authority.service_accounts
        return {
            "etcd-servers": f"http://{HOST}:{self._ports['etcd']}",
            "secure-port": self._ports["api"],
            "bind-address": HOST,
            "advertise-address": HOST,
            # An endpoint on loopback would be refused; no pod asks for the Service.
            "endpoint-reconciler-type": "none",
            "tls-cert-file": own.certificate,
            "tls-private-key-file": own.key,
            "client-ca-file": self._authority.certificate,
            "service-account-key-file": accounts.certificate,
            "service-account-signing-key-file": accounts.key,
            "service-account-issuer": "https://kubernetes.default.svc",
            "service-cluster-ip-range": "10.96.0.0/16",
            "authorization-mode": "Node,RBAC",
            "enable-admission-plugins": "NodeRestriction,PodNodeSelector",
            "default-not-ready-toleration-seconds": TOLERATION_SECONDS,
            "default-unreachable-toleration-seconds": TOLERATION_SECONDS,
            "audit-policy-file": self._write("audit-policy.json", POLICY),
            "audit-log-path": self.folder / "audit.log",
            # Tests read one file.
            "audit-log-maxsize": 100_000,
            "shutdown-delay-duration": "0s",
            "profiling": "false",
        }

    def _controllers_options(self) -> dict[str, object]:
        return {
            "kubeconfig": self.kubeconfig_for("system:kube-controller-manager"),
            "leader-elect": "false",
            # What controllers may do, they may by an account of each.
            "use-service-account-credentials": "true",
            "bind-address": HOST,
            "secure-port": self._ports["controllers"],
            "root-ca-file": self._authority.certificate,
            "service-account-private-key-file": self._authority.service_accounts.key,
            # By default the Job controller makes about ten pods a second.
            "kube-api-qps": 1000,
            "kube-api-burst": 2000,
            "concurrent-job-syncs": 20,
            "concurrent-gc-syncs": 20,
            "node-monitor-period": "1s",
            "node-monitor-grace-period": f"{NODE_LOST_SECONDS}s",
            "profiling": "false",
        }

    def _scheduler_options(self) -> dict[str, object]:
        kubeconfig = self.kubeconfig_for("system:kube-scheduler")
        config = {
            "apiVersion": "kubescheduler.config.k8s.io/v1",
            "kind": "KubeSchedulerConfiguration",
            "leaderElection": {"leaderElect": False},
            "clientConnection": {"kubeconfig": str(kubeconfig), "qps": 1000, "burst": 2000},
        }
        return {
            "config": self._write("scheduler.json", config),
            "bind-address": HOST,
            "secure-port": self._ports["scheduler"],
        }

    def _make_certificate(self, user: str, groups: tuple[str, ...]) -> Certificate:
        return self._authority.client(f"user-{next(self._numbers)}", user, groups)

    def _kubeconfig(self, made: Certificate) -> Path:
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
            "clusters": [
                {
                    "name": "test",
                    "cluster": {"server": self.server, "certificate-authority": str(self._authority.certificate)},
                }
            ],
            "users": [
                {
                    "name": "test",
                    "user": {"client-certificate": str(made.certificate), "client-key": str(made.key)},
                }
            ],
        }
        return self._write(f"{made.certificate.stem}.kubeconfig", config)

    def _write(self, name: str, content: object) -> Path:
        path = self.folder / name
        path.write_text(json.dumps(content))
        return path


def free_ports(count: int) -> list[int]:
    """Choose free loopback ports, all different."""
    ports: list[int] = []
    with ExitStack() as held:
        for port in random.sample(PORTS, len(PORTS)):
            if len(ports) == count:
                break
            probe = held.enter_context(socket.socket())
            with suppress(OSError):
                probe.bind((HOST, port))
                ports.append(port)
    return ports


def remove_dead_folders() -> None:
    """Remove folders of control planes whose process was killed before it could do so."""
    for folder in Path(tempfile.gettempdir()).glob(f"{FOLDER_PREFIX}*"):
        with suppress(OSError):
            # A younger one may be about to take its lock.
            if time.time() - folder.stat().st_mtime < SETTLED_SECONDS:
                continue
            with _locked(folder):
                shutil.rmtree(folder, ignore_errors=True)


def _locked(folder: Path) -> IO[str]:
    lock = (folder / "lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        raise
    return lock


def _healthy(port: int) -> bool:
    """Ask a part whose certificate is its own."""
    context = ssl._create_unverified_context()  # noqa: S323  # its certificate is its own
    with urllib.request.urlopen(f"https://{HOST}:{port}/healthz", timeout=2, context=context) as answer:
        return bool(answer.read() == b"ok")
