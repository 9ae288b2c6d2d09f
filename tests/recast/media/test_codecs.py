"""Codec and pixel format of the output, as tables; and what a refusal names."""

from fractions import Fraction
from itertools import product
from typing import Any, get_args

import pytest

from recast.errors import BadConfig, BadInput
from recast.manifest import EncodeSettings, VideoFacts
from recast.media.codecs import (
    ASKED,
    ASKED_PIXELS,
    HELD,
    LOSSLESS,
    WRITABLE,
    encode_settings,
    encoded_facts,
    keyframe_distance,
)
from recast.names import NO_ENCODER, UNSUPPORTED_PIXELS
from recast.spec import Container, PixelFormat, Video


def facts(codec: str, pix_fmt: str, **more: Any) -> VideoFacts:
    base: dict[str, Any] = {
        "stream_index": 0, "width": 64, "height": 48, "time_base": Fraction(1, 1000), "rate": Fraction(25), "sar": 1
    }  # fmt: skip
    return VideoFacts(codec=codec, pix_fmt=pix_fmt, **(base | more))


def chosen(source: VideoFacts, container: str, **video: Any) -> EncodeSettings:
    return encode_settings(source, Video(**video), container, "clip")  # type: ignore[arg-type]


# Source codec, its pixel format, container; codec and pixel format of the output.
AUTO = [
    ("h264", "yuv420p", "mp4", "h264", "yuv420p"),
    ("h264", "yuvj420p", "mp4", "h264", "yuv420p"),
    ("h264", "yuv420p10le", "mkv", "h264", "yuv420p10le"),
    ("hevc", "yuv420p10le", "mov", "hevc", "yuv420p10le"),
    ("hevc", "yuv420p", "mp4", "hevc", "yuv420p"),
    ("hevc", "yuv444p10le", "mkv", "hevc", "yuv444p10le"),
    ("av1", "yuv420p10le", "mp4", "av1", "yuv420p10le"),
    ("av1", "yuv420p", "mov", "h264", "yuv420p"),
    ("av1", "yuv420p10le", "mov", "hevc", "yuv420p10le"),
    ("av1", "yuv444p", "mp4", "h264", "yuv444p"),
    ("vp9", "yuv420p", "mp4", "h264", "yuv420p"),
    ("vp9", "yuv420p10le", "mkv", "hevc", "yuv420p10le"),
    ("prores", "yuv422p10le", "mov", "prores", "yuv422p10le"),
    ("prores", "yuv422p10le", "mkv", "prores", "yuv422p10le"),
    ("prores", "yuv422p10le", "mp4", "hevc", "yuv422p10le"),
    ("prores", "yuv444p10le", "mov", "prores", "yuv444p10le"),
    ("mjpeg", "yuvj422p", "mov", "h264", "yuv422p"),
    ("mpeg2video", "yuv422p", "mp4", "h264", "yuv422p"),
    ("rawvideo", "uyvy422", "mov", "h264", "yuv422p"),
    ("rawvideo", "nv12", "mkv", "h264", "yuv420p"),
    ("h264", "gray", "mp4", "hevc", "gray"),
    ("hevc", "gray10le", "mp4", "hevc", "gray10le"),
    ("h264", "p010le", "mp4", "h264", "yuv420p10le"),
]


@pytest.mark.parametrize(("codec", "pix_fmt", "container", "out", "out_fmt"), AUTO)
def test_auto_keeps_the_codec_where_it_can_and_depth_and_chroma_always(
    codec: str, pix_fmt: str, container: str, out: str, out_fmt: str
) -> None:
    settings = chosen(facts(codec, pix_fmt), container)
    assert (settings.codec, settings.pix_fmt) == (out, out_fmt)


@pytest.mark.parametrize(
    ("codec", "pix_fmt", "out"),
    [("hevc", "yuv420p", "h264"), ("hevc", "yuv420p10le", "h264"), ("h264", "yuv420p", "h264"),
     ("mpeg2video", "yuv420p", "h264"), ("prores", "yuv422p10le", "prores")],
)  # fmt: skip
def test_auto_gives_interlaced_pictures_to_a_codec_that_keeps_them(codec: str, pix_fmt: str, out: str) -> None:
    assert chosen(facts(codec, pix_fmt, field_order="tff"), "mov").codec == out


