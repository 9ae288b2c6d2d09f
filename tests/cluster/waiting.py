"""Waiting with an end."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

POLL_SECONDS = 0.05


class TookTooLong(AssertionError):
    """What was waited for did not come; the text says what there was instead."""


def wait_for(
    look: Callable[[], T | None], what: str, *, seconds: float = 30.0, otherwise: Callable[[], object] = lambda: ""
) -> T:
    """Look again and again until there is something true; give it.

    Args:
        look: gives what was waited for, or something false.
        what: for the error.
        seconds: how long to look.
        otherwise: what to say of the state that was there instead.

    Raises:
        TookTooLong: it did not come.
    """
    end = time.monotonic() + seconds
    while True:
        if found := look():
            return found
        if time.monotonic() > end:
            raise TookTooLong(f"not within {seconds:g} s: {what}. {otherwise()}".strip())
        time.sleep(POLL_SECONDS)
