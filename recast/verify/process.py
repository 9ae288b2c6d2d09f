"""Runs FFmpeg on one file. No shell; odd names, playlists and hung decoders do no harm.

`read_lines` is for short runs; `Running` is for streams: bytes on stdout and lines on a second pipe at once.
A run that says nothing for `STALL` seconds is ended and raises `Transient`; one that fails raises `BadInput`
with FFmpeg's own last words.
"""

from __future__ import annotations

import functools
import os
import subprocess
import threading
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO
from urllib.parse import urlsplit

import imageio_ffmpeg

from recast.errors import BadInput, NotFound, Transient, UsageError

STALL = 120.0
LINES = "@lines"
"""Stands in FFmpeg's options for the second pipe."""

# Containers only: a playlist under a video's name could make FFmpeg open other files.
FORMATS = (
    "mov,matroska,mpegts,mpeg,avi,flv,live_flv,asf,asf_o,ogg,nut,mxf,gxf,lxf,wtv,ty,pva,nsv,rm,dhav,dv,gif,apng,"
    "yuv4mpegpipe,ivf,obu,av1,h264,hevc,vvc,evc,m4v,mpegvideo,mjpeg,mjpeg_2000,h261,h263,vc1,vc1test,dirac,cavsvideo,"
    "avs2,avs3,srt,ass"
)
NOT_TAKEN = "Format not on whitelist"
"""FFmpeg's word for a file of none of these."""
# A transport stream's track may begin late.
PROBE = ("-probesize", "64M", "-analyzeduration", "600M")
LOOPBACK = {"127.0.0.1", "localhost", "::1"}


@dataclass(frozen=True)
class Media:
    """A file as FFmpeg is told of it.

    Attributes:
        name: for people.
        url: for FFmpeg: `file:` and an absolute path, or a loopback address.
        protocols: all that FFmpeg may use to read it.
    """

    name: str
    url: str
    protocols: str

    @classmethod
    def of(cls, place: Path | str) -> Media:
        """The file at a path, or at an http address on this machine."""
        text = str(place)
        if text.startswith("http://"):
            if urlsplit(text).hostname not in LOOPBACK:
                raise UsageError(f"{text}: only addresses on this machine can be verified; name a file")
            return cls(text, text, "http,tcp")
        path = Path(place).absolute()
        if not path.is_file():
            raise NotFound(f"{place}: no such file: check the path")
        return cls(text, f"file:{path}", "file")

    def input(self) -> list[str]:
        """FFmpeg's options that open it, times and pictures as they are stored."""
        safe = ["-protocol_whitelist", self.protocols, "-format_whitelist", FORMATS]
        return [*safe, *PROBE, "-copyts", "-noautorotate", "-flags", "+bitexact", "-i", self.url]


@functools.cache
def executable() -> str:
    """The FFmpeg binary."""
    return str(imageio_ffmpeg.get_ffmpeg_exe())


class Running:
    """One run of FFmpeg: `read` its stdout, `finish` it, then look at `lines` and `said`.

    Args:
        media: the input.
        options: of the outputs; `LINES` among them stands for the second pipe.
        level: FFmpeg's log level.
        stall: seconds without a byte after which the run is ended.
    """

    def __init__(self, media: Media, options: list[str], *, level: str = "error", stall: float = STALL) -> None:
        self.media, self.stall = media, stall
        self.lines: list[str] = []
        self._said: deque[str] = deque(maxlen=2000)
        self._stalled = False
        self._ended = threading.Event()
        self._alive = time.monotonic()
        ours, theirs = os.pipe()
        options = [f"pipe:{theirs}" if each == LINES else each for each in options]
        base = [executable(), "-hide_banner", "-nostdin", "-nostats", "-loglevel", level]
        self._process = subprocess.Popen(  # noqa: S603  # FFmpeg, by a list of words
            [*base, *media.input(), *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=(theirs,),
        )
        os.close(theirs)
        assert self._process.stdout and self._process.stderr
        self._stdout = self._process.stdout
        self._threads = [
            threading.Thread(target=self._collect, args=(self._process.stderr, self._said), daemon=True),
            threading.Thread(target=self._collect, args=(os.fdopen(ours, "rb"), self.lines), daemon=True),
            threading.Thread(target=self._watch, daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    @property
    def said(self) -> list[str]:
        """The last lines of FFmpeg's log."""
        return list(self._said)

    def _collect(self, stream: IO[bytes], into: list[str] | deque[str]) -> None:
        with stream:
            for line in stream:
                self._alive = time.monotonic()
                into.append(line.decode("utf-8", "replace").rstrip("\r\n"))

    def _watch(self) -> None:
        while self._process.poll() is None:
            if time.monotonic() - self._alive > self.stall:
                self._stalled = True
                self._process.kill()
            self._ended.wait(min(1.0, self.stall / 4))

    def read(self, size: int) -> bytes:
        """The next `size` bytes of stdout; fewer at its end."""
        data = self._stdout.read(size)
        self._alive = time.monotonic()
        return data

    def finish(self) -> None:
        """Waits for the end, and raises if it was a bad one."""
        while self.read(1 << 20):
            pass
        code = self._process.wait()
        self._ended.set()
        for thread in self._threads:
            thread.join()
        if self._stalled:
            raise Transient(f"{self.media.name}: FFmpeg made no progress for {self.stall:.0f} s; try again")
        if code:
            raise BadInput(f"{self.media.name}: {self._why(code)}")

    def _why(self, code: int) -> str:
        if any(NOT_TAKEN in line for line in self._said):
            return "not a video file: give the video itself, not a picture, a playlist or a script"
        last = next((line for line in reversed(self._said) if line.strip()), f"status {code}")
        return f"FFmpeg cannot read it ({last}): copy it again, or give another"

    def __enter__(self) -> Running:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        self._ended.set()
        for thread in self._threads:
            thread.join()
        self._stdout.close()


def read_lines(media: Media, options: list[str], *, level: str = "error") -> tuple[list[str], list[str]]:
    """Runs FFmpeg to its end: the lines of `LINES`, and of its log."""
    with Running(media, options, level=level) as run:
        run.finish()
        return run.lines, run.said
