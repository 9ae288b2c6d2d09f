"""A process that asks for more memory than there is gets an error, which it can tell of, before a signal ends it.

The limit counts what the process could write to (Linux's RLIMIT_DATA): its heap and its threads' stacks.
"""

import contextlib
import os
import resource
import sys
from collections.abc import Iterator
from pathlib import Path

SHARE = 0.9
"""Of the memory that there is; the rest is for code, page cache and other processes."""
CGROUPS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def memory_bytes() -> int:
    """The memory that this machine has, or this pod may use."""
    most = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for place in CGROUPS:
        with contextlib.suppress(OSError, ValueError):
            most = min(most, int(Path(place).read_text()))
    return most


@contextlib.contextmanager
def bounded_memory() -> Iterator[None]:
    """Have allocations fail where this process would hold more than its share; elsewhere than on Linux, do nothing."""
    if sys.platform != "linux":
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    most = int(SHARE * memory_bytes())
    known = [limit for limit in (most, soft, hard) if limit != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_DATA, (min(known), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
