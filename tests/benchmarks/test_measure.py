"""A command's cost is its own, and not that of the process that measures it."""

import sys
from subprocess import CalledProcessError

import pytest

from benchmarks.measure import Cost, interleaved, measure

MIB = 2**20


def test_peak_memory_is_the_commands_own_and_cpu_seconds_include_its_children() -> None:
    ballast = bytearray(200 * MIB)
    small = measure([sys.executable, "-c", "pass"])
    assert len(ballast) > small.peak_rss
    nested = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'sum(range(5_000_000))'])"
    large = measure([sys.executable, "-c", f"bytearray(100 * {MIB}); {nested}"])
    assert large.peak_rss > 100 * MIB
    assert large.cpu > 2 * small.cpu


def test_a_command_that_fails_is_an_error_with_its_last_words() -> None:
    with pytest.raises(CalledProcessError) as failed:
        measure([sys.executable, "-c", "import sys; sys.exit('no such thing')"])
    assert failed.value.returncode == 1 and "no such thing" in failed.value.stderr


def test_pieces_of_work_take_turns_and_the_least_of_each_figure_counts() -> None:
    order: list[str] = []
    costs = {"a": iter([Cost(5, 1, 9), Cost(4, 2, 8)]), "b": iter([Cost(1, 1, 1), Cost(2, 2, 2)])}

    def work(name: str) -> Cost:
        order.append(name)
        return next(costs[name])

    got = interleaved({"a": lambda: work("a"), "b": lambda: work("b")}, runs=2)
    assert order == ["a", "b", "a", "b"]
    assert got == {"a": Cost(4, 1, 8), "b": Cost(1, 1, 1)}


def test_one_command_after_another_costs_both() -> None:
    assert Cost(1, 2, 30) + Cost(4, 5, 6) == Cost(5, 7, 30)
