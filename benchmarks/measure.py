"""Measuring a whole command: wall time, CPU seconds and peak memory of it and all its children."""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

# A process' peak memory counts from the process that started it, so a small one stands between.
_STARTER = """
import os, sys, time
null = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
started = time.monotonic()
child = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ, file_actions=null)
_, status, usage = os.wait4(child, 0)
wall = time.monotonic() - started
print([os.waitstatus_to_exitcode(status), wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024])
"""


@dataclass(frozen=True)
class Cost:
    """What a command cost.

    Attributes:
        wall: seconds.
        cpu: user and system seconds of it and its children.
        peak_rss: bytes of the largest single process.
    """

    wall: float
    cpu: float
    peak_rss: int

    def __add__(self, after: "Cost") -> "Cost":
        """Of one command and then another."""
        return Cost(self.wall + after.wall, self.cpu + after.cpu, max(self.peak_rss, after.peak_rss))


def measure(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Cost:
    """Run a command to its end; raises CalledProcessError where it fails."""
    starter = [sys.executable, "-I", "-S", "-c", _STARTER, *command]
    done = subprocess.run(starter, capture_output=True, text=True, env=environment, check=True)
    code, wall, cpu, peak_rss = json.loads(done.stdout)
    if code != 0:
        raise subprocess.CalledProcessError(code, command, stderr=done.stderr)
    return Cost(wall, cpu, peak_rss)


def least(costs: Sequence[Cost]) -> Cost:
    """The minimum of each figure over several runs."""
    return Cost(min(c.wall for c in costs), min(c.cpu for c in costs), min(c.peak_rss for c in costs))


def interleaved(works: Mapping[str, Callable[[], Cost]], runs: int) -> dict[str, Cost]:
    """The least cost of each of several pieces of work, which take turns."""
    costs: dict[str, list[Cost]] = {name: [] for name in works}
    for _ in range(runs):
        for name, work in works.items():
            costs[name].append(work())
    return {name: least(each) for name, each in costs.items()}
