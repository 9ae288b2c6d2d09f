"""Looks for secrets where none should be."""

import base64
import shlex
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from recast.media.ffmpeg import ffmpeg_path


def spelled(secret: str) -> list[bytes]:
    """A secret as it may be written down."""
    return [secret.encode(), base64.b64encode(secret.encode()).rstrip(b"=")[:-1], secret.encode().hex().encode()]


def leaks(secrets: Sequence[str], seen: Mapping[str, bytes]) -> list[str]:
    """Give the places of `seen` that hold a secret, in any spelling."""
    return [place for place, data in seen.items() for secret in secrets for each in spelled(secret) if each in data]


@contextmanager
def command_lines(mark: str, folder: Path) -> Iterator[set[bytes]]:
    """The command lines of the processes with a text in their environment, as long as the block lasts.

    One that lives for some milliseconds may be missed, but for FFmpeg's, which are all there.

    Args:
        mark: the text.
        folder: for the program that takes FFmpeg's place, and what it writes down.
    """
    seen: set[bytes] = set()
    stop = threading.Event()
    written = folder / "ffmpeg-lines"

    def look() -> None:
        while not stop.wait(0.05):
            for entry in Path("/proc").iterdir():
                with suppress(OSError):
                    if entry.name.isdecimal() and mark.encode() in (entry / "environ").read_bytes():
                        seen.add((entry / "cmdline").read_bytes())

    thread = threading.Thread(target=look)
    with ffmpeg_writes_its_lines(folder / "ffmpeg", written):
        thread.start()
        try:
            yield seen
        finally:
            stop.set()
            thread.join()
            seen |= set(written.read_bytes().splitlines()) if written.exists() else set()


@contextmanager
def ffmpeg_writes_its_lines(program: Path, written: Path) -> Iterator[None]:
    """In the block processes that are started here find an FFmpeg that adds its command line to a file first."""
    real = shlex.quote(ffmpeg_path())
    line = f'printf "%s\\n" {real}" $*" >> {shlex.quote(str(written))}'
    program.write_text(f'#!/bin/sh\n{line}\nexec {real} "$@"\n')
    program.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IMAGEIO_FFMPEG_EXE", str(program))
        yield
