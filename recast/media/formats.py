"""What FFmpeg may open: media files that hold all of themselves, and nothing that names another file or a URL.

A playlist or a script under a video's name would have its demuxer open other files, or call other machines. So all
reading by PyAV goes through `open_media`, and each `-i` of FFmpeg's binary comes from `ffmpeg_input`. Of formats that
can point outside (MOV's data references, AVI's subtitles) FFmpeg follows nothing unless asked.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import av
from av.codec.hwaccel import HWAccel
from av.container import Container, InputContainer

from recast.media import avlog as avlog  # before anything is opened
from recast.spec import MOST_PIXELS

DEMUXERS = (
    "mov", "matroska", "mpegts", "mpeg", "avi", "flv", "live_flv", "asf", "asf_o", "ogg", "nut", "mxf", "gxf", "lxf",
    "wtv", "ty", "pva", "nsv", "rm", "dhav", "dv", "gif", "apng", "yuv4mpegpipe", "ivf", "obu", "av1", "h264", "hevc",
    "vvc", "evc", "m4v", "mpegvideo", "mjpeg", "mjpeg_2000", "h261", "h263", "vc1", "vc1test", "dirac", "cavsvideo",
    "avs2", "avs3",
    # Subtitles inside AVI.
    "srt", "ass",
)  # fmt: skip
"""FFmpeg's names of what recast reads: containers, and bare streams. Pictures are no videos."""
SEGMENT_DEMUXERS = ("matroska", "nut", "mov")
"""Of those, what segments and parts are written in."""
LOCAL, LOOPBACK, NONE = "file", "http,tcp", ""
"""Protocols for a path, for an address of `recast.storage.loopback`, and for an open file, which needs none."""
UNKNOWN = "unknown"
"""A codec without a name or a tag."""
DEEP_PROBE = {"probesize": str(64 << 20), "analyzeduration": str(600 * 1_000_000)}
"""How far FFmpeg looks for tracks that begin late, where its own 5 MB and 7 s say too little: bytes, microseconds."""
LOOPBACK_RANGES = ("-multiple_requests", "1", "-request_size", str(512 << 10), "-short_seek_size", str(2 << 20))
"""Little more is asked for than is read, so that pictures between two tracks' packets are not fetched where they are
large; small ones are read over."""


def open_media(
    file: Any,
    *,
    demuxers: Iterable[str] = DEMUXERS,
    max_pixels: int = MOST_PIXELS,
    max_streams: int | None = None,
    deep: bool = False,
    hwaccel: HWAccel | None = None,
    **settings: Any,
) -> InputContainer:
    """Open media for reading by PyAV.

    Args:
        file: a path, or a seekable binary file object.
        demuxers: those that may read it, and what is inside it.
        max_pixels: larger pictures are not decoded.
        max_streams: demuxers stop at so many; FFmpeg's 1,000 where left out.
        deep: look by `DEEP_PROBE` for what the tracks are.
        hwaccel: decodes in the processor's place.
        settings: of `av.open`.

    Raises:
        FFmpegError: it is of another format, or damaged.
        ValueError: it is too short to seek in.
    """
    is_path = isinstance(file, str | Path)
    allowed = {"format_whitelist": ",".join(demuxers), "protocol_whitelist": LOCAL if is_path else NONE}
    if max_streams is not None:
        allowed["max_streams"] = str(max_streams)
    if deep:
        allowed |= DEEP_PROBE
    pixels = {"max_pixels": str(max_pixels)}
    container: InputContainer = av.open(
        str(file) if is_path else file,
        "r",
        options=pixels,
        container_options=allowed,
        hwaccel=hwaccel,
        **settings,
    )
    for stream in container.streams.video:
        if stream.codec_context is not None:
            stream.codec_context.options = pixels
    return container


def opened_as(container: Container) -> set[str]:
    """FFmpeg's names of the format that a file was opened as: its demuxer may have several."""
    return set(container.format.name.split(","))


def tag_of(stream: Any) -> str:
    """A track's tag, for messages; UNKNOWN where it has none that is text."""
    try:
        return str(stream.codec_tag)
    except (AttributeError, UnicodeDecodeError):
        return UNKNOWN


def ffmpeg_input(source: Path | str, *, demuxers: Iterable[str] = DEMUXERS, deep: bool = False) -> list[str]:
    """FFmpeg's arguments that open a path, or an address of `recast.storage.loopback`; deep: as in `open_media`."""
    text = str(source)
    is_url = text.startswith("http://")
    protocols, url = (LOOPBACK, text) if is_url else (LOCAL, f"file:{text}")
    ranges = LOOPBACK_RANGES if is_url else ()
    probe = [text for key, value in DEEP_PROBE.items() for text in (f"-{key}", value)] if deep else []
    return [*ranges, *probe, "-protocol_whitelist", protocols, "-format_whitelist", ",".join(demuxers), "-i", url]
