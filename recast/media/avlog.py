"""Keeps libav's log away from Python's lock; imported by every module that opens media.

PyAV's own callback takes the interpreter's lock in whatever thread libav logs from. A decoder freed while its
threads log then waits for ever: the freeing thread holds the lock that the logging one needs.
"""

import os

import av

av.logging.restore_default_callback()
# SVT-AV1 prints its settings to standard error otherwise.
os.environ.setdefault("SVT_LOG", "1")
av.logging.set_libav_level(av.logging.PANIC)
