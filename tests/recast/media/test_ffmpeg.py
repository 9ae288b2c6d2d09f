"""FFmpeg's failures come with its own last words."""

import pytest

from recast.media.ffmpeg import FFmpegFailed, run_ffmpeg
from recast.media.formats import ffmpeg_input


def test_a_failure_says_what_ffmpeg_said_last() -> None:
    with pytest.raises(FFmpegFailed, match=r"status .*No such file") as caught:
        run_ffmpeg([*ffmpeg_input("/nonexistent.mp4"), "-f", "null", "-"], moved=lambda: None)
    assert any("nonexistent" in line for line in caught.value.lines)
