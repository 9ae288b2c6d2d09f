"""What becomes of a source's other tracks: which the output's container can hold, and how."""

from collections.abc import Mapping
from typing import Any

import av
from av.container import InputContainer
from av.stream import Disposition

from recast import names
from recast.errors import BadInput
from recast.manifest import Track
from recast.media import nal
from recast.media.formats import UNKNOWN, opened_as, tag_of
from recast.spec import Audio, Container, Output, TrackKind


def _pcm(kinds: str, *ends: str) -> set[str]:
    return {f"pcm_{kind}{end}" for kind in kinds.split() for end in ends}


WIDE_PCM = _pcm("s16 s24 s32 f32 f64", "le", "be")
AUDIO: dict[Container, frozenset[str]] = {
    "mp4": frozenset({"aac", "mp3", "mp2", "ac3", "eac3", "alac", "opus", "flac", "vorbis", "dts"} | WIDE_PCM),
    "mov": frozenset({"aac", "mp3", "mp2", "ac3", "eac3", "alac", "dts", "adpcm_ima_qt", "amr_nb", "amr_wb"} | WIDE_PCM)
    | _pcm("s8 u8 alaw mulaw", ""),
    "mkv": frozenset({
        "aac", "aac_latm", "ac3", "alac", "atrac3", "cook", "dts", "eac3", "flac", "mlp", "mp1", "mp2", "mp3", "opus",
        "qdm2", "qdmc", "ra_144", "ra_288", "sipr", "truehd", "tta", "vorbis", "wavpack",
        # By the tags that AVI has for them.
        "adpcm_g722", "adpcm_g726", "adpcm_ima_wav", "adpcm_ms", "adpcm_yamaha", "amr_nb", "amr_wb", "g723_1",
        "gsm_ms", "truespeech", "wmav1", "wmav2", "wmalossless", "wmapro", "wmavoice",
    })
    | _pcm("s16 s24 s32", "le", "be") | _pcm("f32 f64", "le") | _pcm("u8 alaw mulaw", ""),
}  # fmt: skip
"""What FFmpeg 9 writes and reads back: what is not among them is refused before any work, and not by the last mux."""

TEXT = {"mp4": "mov_text", "mov": "mov_text", "mkv": "subrip"}
PLAIN_TEXT = frozenset({"mov_text", "subrip", "text", "webvtt"})
SUBTITLES: dict[Container, frozenset[str]] = {
    "mp4": frozenset({"mov_text", "dvd_subtitle"}),
    "mov": frozenset({"mov_text", "eia_608"}),
    "mkv": frozenset(
        {"subrip", "ass", "webvtt", "dvd_subtitle", "hdmv_pgs_subtitle", "dvb_subtitle", "hdmv_text_subtitle"}
    ),  # fmt: skip
}
SAY_NO_END = frozenset({"mpeg", "mpegts", "avi"})
"""Demuxers that do not say how long a picture of DVD's subtitles stands, which MP4 must."""
VIDEOS = frozenset({"h264", "hevc", "mpeg4", "mjpeg", "mpeg2video"})
"""A second video track is copied, not worked on."""
COVERS: dict[Container, frozenset[str]] = {
    "mp4": frozenset({"mjpeg", "png", "bmp"}),
    "mov": frozenset(),
    "mkv": frozenset({"mjpeg", "png", "bmp", "gif", "tiff", "webp"}),
}


def plan_tracks(source: InputContainer, video_index: int, output: Output, audio: Audio, name: str) -> tuple[Track, ...]:
    """Decide what becomes of every stream but the video.

    Raises:
        BadInput: the container cannot hold one, and it was not listed in output.dropTracks.
    """
    others = [stream for stream in source.streams if stream.index != video_index]
    formats, has_chapters = opened_as(source), bool(source.chapters())
    tracks = tuple(_plan(stream, output, audio, formats, has_chapters) for stream in others)
    stuck = [t for t in tracks if t.action == "Drop" and t.reason == CANNOT_HOLD]
    refused = [t for t in stuck if t.kind not in output.drop_tracks]
    if refused:
        what = ", ".join(f"{t.kind} track {t.stream_index} ({t.codec})" for t in refused)
        raise BadInput(
            f"{name}: .{output.container} cannot hold {what}: {_ways_out(refused)}", reason=names.UNSUPPORTED_TRACKS
        )
    return tracks


