"""FaceFusion's face swapper on frames, from a checkout of its repository, with models that cost nothing.

It is on no package index, so a checkout must be given; nothing of it is loaded before. What runs is what it runs
head-less between its checks and its encoder, with the options that it has by default, but for SCRFD as detector, whose
answer `host_cost` knows how to make, and for one thread. That is one of its two workflows: frames in memory, its
default since 3.8, which come from an FFmpeg of its own through a pipe, and go into a file here that keeps nothing; or
frames on the disk, its only one up to 3.7: FFmpeg writes PNG files, which are read, and written again.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import cv2
import imageio_ffmpeg
import numpy as np
import numpy.typing as npt

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
    "processors": ["face_swapper"],
    "workflow_mode": "image-to-video",
    "video_memory_strategy": "tolerant",
    "target_frame_amount": 2,
    "reference_frame_number": 0,
    "temp_pixel_format": "bgr24",
    "temp_frame_format": "png",
    "output_video_scale": 1.0,
    "output_video_fps": 25,
    "execution_thread_count": 1,
    "log_level": "error",
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
    checkout: Path, clip: Path, folder: Path, detections: list[Array], swapped: Array, *, faces: int, on_disk: bool
) -> Callable[[], int]:
    """Its head-less run of a video, without the encoder.

    Args:
        checkout: FaceFusion's repository.
        clip: the video.
        folder: for the source face, and an FFmpeg where it looks for one.
        detections: SCRFD's outputs.
        swapped: the swapper's output, float32 [1, 3, 128, 128].
        faces: that must be swapped in each frame.
        on_disk: frames as PNG files, and not in memory.
    """
    if str(checkout) not in sys.path:
        sys.path.insert(0, str(checkout))
    from facefusion import (
        face_store,
        ffmpeg_builder,
        ffprobe,
        inference_manager,
        process_manager,
        state_manager,
        temp_helper,
    )
    from facefusion.processors.modules.face_swapper import core
    from facefusion.workflows import to_video

    photo = folder / "face.png"
    with av.open(str(clip)) as container:
        stream = container.streams.video[0]
        frames, size = stream.frames, (stream.width, stream.height)
        cv2.imwrite(str(photo), next(container.decode(stream)).to_ndarray(format="bgr24"))
    paths = {"source_paths": [str(photo)], "target_path": str(clip), "temp_path": str(folder)}
    for key, value in {**STATE, **paths}.items():
        state_manager.init_item(key, value)
    facts = {"duration": frames / 25, "frame_total": frames, "fps": 25, "resolution": size, "color_transfer": None}
    ffprobe.extract_static_video_metadata = lambda _: facts
    _offer_ffmpeg(folder)
    # FFmpeg 9 has no -vsync.
    ffmpeg_builder.prevent_frame_drop = lambda: ["-fps_mode", "passthrough"]
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
    core.get_static_model_initializer = lambda _: np.eye(512, dtype=np.float32)

    def in_memory() -> None:
        with open(os.devnull, "wb") as sink:
            to_video.video_manager.get_writer = lambda *_: {"process": SimpleNamespace(stdin=sink)}
            to_video.video_manager.close_video_writer = lambda _: True
            assert to_video.process_memory_frames() == 0

    def by_files() -> None:
        temp_helper.clear_temp_directory(str(clip))
        temp_helper.create_temp_directory(str(clip))
        assert to_video.extract_frames() == 0 == to_video.process_disk_frames()

    def loop() -> int:
        swapper.asked = 0
        inference_manager.get_inference_pool = lambda *_: pool
        process_manager.start()
        (by_files if on_disk else in_memory)()
        face_store.clear_faces()
        assert swapper.asked == faces * frames
        return frames

    return loop


def _offer_ffmpeg(folder: Path) -> None:
    """It looks for `ffmpeg` on the PATH."""
    link = folder / "bin" / "ffmpeg"
    if not link.exists():
        link.parent.mkdir()
        link.symlink_to(imageio_ffmpeg.get_ffmpeg_exe())
        os.environ["PATH"] = f"{link.parent}{os.pathsep}{os.environ['PATH']}"
