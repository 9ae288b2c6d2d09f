"""Which of the faces found in a frame are swapped. Pure.

Order and size come from the faces' boxes (x0, y0, x1, y1 in luma pixels). Faces are ordered from left to right
by the middle of the box, those exactly above each other from top to bottom.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

Box = tuple[float, float, float, float]
P = TypeVar("P")
R = TypeVar("R")


@dataclass(frozen=True)
class Largest:
    """The face whose box has the largest area; of equals, the first in order."""


@dataclass(frozen=True)
class All:
    """Every face."""


@dataclass(frozen=True)
class Leftmost:
    """The first face in order."""


@dataclass(frozen=True)
class Rightmost:
    """The last face in order."""


@dataclass(frozen=True)
class Index:
    """The face at this place in order, counted from 0; none where there are fewer faces.

    Raises:
        ValueError: `place` is negative.
    """

    place: int

    def __post_init__(self) -> None:
        """Refuse a place before the first."""
        if self.place < 0:
            raise ValueError(f"face index {self.place}: must be 0 or more")


@dataclass(frozen=True)
class Reference:
    """The face that is nearest to a reference, if it is near enough.

    Attributes:
        farthest: the largest distance, in the engine's own unit.
    """

    farthest: float


Selection = Largest | All | Leftmost | Rightmost | Index | Reference


def order(boxes: Sequence[Box]) -> list[int]:
    """Places of the boxes in `boxes`, from left to right by their middles, then from top to bottom."""
    return sorted(range(len(boxes)), key=lambda k: (boxes[k][0] + boxes[k][2], boxes[k][1] + boxes[k][3], k))


def choose(boxes: Sequence[Box], selection: Selection, distances: Sequence[float] | None = None) -> list[int]:
    """Places in `boxes` of the faces to swap, in order from left to right.

    Args:
        boxes: the faces.
        selection: which are meant.
        distances: how far each is from the reference, where `selection` is one.
    """
    ordered = order(boxes)
    if not ordered:
        return []
    match selection:
        case All():
            return ordered
        case Largest():
            return [max(ordered, key=lambda k: _area(boxes[k]))]
        case Leftmost():
            return ordered[:1]
        case Rightmost():
            return ordered[-1:]
        case Index(place):
            return ordered[place : place + 1]
        case Reference(farthest):
            assert distances is not None
            nearest = min(ordered, key=lambda k: distances[k])
            return [nearest] if distances[nearest] <= farthest else []


@dataclass(frozen=True)
class Wish(Generic[P, R]):
    """One person to put in.

    Attributes:
        person: who.
        select: in which face's place.
        wanted: what a face is compared with, where `select` is Reference.
    """

    person: P
    select: Selection
    wanted: R | None


def assign(boxes: Sequence[Box], wishes: Sequence[Wish[P, R]], far: Callable[[int, R], float]) -> dict[int, P]:
    """Say who goes in whose place; a face that an earlier wish took is not there for a later one.

    Args:
        boxes: the faces.
        wishes: in order.
        far: the distance of a face, by its place, from what is wanted.

    Returns:
        persons by their faces' places.
    """
    taken: dict[int, P] = {}
    for wish in wishes:
        free = [place for place in range(len(boxes)) if place not in taken]
        wanted = wish.wanted
        distances = None if wanted is None else [far(place, wanted) for place in free]
        for place in choose([boxes[place] for place in free], wish.select, distances):
            taken[free[place]] = wish.person
    return taken


def _area(box: Box) -> float:
    """Area in square pixels."""
    return (box[2] - box[0]) * (box[3] - box[1])
