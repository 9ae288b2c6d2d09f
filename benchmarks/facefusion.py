"""FaceFusion's face swapper on frames, from a checkout of its repository, with models that cost nothing.

It is on no package index, so a checkout must be given; nothing of it is loaded before. What runs is its own
`process_frame` with the options that it has by default, but for SCRFD as detector, whose answer `host_cost` knows how
to make. Frames are read and written by OpenCV, as in InsightFace's loop.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.peers import cv2_loop

Array = npt.NDArray[Any]

STATE: dict[str, object] = {
    "execution_device_ids": [0],
    "execution_providers": ["cpu"],
    "download_providers": [],
    "face_detector_model": "scrfd",
    "face_detector_size": "640x640",
    "face_detector_margin": [0, 0, 0, 0],
    "face_detector_angles": [0],
    "face_detector_score": 0.5,
    "face_landmarker_model": "2dfan4",
    "face_landmarker_score": 0.5,
    "face_selector_mode": "many",
    "face_selector_order": "large-small",
    "face_tracker_score": 0,
    "face_mask_types": ["box"],
    "face_mask_blur": 0.3,
    "face_mask_padding": [0, 0, 0, 0],
    "face_swapper_model": "inswapper_128",
    "face_swapper_pixel_boost": "128x128",
    "face_swapper_weight": 0.5,
}


class FreeSession:
    """A session of ONNX Runtime that answers at once."""

    def __init__(self, answer: list[Any], inputs: tuple[str, ...] = ("input",)) -> None:
        self._answer, self._inputs = answer, inputs
        self.asked = 0

    def run(self, *_: object) -> list[Any]:
        """Give the answer."""
        self.asked += 1
        return self._answer

    def get_inputs(self) -> list[SimpleNamespace]:
        """What it is asked by."""
        return [SimpleNamespace(name=name) for name in self._inputs]


def facefusion_loop(
    checkout: Path, clip: Path, folder: Path, detections: list[Array], swapped: Array, *, faces: int
) -> Callable[[], int]:
    """Read, swap every face, write.

    Args:
        checkout: FaceFusion's repository.
        clip: the video.
        folder: for the output.
        detections: SCRFD's outputs.
        swapped: the swapper's output, float32 [1, 3, 128, 128].
        faces: that must be swapped in each frame.
    """
    if str(checkout) not in sys.path:
        sys.path.insert(0, str(checkout))
    from facefusion import face_store, inference_manager, state_manager
    from facefusion.processors.modules.face_swapper import core

    for key, value in STATE.items():
        state_manager.init_item(key, value)
    swapper = FreeSession([swapped], ("source", "target"))
    pool = {
        "scrfd": FreeSession(detections),
        # So unsure of its points that the detector's stand.
        "2dfan4": FreeSession([np.zeros((1, 68, 3), np.float32), np.full((1, 68, 64, 64), 0.1, np.float32)]),
        "fan_68_5": FreeSession([np.random.default_rng(1).uniform(0, 1, (1, 68, 2)).astype(np.float32)]),
        "face_recognizer": FreeSession([np.linspace(-1, 1, 512, dtype=np.float32)[None]]),
        "face_classifier": FreeSession([np.zeros((1,), np.int64)] * 3),
        "face_swapper": swapper,
    }
    inference_manager.get_inference_pool = lambda *_: pool
    core.get_static_model_initializer = lambda _: np.eye(512, dtype=np.float32)

    def loop() -> int:
        swapper.asked = 0
        source: list[Array] = []

        def changed(image: Array) -> Array:
            source[:] = source or [image]
            asked = {
                "reference_vision_frame": source[0],
                "source_vision_frames": source,
                "target_vision_frames": [image],
                "temp_vision_frame": image.copy(),
                "temp_vision_mask": None,
            }
            return np.ascontiguousarray(core.process_frame(asked)[0])

        done = cv2_loop(clip, folder / "facefusion.mp4", changed)
        face_store.clear_faces()
        assert swapper.asked == faces * done
        return done

    return loop
