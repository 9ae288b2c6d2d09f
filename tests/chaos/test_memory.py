"""Too little memory for a stage: a clear error that is tried again, or a kill; with enough of it, the same bytes."""

import os
import time
from pathlib import Path
from signal import SIGKILL

from recast import exitcodes, names
from recast.storage.embedded import EmbeddedStore
from tests import clips
from tests.chaos.memory import CGROUP, MORE_MIB, Bounded, Grouped, memory_group
from tests.chaos.processes import Fork, begin
from tests.jobs import job, run_job

PODS = ("split", "swap-0", "mux")


def test_a_stage_that_gets_no_memory_says_so_whatever_its_libraries_say(s3: EmbeddedStore, tmp_path: Path) -> None:
    clip, output = clips.build("bframes"), tmp_path / "out.mp4"
    run_job(job(s3, clip, tmp_path / "undisturbed.mp4"))
    asked = job(s3, clip, output).model_copy(update={"segments_per_pod": 100})
    for pod in PODS:
        for mib in (4, 16, 32, 64):
            environment = {**os.environ, MORE_MIB: str(mib)}
            code, said = begin(Bounded, pod, asked, environment, tmp_path).end()
            assert code == exitcodes.OK or (code, said["reason"]) == (exitcodes.TRY_AGAIN, names.EXHAUSTED), (pod, said)
            assert code == exitcodes.OK or ("memory" in said["message"] and not output.exists())
            assert code != exitcodes.OK or mib > 4, "nothing was tested"
        code, said = begin(Fork, pod, asked, os.environ, tmp_path).end()
        assert code == exitcodes.OK, said
        asked = asked.model_copy(update={"run": said["run"]}) if pod == "split" else asked
    assert output.read_bytes() == (tmp_path / "undisturbed.mp4").read_bytes()


def test_a_stage_that_the_kernel_kills_for_its_memory_is_run_again_to_the_same_bytes(
    s3: EmbeddedStore, tmp_path: Path
) -> None:
    clip, output = clips.build("bframes"), tmp_path / "out.mp4"
    run_job(job(s3, clip, tmp_path / "undisturbed.mp4"))
    asked = job(s3, clip, output).model_copy(update={"segments_per_pod": 100})
    for pod in PODS:
        with memory_group(f"recast-chaos-{os.getpid()}", 8) as group:
            code, _ = begin(Grouped, pod, asked, {**os.environ, CGROUP: str(group)}, tmp_path).end()
            # A group is empty only once what was killed is gone for good.
            time.sleep(0.2)
        assert code == -SIGKILL and not output.exists()
        code, said = begin(Fork, pod, asked, os.environ, tmp_path).end()
        assert code == exitcodes.OK, said
        asked = asked.model_copy(update={"run": said["run"]}) if pod == "split" else asked
    assert output.read_bytes() == (tmp_path / "undisturbed.mp4").read_bytes()
