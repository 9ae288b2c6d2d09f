"""The order of tests over several processes."""

from types import SimpleNamespace
from typing import Any

import pytest

from tests.dealing import dealt, needs_cluster, starts_processes


def found(clustered: int, processes: int, others: int) -> list[Any]:
    """As pytest finds them, by name."""
    return [
        *[SimpleNamespace(nodeid=f"tests/cli/{number}", fixturenames=[]) for number in range(processes)],
        *[SimpleNamespace(nodeid=f"tests/cluster/{number}", fixturenames=["cluster"]) for number in range(clustered)],
        *[SimpleNamespace(nodeid=f"tests/recast/{number}", fixturenames=[]) for number in range(others)],
    ]


@pytest.mark.parametrize("workers", [4, 5, 16])
@pytest.mark.parametrize(("clustered", "processes", "others"), [(300, 60, 5001), (3, 0, 1), (0, 0, 9), (50, 50, 0)])
def test_no_test_is_lost_or_run_twice(workers: int, clustered: int, processes: int, others: int) -> None:
    items = found(clustered, processes, others)
    assert sorted(item.nodeid for item in dealt(items, workers)) == sorted(item.nodeid for item in items)


def test_what_takes_long_begins_a_stretch_each() -> None:
    out = dealt(found(300, 60, 5002), 4)
    stretches = [out[number * 1340 : (number + 1) * 1340] for number in range(4)]
    assert [sum(map(needs_cluster, each)) for each in stretches] == [150, 0, 150, 0]
    assert [sum(map(starts_processes, each)) for each in stretches] == [0, 60, 0, 0]
    assert needs_cluster(stretches[0][0]) and starts_processes(stretches[1][4]) and needs_cluster(stretches[2][4])
