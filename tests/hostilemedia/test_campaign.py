"""Damaged files end in an output or in 65 and one line; never in a crash, a hang, or another file's bytes.

RECAST_CHAOS=full plays 2,000 cases by a seed of chance, and all bombs; RECAST_CHAOS_SEED plays a campaign again.
"""

import os
import random
from pathlib import Path
from typing import Any

import pytest

from tests.hostilemedia.bombs import BOMBS
from tests.hostilemedia.campaign import MOST_RSS, SLOW_BOMBS, Tally, judge, play
from tests.hostilemedia.forked import Ended
from tests.hostilemedia.mutations import Case
from tests.hostilemedia.pointers import POINTERS

FULL = os.environ.get("RECAST_CHAOS") == "full"
SEED = int(os.environ.get("RECAST_CHAOS_SEED") or (random.randrange(1 << 32) if FULL else 7))
CASES = 2000 if FULL else 60
HANG_SECONDS = 4 * 3600 if FULL else 1200


@pytest.mark.timeout(HANG_SECONDS)
def test_damaged_files_are_worked_on_exactly_or_refused_in_one_line(tmp_path: Path) -> None:
    bombs = [name for name in BOMBS if FULL or name not in SLOW_BOMBS]
    # In the short mode these have their own test.
    tally = play(CASES, SEED, tmp_path, bombs=bombs, pointers=tuple(POINTERS) if FULL else ())
    print(tally.table())
    assert tally.faults == [], f"RECAST_CHAOS_SEED={SEED}"
    assert tally.behind_and_decoded >= 0.4
    assert tally.reached["output", True] > 0 and tally.reached["decoder", True] > 0


@pytest.mark.parametrize(
    ("ended", "fault"),
    [
        ({"signal": 11}, "signal 11"),
        ({"signal": 9, "hung": True}, "hung"),
        ({"codes": {"inspect": 0, "split": 70}}, "split ended with 70"),
        ({"codes": {"inspect": 65, "split": 65}, "messages": {"inspect": "two\nlines", "split": ""}}, "two\nlines"),
        ({"codes": {"inspect": 65, "split": 65}, "messages": {"inspect": "unnamed", "split": ""}}, "unnamed"),
        ({"codes": {"inspect": 65, "split": 0}}, "split takes what inspect refuses"),
        ({"rss": MOST_RSS + 1}, "of memory"),
        ({"disk": 1 << 30}, "of disk"),
    ],
)
def test_what_must_not_be_is_a_fault(tmp_path: Path, ended: dict[str, Any], fault: str) -> None:
    path = tmp_path / "case1.mp4"
    codes = {"inspect": 65, "split": 65}
    messages = {"inspect": "recast: case1.mp4: no", "split": "case1.mp4: no"}
    end = Ended(tmp_path, **({"codes": codes} | ended | {"messages": messages | ended.get("messages", {})}))
    assert fault in str(judge(Tally(0), Case(1, "h264.mp4", "flip", True, b""), end, path))
