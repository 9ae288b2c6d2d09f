"""One node for real: containerd, kubelet, kube-proxy and kube-router on this machine, beside a control plane."""

import os
import shutil
import signal
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

from recast.modelstore import alone
from tests.cluster.build import Programs, Unavailable
from tests.cluster.component import Component
from tests.cluster.controlplane import ControlPlane, free_ports
from tests.cluster.waiting import wait_for
from tests.e2e.network import NODE_ADDRESS, SUBNET, bridge, enforces_policies, remove_rules, write_cni

NODE = "node1"
GPUS = 4
GPU = "nvidia.com/gpu"
SERVICES = "10.96.0.0/16"
API_SERVICE = "10.96.0.1"
NO_NODE_PORTS = "1-2"
"""For kube-router, which lets all pods reach node ports: S3 and the API server are at ports that may look so."""
NEEDED = (
    *("containerd", "runc", "ctr", "iptables", "ipset", "conntrack", "ip"),
    *("buildah", "mmdebstrap", "openssl", "busybox"),
)
PACKAGES = (
    *("containerd", "runc", "containernetworking-plugins", "iptables", "ipset", "conntrack", "iproute2"),
    *("buildah", "mmdebstrap", "busybox-static", "openssl", "ca-certificates"),
)
"""What brings them, on Debian."""
CAPABILITIES = {12: "CAP_NET_ADMIN", 21: "CAP_SYS_ADMIN"}
CNI = Path("/usr/lib/cni")
CGROUPS = Path("/sys/fs/cgroup")
NODE_SECONDS = 60.0
PAUSE = "localhost/recast-pause:1"
NOT_YET = "server is not initialized yet"
"""What kubelet ends with where containerd listens already, and its Kubernetes side is not up."""


def why_not() -> str:
    """Why this machine cannot be a node; empty where it can."""
    if os.geteuid():
        return "a node for real needs root"
    with open("/proc/self/status") as file:
        effective = next(int(line.split()[1], 16) for line in file if line.startswith("CapEff:"))
    lacking = [name for bit, name in CAPABILITIES.items() if not effective >> bit & 1]
    if lacking:
        return f"a node for real needs {' and '.join(lacking)}"
    missing = [name for name in NEEDED if shutil.which(name) is None]
    if not (CNI / "bridge").exists():
        missing.append("containernetworking-plugins")
    return f"a node for real needs {', '.join(missing)}: Debian has them in {' '.join(PACKAGES)}" if missing else ""


