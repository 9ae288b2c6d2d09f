"""Many jobs at once and one job of many segments, on fake nodes: the controller stays small and quick.

`make scale` runs the long one too (RECAST_SCALE=full).
"""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.cluster import played
from tests.cluster.controlplane import ControlPlane
from tests.cluster.fixtures import StartKwok
from tests.cluster.proxy import ApiProxy
from tests.cluster.system import Controller, path_of, sample, wait_for_job_phase
from tests.cluster.waiting import wait_for

FULL = os.environ.get("RECAST_SCALE") == "full"

PEAK_MIB = 150
# A thousand segments against the same process' own start: seconds alone would measure what else the machine does.
# One that finds its bytecode takes 0.22 CPU seconds.
STARTS_A_THOUSAND = 4.5
REQUESTS = 200


def grown(in_every_run: int, *others: int) -> list[Any]:
    """Sizes: one in every run, the others in `make scale`."""
    skipped = pytest.mark.skipif(not FULL, reason="make scale")
    return [
        pytest.param(size, marks=() if size == in_every_run else skipped) for size in sorted({in_every_run, *others})
    ]


class Cost:
    """What a process has used since this was made, and what it had used before that, for its start."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._cpu = self.start_cpu_seconds = self._cpu_seconds()
        self._began = time.monotonic()

    @property
    def cpu_seconds(self) -> float:
        return self._cpu_seconds() - self._cpu

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._began

    @property
    def peak_mib(self) -> float:
        lines = Path(f"/proc/{self._pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))

    def _cpu_seconds(self) -> float:
        fields = Path(f"/proc/{self._pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.timeout(600)
@pytest.mark.parametrize("segments", grown(256, 1, 8, 64, 1_000, 4_096))
def test_one_job_of_many_segments(
    segments: int,
    control_plane: ControlPlane,
    fake: str,
    start_kwok: StartKwok,
    proxy: ApiProxy,
    tmp_path: Path,
) -> None:
    start_kwok(*played.stages(segments, seconds=1.0), nodes=20, gpus=64)
    arguments = ("--no-leader-election", "--namespaces", fake)
    with Controller(control_plane, tmp_path, *arguments, kubeconfig=proxy.kubeconfig) as controller:
        wait_for(lambda: any("caches are filled" in line for line in controller.lines()), "it is up", seconds=30)
        assert controller.process is not None
        cost = Cost(controller.process.pid)
        job = sample("job", worker={"gpus": 1}, segments={"maxParallelism": 500, "perPod": 1})
        control_plane.api.create(path_of(fake), job)
        status = wait_for_job_phase(control_plane, fake, "job", "Succeeded", "Failed", seconds=540)
        said = (
            f"{segments} segments: {cost.seconds:.1f} s, {cost.cpu_seconds:.2f} CPU s, "
            f"{cost.peak_mib:.0f} MiB, {proxy.count()} requests, {proxy.count(writes=True)} of them writes; "
            f"its start took {cost.start_cpu_seconds:.2f} CPU s"
        )
        peak, starts, requests = cost.peak_mib, cost.cpu_seconds / cost.start_cpu_seconds, proxy.count()
    print(said)
    assert status["phase"] == "Succeeded" and status["segments"]["succeeded"] == segments
    assert starts < STARTS_A_THOUSAND * max(1, segments / 1000), said
    assert peak < PEAK_MIB and requests < REQUESTS, said


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("jobs", grown(20, 1, 10, 100, 1_000))
def test_many_jobs_at_once(
    jobs: int, control_plane: ControlPlane, fake: str, start_kwok: StartKwok, proxy: ApiProxy, tmp_path: Path
) -> None:
    segments = 4
    start_kwok(*played.stages(segments, seconds=0.5), nodes=10, gpus=64)
    arguments = ("--no-leader-election", "--namespaces", fake)
    with Controller(control_plane, tmp_path, *arguments, kubeconfig=proxy.kubeconfig) as controller:
        wait_for(lambda: any("caches are filled" in line for line in controller.lines()), "it is up", seconds=30)
        assert controller.process is not None
        cost = Cost(controller.process.pid)
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda n: control_plane.api.create(path_of(fake), sample(f"job-{n}")), range(jobs)))

        def done() -> bool:
            items = control_plane.api.get(path_of(fake))["items"]
            phases = [each.get("status", {}).get("phase") for each in items]
            assert "Failed" not in phases
            return phases == ["Succeeded"] * jobs

        wait_for(done, "all are done", seconds=60 + 3 * jobs)
        print(
            f"{jobs} jobs: {cost.seconds:.1f} s, {cost.cpu_seconds:.2f} CPU s, {cost.peak_mib:.0f} MiB, "
            f"{proxy.count()} requests"
        )
        assert cost.peak_mib < PEAK_MIB
        assert proxy.count() < 30 * jobs + 30
