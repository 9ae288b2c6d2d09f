"""Measuring a whole command: wall time, CPU seconds and peak memory of it and all its children."""

import os
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass


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


def measure(command: Sequence[str]) -> Cost:
    """Run a command to its end; raises CalledProcessError where it fails."""
    started = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    said = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stderr.close()
    if process.returncode != 0:
        raise subprocess.CalledProcessError(process.returncode, command, stderr=said)
    return Cost(time.monotonic() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


def least(costs: Sequence[Cost]) -> Cost:
    """The minimum of each figure over several runs."""
    return Cost(min(c.wall for c in costs), min(c.cpu for c in costs), min(c.peak_rss for c in costs))
