"""Exit codes of every recast process, after sysexits.h. The pods' failure rules are written in these."""

OK = 0
USAGE = 64
BAD_INPUT = 65
NOT_FOUND = 66
STORAGE_UNAVAILABLE = 69
BUG = 70
TRY_AGAIN = 75
BAD_CONFIG = 78
INTERRUPTED = 130
KILLED = 137
TERMINATED = 143

RETRIED = frozenset({STORAGE_UNAVAILABLE, BUG, TRY_AGAIN, KILLED})
"""Codes after which the same stage is run again, `segments.retries` times."""

NEVER_RETRIED = frozenset({USAGE, BAD_INPUT, NOT_FOUND, BAD_CONFIG})
"""Codes after which another try could only say the same again."""
