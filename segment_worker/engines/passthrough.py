"""The engine that changes nothing: it proves a pipeline, a cluster and a source before any face is swapped."""

from collections.abc import Sequence

from segment_worker.engines.base import SwappedFrame
from segment_worker.engines.photos import PhotoSeen
from segment_worker.picture import Picture


class PassthroughEngine:
    """Gives every frame back as it is, and looks for no faces."""

    name = "passthrough"
    photos: Sequence[PhotoSeen] = ()

    def warm_up(self) -> None:
        """There is nothing to warm."""

    def swap(self, pictures: Sequence[Picture]) -> list[SwappedFrame]:
        """One empty answer for each picture."""
        return [SwappedFrame() for _ in pictures]
