"""FFmpeg's failures come with its own last words."""

import ctypes
import mmap
import os
import sys
import threading
import time
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from recast.errors import BadConfig
from recast.media import ffmpeg
from recast.media.ffmpeg import FFmpegFailed, run_ffmpeg
from recast.media.formats import ffmpeg_input


def test_a_failure_says_what_ffmpeg_said_last() -> None:
    with pytest.raises(FFmpegFailed, match=r"status .*No such file") as caught:
        run_ffmpeg([*ffmpeg_input("/nonexistent.mp4"), "-f", "null", "-"])
    assert any("nonexistent" in line for line in caught.value.lines)


def test_an_ffmpeg_that_is_too_old_for_an_option_is_configured_wrongly() -> None:
    command = ["-no_such_size", "1", *ffmpeg_input("/nonexistent.mp4"), "-f", "null", "-"]
    with pytest.raises(BadConfig, match=r"Unrecognized option 'no_such_size'\. .* IMAGEIO_FFMPEG_EXE"):
        run_ffmpeg(command)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="has no named pipes")
def test_a_sign_of_life_is_what_it_writes_and_not_that_it_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own progress goes on where its input does not come."""
    monkeypatch.setattr(ffmpeg, "POLL_SECONDS", 0.01)
    source, output = tmp_path / "source", tmp_path / "output"
    os.mkfifo(source)
    command = ["-f", "s16le", "-i", str(source), "-f", "s16le", str(output)]
    moves: list[int] = []

    def moved() -> None:
        moves.append(output.stat().st_size)

    running = threading.Thread(target=run_ffmpeg, args=(command,), kwargs={"writes": [output], "moved": moved})
    running.start()
    with source.open("wb", buffering=0) as file:
        file.write(bytes(1 << 20))
        seen = [-1]
        while len(seen) < 20 and (not moves or len(moves) != seen[-1]):
            seen.append(len(moves))
            time.sleep(0.7)
        assert running.is_alive() and len(seen) < 20 and 0 < moves[-1] <= 1 << 20
    running.join(20)
    assert not running.is_alive() and output.stat().st_size == 1 << 20


PR_SET_PTRACER, PR_SET_PTRACER_ANY = 0x59616D61, -1


@contextmanager
def half_readable(path: Path) -> Iterator[str]:
    """Give a URL of a file's bytes of which the second half cannot be read (EIO): mapped, and then cut off."""
    size = path.stat().st_size
    with path.open("r+b") as file, mmap.mmap(file.fileno(), size) as memory:
        file.truncate(size // 2)
        view = ctypes.c_char.from_buffer(memory)
        start = ctypes.addressof(view)
        # Where Yama is, a process' children do not see its memory unless it says so.
        ctypes.CDLL(None).prctl(PR_SET_PTRACER, ctypes.c_ulong(PR_SET_PTRACER_ANY), 0, 0, 0)
        yield f"subfile,,start,{start},end,{start + size},,:/proc/{os.getpid()}/mem"
        del view


@pytest.mark.skipif(sys.platform != "linux", reason="reads memory as a file")
def test_an_input_that_cannot_be_read_to_its_end_is_a_failure_though_ffmpeg_exits_with_0(tmp_path: Path) -> None:
    sound = tmp_path / "sound.wav"
    with wave.open(str(sound), "wb") as file:
        file.setparams((1, 2, 48_000, 0, "NONE", ""))
        file.writeframes(bytes(1 << 20))
    with half_readable(sound) as url, pytest.raises(FFmpegFailed, match=r"status 0: .*Input/output error"):
        run_ffmpeg(["-i", url, "-c", "copy", "-f", "null", "-"])
