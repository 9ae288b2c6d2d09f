"""How long a job takes by the length of its segments: a simulation of its pods, from one pod's figures.

    python -m benchmarks.fanout [--minutes 1 10 60 120] [--gpus 1 4 16 64] [--starts 5 15]

Each pod waits for a free worker, starts (pull, container, imports, models), then does its segments one after another:
download and encoder start, the frames, upload and check. How long a segment's frames take scatters evenly, by `SPREAD`
to either side of the mean. `Auto` is what segments.targetSeconds: Auto chooses.
"""

import argparse
import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recast.fanout import MOST_SECONDS, SPREAD, segment_seconds, segments_per_worker

LENGTHS = (2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0)
ROUNDS = 50


@dataclass(frozen=True)
class Profile:
    """A worker's figures, in seconds.

    Attributes:
        start: from the pod's creation to the first segment.
        segment: of each segment beside its frames.
        work: for a second of source.
        gop: between keyframes, at which alone can be cut.
    """

    start: float
    segment: float = 0.6
    work: float = 1.0
    gop: float = 2.0


@dataclass(frozen=True)
class Outcome:
    """What a job comes to.

    Attributes:
        seconds: from the first pod's creation to the last one's end.
        efficiency: seconds of frames' work over all seconds in which a worker was held, ended or not.
    """

    seconds: float
    efficiency: float


def simulate(duration: float, workers: int, length: float, profile: Profile, rng: np.random.Generator) -> Outcome:
    """Play one job: pods in order, each to the worker that is free first."""
    cut = math.ceil(length / profile.gop) * profile.gop
    count = max(1, math.ceil(duration / cut))
    work = np.full(count, cut)
    work[-1] = duration - cut * (count - 1)
    work = work * profile.work * rng.uniform(1 - SPREAD, 1 + SPREAD, count)
    each = segments_per_worker(count, workers)
    free = [0.0] * min(workers, math.ceil(count / each))
    for first in range(0, count, each):
        did = work[first : first + each]
        heapq.heappush(free, heapq.heappop(free) + profile.start + len(did) * profile.segment + float(did.sum()))
    end = max(free)
    return Outcome(end, float(work.sum()) / (end * len(free)))


def mean(duration: float, workers: int, length: float, profile: Profile) -> Outcome:
    """The mean of many rounds; the same seed for each length."""
    rng = np.random.default_rng(1)
    rounds = [simulate(duration, workers, length, profile, rng) for _ in range(ROUNDS)]
    return Outcome(
        sum(one.seconds for one in rounds) / ROUNDS,
        sum(one.efficiency for one in rounds) / ROUNDS,
    )


def row(duration: float, workers: int, profile: Profile, lengths: Sequence[float]) -> str:
    """One line of the table: the best length, what Auto chooses, and 60 s."""
    engine = "InSwapper" if profile.start > 10 else "Mesh"
    auto = segment_seconds("Auto", duration=duration, workers=workers, engine=engine)
    by_length = {length: mean(duration, workers, length, profile) for length in (*lengths, auto)}
    best = min((length for length in by_length if length <= MOST_SECONDS), key=lambda one: by_length[one].seconds)
    cells = [f"{duration / 60:g}", f"{workers}", f"{profile.start:g}"]
    for length in (best, auto, 60.0):
        one = by_length[length]
        cells.append(f"{length:.0f} s: {one.seconds:.0f} s, {one.efficiency:.0%}")
    return f"| {' | '.join(cells)} | {by_length[auto].seconds / by_length[best].seconds:.2f} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, nargs="+", default=[1, 10, 60, 120])
    parser.add_argument("--gpus", type=int, nargs="+", default=[1, 4, 16, 64, 256])
    parser.add_argument("--starts", type=float, nargs="+", default=[5, 15])
    options = parser.parse_args()
    print("| minutes | workers | start s | best length: job, busy | Auto | 60 s | Auto over best |")
    print("|---|---|---|---|---|---|---|")
    for start in options.starts:
        for minutes in options.minutes:
            for workers in options.gpus:
                print(row(60 * minutes, workers, Profile(start), LENGTHS))


if __name__ == "__main__":
    main()