@pytest.mark.parametrize(
    ("codec", "pix_fmt", "out"),
    [("h264", "yuv420p", "h264"), ("hevc", "yuv420p", "hevc"), ("av1", "yuv420p", "h264"),
     ("av1", "yuv420p10le", "hevc"), ("prores", "yuv422p10le", "hevc")],
)  # fmt: skip
def test_auto_and_lossless_choose_a_codec_that_has_a_lossless_form(codec: str, pix_fmt: str, out: str) -> None:
    settings = chosen(facts(codec, pix_fmt), "mkv", quality="Lossless")
    assert (settings.codec, settings.quality) == (out, "Lossless")


@pytest.mark.parametrize(("container", "asked"), list(product(get_args(Container), ASKED)))
def test_a_codec_that_was_asked_for_is_taken_or_the_refusal_names_containers_that_hold_it(
    container: str, asked: str
) -> None:
    source = facts("mpeg4", "yuv422p10le" if asked == "ProRes" else "yuv420p")
    codec = ASKED[asked]
    if codec in HELD[container]:  # type: ignore[index]
        assert chosen(source, container, codec=asked).codec == codec
        return
    with pytest.raises(BadInput) as refused:
        chosen(source, container, codec=asked)
    named = {word for word in ("mp4", "mov", "mkv") if f".{word}" in str(refused.value).partition("use ")[2]}
    assert named == {able for able in HELD if codec in HELD[able]}


def test_pictures_of_all_around_are_refused_where_the_container_cannot_say_so() -> None:
    sphere = facts("h264", "yuv420p", carried={"sv3d": "00"})
    with pytest.raises(BadInput, match=r"360 degrees\), which \.mov cannot say: use \.mp4 or \.mkv"):
        chosen(sphere, "mov")
    assert chosen(sphere, "mp4").codec == chosen(sphere, "mkv").codec == "h264"


def test_the_encoder_says_that_pictures_are_3d_where_the_container_cannot() -> None:
    pair = facts("h264", "yuv420p", carried={"sv3d": "00", "st3d": "01"})
    settings = chosen(pair, "mp4")
    assert encoded_facts(pair, settings, "mp4") == encoded_facts(pair, settings, "mkv") == pair
    assert encoded_facts(pair, settings, "mov").carried == {"sv3d": "00"}


def test_pictures_that_are_slanted_are_refused_where_the_container_cannot_say_so() -> None:
    slanted = facts("h264", "yuv420p", matrix=(65536, 65536, 0, 0, 65536, 0, 0, 0, 1 << 30))
    with pytest.raises(BadInput, match=r"slants or stretches its pictures, which \.mkv cannot say: use \.mp4 or \.mov"):
        chosen(slanted, "mkv")
    assert chosen(slanted, "mp4").codec == chosen(slanted, "mov").codec == "h264"


@pytest.mark.parametrize("pix_fmt", sorted(set().union(*WRITABLE.values())))
@pytest.mark.parametrize("asked", ASKED)
def test_pixels_a_codec_cannot_hold_are_refused_naming_codecs_that_can(asked: str, pix_fmt: str) -> None:
    source, codec = facts("h264", pix_fmt), ASKED[asked]
    if pix_fmt in WRITABLE[codec]:
        assert chosen(source, "mkv", codec=asked).pix_fmt == pix_fmt
        return
    with pytest.raises(BadInput) as refused:
        chosen(source, "mkv", codec=asked)
    assert refused.value.reason == UNSUPPORTED_PIXELS
    named = str(refused.value).partition(";")[2]
    assert {able for able in WRITABLE if able in named} == {able for able in WRITABLE if pix_fmt in WRITABLE[able]}


