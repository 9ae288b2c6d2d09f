"""Display matrices: how a container has players turn, mirror and enlarge a picture (ISO/IEC 14496-12, 8.3.2)."""

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass

MATRIX = struct.Struct(">9i")
"""As it stands in a track's header; FFmpeg has the same numbers in the machine's own order."""
ONE = 1 << 16
AS_CODED = (ONE, 0, 0, 0, ONE, 0, 0, 0, 1 << 30)
QUARTER = 90


@dataclass(frozen=True)
class Turn:
    """What a display matrix does to a picture, but for its size and place.

    Attributes:
        degrees: counter-clockwise, after a horizontal flip.
        hflip: whether there is one.
        is_plain: it turns, mirrors and enlarges evenly, and does nothing else.
    """

    degrees: float
    hflip: bool
    is_plain: bool

    @property
    def nearest(self) -> int:
        """The nearest right angle."""
        return round(self.degrees / QUARTER) * QUARTER % 360


def as_matrix(side_data: bytes | None) -> tuple[int, ...] | None:
    """The matrix that FFmpeg gives with a stream or a frame; None where it changes nothing, or leaves no picture."""
    if side_data is None:
        return None
    matrix = struct.unpack("=9i", side_data[: MATRIX.size])
    a, b, _, c, d, *_ = matrix
    return None if matrix == AS_CODED or a * d == b * c else matrix


def turn_of(matrix: Sequence[int] | None) -> Turn:
    """What a matrix does; None: nothing."""
    a, b, u, c, d, v, *_ = matrix or AS_CODED
    hflip = a * d - b * c < 0
    is_plain = (a, b) == ((-d, c) if hflip else (d, -c)) and not u and not v
    degrees = math.degrees(math.atan2(-b, -a if hflip else a))
    return Turn(round(degrees, 3) % 360, hflip, is_plain)
