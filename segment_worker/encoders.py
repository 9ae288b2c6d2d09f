"""The encoders: which one, with which options, and a part's file written through it.

All that decides an encoder's bytes is in the plan or in encoder.json, its thread count too: x264's and x265's
output changes with the number of frame threads. Parts have closed GOPs and begin with an IDR frame.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.codec.context import Flags
from av.filter import Graph
from av.video.codeccontext import VideoCodecContext
from av.video.format import VideoFormat
from av.video.frame import VideoFrame

from recast import log, names
from recast.errors import BadConfig, Transient
from recast.layout import sha256_hex
from recast.manifest import EncoderChoice, EncodeSettings, VideoFacts
from recast.media.presets import ALL, unknown_preset
from recast.media.segments import MILLISECOND, OPTIONS
from recast.process.exhausted import raise_if_exhausted, raise_if_short_of_memory
from recast.spec import Video
from segment_worker import nvenc
from segment_worker.scheduling import share_processor

SOFTWARE = {"h264": "libx264", "hevc": "libx265", "av1": "libsvtav1", "prores": "prores_ks"}
DEFAULT_PRESET = {"libx264": "medium", "libx265": "medium", "libsvtav1": "8"}
MAX_REORDER = 64
"""More than a frame can come later than it is shown (16 in H.264 and HEVC)."""
# AVFieldOrder
FIELD_ORDERS = {"progressive": 1, "tff": 2, "bff": 3}


def choose_encoder(settings: EncodeSettings, facts: VideoFacts, *, agreed: str | None = None) -> EncoderChoice:
    """Choose the encoder by a real encode of one picture at the job's geometry.

    Args:
        settings: what the job asks for.
        facts: of its pictures.
        agreed: the encoder that the job's other workers use, where there are some: then no other is tried.

    Raises:
        BadConfig: the encoder is not here or does not take the job's settings.
    """
    *others, last = [agreed] if agreed else candidates(settings, facts)
    for name in others:
        try:
            return probe(name, settings, facts)
        except BadConfig as error:
            # What to do about it is for jobs that asked for this one.
            log.info("encoder is not here: the next is tried", encoder=name, detail=str(error.__cause__ or error))
    return probe(last, settings, facts)


def check_nvenc(video: Video) -> None:
    """Try NVENC with a picture of a usual size, where a job cannot do without it and its pictures are not known yet.

    Raises:
        BadConfig: it is not here, or does not do such a job on any GPU.
    """
    codec = "h264" if video.codec == "Auto" else video.codec.lower()
    settings = EncodeSettings.model_validate(
        {"codec": codec, "encoder": "Nvenc", "pix_fmt": "yuv420p", "threads": video.threads, "gop": 50}
        | {"quality": video.quality, "preset": video.preset}
    )
    usual = {"stream_index": 0, "codec": codec, "width": 1280, "height": 720, "pix_fmt": "yuv420p"}
    facts = VideoFacts.model_validate(usual | {"time_base": "1/25", "rate": 25, "sar": 1})
    try:
        for name in candidates(settings, facts):
            probe(name, settings, facts)
    except BadConfig as error:
        if video.encoder == "Nvenc":
            raise
        raise BadConfig(
            f"preset {video.preset} is NVENC's alone, which is not on this node: {ALL}", reason=names.NO_ENCODER
        ) from error


def candidates(settings: EncodeSettings, facts: VideoFacts) -> list[str]:
    """Encoders that may do the job, the best first.

    Raises:
        BadConfig: NVENC was asked for, and does not do such a job on any GPU.
    """
    fault = nvenc.why_not(settings, facts)
    match settings.encoder:
        case "Software":
            return [SOFTWARE[settings.codec]]
        case "Nvenc" if fault:
            raise BadConfig(
                f"NVENC cannot do this job: {fault}: use video.encoder Auto or Software (--encoder)",
                reason=names.NO_ENCODER,
            )
        case "Nvenc":
            return [nvenc.NAMES[settings.codec]]
        case "Auto":
            hardware = [] if fault else [nvenc.NAMES[settings.codec]]
            return [*hardware, SOFTWARE[settings.codec]]


def probe(name: str, settings: EncodeSettings, facts: VideoFacts) -> EncoderChoice:
    """Encode one picture at the job's geometry.

    Raises:
        BadConfig: the encoder is not here or does not take the job's settings.
    """
    options = encoder_options(name, settings, facts)
    sink = io.BytesIO()
    choice = EncoderChoice(name=name, options=options, extradata_sha256="")
    try:
        with av.open(sink, "w", format="matroska") as container:
            stream = _add_stream(container, choice, settings, facts)
            picture = VideoFrame(facts.width, facts.height, stream.codec_context.pix_fmt)
            for plane in picture.planes:
                plane.update(bytes(plane.buffer_size))
            picture.pts = 0
            stream.encode(picture)
            share_processor()
            stream.encode(None)
            extradata = stream.codec_context.extradata or b""
    except (av.error.FFmpegError, ValueError) as error:
        raise_if_exhausted(error)
        raise_if_short_of_memory(error)
        said = getattr(error, "strerror", None) or error
        if name in nvenc.NAMES.values():
            raise BadConfig(
                f"NVENC is not on this node ({name}: {said}): A100, H100, H200 and B200 have none, T4, A10, L4 and "
                "L40S have: choose such nodes by worker.nodeSelector, or use video.encoder Auto or Software "
                "(--encoder auto)",
                reason=names.NO_ENCODER,
            ) from error
        log.info("an encoder refused", encoder=name, options=options, detail=str(error))
        why = unknown_preset(settings.codec, "Software", settings.preset) or (
            f"encoder {name} refuses {facts.width}x{facts.height} {settings.pix_fmt}: "
            f"{said}: choose another codec or preset"
        )
        raise BadConfig(why, reason=names.NO_ENCODER) from error
    return choice.model_copy(update={"extradata_sha256": sha256_hex(extradata)})


def encoder_options(name: str, settings: EncodeSettings, facts: VideoFacts) -> dict[str, str]:
    """The encoder's private options; what they leave open is set on its context."""
    if name in nvenc.NAMES.values():
        return nvenc.options(settings)
    preset = DEFAULT_PRESET.get(name, "") if settings.preset == "Auto" else settings.preset
    lossless = settings.quality == "Lossless"
    quality = "0" if lossless else str(settings.quality)
    if name == "libx264":
        rate = {"qp": "0"} if lossless else {"crf": quality}
        fields = {"progressive": "", "tff": ":tff=1", "bff": ":bff=1"}[facts.field_order]
        return {"preset": preset, **rate, "x264-params": f"open-gop=0{fields}"}
    if name == "libx265":
        rate = {} if lossless else {"crf": quality}
        return {"preset": preset, **rate, "a53cc": "1", "x265-params": ":".join(_x265(settings, facts, lossless))}
    if name == "libsvtav1":
        return {"preset": preset, "crf": quality, "svtav1-params": ":".join(_svt_av1(settings, facts))}
    return {"profile": "4" if "444" in settings.pix_fmt else "3", "vendor": "apl0"}