class Node(ControlPlane):
    """A control plane and its one node.

    Args:
        programs: Kubernetes.
        router: kube-router, which enforces NetworkPolicies.
        images: folder of containerd's images, which outlive the node.

    Attributes:
        containerd, kubelet, proxy, router: the processes.
    """

    def __init__(self, programs: Programs, router: Path, images: Path) -> None:
        if reason := why_not():
            raise Unavailable(reason)
        super().__init__(programs)
        self._router, self._images = router, images

    def ctr(self, *arguments: str) -> str:
        """Run containerd's own client in Kubernetes' namespace; give what it prints."""
        done = subprocess.run(
            ["ctr", "--address", str(self._socket), "-n", "k8s.io", *arguments],
            capture_output=True,
            text=True,
            timeout=300,
        )
        if done.returncode:
            raise AssertionError(f"ctr {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def stop_kubelet(self) -> None:
        """As where a node hangs: its containers go on, nobody hears of them."""
        self.kubelet.stop(signal.SIGKILL)

    def start_kubelet(self) -> None:
        """The node answers again."""
        self.kubelet.start()

    @property
    def _socket(self) -> Path:
        return self.folder / "containerd.sock"

    def _prepare(self) -> None:
        super()._prepare()
        self._held.enter_context(alone(self._images.with_suffix(".lock")))
        _end_shims(tempfile.gettempdir())
        self._held.enter_context(bridge())
        self._kubelet_port, *self._proxy_ports = free_ports(3)
        write_cni(self.folder / "cni", self.folder / "leases")
        config = self.folder / "containerd.toml"
        config.write_text(self._containerd_settings())
        self.containerd = self._component("containerd", "containerd", "--config", str(config))
        self.kubelet = self._component("kubelet", str(self.programs.kube), "kubelet", *self._kubelet_options())
        self.proxy = self._component("kube-proxy", str(self.programs.kube), "kube-proxy", *self._proxy_options())
        self.router = self._component("kube-router", str(self._router), *self._router_options())
        self._parts += [self.containerd, self.kubelet, self.proxy, self.router]

    def _component(self, name: str, *command: str) -> Component:
        return Component(name, command, self.folder)

    def _start(self) -> None:
        super()._start()
        self._held.callback(self._stop_node)
        self.containerd.start()
        self._await(self.containerd, lambda: self.ctr("version") != "")
        self._remove_containers()
        self.kubelet.start()
        self.proxy.start()
        self.await_ready()
        self.offer_gpus()
        self.router.start()
        self._await(self.router, enforces_policies)

    def await_ready(self) -> None:
        """Wait until the API server hears that the node is ready.

        Raises:
            TookTooLong: it does not.
        """

        def ready() -> bool:
            if not self.kubelet.running and NOT_YET in self.kubelet.last_words():
                self.kubelet.start()
            node = self.api.find(f"/api/v1/nodes/{NODE}") or {"status": {}}
            conditions = node["status"].get("conditions", [])
            return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)

        wait_for(ready, f"{NODE} is ready", seconds=NODE_SECONDS, otherwise=self.kubelet.last_words)

    def offer_gpus(self) -> None:
        """Say that the node has GPUs, which the scheduler counts; containers get none."""
        many = {GPU: str(GPUS)}
        self.api.merge(f"/api/v1/nodes/{NODE}/status", {"status": {"capacity": many, "allocatable": many}})

    def _stop_node(self) -> None:
        self.router.stop()
        self.proxy.stop()
        self.kubelet.stop()
        with suppress(AssertionError, subprocess.TimeoutExpired):
            self._remove_containers()
        _end_shims(str(self._socket))
        self.containerd.stop()
        subprocess.run(
            [str(self.programs.kube), "kube-proxy", "--cleanup"], capture_output=True, timeout=60, check=False
        )
        remove_rules()
        _unmount_below(self.folder)
        _remove_cgroups()
        _remove_log_links(self.folder)

    def _remove_containers(self) -> None:
        """End what an earlier node left in the kept image store, or this one runs."""
        for task in self.ctr("tasks", "ls", "-q").split():
            with suppress(AssertionError):
                self.ctr("tasks", "kill", "-s", "SIGKILL", task)
        for task in self.ctr("tasks", "ls", "-q").split():
            with suppress(AssertionError):
                self.ctr("tasks", "rm", "-f", task)
        for container in self.ctr("containers", "ls", "-q").split():
            with suppress(AssertionError):
                self.ctr("containers", "rm", container)

    def _apiserver_options(self) -> dict[str, object]:
        client = self._authority.client("kubelet-client", "apiserver-kubelet-client", ["system:masters"])
        names = [f"IP:{address}" for address in ("127.0.0.1", NODE_ADDRESS, API_SERVICE)]
        own = self._authority.server("apiserver-node", [*names, "DNS:localhost", "DNS:kubernetes.default.svc"])
        return super()._apiserver_options() | {
            "bind-address": "0.0.0.0",  # noqa: S104  # pods ask it
            "advertise-address": NODE_ADDRESS,
            "endpoint-reconciler-type": "master-count",
            "tls-cert-file": own.certificate,
            "tls-private-key-file": own.key,
            "kubelet-preferred-address-types": "InternalIP",
            "kubelet-certificate-authority": self._authority.certificate,
            "kubelet-client-certificate": client.certificate,
            "kubelet-client-key": client.key,
        }

    def _kubelet_options(self) -> list[str]:
        serving = self._authority.server("kubelet", [f"IP:{NODE_ADDRESS}", f"DNS:{NODE}"])
        config = {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": True},
                "x509": {"clientCAFile": str(self._authority.certificate)},
            },
            "authorization": {"mode": "Webhook"},
            "tlsCertFile": str(serving.certificate),
            "tlsPrivateKeyFile": str(serving.key),
            "address": NODE_ADDRESS,
            "port": self._kubelet_port,
            "healthzPort": 0,
            "readOnlyPort": 0,
            "podLogsDir": str(self.folder / "podlogs"),
            "containerRuntimeEndpoint": f"unix://{self._socket}",
            "nodeStatusUpdateFrequency": "4s",
            "nodeLeaseDurationSeconds": 8,
            "failCgroupV1": False,
            "failSwapOn": False,
            "oomScoreAdj": 0,
            "cgroupDriver": "cgroupfs",
            "imageGCHighThresholdPercent": 100,
            "makeIPTablesUtilChains": False,
            "evictionHard": {"memory.available": "100Mi"},
            "resolvConf": "",
        }
        return [
            f"--config={self._write('kubelet.json', config)}",
            f"--kubeconfig={self.kubeconfig_for(f'system:node:{NODE}', ['system:nodes'])}",
            f"--node-ip={NODE_ADDRESS}",
            f"--hostname-override={NODE}",
            f"--root-dir={self.folder / 'kubelet'}",
            f"--cert-dir={self.folder / 'kubelet-certificates'}",
        ]

    def _proxy_options(self) -> list[str]:
        metrics, health = self._proxy_ports
        config = {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "mode": "iptables",
            "clusterCIDR": SUBNET,
            "hostnameOverride": NODE,
            "clientConnection": {"kubeconfig": str(self.kubeconfig_for("system:kube-proxy"))},
            "conntrack": {"maxPerCore": 0, "min": 0},
            "metricsBindAddress": f"127.0.0.1:{metrics}",
            "healthzBindAddress": f"127.0.0.1:{health}",
        }
        return [f"--config={self._write('kube-proxy.json', config)}"]

    def _router_options(self) -> list[str]:
        return [
            f"--kubeconfig={self.kubeconfig_for('system:kube-router', ['system:masters'])}",
            f"--hostname-override={NODE}",
            "--run-firewall=true",
            "--run-router=false",
            "--run-service-proxy=false",
            f"--service-cluster-ip-range={SERVICES}",
            f"--service-node-port-range={NO_NODE_PORTS}",
            "--health-port=0",
        ]

    def _containerd_settings(self) -> str:
        return f"""
version = 2
root = "{self._images}"
state = "{self.folder / "containerd"}"
[grpc]
  address = "{self._socket}"
[plugins."io.containerd.internal.v1.opt"]
  path = "{self.folder / "opt"}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE}"
  # Lower scores than this process' own may be forbidden to it.
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{CNI}"
    conf_dir = "{self.folder / "cni"}"
"""


def _end_shims(socket: str) -> None:
    """Kill what holds the containers of containerds whose sockets' paths begin so: also of a node that was killed."""
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            command = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
            if "containerd-shim" in command[0] and any(each.startswith(socket) for each in command[1:]):
                os.kill(int(folder.name), signal.SIGKILL)


def _unmount_below(folder: Path) -> None:
    mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    for mount in sorted((each for each in mounts if each.startswith(f"{folder}/")), reverse=True):
        subprocess.run(["umount", "--lazy", mount], capture_output=True, timeout=20, check=False)


def _remove_cgroups() -> None:
    """The kubelet's own, empty by now, in every hierarchy."""
    for root in [*CGROUPS.glob("kubepods"), *CGROUPS.glob("*/kubepods")]:
        for folder in sorted((path for path in root.rglob("*") if path.is_dir()), reverse=True):
            with suppress(OSError):
                folder.rmdir()
        with suppress(OSError):
            root.rmdir()


def _remove_log_links(folder: Path) -> None:
    """Links to containers' logs that the kubelet makes outside of its folder."""
    for link in Path("/var/log/containers").glob("*"):
        with suppress(OSError):
            if os.readlink(link).startswith(str(folder)):
                link.unlink()
