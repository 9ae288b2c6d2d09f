"""How many cores this process may use: a container's quota counts, not the cores of its node."""

import math
import os
from collections.abc import Iterator
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
OWN = Path("/proc/self/cgroup")


def usable_cores(cgroups: Path = CGROUPS, own: Path = OWN) -> int:
    """Cores that this process may use, at least one; a part of a core counts as one.

    Args:
        cgroups: where the kernel shows its control groups.
        own: the file that names those of this process.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quotas = (_quota_v1(cgroups / "cpu"), *(_quota_v2(folder) for folder in _folders(cgroups, own)))
    return max(1, math.ceil(min(allowed, *quotas)))


def _folders(cgroups: Path, own: Path) -> Iterator[Path]:
    """This process' own group and those above it: the least of their quotas counts."""
    yield cgroups
    if not own.exists():
        return
    for line in own.read_text().splitlines():
        if line.startswith("0::/"):
            path = cgroups
            for name in line.removeprefix("0::/").split("/"):
                path = path / name
                yield path


def _quota_v2(folder: Path) -> float:
    """What `cpu.max` allows, in cores."""
    try:
        quota, period = (folder / "cpu.max").read_text().split()
        return int(quota) / int(period)
    except (OSError, ValueError):
        return math.inf


def _quota_v1(folder: Path) -> float:
    """What the first version of control groups allows, in cores; -1 stands for no limit."""
    try:
        quota = int((folder / "cpu.cfs_quota_us").read_text())
        period = int((folder / "cpu.cfs_period_us").read_text())
    except (OSError, ValueError):
        return math.inf
    return quota / period if quota > 0 < period else math.inf