def _x265(settings: EncodeSettings, facts: VideoFacts, lossless: bool) -> list[str]:
    params = ["log-level=error", "info=0", "open-gop=0", f"pools={settings.threads}"]
    if lossless:
        params.append("lossless=1")
    if facts.hdr is not None:
        params += ["hdr10=1", "repeat-headers=1"]
        if facts.hdr.mastering:
            params.append(f"master-display={facts.hdr.mastering}")
        if facts.hdr.light_level:
            params.append(f"max-cll={facts.hdr.light_level}")
    return params


def _svt_av1(settings: EncodeSettings, facts: VideoFacts) -> list[str]:
    # irefresh-type 2 is a closed GOP; level of parallelism does not change SVT-AV1's output.
    params = [f"lp={settings.threads}", "irefresh-type=2"]
    if facts.hdr and facts.hdr.mastering:
        params.append(f"mastering-display={_svt_mastering(facts.hdr.mastering)}")
    if facts.hdr and facts.hdr.light_level:
        params.append(f"content-light={facts.hdr.light_level}")
    return params


def _svt_mastering(text: str) -> str:
    """From x265's integers to SVT-AV1's decimals."""
    parts = []
    for item in text.rstrip(")").split(")"):
        label, _, numbers = item.partition("(")
        scale = 10000 if label == "L" else 50000
        first, second = (int(number) / scale for number in numbers.split(","))
        parts.append(f"{label}({first:.5f},{second:.5f})")
    return "".join(parts)


