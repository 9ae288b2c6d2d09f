"""Clocks that leap or are wrong: the same bytes, or an error that says which way the clock is off."""

import ast
import os
from pathlib import Path
from typing import Any

import pytest

from recast import exitcodes
from recast.stage import StageInput
from recast.storage.embedded import EmbeddedStore
from tests import clips
from tests.chaos.clocks import ADayAhead, ADayBehind, Leaping, TenMinutesAhead
from tests.chaos.processes import Fork, Start, begin
from tests.jobs import job, run_job

ROOT = Path(__file__).parents[2]
WALL_CLOCK = {"time.time", "time.time_ns", "datetime.now", "datetime.utcnow", "datetime.today"}
READS_IT = {
    "recast/log.py": "log lines are stamped",
    "recast/storage/embedded.py": "the age of a socket's file",
    "recast/storage/s3errors.py": "how far the clock is from the store's",
    "recast/kube/resource.py": "ages of Kubernetes' objects, which are stamped",
    "recast/kube/follow.py": "ages of Kubernetes' objects, which are stamped",
    "recast/commands/clean.py": "the age of a kept run's files",
    "recast/commands/explain.py": "ages of Kubernetes' objects, which are stamped",
    "recast/commands/list.py": "ages of Kubernetes' objects, which are stamped",
    "controller/execute.py": "events are stamped",
    "controller/planning/observed.py": "ages of Kubernetes' objects, which are stamped",
    "controller/observe.py": "when a pod with GPUs was last seen, beside its start, which is stamped",
    "controller/reconciler.py": "ages of Kubernetes' objects, which are stamped",
    "controller/kube/lease.py": "a Lease's renewTime is stamped; whether it is stale is seen by the monotonic clock",
}


def run(start: Start, pod: str, asked: StageInput, folder: Path) -> tuple[int, dict[str, Any]]:
    return begin(start, pod, asked, os.environ, folder).end()


@pytest.mark.parametrize("start", [Leaping, TenMinutesAhead])
def test_a_clock_that_leaps_changes_nothing(start: Start, s3: EmbeddedStore, tmp_path: Path) -> None:
    clip, output = clips.build("bframes"), tmp_path / "out.mp4"
    run_job(job(s3, clip, tmp_path / "undisturbed.mp4"))
    asked = job(s3, clip, output).model_copy(update={"segments_per_pod": 100})
    for pod in ("split", "swap-0", "mux"):
        code, said = run(start, pod, asked, tmp_path)
        assert code == exitcodes.OK, said
        asked = asked.model_copy(update={"run": said["run"]}) if pod == "split" else asked
    assert output.read_bytes() == (tmp_path / "undisturbed.mp4").read_bytes()


@pytest.mark.parametrize(("start", "way"), [(ADayAhead, "ahead of"), (ADayBehind, "behind")])
def test_a_clock_that_the_store_refuses_is_named_and_another_node_goes_on(
    start: Start, way: str, s3: EmbeddedStore, tmp_path: Path
) -> None:
    clip, output = clips.build("bframes"), tmp_path / "out.mp4"
    asked = job(s3, clip, output).model_copy(update={"segments_per_pod": 100})
    for pod in ("split", "swap-0", "mux"):
        code, said = run(start, pod, asked, tmp_path)
        assert code == exitcodes.TRY_AGAIN, said
        assert f"clock is 1440 minutes {way} the store's" in said["message"]
        assert not output.exists()
        code, said = run(Fork, pod, asked, tmp_path)
        assert code == exitcodes.OK, said
        asked = asked.model_copy(update={"run": said["run"]}) if pod == "split" else asked
    assert output.exists()


def test_only_stamps_are_read_off_the_wall_clock() -> None:
    found = set()
    for package in ("recast", "controller", "segment_worker"):
        for path in (ROOT / package).rglob("*.py"):
            calls = {
                ast.unparse(node.func) for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)
            }
            if calls & WALL_CLOCK:
                found.add(str(path.relative_to(ROOT)))
    assert found == set(READS_IT), "timeouts and waits go by time.monotonic()"