def title_of(metadata: Mapping[str, str]) -> str | None:
    """A track's title, under the names that demuxers have for it (MP4 says name, attachments filename)."""
    return metadata.get("title") or metadata.get("name") or metadata.get("filename")


CANNOT_HOLD = "the container cannot hold it"
UNSEEN = "nothing of it was seen"
"""A sound track that only a table of the stream names."""


def _plan(stream: Any, output: Output, audio: Audio, formats: set[str], has_chapters: bool) -> Track:
    kind, codec = _kind(stream), _codec(stream)
    track = Track(
        stream_index=stream.index,
        kind=kind,
        codec=codec,
        language=stream.metadata.get("language"),
        title=title_of(stream.metadata),
        bitstream_filter=_bitstream_filter(stream, codec),
        start_codes=kind == "video" and codec in nal.PICTURES and not _has_configuration(stream),
    )
    if kind == "data":
        if "timecode" in stream.metadata:
            return _as(track, "Container", "timecode")
        if codec == "bin_data" and has_chapters:
            return _as(track, "Container", "chapters")
        return as_dropped(track, "data that FFmpeg cannot write")
    if kind == "audio" and stream.codec_context is not None and not stream.codec_context.sample_rate:
        return as_dropped(track, UNSEEN)
    if kind == "audio" and audio.codec == "Aac":
        return _as(track, "Encode", None)
    timeless = codec == "dvd_subtitle" and formats & SAY_NO_END
    if _holds(output.container, kind, codec) and not (timeless and output.container != "mkv"):
        return track
    if kind == "subtitle" and codec in PLAIN_TEXT:
        return _as(track, "Convert", None)
    return as_dropped(track, CANNOT_HOLD)


def as_dropped(track: Track, reason: str) -> Track:
    """The track, left out of the output."""
    return _as(track, "Drop", reason)


def _bitstream_filter(stream: Any, codec: str) -> str | None:
    # Blu-rays have each part of a picture in a packet of its own, Matroska the whole.
    if codec == "hdmv_pgs_subtitle":
        return "pgs_frame_merge"
    # AAC with ADTS headers (transport streams) has no configuration record; MP4, MOV and MKV want one.
    return "aac_adtstoasc" if codec == "aac" and not stream.codec_context.extradata else None


def _has_configuration(stream: Any) -> bool:
    """Whether a track has the record of MP4 (ISO/IEC 14496-15), whose first byte is its version, 1."""
    return bytes(stream.codec_context.extradata or b"").startswith(b"\x01")


def _holds(container: Container, kind: TrackKind, codec: str) -> bool:
    if codec == UNKNOWN:
        return False
    if kind == "audio":
        return codec in AUDIO[container]
    if kind == "subtitle":
        return codec in SUBTITLES[container]
    if kind == "attachment":
        return container == "mkv"
    if kind == "video":
        return container == "mkv" or codec in VIDEOS
    return kind == "cover" and codec in COVERS[container]


def _ways_out(refused: list[Track]) -> str:
    kinds = sorted({t.kind for t in refused})
    better = _able(refused)
    ways = [f"use .{better}"] if better else []
    if kinds == ["audio"]:
        ways.append("have the sound encoded by audio.codec Aac")
    return ", or ".join([*ways, f"leave out by dropTracks {','.join(kinds)}"])


def _able(tracks: list[Track]) -> str | None:
    for container in ("mkv", "mp4", "mov"):
        if all(_holds(container, t.kind, t.codec) or t.codec in PLAIN_TEXT for t in tracks):
            return container
    return None


def _as(track: Track, action: str, reason: str | None) -> Track:
    return track.model_copy(update={"action": action, "reason": reason})


def _kind(stream: Any) -> TrackKind:
    if stream.type in ("audio", "subtitle", "attachment"):
        return stream.type  # type: ignore[no-any-return]
    if stream.type == "video":
        # Pictures of chapters are many, each with a time, which no container here has a place of their own for.
        is_timed = stream.disposition & Disposition.timed_thumbnails
        return "cover" if stream.disposition & Disposition.attached_pic and not is_timed else "video"
    return "data"


def _codec(stream: Any) -> str:
    try:
        if stream.codec_context is not None:
            return str(stream.codec_context.codec.canonical_name)
        return str(stream.codec.canonical_name)
    except (AttributeError, TypeError, ValueError, av.error.FFmpegError):
        return str(getattr(stream, "name", None) or tag_of(stream))
