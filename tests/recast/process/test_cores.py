"""A process in a container counts the cores of its quota, not those of the machine."""

import os
from pathlib import Path

import pytest

from recast.process.cores import usable_cores

ALL = 64


@pytest.fixture(autouse=True)
def large_node(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(ALL)), raising=False)


def cores(folder: Path, files: dict[str, str], own: str = "0::/\n") -> int:
    for name, text in files.items():
        path = folder / "cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (folder / "own").write_text(own)
    return usable_cores(folder / "cgroup", folder / "own")


@pytest.mark.parametrize(
    ("quota", "expected"),
    [
        ("200000 100000", 2),
        ("150000 100000", 2),
        ("10000 100000", 1),
        ("max 100000", ALL),
        ("9900000 100000", ALL),
        ("", ALL),
    ],
)
def test_a_containers_quota_counts_in_whole_cores(quota: str, expected: int, tmp_path: Path) -> None:
    assert cores(tmp_path, {"cpu.max": f"{quota}\n"}) == expected


@pytest.mark.parametrize(("quota", "expected"), [("300000", 3), ("50000", 1), ("-1", ALL)])
def test_so_it_does_under_the_first_version(quota: str, expected: int, tmp_path: Path) -> None:
    files = {"cpu/cpu.cfs_quota_us": quota, "cpu/cpu.cfs_period_us": "100000"}
    assert cores(tmp_path, files, "1:cpu:/\n") == expected


def test_the_least_quota_of_all_groups_that_it_is_in_counts(tmp_path: Path) -> None:
    files = {"pod/cpu.max": "400000 100000", "pod/worker/cpu.max": "max 100000", "other/cpu.max": "100000 100000"}
    assert cores(tmp_path, files, "0::/pod/worker\n") == 4


def test_without_control_groups_all_cores_count(tmp_path: Path) -> None:
    assert usable_cores(tmp_path / "none", tmp_path / "none") == ALL
    assert usable_cores() >= 1
