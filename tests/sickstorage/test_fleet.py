"""Two hundred workers and a store that serves a hundred requests a second: all finish, and there is no storm."""

import heapq
import itertools
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from recast.storage import backoff
from recast.storage.embedded import EmbeddedStore
from recast.storage.storage import Storage
from tests.s3proxy import SLOW_DOWN, Answer, Forward, Request, S3Proxy

CLIENTS, REQUESTS, SERVED_A_SECOND = 200, 40, 100
ANSWER_SECONDS = 0.02
REAL_CLIENTS, REAL_REQUESTS, REALLY_SERVED_A_SECOND = 8, 4, 6
QUICKER = 4
"""By how much the real clients' pauses are shorter here."""
MOST_TIMES = 2
"""How often a useful request may be sent at most, on average."""


class Allowance:
    """Serves so many requests in each second, and refuses the others."""

    def __init__(self, a_second: int) -> None:
        self._a_second = a_second
        self._asked: dict[int, int] = {}

    def takes(self, now: float) -> bool:
        self._asked[int(now)] = self._asked.get(int(now), 0) + 1
        return self._asked[int(now)] <= self._a_second


def play(seed: int) -> tuple[int, float]:
    """A fleet of workers in which each sends requests one after another, by the rules of `recast.storage.backoff`.

    Returns:
        how many requests were sent, and how many seconds it took.
    """
    draw, store, order = random.Random(seed).random, Allowance(SERVED_A_SECOND), itertools.count()
    paces = [backoff.Pace(draw) for _ in range(CLIENTS)]
    coming: list[tuple[float, int, int, int, int]] = []

    def ask(client: int, ready: float, left: int, failed: int) -> None:
        heapq.heappush(coming, (ready + paces[client].wait_seconds(ready), next(order), client, left, failed))

    for client in range(CLIENTS):
        ask(client, draw(), REQUESTS, 0)
    sent, now = 0, 0.0
    while coming:
        now, _, client, left, failed = heapq.heappop(coming)
        sent += 1
        if store.takes(now):
            paces[client].served()
            if left > 1:
                ask(client, now + ANSWER_SECONDS, left - 1, 0)
            continue
        paces[client].refused()
        pause = backoff.pause_seconds(failed + 1, attempts=5, busy=True, draw=draw)
        assert pause is not None, f"a client gave up after {now:.0f} s"
        ask(client, now + pause, left, failed + 1)
    return sent, now


def test_two_hundred_workers_finish_and_none_storms() -> None:
    for seed in range(5):
        sent, seconds = play(seed)
        useful = CLIENTS * REQUESTS
        print(f"{sent / useful:.2f} requests sent for each that was served; {useful} in {seconds:.0f} s")
        assert sent <= MOST_TIMES * useful
        # Nor does the store stand idle.
        assert seconds <= 2 * useful / SERVED_A_SECOND


def test_the_real_clients_do_so(s3: EmbeddedStore, prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FIRST_SECONDS", "MOST_SECONDS", "FIRST_GAP_SECONDS", "MOST_GAP_SECONDS"):
        monkeypatch.setattr(backoff, name, getattr(backoff, name) / QUICKER)
    store, lock = Allowance(REALLY_SERVED_A_SECOND), threading.Lock()

    def hook(request: Request, forward: Forward) -> Answer:
        with lock:
            taken = store.takes(time.monotonic())
        return forward() if taken else SLOW_DOWN

    def work(client: int) -> int:
        storage = storages[client]
        return sum(storage.put(f"{prefix}{client}-{number}", b"x") for number in range(REAL_REQUESTS))

    with S3Proxy(s3) as proxy, ThreadPoolExecutor(REAL_CLIENTS) as workers:
        storages = [Storage(proxy.settings) for _ in range(REAL_CLIENTS)]
        proxy.hook = hook
        done = list(workers.map(work, range(REAL_CLIENTS)))
        sent = len(proxy.requests)
    assert done == [REAL_REQUESTS] * REAL_CLIENTS
    useful = REAL_CLIENTS * REAL_REQUESTS
    print(f"{sent / useful:.2f} requests sent for each of {useful} that were served")
    assert useful < sent <= 2 * MOST_TIMES * useful
