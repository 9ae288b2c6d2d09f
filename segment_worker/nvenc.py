"""NVENC: what it takes, by which options, and frames as it wants them. It has not yet run on a GPU that has it.

The options are those of FFmpeg's h264_nvenc, hevc_nvenc and av1_nvenc; tests ask FFmpeg itself for each.
"""

import numpy as np
from av.video.frame import VideoFrame

from recast.manifest import EncodeSettings, VideoFacts
from recast.media.planes import rows_of
from recast.media.presets import NVENC

NAMES = {"h264": "h264_nvenc", "hevc": "hevc_nvenc", "av1": "av1_nvenc"}
PRESET = "p5"
# Pixel formats that it takes, and as which.
_TAKES = {
    "h264": {"yuv420p": "yuv420p"},
    "hevc": {"yuv420p": "yuv420p", "yuv420p10le": "p010le"},
    "av1": {"yuv420p": "yuv420p", "yuv420p10le": "p010le"},
}
_PROFILES = {("h264", "yuv420p"): "high", ("hevc", "yuv420p"): "main", ("hevc", "p010le"): "main10"}


def why_not(settings: EncodeSettings, facts: VideoFacts) -> str:
    """Why NVENC cannot do the job, whatever the GPU; empty where it can."""
    if settings.codec not in NAMES:
        return f"it does not write {settings.codec}"
    if settings.quality == "Lossless":
        return "lossless goes to the software encoders"
    if facts.field_order != "progressive":
        return "it does not keep fields"
    if facts.hdr is not None:
        return "it does not write HDR10 metadata"
    if settings.pix_fmt not in _TAKES[settings.codec]:
        return f"it does not write {settings.pix_fmt} as {settings.codec}"
    if settings.preset not in ("Auto", *NVENC):
        return f"it has no preset {settings.preset}, only {', '.join(NVENC)}"
    return ""


def pixel_format(settings: EncodeSettings) -> str:
    """The pixel format that frames are given to it in."""
    return _TAKES[settings.codec][settings.pix_fmt]


def options(settings: EncodeSettings) -> dict[str, str]:
    """Private options: constant quality, closed GOPs that begin where they are told to."""
    profile = _PROFILES.get((settings.codec, pixel_format(settings)))
    return {
        "preset": PRESET if settings.preset == "Auto" else settings.preset,
        "tune": "hq",
        "rc": "vbr",
        "cq": str(settings.quality),
        "b_ref_mode": "middle",
        "rc-lookahead": "20",
        "no-scenecut": "1",
        "forced-idr": "1",
        "strict_gop": "1",
        "spatial-aq": "1",
        **({"profile": profile} if profile else {}),
    }


def as_p010(frame: VideoFrame) -> VideoFrame:
    """A yuv420p10le frame as p010le: ten bits in the high end, U and V side by side; every sample stays what it is."""
    luma, u, v = (rows_of(plane, np.uint16)[:, : plane.width] << 6 for plane in frame.planes)
    out = VideoFrame(frame.width, frame.height, "p010le")
    rows, both = (rows_of(plane, np.uint16) for plane in out.planes)
    rows[:, : luma.shape[1]] = luma
    both[:, 0 : 2 * u.shape[1] : 2], both[:, 1 : 2 * v.shape[1] : 2] = u, v
    return out
