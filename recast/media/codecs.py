"""Which codec and pixel format the output gets, and what is refused: pure choices on facts."""

from fractions import Fraction
from operator import ge

from av.video.format import VideoFormat

from recast import names
from recast.errors import BadConfig, BadInput
from recast.manifest import EncodeSettings, VideoFacts
from recast.media.presets import unknown_preset
from recast.media.turning import turn_of
from recast.spec import Container, PixelFormat, Video

Codec = str

# Formats that decoders give, and the planar format that holds the very same samples.
SAME_SAMPLES = {
    "yuvj420p": "yuv420p",
    "yuvj422p": "yuv422p",
    "yuvj444p": "yuv444p",
    "nv12": "yuv420p",
    "nv21": "yuv420p",
    "nv16": "yuv422p",
    "yuyv422": "yuv422p",
    "uyvy422": "yuv422p",
    "yvyu422": "yuv422p",
    "p010le": "yuv420p10le",
    "p210le": "yuv422p10le",
    "gray10le": "gray10le",
}

WRITABLE: dict[Codec, frozenset[str]] = {
    "h264": frozenset({
        "yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "yuv422p10le", "yuv444p10le",
    }),
    "hevc": frozenset({
        "yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "yuv422p10le", "yuv444p10le", "gray", "gray10le",
    }),
    "av1": frozenset({"yuv420p", "yuv420p10le"}),
    "prores": frozenset({"yuv422p10le", "yuv444p10le"}),
}  # fmt: skip

HELD: dict[Container, frozenset[Codec]] = {
    "mp4": frozenset({"h264", "hevc", "av1"}),
    "mov": frozenset({"h264", "hevc", "prores"}),
    "mkv": frozenset({"h264", "hevc", "av1", "prores"}),
}

ASKED_PIXELS: dict[PixelFormat, str] = {
    "Yuv420p": "yuv420p",
    "Yuv422p": "yuv422p",
    "Yuv444p": "yuv444p",
    "Yuv420p10": "yuv420p10le",
    "Yuv422p10": "yuv422p10le",
    "Yuv444p10": "yuv444p10le",
}
ASKED: dict[str, Codec] = {"H264": "h264", "Hevc": "hevc", "Av1": "av1", "ProRes": "prores"}
# ITU-T H.273 matrix coefficients, and FFmpeg's name for video range.
BT709, BT601, LIMITED_RANGE = 1, 6, 1
HD_LINES = 720
MOST_BITS = 10
CODECS = ("h264", "hevc", "av1", "prores")
LOSSLESS = frozenset({"h264", "hevc"})
ODD_SIZES = frozenset({"av1", "prores"})
"""H.264 and HEVC crop shared chroma in pairs of pixels."""
KEEPS_FIELDS = frozenset({"h264", "prores"})
"""x265 codes fields as pictures of their own, AV1 knows none."""


def encode_settings(facts: VideoFacts, video: Video, container: Container, name: str) -> EncodeSettings:
    """Choose codec and pixel format for the output.

    Auto keeps the source's codec where it can; else it takes H.264, for 10 bits HEVC, else what can hold the
    pictures at all. Depth and chroma are the source's, unless others were asked for.

    Raises:
        BadInput: what was asked for cannot hold the source's pictures.
        BadConfig: no encoder of the codec has the preset.
    """
    if container == "mov" and "sv3d" in facts.carried:
        raise BadInput(f"{name}: its pictures are a sphere's (360 degrees), which .mov cannot say: use .mp4 or .mkv")
    if container == "mkv" and not turn_of(facts.matrix).is_plain:
        raise BadInput(f"{name}: its header slants or stretches its pictures, which .mkv cannot say: use .mp4 or .mov")
    pix_fmt = _pix_fmt(facts, video, name)
    able = [codec for codec in CODECS if can_hold(codec, facts, pix_fmt)]
    if video.quality == "Lossless":
        able = [codec for codec in able if codec in LOSSLESS]
    codec = _auto(facts, pix_fmt, container, able) if video.codec == "Auto" else ASKED[video.codec]
    if codec is None or codec not in able:
        raise _refusal(facts, video, pix_fmt, codec, able, name)
    if codec not in HELD[container]:
        homes = " or .".join(home for home in HELD if codec in HELD[home])
        raise BadInput(f"{name}: .{container} cannot hold {codec}: use .{homes}")
    if no_preset := unknown_preset(codec, video.encoder, video.preset):
        raise BadConfig(no_preset, reason=names.NO_ENCODER)
    return EncodeSettings(
        codec=codec,
        encoder=video.encoder,
        pix_fmt=pix_fmt,
        quality=video.quality,
        preset=video.preset,
        threads=video.threads,
        gop=keyframe_distance(facts.rate),
    )


def can_hold(codec: Codec, facts: VideoFacts, pix_fmt: str) -> bool:
    """Whether a codec's encoder here keeps the pictures' samples, size and fields."""
    odd = ("444" not in pix_fmt and "gray" not in pix_fmt and facts.width % 2) or (
        "420" in pix_fmt and facts.height % 2
    )
    if odd and codec not in ODD_SIZES:
        return False
    if facts.field_order != "progressive" and codec not in KEEPS_FIELDS:
        return False
    return pix_fmt in WRITABLE[codec]


