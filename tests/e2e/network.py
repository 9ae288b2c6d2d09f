"""The pods' network: one bridge of this machine, which has the node's own address, and rules for its packets."""

import json
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

BRIDGE = "recast0"
NODE_ADDRESS = "10.244.0.1"
SUBNET = "10.244.0.0/24"
FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")
OWN = "KUBE-"
"""What names of chains and sets begin with that kubelet, kube-proxy and kube-router make."""


@contextmanager
def bridge() -> Iterator[None]:
    """Have the bridge, and packets forwarded over it, while it lasts."""
    before = FORWARDING.read_text()
    with suppress(subprocess.CalledProcessError):
        _ip("link", "delete", BRIDGE)
    _ip("link", "add", BRIDGE, "type", "bridge")
    try:
        _ip("address", "add", f"{NODE_ADDRESS}/24", "dev", BRIDGE)
        _ip("link", "set", BRIDGE, "up")
        FORWARDING.write_text("1")
        yield
    finally:
        _ip("link", "delete", BRIDGE)
        FORWARDING.write_text(before)


@contextmanager
def link_local(address: str) -> Iterator[None]:
    """Have an address that pods reach, beside the node's own; nothing sent to it leaves the machine."""
    _ip("address", "add", f"{address}/32", "dev", BRIDGE)
    try:
        yield
    finally:
        _ip("address", "delete", f"{address}/32", "dev", BRIDGE)


def write_cni(folder: Path, leases: Path) -> None:
    """Write the settings of the network plugins: pods reach each other and the node, and nothing beyond it.

    Args:
        folder: of the settings.
        leases: where addresses that are given out are kept; elsewhere they would outlive the cluster.
    """
    folder.mkdir()
    config = {
        "cniVersion": "1.0.0",
        "name": "recast",
        "plugins": [
            {
                "type": "bridge",
                "bridge": BRIDGE,
                "ipMasq": False,
                "ipam": {
                    "type": "host-local",
                    "dataDir": str(leases),
                    "ranges": [[{"subnet": SUBNET, "gateway": NODE_ADDRESS}]],
                    "routes": [{"dst": "0.0.0.0/0"}],
                },
            }
        ],
    }
    (folder / "10-recast.conflist").write_text(json.dumps(config))


def enforces_policies() -> bool:
    """Whether kube-router has looked at each packet's pod once."""
    return "KUBE-ROUTER-FORWARD" in _run("iptables-save", "-t", "filter")


def remove_rules() -> None:
    """Remove what kubelet, kube-proxy and kube-router leave of rules for packets, and of sets of addresses."""
    for table in ("filter", "nat", "mangle"):
        lines = [shlex.split(line) for line in _run("iptables-save", "-t", table).splitlines() if OWN in line]
        chains = [words[0][1:] for words in lines if words[0].startswith(f":{OWN}")]
        jumps = [words[1:] for words in lines if words[0] == "-A" and not words[1].startswith(OWN)]
        for command in (
            *(["-D", *jump] for jump in jumps),
            *(["-F", chain] for chain in chains),
            *(["-X", chain] for chain in chains),
        ):
            _run("iptables", "-t", table, *command)
    for name in _run("ipset", "list", "-name").split():
        if name.startswith(OWN):
            _run("ipset", "destroy", name)


def _run(*command: str) -> str:
    """What a command prints; that it fails is no error."""
    return subprocess.run(command, capture_output=True, text=True, timeout=20, check=False).stdout


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True, timeout=20)
