"""How long to wait before a request is tried again: pure, so that a whole fleet can be played in no time.

Full jitter: a pause is drawn from zero to a bound that doubles. Of many clients that were refused at once hardly two
come back at once, and the more often they are refused the fewer come back in a second.
"""

import random
from collections.abc import Callable

FIRST_SECONDS = 1.0
MOST_SECONDS = 20.0
MORE_WHERE_BUSY = 3
"""A store that says that it is busy is there, and is waited for longer than one that does not answer."""


def pause_seconds(
    failed: int, *, attempts: int, busy: bool = False, draw: Callable[[], float] = random.random
) -> float | None:
    """How long to wait before the next try.

    Args:
        failed: tries that have failed, at least 1.
        attempts: tries in all; three times the retries where the store is busy.
        busy: whether the store asked for patience.
        draw: gives a number from 0 to 1.

    Returns:
        None where that was the last try.
    """
    most = 1 + (attempts - 1) * (MORE_WHERE_BUSY if busy else 1)
    if failed >= most:
        return None
    return float(draw() * min(MOST_SECONDS, FIRST_SECONDS * 2 ** (failed - 1)))
