"""Which codec and pixel format the output gets, and what is refused: pure choices on facts."""

from fractions import Fraction

from recast import names
from recast.errors import BadInput
from recast.manifest import EncodeSettings, VideoFacts
from recast.spec import Container, Video

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

ASKED: dict[str, Codec] = {"H264": "h264", "Hevc": "hevc", "Av1": "av1", "ProRes": "prores"}
# ITU-T H.273 matrix coefficients, and FFmpeg's name for video range.
BT709, BT601, LIMITED_RANGE = 1, 6, 1
HD_LINES = 720
LOSSLESS = frozenset({"h264", "hevc"})


def encode_settings(facts: VideoFacts, video: Video, container: Container, name: str) -> EncodeSettings:
    """Choose codec and pixel format for the output.

    Auto keeps the source's codec where it is one that recast writes; else H.264, for 10 bits HEVC. Depth and
    chroma are the source's, unless 8-bit 4:2:0 was asked for.

    Raises:
        BadInput: what was asked for cannot hold the source's pictures.
    """
    pix_fmt = _pix_fmt(facts, video, name)
    codec = _codec(facts, video, container, pix_fmt, name)
    if _is_odd(facts, pix_fmt) and codec != "av1":
        raise BadInput(
            f"{name}: {codec} cannot hold {facts.width}x{facts.height} {pix_fmt}, an odd size with shared chroma: "
            "ask for codec Av1 with a lossy quality, or scale the source first",
            reason=names.UNSUPPORTED_PIXELS,
        )
    if pix_fmt not in WRITABLE[codec]:
        able = [c for c in ("h264", "hevc", "av1", "prores") if pix_fmt in WRITABLE[c]]
        raise BadInput(
            f"{name}: {codec} cannot hold {pix_fmt}; {', '.join(able) or 'no codec here'} can, "
            "or ask for pixelFormat Yuv420p",
            reason=names.UNSUPPORTED_PIXELS,
        )
    if video.quality == "Lossless" and codec not in LOSSLESS:
        raise BadInput(f"{name}: {codec} has no lossless form: choose codec H264 or Hevc", reason=names.BAD_CONFIG)
    return EncodeSettings(
        codec=codec,
        encoder=video.encoder,
        pix_fmt=pix_fmt,
        quality=video.quality,
        preset=video.preset,
        threads=video.threads,
        gop=keyframe_distance(facts.rate),
    )


def encoded_facts(facts: VideoFacts, settings: EncodeSettings) -> VideoFacts:
    """The facts as the output's: RGB sources have no matrix and full range, and get what video has."""
    if not is_rgb(facts.pix_fmt) or is_rgb(settings.pix_fmt):
        return facts
    matrix = BT709 if facts.height >= HD_LINES else BT601
    return facts.model_copy(update={"color_range": LIMITED_RANGE, "color_space": matrix})


def is_rgb(pix_fmt: str) -> bool:
    """Whether pictures are red, green and blue (or indices into such a palette)."""
    return pix_fmt.startswith(("rgb", "bgr", "gbr", "argb", "abgr", "0rgb", "0bgr", "pal8", "x2rgb", "x2bgr"))


def keyframe_distance(rate: Fraction) -> int:
    """Two seconds' frames, so that players seek well."""
    return max(1, round(2 * rate))


def _pix_fmt(facts: VideoFacts, video: Video, name: str) -> str:
    if video.pixel_format == "Yuv420p":
        return "yuv420p"
    pix_fmt = SAME_SAMPLES.get(facts.pix_fmt, facts.pix_fmt)
    if any(pix_fmt in formats for formats in WRITABLE.values()):
        return pix_fmt
    raise BadInput(
        f"{name}: its pictures are {facts.pix_fmt}{_why(facts.pix_fmt)}, which recast does not write: "
        "ask for pixelFormat Yuv420p, or convert the source first",
        reason=names.UNSUPPORTED_PIXELS,
    )


def _why(pix_fmt: str) -> str:
    if pix_fmt.startswith(("yuva", "gbrap", "rgba", "bgra", "argb", "abgr", "ya")):
        return " (with an alpha plane)"
    if any(depth in pix_fmt for depth in ("12", "14", "16", "48", "64")):
        return " (more than 10 bits)"
    return ""


def _codec(facts: VideoFacts, video: Video, container: Container, pix_fmt: str, name: str) -> Codec:
    if video.codec != "Auto":
        codec = ASKED[video.codec]
        if codec not in HELD[container]:
            able = [c for c in HELD if codec in HELD[c]]
            raise BadInput(f"{name}: .{container} cannot hold {codec}: use .{' or .'.join(able)}")
        return codec
    lossless_ok = LOSSLESS if video.quality == "Lossless" else frozenset(WRITABLE)
    keeps = facts.codec in HELD[container] and facts.codec in lossless_ok
    if _is_odd(facts, pix_fmt) and facts.codec != "av1":
        keeps = False
    # x265 codes fields as pictures of their own; x264 keeps them in one frame, as they came.
    interlaced = facts.field_order != "progressive"
    if keeps and pix_fmt in WRITABLE[facts.codec] and not (interlaced and facts.codec == "hevc"):
        return facts.codec
    if _is_odd(facts, pix_fmt) and "av1" in HELD[container] & lossless_ok:
        return "av1"
    # H.264 decoders give pictures without chroma as 4:2:0.
    wants_hevc = (pix_fmt.endswith("10le") and not interlaced) or pix_fmt.startswith("gray")
    return "hevc" if wants_hevc else "h264"


def _is_odd(facts: VideoFacts, pix_fmt: str) -> bool:
    """Whether a chroma sample would be shared by a pixel that is not there (H.264 and HEVC crop in pairs)."""
    wide = "420" in pix_fmt or "422" in pix_fmt
    return bool((wide and facts.width % 2) or ("420" in pix_fmt and facts.height % 2))
