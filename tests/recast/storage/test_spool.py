"""Spool: what was fetched once comes from the disk, as far as there is room."""

import os
from collections.abc import Iterator

import pytest

from recast.storage.spool import Spool

CONTENT = bytes(range(250))
HEAD, TAIL, BETWEEN = (0, 100), (150, 100), (100, 50)


class Store:
    """Gives ranges, and notes which it was asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, int]] = []

    def fetch(self, offset: int, length: int) -> bytes:
        self.asked.append((offset, length))
        return CONTENT[offset : offset + length]


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def spool() -> Iterator[Spool]:
    spool = Spool(200)
    yield spool
    spool.close()


def test_what_was_fetched_is_not_fetched_again(store: Store, spool: Spool) -> None:
    fetch = spool.kept(store.fetch)
    for offset, length in (TAIL, HEAD, HEAD, TAIL):
        assert fetch(offset, length) == CONTENT[offset : offset + length]
    assert store.asked == [TAIL, HEAD]


def test_no_more_is_kept_than_there_is_room_for(store: Store, spool: Spool) -> None:
    fetch = spool.kept(store.fetch)
    for offset, length in (HEAD, TAIL, BETWEEN, BETWEEN, HEAD):
        assert fetch(offset, length) == CONTENT[offset : offset + length]
    assert store.asked == [HEAD, TAIL, BETWEEN, BETWEEN]


def test_a_full_disk_costs_a_second_fetch_and_nothing_else(
    store: Store, spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    fetch = spool.kept(store.fetch)
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        assert fetch(*HEAD) == CONTENT[:100]
    assert fetch(*HEAD) == fetch(*HEAD) == CONTENT[:100]
    assert store.asked == [HEAD, HEAD]


def test_what_comes_after_the_end_is_given_and_not_kept(store: Store, spool: Spool) -> None:
    fetch = spool.kept(store.fetch)
    fetch(*HEAD)
    spool.close()
    assert fetch(*HEAD) == CONTENT[:100]
    assert store.asked == [HEAD, HEAD]
