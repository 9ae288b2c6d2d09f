"""Fixtures and settings of all tests."""

import gc
import os
import signal

import pytest
from hypothesis import settings

from tests.cluster.build import BUILD_SECONDS, is_built
from tests.cluster.fixtures import cluster, control_plane, namespace, pod_runner, programs, start_kwok
from tests.s3_fixture import prefix, s3, storage

__all__ = ["cluster", "control_plane", "namespace", "pod_runner", "prefix", "programs", "s3", "start_kwok", "storage"]

# A busy machine makes any example slow; slowness is no failure here.
settings.register_profile("recast", deadline=None)
settings.load_profile("recast")

# A shell that starts us in the background has us, and whatever we start, ignore Ctrl-C.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Two more than there are cores: many tests wait for a server or a cluster. Of the unit tier (logical) few do."""
    more = 1 if config.option.numprocesses == "logical" else 2
    return (os.cpu_count() or 1) + more


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where the cluster's programs must be built first, any test of it may be the one that waits for that."""
    if is_built():
        return
    for item in items:
        if {"programs", "cluster"}.intersection(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.timeout(2 * BUILD_SECONDS), append=False)


def pytest_collection_finish() -> None:
    """What was collected stays to the end: to look through it for garbage takes a tenth of the time."""
    gc.freeze()
