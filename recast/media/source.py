"""Opening a source, and the facts about it that later decisions need."""

import struct
from collections.abc import Container, Iterator
from contextlib import contextmanager, nullcontext
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer
from av.filter import Graph
from av.sidedata.sidedata import Type as SideData
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from recast import names
from recast.errors import BadInput
from recast.manifest import FieldOrder, Hdr, VideoFacts
from recast.media import turning
from recast.media.cropping import read_clap
from recast.media.entry import boxes_of
from recast.media.formats import open_media, opened_as, tag_of
from recast.media.limits import over
from recast.media.losses import Losses
from recast.process.exhausted import raise_if_exhausted
from recast.spec import MOST_PIXELS, Limits
from recast.wording import counted

FULL_RANGE = 2
FIELD_ORDERS: dict[int, FieldOrder] = {2: "tff", 3: "bff", 4: "tff", 5: "bff"}
"""By AVFieldOrder: TT, BB, TB, BT. Of the last two the first letter is what comes first, whatever their description
says: so FFmpeg writes and reads them in Matroska (RFC 9559, 5.1.4.1.28.2) and QuickTime (Apple's TN2162)."""
COVER = av.stream.Disposition.attached_pic | av.stream.Disposition.timed_thumbnails
CARRIED = frozenset({"sv3d", "st3d", "mdcv", "clli"})
"""Boxes of a sample entry that go along to the output as they are."""

# ValueError: PyAV's own, where a file is too short to seek in.
READ_ERRORS = (av.error.FFmpegError, ValueError)


@contextmanager
def open_source(
    file: Any, name: str, limits: Limits | None = None, losses: Losses | None = None
) -> Iterator[InputContainer]:
    """Open a video by PyAV.

    Args:
        file: a seekable binary file object, or a path.
        name: how errors call it.
        limits: of the job; the usual ones where left out.
        losses: listens, since opening reads the first packets.

    Raises:
        BadInput: it is not a video file, or has more than the limits allow.
    """
    limits = limits or Limits()
    container = _open(file, name, limits, losses)
    if _says_too_little(container):
        container.close()
        if not isinstance(file, str | Path):
            file.seek(0)
        container = _open(file, name, limits, losses, deep=True)
    try:
        _refuse_over(container, name, limits)
        yield container
    finally:
        container.close()


def is_deep(container: InputContainer) -> bool:
    """Whether FFmpeg had to look deep into the file for what its tracks are; whoever opens it again must, too."""
    return "probesize" in container.container_options


def _says_too_little(container: InputContainer) -> bool:
    """Whether a sound track of a transport or program stream, which have no header, has not been seen yet."""
    return bool(opened_as(container) & {"mpegts", "mpeg"}) and any(
        stream.codec_context is not None and not stream.codec_context.sample_rate for stream in container.streams.audio
    )


def _open(file: Any, name: str, limits: Limits, losses: Losses | None, *, deep: bool = False) -> InputContainer:
    try:
        with losses.listening() if losses else nullcontext():
            return open_media(
                file,
                max_pixels=limits.pixels,
                max_streams=limits.streams + 1,
                deep=deep,
                metadata_errors="replace",
                buffer_size=1 << 18,
            )
    except av.error.ArgumentError as error:
        raise BadInput(
            f"{name}: not a video file that recast reads: give the video itself, not a playlist, a script or a picture"
        ) from error
    except av.error.MemoryError as error:
        # Demuxers call it that, too, where they come upon one stream more.
        raise over(name, "more tracks, or an index for which there is no memory", "streams", limits.streams) from error
    except READ_ERRORS as error:
        raise_if_exhausted(error)
        raise BadInput(
            f"{name}: not a video file that FFmpeg can read ({_plain(error)}): copy it again, or give another"
        ) from error


def _refuse_over(container: InputContainer, name: str, limits: Limits) -> None:
    if len(container.streams) > limits.streams:
        raise over(name, counted(len(container.streams), "track"), "streams", limits.streams)
    for stream in container.streams.video:
        context = None if stream.disposition & COVER else stream.codec_context
        if context is not None and context.width * context.height > limits.pixels:
            raise over(name, f"{context.width}x{context.height} pixels", "pixels", limits.pixels)


def video_stream(container: InputContainer, name: str) -> VideoStream:
    """The stream to work on: the first default video track that is no cover art, or else the first.

    Raises:
        BadInput: there is none, or this build has no decoder for it.
    """
    videos = [stream for stream in container.streams.video if not stream.disposition & COVER]
    if not videos:
        raise BadInput(f"{name}: there is no video track in it: give a video", reason=names.NO_VIDEO)
    chosen = next((stream for stream in videos if stream.disposition & av.stream.Disposition.default), videos[0])
    if chosen.codec_context is None:
        raise BadInput(
            f"{name}: there is no decoder for its video track (tag {tag_of(chosen)}): convert it first",
            reason=names.NO_DECODER,
        )
    return chosen


def read_only(container: InputContainer, stream: VideoStream, *, also: Container[int] = ()) -> None:
    """Let the demuxer skip every other stream's packets, but for those of the streams with these numbers."""
    for other in container.streams:
        wanted = other.index == stream.index or other.index in also
        other.discard = av.stream.Discard.default if wanted else av.stream.Discard.all


