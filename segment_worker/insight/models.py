"""The models that the InSwapper engine runs."""

from dataclasses import dataclass

import numpy as np

from segment_worker.insight.alignment import TEMPLATE
from segment_worker.insight.arcface import Recogniser
from segment_worker.insight.occlusion import Occluder
from segment_worker.insight.scrfd import Detector
from segment_worker.insight.swapper import SIDE, Swapper


@dataclass(frozen=True)
class Models:
    """One of each kind, and one that sees what is before a face where the job asks for it."""

    detector: Detector
    recogniser: Recogniser
    swapper: Swapper
    occluder: Occluder | None = None

    def warm_up(self) -> None:
        """Run each once, in the shapes that they will be run in."""
        crop = np.zeros((SIDE, SIDE, 3), np.float32)
        self.detector.find_in_image(np.zeros((SIDE, SIDE, 3), np.uint8))
        embedding = self.recogniser.of_image(np.zeros((SIDE, SIDE, 3), np.uint8), TEMPLATE)
        self.swapper.swap(crop, self.swapper.latent(np.ones_like(embedding)))
        if self.occluder is not None:
            self.occluder.in_view(crop)
