"""Thousands of damaged files through inspect, split and worker, and what became of each.

`python -m tests.hostilemedia.campaign 2000` prints the table of docs/reliability.md; `--seed` plays a campaign again.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests import clips
from tests.hostilemedia.bombs import BOMBS
from tests.hostilemedia.canary import Canary
from tests.hostilemedia.exact import CONCEALED, EXACT, compare
from tests.hostilemedia.forked import Ended, remove, run_all
from tests.hostilemedia.mutations import Case, damaged
from tests.hostilemedia.pointers import POINTERS, SUFFIXES
from tests.hostilemedia.seeds import make_seeds

MOST_RSS = 2 << 30
MOST_DISK = 64 << 20
"""Beside forty times the file: a lossless part of a small lossy file is larger."""
SLOW_BOMBS = frozenset({"many_pixels.mov", "tracks_2000.mkv", "packed_index.mp4", "starts.h264", "zeros.mp4"})

STAGES = ("opening", "header", "decoder", "plan", "worker", "output")
WORDS = (
    ("opening", ("not a video file", "limits.", "cut off")),
    ("header", ("no video track", "no decoder")),
    ("plan", ("cannot hold", "does not write", "cannot be cut", "picture's size changes")),
)


@dataclass
class Tally:
    """What became of a campaign's cases.

    Attributes:
        reached: cases by the stage that they reached and by whether they were damaged behind the header.
        outputs: how those that gave an output compare with FFmpeg's decode.
        faults: what must not be, a line each.
    """

    seed: int
    reached: Counter[tuple[str, bool]] = field(default_factory=Counter)
    outputs: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    most_rss: int = 0
    slowest: float = 0.0

    @property
    def cases(self) -> int:
        """All of them."""
        return self.reached.total()

    @property
    def behind_and_decoded(self) -> float:
        """Share of the cases that were damaged behind the header and reached the decoder."""
        deep = sum(count for (stage, behind), count in self.reached.items() if behind and stage in STAGES[2:])
        return deep / self.cases

    def table(self) -> str:
        """As Markdown."""
        lines = ["| stage reached | damaged in the header | behind it |", "|---|---|---|"]
        lines += [f"| {stage} | {self.reached[stage, False]} | {self.reached[stage, True]} |" for stage in STAGES]
        return "\n".join([
            *lines,
            f"RECAST_CHAOS_SEED={self.seed}: {self.cases} cases, {self.outputs[EXACT]} exact outputs, "
            f"{self.outputs[CONCEALED]} with damage that the decoder concealed, {len(self.faults)} faults, "
            f"{self.behind_and_decoded:.0%} damaged behind the header and decoded; "
            f"most memory {self.most_rss >> 20} MiB, slowest case {self.slowest:.1f} s",
        ])  # fmt: skip


def play(
    count: int,
    seed: int,
    folder: Path,
    *,
    bombs: Sequence[str] = tuple(BOMBS),
    pointers: Sequence[str] = tuple(POINTERS),
    at_once: int = 2,
    say: Callable[[str], None] = print,
) -> Tally:
    """Play a campaign of `count` damaged files, beside bombs and pointers."""
    (folder / "seeds").mkdir()
    seeds = make_seeds(folder / "seeds")
    canary_file = folder / "canary.ts"
    canary_file.write_bytes(seeds["h264.ts"])
    tally = Tally(seed)
    with Canary(canary_file) as canary:
        cases = list(_crafted(seeds, folder, canary, bombs, pointers)) + [damaged(seeds, seed, k) for k in range(count)]
        paths = [_write(case, folder) for case in cases]
        for done, (number, ended) in enumerate(run_all(paths, folder / "cases", at_once=at_once), 1):
            if done % 100 == 0:
                say(f"{done} of {len(cases)} cases: {dict(tally.reached)}, {dict(tally.outputs)}")
            fault = judge(tally, cases[number], ended, paths[number])
            if canary.touched():
                fault = "opened what it names"
            if fault:
                case = cases[number]
                tally.faults.append(f"case {case.number} ({case.seed}, {case.kind}): {fault}")
                say(tally.faults[-1])
            remove(ended)
            paths[number].unlink()
    return tally


def _crafted(
    seeds: dict[str, bytes], folder: Path, canary: Canary, bombs: Sequence[str], pointers: Sequence[str]
) -> Iterator[Case]:
    for number, name in enumerate(bombs):
        yield Case(-1 - number, name, "bomb", False, BOMBS[name](seeds, folder))
    for number, name in enumerate(pointers):
        suffix = SUFFIXES.get(name.split("_")[0], ".mp4")
        yield Case(-1001 - number, f"{name}{suffix}", "pointer", False, POINTERS[name](canary.path, canary.url))


def _write(case: Case, folder: Path) -> Path:
    path = folder / f"case{case.number}{case.suffix}"
    path.write_bytes(case.data)
    return path


def judge(tally: Tally, case: Case, ended: Ended, path: Path) -> str | None:
    """Count a case, and say what is wrong with how it ended."""
    tally.most_rss, tally.slowest = max(tally.most_rss, ended.rss), max(tally.slowest, ended.seconds)
    tally.reached[stage_reached(ended), case.behind] += 1
    if ended.hung or ended.signal:
        return "hung" if ended.hung else f"ended by signal {ended.signal} after {ended.codes}"
    for stage, code in ended.codes.items():
        said = ended.messages[stage].strip()
        named = path.name in said or (stage == "worker" and said.startswith("segment "))
        if code not in (0, 65) or (code and (len(said.splitlines()) != 1 or not named)):
            return f"{stage} ended with {code}: {said}"
    if ended.codes["inspect"] and not ended.codes["split"]:
        return f"split takes what inspect refuses: {ended.messages['inspect']}"
    if ended.rss > MOST_RSS or ended.disk > MOST_DISK + 40 * len(case.data):
        return f"took {ended.rss >> 20} MiB of memory and {ended.disk >> 20} MiB of disk"
    if ended.codes.get("worker") == 0:
        found = compare(path, ended.folder)
        tally.outputs[found] += 1
        return None if found in (EXACT, CONCEALED) else found
    return None


def stage_reached(ended: Ended) -> str:
    """The last of `STAGES` that a case came to."""
    if ended.codes.get("split") == 0:
        return "output" if ended.codes.get("worker") == 0 else "worker"
    said = ended.messages.get("split", "")
    return next((stage for stage, words in WORDS if any(word in said for word in words)), "decoder")


def main() -> int:
    """Play a campaign and print its table; 1 where there are faults."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", type=int)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parser.add_argument("--at-once", type=int, default=2)
    options = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="recast-hostile-") as folder:
        tally = play(options.count, options.seed, Path(folder), at_once=options.at_once)
    print(tally.table(), f"{time.monotonic() - began:.0f} s, FFmpeg {clips.exe()}", sep="\n")
    return int(bool(tally.faults))


if __name__ == "__main__":
    sys.exit(main())
