"""Which presets there are: by what FFmpeg's encoders take."""

import io
from typing import Literal

import av
import pytest
from av.video.frame import VideoFrame

from recast.media.presets import SOFTWARE, needs_nvenc, unknown_preset
from recast.spec import Video

ENCODERS = {"h264": "libx264", "hevc": "libx265", "av1": "libsvtav1"}
GUESSES = ("ultrafast", "placebo", "slow", "medium", "0", "5", "9", "10", "13", "14", "p5", "nosuch")


def taken(codec: str, preset: str) -> bool:
    try:
        with av.open(io.BytesIO(), "w", format="matroska") as container:
            stream = container.add_stream(ENCODERS[codec], rate=25, options={"preset": preset})
            stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
            stream.encode(VideoFrame(64, 64, "yuv420p"))
    except (av.error.FFmpegError, ValueError):
        return False
    return True


@pytest.mark.parametrize("codec", SOFTWARE)
def test_a_preset_is_known_where_the_encoder_takes_it(codec: str) -> None:
    for preset in {*GUESSES, *SOFTWARE[codec]}:
        assert (unknown_preset(codec, "Software", preset) is None) is taken(codec, preset), preset


@pytest.mark.parametrize(
    ("codec", "encoder", "preset", "said"),
    [
        ("h264", "Auto", "nosuch", "h264 has no preset nosuch: give ultrafast, "),
        ("h264", "Auto", "p5", None),
        ("h264", "Software", "p5", "give ultrafast, "),
        ("hevc", "Nvenc", "veryfast", "give with NVENC slow, "),
        ("av1", "Auto", "veryfast", "give a number from 0 (best) to 13, or with NVENC slow"),
        ("av1", "Auto", "Auto", None),
        ("prores", "Auto", "slow", None),
    ],
)
def test_what_there_is_instead_is_said(
    codec: str, encoder: Literal["Auto", "Software", "Nvenc"], preset: str, said: str | None
) -> None:
    found = unknown_preset(codec, encoder, preset)
    assert (found is None) if said is None else (said in (found or ""))


@pytest.mark.parametrize(
    ("codec", "encoder", "preset", "needed"),
    [
        ("Auto", "Auto", "Auto", False),
        ("Auto", "Auto", "p5", True),
        ("Auto", "Auto", "slow", False),
        ("Hevc", "Auto", "p5", True),
        ("Av1", "Auto", "slow", True),
        ("ProRes", "Auto", "p5", False),
        ("H264", "Nvenc", "Auto", True),
        ("H264", "Software", "p5", False),
    ],
)
def test_nvenc_is_needed_where_nothing_else_is_asked_for_or_has_the_preset(
    codec: str, encoder: str, preset: str, needed: bool
) -> None:
    video = Video.model_validate({"codec": codec, "encoder": encoder, "preset": preset})
    assert needs_nvenc(video) is needed