def video_facts(stream: VideoStream, first: VideoFrame, name: str) -> VideoFacts:
    """Describe the video track, from its header and its first decoded frame.

    Raises:
        BadInput: its size is beyond what recast decodes.
    """
    if first.width * first.height > MOST_PIXELS:
        raise over(name, f"{first.width}x{first.height} pixels", "pixels", MOST_PIXELS)
    if stream.metadata.get("alpha_mode") == "1":
        raise BadInput(
            f"{name}: its pictures have an alpha plane, which recast does not write: convert the source first",
            reason=names.UNSUPPORTED_PIXELS,
        )
    matrix = turning.as_matrix(_side_data(first, SideData.DISPLAYMATRIX))
    turn = turning.turn_of(matrix)
    boxes = boxes_of(stream)
    context = stream.codec_context
    return VideoFacts(
        stream_index=stream.index,
        codec=context.codec.canonical_name,
        width=first.width,
        height=first.height,
        pix_fmt=first.format.name,
        time_base=_fraction(stream.time_base),
        rate=_rate(stream),
        sar=_fraction(stream.sample_aspect_ratio) or Fraction(1),
        matrix=matrix,
        rotation=turn.nearest,
        hflip=turn.hflip,
        crop=read_clap(boxes.get("clap", b""), first.width, first.height),
        carried={name: box.hex() for name, box in boxes.items() if name in CARRIED},
        color_range=FULL_RANGE if first.format.name.startswith("yuvj") else int(first.color_range),
        color_primaries=int(first.color_primaries),
        color_trc=int(first.color_trc),
        color_space=int(first.colorspace),
        field_order=field_order(context, first),
        hdr=_hdr(first),
        title=stream.metadata.get("title") or stream.metadata.get("name"),
    )


def no_frame(name: str) -> BadInput:
    """The error for a source whose every frame is hidden, by an edit list or for want of a time."""
    return BadInput(f"{name}: not one frame of it is shown: mend its times", reason=names.CORRUPT_SOURCE)


def refuse_other_samples(frame: VideoFrame, facts: VideoFacts, name: str) -> None:
    """Stop at a picture whose samples are laid out otherwise than split saw them.

    Args:
        frame: the picture.
        facts: of the source's video track.
        name: how errors call the source.

    Raises:
        BadInput: they are.
    """
    if frame.format.name != facts.pix_fmt:
        raise BadInput(
            f"{name}: the pictures change from {facts.pix_fmt} to {frame.format.name} on the way: "
            "cut the source there first",
            reason=names.CORRUPT_SOURCE,
        )


def _rate(stream: VideoStream) -> Fraction:
    for candidate in (stream.average_rate, stream.guessed_rate, stream.base_rate):
        rate = _fraction(candidate)
        if 0 < rate <= 1000:
            return rate.limit_denominator(100_000)
    return Fraction(25)


def _fraction(value: Any) -> Fraction:
    return Fraction(value.numerator, value.denominator) if value else Fraction(0)


def field_order(context: VideoCodecContext, frame: VideoFrame) -> FieldOrder:
    """Of a picture: what itself says, else what its stream's header says."""
    if frame.interlaced_frame:
        return "tff" if _is_top_first(frame) else "bff"
    return FIELD_ORDERS.get(context.field_order, "progressive")


def _is_top_first(frame: VideoFrame) -> bool:
    """What the picture itself says, which PyAV does not tell; headers often say otherwise, or nothing."""
    graph = Graph()
    source = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=Fraction(1, 25))
    chosen = graph.add("select", "eq(interlace_type,TOPFIRST)")
    graph.link_nodes(source, chosen, graph.add("buffersink")).configure()
    graph.push(frame)
    graph.push(None)
    try:
        graph.pull()
    except (BlockingIOError, EOFError):
        return False
    return True


def _side_data(frame: VideoFrame, kind: SideData) -> bytes | None:
    try:
        return bytes(frame.side_data[kind])  # type: ignore[literal-required]  # its stub knows one key
    except KeyError:
        return None


def _hdr(frame: VideoFrame) -> Hdr | None:
    mastering = _side_data(frame, SideData.MASTERING_DISPLAY_METADATA)
    light = _side_data(frame, SideData.CONTENT_LIGHT_LEVEL)
    hdr = Hdr(
        mastering=_mastering(mastering) if mastering else None,
        light_level="{},{}".format(*struct.unpack("<2I", light[:8])) if light else None,
    )
    return hdr if hdr.mastering or hdr.light_level else None


def _mastering(raw: bytes) -> str | None:
    """AVMasteringDisplayMetadata: R, G, B, white (x, y), min and max luminance as rationals, two flags."""
    numbers = struct.unpack("<20i2i", raw[:88])
    if not (numbers[20] and numbers[21]):
        return None
    values = [Fraction(numbers[i], numbers[i + 1] or 1) for i in range(0, 20, 2)]
    chroma = [round(value * 50000) for value in values[:8]]
    low, high = (round(value * 10000) for value in values[8:])
    red, green, blue, white = ("({},{})".format(*chroma[i : i + 2]) for i in range(0, 8, 2))
    return f"G{green}B{blue}R{red}WP{white}L({high},{low})"


def _plain(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
