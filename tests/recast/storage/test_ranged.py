"""RangedReader against io.BytesIO: the same bytes for any reads, and flat memory."""

import io
import random
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recast.errors import StorageUnavailable
from recast.storage.ranged import Fetch, RangedReader

CONTENT = random.Random(1).randbytes(1000)


def reader(content: bytes = CONTENT, *, fetch: Fetch | None = None, **options: int) -> RangedReader:
    """Give a reader of `content` with small blocks."""
    options = {"block_bytes": 64, "kept": 3, "ahead": 2} | options
    give = fetch or (lambda offset, length: content[offset : offset + length])
    return RangedReader(give, name="mem", size=len(content), etag="e", **options)


seeks = st.tuples(st.just("seek"), st.integers(-1200, 1200), st.sampled_from([0, 1, 2]))
reads = st.tuples(st.just("read"), st.integers(0, 300), st.just(0))


@given(calls=st.lists(seeks | reads, max_size=30), ahead=st.integers(0, 2), kept=st.integers(1, 4))
def test_any_seeks_and_reads_are_those_of_a_file(calls: list[tuple[str, int, int]], ahead: int, kept: int) -> None:
    model = io.BytesIO(CONTENT)
    with reader(ahead=ahead, kept=kept) as file:
        for call, amount, whence in calls:
            if call == "read":
                assert file.read(amount) == model.read(amount)
            elif [0, model.tell(), len(CONTENT)][whence] + amount < 0:
                with pytest.raises(ValueError, match="cannot seek"):
                    file.seek(amount, whence)
            else:
                assert file.seek(amount, whence) == model.seek(amount, whence)
            assert file.tell() == model.tell()


def test_each_reading_is_told_of_whether_or_not_anything_is_fetched_for_it() -> None:
    told: list[int] = []
    with reader() as file:
        file.told = lambda: told.append(file.tell())
        assert (file.read(10), file.read(10)) == (CONTENT[:10], CONTENT[10:20])
    assert told == [0, 10]


@pytest.mark.parametrize("size", [0, 1, 63, 64, 65, 128])
def test_whole_and_block_edges(size: int) -> None:
    with reader(CONTENT[:size]) as file:
        assert file.read() == CONTENT[:size]
        assert file.read(1) == b""


class Source:
    """Gives ranges of the content, and notes how many bytes it gave and which blocks."""

    def __init__(self) -> None:
        self.fetched = 0
        self.blocks: list[int] = []

    def fetch(self, offset: int, length: int) -> bytes:
        self.fetched += length
        self.blocks.append(offset // 64)
        return CONTENT[offset : offset + length]


def test_a_stream_fetches_each_byte_once() -> None:
    source = Source()
    with reader(fetch=source.fetch) as file:
        while file.read(10):
            pass
    assert source.fetched == len(CONTENT)


def test_two_interleaved_streams_fetch_hardly_a_byte_twice() -> None:
    source = Source()
    with reader(fetch=source.fetch, kept=8) as file:
        for step in range(0, 500, 10):
            for start in (0, 512):
                file.seek(start + step)
                file.read(10)
    # At its end the first stream runs ahead into what the second left long ago.
    assert source.fetched <= len(CONTENT) + 2 * 64


def test_it_fetches_ahead_only_where_two_blocks_before_are_at_hand() -> None:
    source = Source()
    with reader(fetch=source.fetch) as file:
        for block in (3, 9, 10, 4):
            file.seek(64 * block)
            file.read(64)
        assert source.blocks == [3, 9, 10, 4], "here and there, and once across a border"
        file.seek(64 * 9)
        file.read(64 * 3)
        while file.read(64):
            pass
    assert set(source.blocks) == {3, 4, *range(9, 16)}


def test_memory_is_flat() -> None:
    block, size = 1 << 18, 1 << 28
    tracemalloc.start()
    fetched = RangedReader(lambda _, length: bytes(length), name="mem", size=size, etag="e", block_bytes=block)
    with fetched as file:
        while file.read(block):
            pass
        randomly = random.Random(2)
        for _ in range(200):
            file.seek(randomly.randrange(size))
            file.read(10)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 16 * block


def test_a_failure_is_raised_and_not_kept() -> None:
    failing = [True]

    def fetch(offset: int, length: int) -> bytes:
        if failing and failing.pop():
            raise StorageUnavailable("gone for now")
        return CONTENT[offset : offset + length]

    with reader(fetch=fetch, ahead=0) as file:
        with pytest.raises(StorageUnavailable):
            file.read(10)
        assert file.read(10) == CONTENT[:10]


def test_a_closed_reader_refuses() -> None:
    file = reader()
    file.close()
    file.close()
    with pytest.raises(ValueError, match="close"):
        file.read(1)
