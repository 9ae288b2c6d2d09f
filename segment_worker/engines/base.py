"""What every engine is: frames in, changed regions out, no memory of other frames."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from segment_worker.arrays import Image
from segment_worker.engines.photos import PhotoSeen
from segment_worker.picture import Patch, Picture
from segment_worker.select import Selection


@dataclass(frozen=True)
class SwappedFrame:
    """An engine's answer for one frame.

    Attributes:
        patches: regions to put into the frame, in order; later ones win where they overlap.
        faces_found: faces seen in the frame.
        faces_swapped: those that were changed.
    """

    patches: tuple[Patch, ...] = ()
    faces_found: int = 0
    faces_swapped: int = 0


@dataclass(frozen=True)
class Pair:
    """Whose face takes whose place.

    Attributes:
        sources: (name for messages, image uint8 [height, width, 3] BGR): pictures of the person to put in.
        select: which faces of a frame are replaced.
        reference: a picture of the person to replace, where `select` is Reference.
    """

    sources: Sequence[tuple[str, Image]]
    select: Selection
    reference: tuple[str, Image] | None = None


@dataclass(frozen=True)
class FaceSeen:
    """A face as `recast preview` tells of it.

    Attributes:
        box: x0, y0, x1, y1 in luma pixels.
        score: 0..1, certainty that it is a face.
        chosen: whether it is swapped.
        why: one phrase: why it is, or is not.
    """

    box: tuple[float, float, float, float]
    score: float
    chosen: bool
    why: str


class Engine(Protocol):
    """A face-swap engine, set up with the job's faces.

    `swap` is a pure function of each picture: its answer for a frame depends on nothing but that frame and
    the job, so cuts, batches and workers cannot show in the output.
    """

    name: str

    @property
    def photos(self) -> Sequence[PhotoSeen]:
        """What the job's photos show, in their order."""
        ...

    def warm_up(self) -> None:
        """Do once what the first frames would have to wait for.

        Raises:
            OutOfDeviceMemory: as `swap`.
        """
        ...

    def swap(self, pictures: Sequence[Picture]) -> list[SwappedFrame]:
        """Give each picture's changed regions, in the order of `pictures`.

        Raises:
            OutOfDeviceMemory: the device's memory is full.
        """
        ...