def encoded_facts(facts: VideoFacts, settings: EncodeSettings, container: Container) -> VideoFacts:
    """The facts as the output's.

    RGB sources have no matrix and full range, and get what video has. That pictures are 3D .mov cannot say, so that
    their encoder shall, where it can.
    """
    changes: dict[str, object] = {}
    if is_rgb(facts.pix_fmt) and not is_rgb(settings.pix_fmt):
        changes |= {"color_range": LIMITED_RANGE, "color_space": BT709 if facts.height >= HD_LINES else BT601}
    if container == "mov":
        changes["carried"] = {name: box for name, box in facts.carried.items() if name != "st3d"}
    return facts.model_copy(update=changes)


def is_rgb(pix_fmt: str) -> bool:
    """Whether pictures are red, green and blue (or indices into such a palette)."""
    return pix_fmt.startswith(("rgb", "bgr", "gbr", "argb", "abgr", "0rgb", "0bgr", "pal8", "x2rgb", "x2bgr"))


def keyframe_distance(rate: Fraction) -> int:
    """Two seconds' frames, so that players seek well."""
    return max(1, round(2 * rate))


def _pix_fmt(facts: VideoFacts, video: Video, name: str) -> str:
    if video.pixel_format != "Source":
        return ASKED_PIXELS[video.pixel_format]
    pix_fmt = SAME_SAMPLES.get(facts.pix_fmt, facts.pix_fmt)
    if any(pix_fmt in formats for formats in WRITABLE.values()):
        return pix_fmt
    least = nearest(facts.pix_fmt)
    raise BadInput(
        f"{name}: its pictures are {facts.pix_fmt}{_why(facts.pix_fmt)}, which recast does not write: have them "
        f"converted by pixelFormat: {least} (--pixel-format {least.lower()}), which keeps most, or another",
        reason=names.UNSUPPORTED_PIXELS,
    )


def nearest(pix_fmt: str) -> PixelFormat:
    """What may be asked for that keeps most of a format's depth and chroma."""
    source = VideoFormat(pix_fmt, 16, 16)
    deep = max(component.bits for component in source.components) > 8
    has_chroma = sum(not component.is_alpha for component in source.components) > 1 or source.has_palette
    across, down = source.chroma_width(16), source.chroma_height(16)
    if not has_chroma or (across < 16 and down < 16):
        return "Yuv420p10" if deep else "Yuv420p"
    if across < 16:
        return "Yuv422p10" if deep else "Yuv422p"
    return "Yuv444p10" if deep else "Yuv444p"


def wider_pixels(codec: Codec, facts: VideoFacts, pix_fmt: str) -> PixelFormat | None:
    """What may be asked for that a codec can hold, with all of a format's depth and chroma."""

    def extent(name: str) -> tuple[int, int, int]:
        found = VideoFormat(name, 16, 16)
        across, down = (found.chroma_width(16), found.chroma_height(16)) if len(found.components) > 1 else (0, 0)
        return found.components[0].bits, across, down

    for name, wanted in ASKED_PIXELS.items():
        if can_hold(codec, facts, wanted) and all(map(ge, extent(wanted), extent(pix_fmt))):
            return name
    return None


def _why(pix_fmt: str) -> str:
    components = VideoFormat(pix_fmt).components
    if any(component.is_alpha for component in components):
        return " (with an alpha plane)"
    if any(component.bits > MOST_BITS for component in components):
        return f" (more than {MOST_BITS} bits)"
    return ""


def _auto(facts: VideoFacts, pix_fmt: str, container: Container, able: list[Codec]) -> Codec | None:
    # H.264 decoders give pictures without chroma as 4:2:0.
    usual = "hevc" if pix_fmt.endswith("10le") or pix_fmt.startswith("gray") else "h264"
    wanted = [facts.codec, usual, *CODECS]
    return next((codec for codec in wanted if codec in able and codec in HELD[container]), None)


def _refusal(
    facts: VideoFacts, video: Video, pix_fmt: str, codec: Codec | None, able: list[Codec], name: str
) -> BadInput:
    what = f"{facts.width}x{facts.height} {pix_fmt}"
    if facts.field_order != "progressive":
        what += " in fields"
    if video.quality == "Lossless":
        what += " without loss"
    cure = f"{', '.join(able)} can" if able else "ask for a lossy quality or another pixelFormat, or scale the source"
    wider = wider_pixels(codec, facts, pix_fmt) if codec and video.quality != "Lossless" else None
    if wider:
        cure += f"; or ask for pixelFormat: {wider} (--pixel-format {wider.lower()}), which loses nothing"
    subject = f"{codec} cannot hold" if codec else "no codec in this container can hold"
    return BadInput(f"{name}: {subject} {what}; {cure}", reason=names.UNSUPPORTED_PIXELS)
