"""Running the FFmpeg binary: no shell, no stray input, its last words kept, signs of life for a watchdog."""

import os
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import IO

from recast.errors import BadConfig
from recast.process.children import spawn

STDERR_LINES = 20
POLL_SECONDS = 0.2
READ_FAILED = "Error during demuxing: "
"""What FFmpeg says where reading its input fails on the way; it takes that for the input's end, and exits with 0."""
DAMAGED = "Invalid data found"
"""The input's own fault: what that is worth, others judge."""


class FFmpegFailed(Exception):
    """FFmpeg has not done what it was asked for.

    Attributes:
        lines: the last lines of its standard error.
    """

    def __init__(self, status: int, lines: Sequence[str]) -> None:
        self.lines = tuple(lines)
        super().__init__(f"ffmpeg ended with status {status}: {' | '.join(self.lines[-3:])}")


@cache
def ffmpeg_path() -> str:
    """The FFmpeg binary that came with recast, or the one that IMAGEIO_FFMPEG_EXE names: 9 or later.

    Raises:
        BadConfig: there is none.
    """
    import imageio_ffmpeg

    try:
        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError as error:
        raise BadConfig(
            "no FFmpeg binary: install imageio-ffmpeg, or set IMAGEIO_FFMPEG_EXE to FFmpeg 9 or later"
        ) from error


def run_ffmpeg(
    arguments: Sequence[str], *, writes: Sequence[Path] = (), moved: Callable[[], None] = lambda: None
) -> None:
    """Run FFmpeg to its end.

    Its own reports of progress are no sign of life: they go on where it hangs, and there are none while it moves an
    index to a file's front.

    Args:
        arguments: everything behind the binary's name.
        writes: the files that it writes.
        moved: called now and then, as long as these change.

    Raises:
        FFmpegFailed: it ended with an error, or could not read an input to its end.
        BadConfig: it does not know an option, as an older FFmpeg does not.
    """
    command = [ffmpeg_path(), "-nostdin", "-hide_banner", "-v", "warning", "-nostats", *arguments]
    lines: deque[str] = deque(maxlen=STDERR_LINES)
    unread: list[str] = []
    with spawn(command, env=_environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        reader = threading.Thread(target=_keep, args=(process.stderr, lines, unread), daemon=True)
        reader.start()
        try:
            written = _states(writes)
            while not _has_ended(process):
                if (now := _states(writes)) != written:
                    written = now
                    moved()
        except BaseException:
            process.kill()
            raise
        reader.join()
    if process.returncode != 0:
        unknown = next((line for line in lines if line.startswith("Unrecognized option")), None)
        if unknown is not None:
            raise BadConfig(
                f"{ffmpeg_path()}: {unknown} It is no FFmpeg 9: unset IMAGEIO_FFMPEG_EXE to use recast's own"
            )
        raise FFmpegFailed(process.returncode, tuple(lines))
    if unread:
        raise FFmpegFailed(process.returncode, unread)


def _has_ended(process: "subprocess.Popen[bytes]") -> bool:
    """Whether it has, or does within a moment."""
    try:
        process.wait(POLL_SECONDS)
    except subprocess.TimeoutExpired:
        return False
    return True


def _states(paths: Sequence[Path]) -> list[tuple[int, int]]:
    """How large those files are that are there, and when they were last written to."""
    known = [path.stat() for path in paths if path.exists()]
    return [(each.st_size, each.st_mtime_ns) for each in known]


def _keep(stream: IO[bytes], lines: deque[str], unread: list[str]) -> None:
    for line in stream:
        text = line.decode(errors="replace").strip()
        lines.append(text)
        if READ_FAILED in text and DAMAGED not in text:
            unread.append(text)


def _environment() -> dict[str, str]:
    # Credentials are none of FFmpeg's business.
    return {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "RECAST_"))}
