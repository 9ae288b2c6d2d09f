"""The order of tests where several processes run them.

xdist gives each process one stretch of the list, and takes from another's end for one that is done. What waits long for
a cluster begins first, in two of them, so that the others' work fills the cores meanwhile, and only two clusters are
started; what starts many processes begins first in a third.
"""

from collections.abc import Callable, Sequence

import pytest

PROCESSES = ("tests/chaos/", "tests/cli/", "tests/install/", "tests/hostilemedia/test_campaign.py")


def needs_cluster(item: pytest.Item) -> bool:
    """Whether a test is one of a real Kubernetes."""
    return bool({"programs", "cluster"}.intersection(getattr(item, "fixturenames", ())))


def starts_processes(item: pytest.Item) -> bool:
    """Whether a test mostly waits for processes of its own."""
    return item.nodeid.startswith(PROCESSES) and not needs_cluster(item)


LONG: Sequence[tuple[Callable[[pytest.Item], bool], int, int]] = (
    (needs_cluster, 0, 2),
    (starts_processes, 0, 1),
    (needs_cluster, 1, 2),
)
"""What begins the first stretches: of which tests, which share of how many."""


def dealt(items: Sequence[pytest.Item], workers: int) -> list[pytest.Item]:
    """The same tests, what takes long at the beginning of stretches.

    Args:
        items: in the order in which they were found, which each part keeps.
        workers: how many stretches there are: one more than `LONG` has, at least.
    """
    rest = [item for item in items if not any(is_meant(item) for is_meant, _, _ in LONG)]
    out: list[pytest.Item] = []
    for stretch, (is_meant, share, shares) in enumerate(LONG):
        # A few behind its beginning, which is rounded.
        filled = stretch * (len(items) // workers) + (workers if stretch else 0) - len(out)
        out += rest[: max(0, filled)]
        del rest[: max(0, filled)]
        meant = [item for item in items if is_meant(item)]
        out += meant[len(meant) * share // shares : len(meant) * (share + 1) // shares]
    return out + rest
