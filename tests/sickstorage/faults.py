"""What a sick store does to an answer. Each fault is a hook of the proxy; `first` and `always` say how often."""

import time
from collections.abc import Callable
from dataclasses import replace

from tests.s3proxy import INTERNAL_ERROR, SLOW_DOWN, Answer, Forward, Gone, Hook, Request

STALL_SECONDS = 1.0
"""Longer than the tests' client waits."""
WRONG_ETAG = '"00000000000000000000000000000000"'


def slow_down(_: Request, forward: Forward) -> Answer:
    return SLOW_DOWN


def internal_error(_: Request, forward: Forward) -> Answer:
    return INTERNAL_ERROR


def no_answer(_: Request, forward: Forward) -> Answer:
    raise Gone


def lost_answer(_: Request, forward: Forward) -> Answer:
    forward()
    raise Gone


def stall(_: Request, forward: Forward) -> Answer:
    time.sleep(STALL_SECONDS)
    return forward()


def reset_in_the_body(_: Request, forward: Forward) -> Answer:
    answer = forward()
    return replace(answer, cut=len(answer.body) // 2, reset=True)


def stall_in_the_body(_: Request, forward: Forward) -> Answer:
    answer = forward()
    return replace(answer, piece=1 + len(answer.body) // 2, pause=STALL_SECONDS)


def slow_drip(_: Request, forward: Forward) -> Answer:
    return replace(forward(), piece=16, pause=TIMEOUT_DRIP)


TIMEOUT_DRIP = 0.02
"""Far less than the tests' client waits for a byte."""


def cut_short(_: Request, forward: Forward) -> Answer:
    """The Content-Length is that of the whole body."""
    answer = forward()
    return replace(answer, body=answer.body[: len(answer.body) // 2], length=len(answer.body))


def cut_to_fit(_: Request, forward: Forward) -> Answer:
    """The Content-Length is that of what is left."""
    answer = forward()
    return replace(answer, body=answer.body[: len(answer.body) // 2])


def flipped(data: bytes) -> bytes:
    """The data with one bit changed."""
    if not data:
        return data
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


def bit_flip(_: Request, forward: Forward) -> Answer:
    """What botocore would compare is left out: not every store gives it."""
    answer = forward()
    kept = {name: value for name, value in answer.headers.items() if "checksum" not in name}
    return replace(answer, headers=kept, body=flipped(answer.body))


def wrong_etag(_: Request, forward: Forward) -> Answer:
    answer = forward()
    return replace(answer, headers={**answer.headers, "etag": WRONG_ETAG})


OF_ANY_REQUEST = (slow_down, internal_error, no_answer, lost_answer, stall)
OF_BODIES = (reset_in_the_body, stall_in_the_body, slow_drip, cut_short, cut_to_fit, bit_flip, wrong_etag)


def first(count: int, fault: Hook, only: Callable[[Request], bool] = lambda _: True) -> Hook:
    """The fault befalls the first `count` requests that `only` says yes to."""
    left = [None] * count

    def hook(request: Request, forward: Forward) -> Answer:
        if not only(request) or not left:
            return forward()
        left.pop()
        return fault(request, forward)

    return hook


def always(fault: Hook, only: Callable[[Request], bool] = lambda _: True) -> Hook:
    """The fault befalls every request that `only` says yes to."""
    return lambda request, forward: fault(request, forward) if only(request) else forward()
