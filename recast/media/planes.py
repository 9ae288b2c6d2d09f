"""The planes of PyAV's frames as NumPy's arrays. Imported late by what must start without NumPy."""

from typing import Any

import numpy as np
from av.video.frame import VideoFrame


def rows_of(plane: Any, dtype: type[np.generic] = np.uint8) -> Any:
    """A plane's rows with what pads them, [height, samples a row]: a view, good until the frame is freed."""
    data = np.frombuffer(plane, dtype)
    width = plane.line_size // np.dtype(dtype).itemsize
    return data[: plane.height * width].reshape(plane.height, width)


def copy_colours(source: VideoFrame, target: VideoFrame) -> None:
    """Tag a frame's colours as another's are."""
    target.color_range, target.colorspace = source.color_range, source.colorspace
    target.color_primaries, target.color_trc = source.color_primaries, source.color_trc