@pytest.mark.parametrize(
    ("pix_fmt", "why", "nearest"),
    [
        ("yuv420p12le", "more than 10 bits", "Yuv420p10"),
        ("yuv444p16le", "more than 10 bits", "Yuv444p10"),
        ("yuv422p14le", "more than 10 bits", "Yuv422p10"),
        ("gray12le", "more than 10 bits", "Yuv420p10"),
        ("rgb48le", "more than 10 bits", "Yuv444p10"),
        ("yuva444p10le", "with an alpha plane", "Yuv444p10"),
        ("yuva444p12le", "with an alpha plane", "Yuv444p10"),
        ("yuva420p", "with an alpha plane", "Yuv420p"),
        ("rgba", "with an alpha plane", "Yuv444p"),
        ("bgra", "with an alpha plane", "Yuv444p"),
        ("gbrap", "with an alpha plane", "Yuv444p"),
        ("ya8", "with an alpha plane", "Yuv420p"),
        ("rgba64le", "with an alpha plane", "Yuv444p10"),
        ("yuv411p", "", "Yuv422p"),
        ("yuv410p", "", "Yuv420p"),
        ("yuv440p", "", "Yuv444p"),
        ("rgb24", "", "Yuv444p"),
        ("gbrp", "", "Yuv444p"),
        ("gbrp10le", "", "Yuv444p10"),
        ("pal8", "", "Yuv444p"),
    ],
)
def test_pixels_that_no_codec_here_holds_are_refused_saying_why_and_what_keeps_most(
    pix_fmt: str, why: str, nearest: PixelFormat
) -> None:
    for container in get_args(Container):
        with pytest.raises(BadInput) as refused:
            chosen(facts("ffv1", pix_fmt), container)
        assert refused.value.reason == UNSUPPORTED_PIXELS
        said = str(refused.value)
        assert f"{pix_fmt} ({why})" in said if why else f"{pix_fmt}, which" in said
        assert f"pixelFormat: {nearest} (--pixel-format {nearest.lower()})" in said
        assert chosen(facts("ffv1", pix_fmt), container, pixel_format=nearest).pix_fmt == ASKED_PIXELS[nearest]


def test_ten_bits_become_eight_only_where_that_is_asked_for() -> None:
    source = facts("hevc", "yuv420p10le")
    assert chosen(source, "mp4").pix_fmt == "yuv420p10le"
    assert chosen(source, "mp4", pixel_format="Yuv420p").pix_fmt == "yuv420p"


def test_prores_cannot_hold_eight_bit_420() -> None:
    with pytest.raises(BadInput, match="prores cannot hold 64x48 yuv420p; h264, hevc, av1 can"):
        chosen(facts("prores", "yuv422p10le"), "mov", codec="ProRes", pixel_format="Yuv420p")


@pytest.mark.parametrize(
    ("pix_fmt", "asked", "wider"),
    [
        ("yuv420p", "ProRes", "Yuv422p10"),
        ("yuv422p", "ProRes", "Yuv422p10"),
        ("yuv444p", "ProRes", "Yuv444p10"),
        ("yuv422p", "Av1", None),
        ("gray", "H264", "Yuv420p"),
    ],
)
def test_a_codec_that_holds_the_pictures_in_a_wider_format_is_told_with_it(
    pix_fmt: str, asked: str, wider: PixelFormat | None
) -> None:
    source = facts("ffv1", pix_fmt)
    with pytest.raises(BadInput) as refused:
        chosen(source, "mkv", codec=asked)
    if wider is None:
        assert "pixelFormat" not in str(refused.value)
    else:
        assert f"; or ask for pixelFormat: {wider} (--pixel-format {wider.lower()})" in str(refused.value)
        assert chosen(source, "mkv", codec=asked, pixel_format=wider).codec == ASKED[asked]


@pytest.mark.parametrize("asked", [asked for asked, codec in ASKED.items() if codec not in LOSSLESS])
def test_lossless_is_refused_for_codecs_without_it_naming_those_with_it(asked: str) -> None:
    with pytest.raises(BadInput, match="without loss; h264, hevc can"):
        chosen(facts("h264", "yuv422p10le" if asked == "ProRes" else "yuv420p"), "mkv", codec=asked, quality="Lossless")


