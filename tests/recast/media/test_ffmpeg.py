"""FFmpeg's failures come with its own last words."""

import pytest

from recast.errors import BadConfig
from recast.media.ffmpeg import FFmpegFailed, run_ffmpeg
from recast.media.formats import ffmpeg_input


def test_a_failure_says_what_ffmpeg_said_last() -> None:
    with pytest.raises(FFmpegFailed, match=r"status .*No such file") as caught:
        run_ffmpeg([*ffmpeg_input("/nonexistent.mp4"), "-f", "null", "-"], moved=lambda: None)
    assert any("nonexistent" in line for line in caught.value.lines)


def test_an_ffmpeg_that_is_too_old_for_an_option_is_configured_wrongly() -> None:
    command = ["-no_such_size", "1", *ffmpeg_input("/nonexistent.mp4"), "-f", "null", "-"]
    with pytest.raises(BadConfig, match=r"Unrecognized option 'no_such_size'\. .* IMAGEIO_FFMPEG_EXE"):
        run_ffmpeg(command, moved=lambda: None)
