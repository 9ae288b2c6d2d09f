"""What a display matrix does to a picture."""

import struct

import pytest

from recast.media.turning import AS_CODED, ONE, Turn, as_matrix, turn_of

COS, SIN = 64540, 11380
"""Of 10 degrees."""
WHOLE = 1 << 30


def matrix(a: int, b: int, c: int, d: int, *, x: int = 0, y: int = 0) -> tuple[int, ...]:
    return (a, b, 0, c, d, 0, x, y, WHOLE)


@pytest.mark.parametrize(
    ("given", "turn", "nearest"),
    [
        (None, Turn(0, False, True), 0),
        (matrix(0, -ONE, ONE, 0), Turn(90, False, True), 90),
        (matrix(-ONE, 0, 0, -ONE, x=192 * ONE, y=144 * ONE), Turn(180, False, True), 180),
        (matrix(0, ONE, -ONE, 0), Turn(270, False, True), 270),
        (matrix(COS, -SIN, SIN, COS), Turn(10, False, True), 0),
        (matrix(SIN, -COS, COS, SIN), Turn(80, False, True), 90),
        (matrix(2 * ONE, 0, 0, 2 * ONE), Turn(0, False, True), 0),
        (matrix(-ONE, 0, 0, ONE), Turn(0, True, True), 0),
        (matrix(ONE, 0, 0, -ONE), Turn(180, True, True), 180),
        (matrix(-COS, SIN, SIN, COS), Turn(350, True, True), 0),
        (matrix(2 * ONE, 0, 0, ONE), Turn(0, False, False), 0),
        (matrix(ONE, ONE, 0, ONE), Turn(315, False, False), 0),
    ],
)
def test_turns(given: tuple[int, ...] | None, turn: Turn, nearest: int) -> None:
    assert turn_of(given) == turn
    assert turn_of(given).nearest == nearest


def test_a_matrix_that_changes_nothing_or_leaves_no_picture_is_none() -> None:
    side_data = {each: struct.pack("=9i", *each) for each in (AS_CODED, (0,) * 9, matrix(0, ONE, -ONE, 0))}
    assert [as_matrix(data) for data in side_data.values()] == [None, None, matrix(0, ONE, -ONE, 0)]
    assert as_matrix(None) is None
