"""Encoders share the processor like everyone else.

SVT-AV1 gives its threads, and the thread that opens it, real-time priority wherever it runs as root (its
`svt_create_thread`). Every other process of the machine then waits for them, the store that they write to among
them, and children inherit it.
"""

import os
from contextlib import suppress
from pathlib import Path

OWN_THREADS = Path("/proc/self/task")


def share_processor() -> None:
    """Give all threads of this process ordinary scheduling; elsewhere than on Linux, do nothing."""
    if not OWN_THREADS.exists():
        return
    for thread in map(int, os.listdir(OWN_THREADS)):
        # One may end meanwhile.
        with suppress(ProcessLookupError):
            if os.sched_getscheduler(thread) in (os.SCHED_FIFO, os.SCHED_RR):
                os.sched_setscheduler(thread, os.SCHED_OTHER, os.sched_param(0))
