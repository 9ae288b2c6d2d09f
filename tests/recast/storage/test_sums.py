"""Checksums of ranges: what differs from an earlier reading is fetched again, and the whole is hashed in any order."""

import hashlib
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recast.errors import Corrupt
from recast.storage.stored import ContentHash
from recast.storage.sums import MOST_AHEAD, NEAR_BYTES, SUM_BYTES, BlockSums, OrderedHash

DATA = random.Random(1).randbytes(3 * SUM_BYTES + 5)


def fetch(offset: int, length: int) -> bytes:
    return DATA[offset : offset + length]


def test_a_second_reading_must_agree_with_the_first() -> None:
    sums = BlockSums(len(DATA))
    checked = sums.checked(fetch, "a")
    assert checked(0, 2 * SUM_BYTES) + checked(2 * SUM_BYTES, SUM_BYTES + 5) == DATA
    assert len(sums.crc32) == 4

    damaged = bytearray(DATA)
    damaged[2 * SUM_BYTES + 7] ^= 1
    readings = [bytes(damaged), DATA]
    later = BlockSums(len(DATA), sums.crc32).checked(lambda offset, length: readings.pop(0)[offset:][:length], "a")
    assert later(SUM_BYTES, 2 * SUM_BYTES) == DATA[SUM_BYTES : 3 * SUM_BYTES]
    assert not readings

    always = sums.checked(lambda offset, length: bytes(damaged)[offset:][:length], "s3://b/a")
    assert always(0, SUM_BYTES) == DATA[:SUM_BYTES]
    with pytest.raises(Corrupt, match="s3://b/a: bytes 1048576 to"):
        always(2 * SUM_BYTES, SUM_BYTES)


def hash_in_parts(data: bytes, size: int) -> str:
    parts = [hashlib.md5(data[at : at + size]).digest() for at in range(0, len(data), size)]
    return hashlib.md5(b"".join(parts)).hexdigest()


@given(
    order=st.permutations(range(6)),
    part_bytes=st.none() | st.integers(1, 70),
    length=st.integers(51, 60),
)
def test_ranges_in_any_order_have_the_hash_of_the_whole(order: list[int], part_bytes: int | None, length: int) -> None:
    data = DATA[:length]
    digest = hashlib.md5(data).hexdigest() if part_bytes is None else hash_in_parts(data, part_bytes)
    right, wrong = (OrderedHash(ContentHash("md5", text, part_bytes)) for text in (digest, "0" * 32))
    for whole in (right, wrong):
        for number in order:
            assert whole.update(10 * number, data[10 * number : 10 * number + 10]) is None
        # What is read again is not hashed again.
        whole.update(0, data[:10])
        assert whole.position == length
    assert right.agrees() and not wrong.agrees()


def test_what_is_left_out_nearby_is_asked_for_and_what_is_far_is_dropped() -> None:
    whole = OrderedHash(ContentHash("md5", hashlib.md5(DATA[:70]).hexdigest()))
    answers = [whole.update(10 * number, DATA[10 * number :][:10]) for number in range(1, 2 + MOST_AHEAD)]
    assert answers == [None] * MOST_AHEAD + [0]
    assert whole.update(0, DATA[:10]) is None
    assert whole.position == 70 and whole.agrees()

    far = OrderedHash(ContentHash("md5", ""))
    assert all(far.update(2 * NEAR_BYTES + number, b"x") is None for number in range(2 * MOST_AHEAD))
    assert far.position == 0