def test_every_source_that_auto_takes_gets_what_its_container_and_codec_hold() -> None:
    formats = sorted(set().union(*WRITABLE.values()))
    codecs = ("h264", "hevc", "av1", "prores", "vp9", "mpeg4")
    for codec, pix_fmt, container, order, quality in product(
        codecs, formats, get_args(Container), ("progressive", "tff", "bff"), (18, "Lossless")
    ):
        if pix_fmt.startswith("gray") and order != "progressive":
            continue  # HEVC alone gives gray back, and it keeps no fields
        settings = chosen(facts(codec, pix_fmt, field_order=order), container, quality=quality)
        assert settings.codec in HELD[container] and settings.pix_fmt in WRITABLE[settings.codec]
        assert settings.pix_fmt == pix_fmt
        assert quality != "Lossless" or settings.codec in LOSSLESS


def test_settings_carry_what_the_job_asked_for() -> None:
    video = {"quality": 30, "preset": "slow", "threads": 5, "encoder": "Software"}
    settings = chosen(facts("h264", "yuv420p"), "mp4", **video)
    assert settings.model_dump(include=set(video)) == video


def test_a_preset_that_no_encoder_of_the_codec_has_is_refused_before_any_work() -> None:
    with pytest.raises(BadConfig, match="h264 has no preset nosuch: give ultrafast") as refused:
        chosen(facts("h264", "yuv420p"), "mp4", preset="nosuch")
    assert refused.value.reason == NO_ENCODER


@pytest.mark.parametrize(
    ("rate", "gop"), [(Fraction(25), 50), (Fraction(30000, 1001), 60), (Fraction(1, 10), 1), (Fraction(1, 3), 1)]
)
def test_keyframes_are_two_seconds_apart_and_at_least_one_frame(rate: Fraction, gop: int) -> None:
    assert keyframe_distance(rate) == gop


# Source pixel format, size, container; the codec that Auto takes, or None where it refuses.
ODD = [
    ("yuv420p", 65, 48, "mp4", "av1"),
    ("yuv420p", 64, 49, "mkv", "av1"),
    ("yuv420p10le", 65, 49, "mkv", "av1"),
    ("yuv420p", 65, 48, "mov", None),
    ("yuv422p", 64, 49, "mp4", "h264"),
    ("yuv444p", 65, 49, "mov", "h264"),
    ("gray", 65, 49, "mp4", "hevc"),
]


@pytest.mark.parametrize(("pix_fmt", "width", "height", "container", "codec"), ODD)
def test_auto_gives_an_odd_size_with_shared_chroma_to_a_codec_that_keeps_it(
    pix_fmt: str, width: int, height: int, container: str, codec: str | None
) -> None:
    source = facts("h264", pix_fmt, width=width, height=height)
    if codec is not None:
        assert chosen(source, container).codec == codec
        return
    with pytest.raises(BadInput, match=f"{width}x{height}"):
        chosen(source, container)


CODEC_WORDS = {"h264": "H264", "hevc": "Hevc", "av1": "Av1", "prores": "ProRes"}


@pytest.mark.parametrize("pix_fmt", sorted(set().union(*WRITABLE.values())))
@pytest.mark.parametrize("size", [(64, 48), (65, 48), (64, 49), (65, 49)], ids=str)
def test_every_codec_that_a_refusal_names_can_hold_the_pictures(pix_fmt: str, size: tuple[int, int]) -> None:
    source = facts("ffv1", pix_fmt, width=size[0], height=size[1])
    for asked, container, quality in product(("Auto", *ASKED), get_args(Container), (18, "Lossless")):
        try:
            chosen(source, container, codec=asked, quality=quality)
        except BadInput as refused:
            if "use ." in str(refused):
                continue  # it names containers
            _, _, cure = str(refused).partition("cannot hold")
            refused_codec = str(refused).split(": ", 1)[1].split()[0]
            named = {word for codec, word in CODEC_WORDS.items() if codec in cure.lower() and codec != refused_codec}
            for word in named:
                # In some container, and lossy if need be.
                assert chosen(source, "mkv", codec=word).pix_fmt == pix_fmt, str(refused)
