"""The pods' network: one bridge of this machine, which is the node's own address, too."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

BRIDGE = "recast0"
NODE_ADDRESS = "10.244.0.1"
SUBNET = "10.244.0.0/24"
FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")


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


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True, timeout=20)