class PartWriter:
    """Encodes frames into a Matroska file: frame k at k milliseconds, Matroska's own tick.

    Args:
        path: the file.
        choice: the encoder.
        settings, facts: what to encode.
    """

    def __init__(self, path: Path, choice: EncoderChoice, settings: EncodeSettings, facts: VideoFacts) -> None:
        self._container = av.open(str(path), "w", format="matroska", container_options=OPTIONS)
        self._stream = _add_stream(self._container, choice, settings, facts)
        changes = changed_tags(facts)
        self._tags = FrameTags(changes, facts, settings.pix_fmt) if changes else None
        self._frames = self._packets = 0

    def encode(self, frame: VideoFrame) -> None:
        """Add a frame."""
        if self._tags is not None:
            frame = self._tags.set(frame)
        if self._stream.codec_context.pix_fmt == "p010le":
            frame = nvenc.as_p010(frame)
        frame.pts = self._frames
        frame.time_base = self._stream.codec_context.time_base
        # A decoded frame's own type would force that type on the encoder.
        frame.pict_type = 0
        self._frames += 1
        try:
            packets = self._stream.encode(frame)
        except av.error.ExternalError as error:
            # It was probed on this node with these settings.
            raise Transient(
                f"encoder {self._stream.codec_context.name} does not open again: mostly for want of memory: {error}",
                reason=names.EXHAUSTED,
            ) from error
        if self._frames == 1:
            share_processor()
        self._mux(packets)

    def close(self) -> None:
        """Drain the encoder and finish the file."""
        self._mux(self._stream.encode(None))
        self._container.close()

    def abandon(self) -> None:
        """Let go of everything without finishing."""
        self._container.close()

    def _mux(self, packets: list[Any]) -> None:
        for packet in packets:
            packet.stream = self._stream
            packet.time_base = MILLISECOND
            # Matroska stores none, and x265's are arbitrary where a part has fewer frames than it looks ahead.
            packet.dts = self._packets - MAX_REORDER
            self._packets += 1
            packet.duration = 1
            self._container.mux_one(packet)


def changed_tags(facts: VideoFacts) -> dict[str, str]:
    """Filters, and what they are given, by which frames say what their encoder shall hear.

    x264 and ProRes take a frame's own tag for the order of fields, x264 a few frames too early or late; and a source
    may have frames without one (PAFF). x264 repeats in its stream that frames are 3D, which the container tells
    everybody: twice said, FFmpeg's own tool takes it for an error.
    """
    changes: dict[str, str] = {}
    if facts.field_order != "progressive":
        changes["setfield"] = facts.field_order
    if "st3d" in facts.carried:
        changes["sidedata"] = "mode=delete:type=STEREO3D"
    return changes


class FrameTags:
    """Changes what frames say of themselves; see `changed_tags`."""

    def __init__(self, changes: Mapping[str, str], facts: VideoFacts, pix_fmt: str) -> None:
        graph = Graph()
        layout = VideoFormat(pix_fmt)
        source = graph.add_buffer(width=facts.width, height=facts.height, format=layout, time_base=facts.time_base)
        filters = [graph.add(name, given) for name, given in changes.items()]
        graph.link_nodes(source, *filters, graph.add("buffersink")).configure()
        self._graph = graph

    def set(self, frame: VideoFrame) -> VideoFrame:
        """The same frame, tagged."""
        self._graph.vpush(frame)
        return self._graph.vpull()


def _add_stream(container: Any, choice: EncoderChoice, settings: EncodeSettings, facts: VideoFacts) -> Any:
    stream = container.add_stream(choice.name, rate=facts.rate, options=dict(choice.options))
    context: VideoCodecContext = stream.codec_context
    context.width, context.height = facts.width, facts.height
    hardware = choice.name in nvenc.NAMES.values()
    context.pix_fmt = nvenc.pixel_format(settings) if hardware else settings.pix_fmt
    context.time_base = 1 / Fraction(facts.rate)
    context.gop_size = settings.gop
    if hardware:
        context.bit_rate = 0
        context.max_b_frames = 2
    else:
        context.thread_count = settings.threads
    context.sample_aspect_ratio = facts.sar
    context.color_range = facts.color_range
    context.color_primaries = facts.color_primaries
    context.color_trc = facts.color_trc
    context.colorspace = facts.color_space
    context.flags |= Flags.closed_gop | Flags.global_header
    if choice.name == "libx264":
        # x264 leaves its version and options in an SEI; they are the same for every part.
        context.flags |= Flags.bitexact
    if facts.field_order != "progressive" and choice.name in ("libx264", "prores_ks"):
        context.flags |= Flags.interlaced_dct | Flags.interlaced_me
        context.field_order = FIELD_ORDERS[facts.field_order]
    return stream
