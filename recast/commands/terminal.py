"""Whether there is a terminal on standard error that a bar can be drawn on."""

import os
import sys


def is_drawn_on() -> bool:
    """Whether lines that stand there already can be drawn anew: not in a file, nor in Emacs' shell."""
    return sys.stderr.isatty() and os.environ.get("TERM") not in ("dumb", "unknown")
