"""How a job is shared out where it leaves that to recast: arithmetic, no I/O. docs/scale.md has the simulation.

A worker that begins costs a start (pod, models) before its first frame; a segment is as much work as it is long. With
few long segments the last worker to end keeps all others waiting; with many short ones starts are most of the cost.
With D seconds of source on P workers, each of which does k segments one after another, the job takes about

    k * start + work * D / P * (1 + spread / k)

which is least where k * k = spread * work * D / (P * start), and the segments then last D / (P * k) seconds. A whole k
leaves no worker idle in the last turn.
"""

import math
from typing import Literal

START_SECONDS = {"Passthrough": 5.0, "Mesh": 5.0, "InSwapper": 15.0}
"""Taken for an engine's worker, from its pod's creation to its first frame: 1.4 to 2.6 s were measured with Mesh on a
real kubelet; the rest is for busier nodes, and for CUDA and the models."""
WORK = 1.0
"""Seconds that a worker needs for a second of source: about so for 1080p, by CPU or GPU."""
SPREAD = 0.5
"""How much longer than the mean the slowest segments take: busy scenes, busy nodes."""
UNKNOWN_SECONDS = 60.0
"""Where the source does not say how long it is."""
MOST_SECONDS = 120.0
"""What is lost at most with a worker that dies, and what a worker's disk holds."""
MOST_PER_WORKER = 32


def segment_seconds(wanted: float | Literal["Auto"], *, duration: float | None, workers: int, engine: str) -> float:
    """Give the least length of a job's segments.

    Args:
        wanted: seconds, or Auto.
        duration: of the source in seconds; None where its container does not say.
        workers: at once, at most.
        engine: name of the job's engine.

    Returns:
        Seconds. For Auto not under the time that a worker needs to start, so that at least half of a worker's time is
        work, and not over `MOST_SECONDS`.
    """
    if wanted != "Auto":
        return wanted
    if duration is None or duration <= 0:
        return UNKNOWN_SECONDS
    start = START_SECONDS[engine]
    share = duration / workers
    spread = SPREAD * (workers - 1) / workers
    turns = max(1, round(math.sqrt(spread * WORK * share / start)))
    return min(MOST_SECONDS, max(start / WORK, share / turns))


def segments_per_worker(segments: int, workers: int) -> int:
    """How many segments a pod does, one after another: its start is paid once for all of them."""
    return max(1, min(MOST_PER_WORKER, math.ceil(segments / (4 * workers))))


def segments_per_process(segments: int, workers: int) -> int:
    """The same on one machine: as few starts as go, each worker as often.

    A slow segment at the end costs less than starts here, since the other workers' cores are free for it.
    """
    turns = max(1, math.ceil(segments / (MOST_PER_WORKER * workers)))
    return max(1, math.ceil(segments / (turns * workers)))
