"""Face images as people have them, and as an attacker makes them."""

import io
import struct
import zlib

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from recast import names
from recast.errors import BadInput
from recast.media.imageheads import read_head
from segment_worker.images import load_image
from tests.segment_worker.faces import astronaut

pytestmark = pytest.mark.media

Image = npt.NDArray[np.uint8]
KINDS = (".png", ".jpg", ".webp", ".bmp", ".tiff")


def encoded(image: Image, kind: str = ".png") -> bytes:
    return bytes(cv2.imencode(kind, image)[1])


def photo() -> Image:
    return astronaut()[:100, :60]


def test_images_are_read_upright() -> None:
    image = astronaut()[:64, :48]
    jpeg = encoded(image, ".jpg")
    # An APP1 segment with one IFD entry: orientation 6, to be turned clockwise.
    tiff = b"II*\0" + struct.pack("<IHHHIHHI", 8, 1, 0x0112, 3, 1, 6, 0, 0)
    payload = b"Exif\0\0" + tiff
    turned_jpeg = jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(payload) + 2) + payload + jpeg[2:]
    upright = load_image("a.jpg", turned_jpeg)
    assert upright.shape == (48, 64, 3)
    assert np.array_equal(upright, np.rot90(load_image("a.jpg", jpeg), -1))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not an image",
        b"\x89PNG\r\n\x1a\n",
        b"\xff\xd8\xff\xe0\0\0",
        b"\xff\xd8" + b"\xff" * 1000,
        b"RIFF",
        b"BM",
        b"II*\0\xff\xff\xff\xff",
        b"GIF89a\1\0\1\0",
        b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>",
        b"P6 1 1 255 abc",
    ],
)
def test_what_is_no_such_image_is_named(data: bytes) -> None:
    with pytest.raises(BadInput, match=r"face\.png: .* (give|copy)"):
        load_image("face.png", data)


@pytest.mark.parametrize("kind", KINDS)
def test_sizes_are_read_from_the_head(kind: str) -> None:
    head = read_head(encoded(photo(), kind))
    assert head is not None and (head.width, head.height, head.whole) == (60, 100, True)
    assert load_image("a", encoded(photo(), kind)).shape == (100, 60, 3)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.3, 0.7, 0.98])
def test_an_image_that_is_cut_off_is_refused(kind: str, share: float) -> None:
    data = encoded(photo(), kind)
    with pytest.raises(BadInput, match=r"face: .* (give|copy)"):
        load_image("face", data[: int(len(data) * share)])


def bomb(width: int, height: int) -> bytes:
    """A PNG of zeros, whole in every way."""
    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(bytes(1 + width)) for _ in range(height)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in ((b"IHDR", header), (b"IDAT", rows), (b"IEND", b""))
    )


def test_a_bomb_is_refused_before_it_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    data = bomb(9000, 9000)
    seen: list[int] = []
    decode = cv2.imdecode
    monkeypatch.setattr(cv2, "imdecode", lambda *arguments: seen.append(1) or decode(*arguments))
    with pytest.raises(BadInput, match=r"huge\.png: 9000 x 9000 pixels: limits\.imagePixels") as caught:
        load_image("huge.png", data)
    assert caught.value.reason == names.OVER_LIMIT and seen == []
    assert load_image("huge.png", data, most_pixels=81_000_000).shape == (9000, 9000, 3) and seen


@pytest.mark.parametrize("kind", KINDS)
def test_any_kind_over_the_limit_is_refused(kind: str) -> None:
    with pytest.raises(BadInput, match="imagePixels .* allows 5999"):
        load_image("face", encoded(photo(), kind), most_pixels=5999)
    assert load_image("face", encoded(photo(), kind), most_pixels=6000).shape == (100, 60, 3)


@pytest.mark.parametrize("image", [astronaut()[..., 0], np.dstack([astronaut(), astronaut()[..., :1]])])
def test_gray_and_alpha_images(image: Image) -> None:
    assert load_image("a.png", encoded(image)).shape == (512, 512, 3)


@pytest.mark.parametrize("kind", [".png", ".tiff"])
def test_sixteen_bits_become_eight(kind: str) -> None:
    deep = photo().astype(np.uint16) * 257
    assert np.abs(load_image("a", encoded(deep, kind)).astype(int) - photo()).max() <= 1  # type: ignore[arg-type]


def test_cmyk_becomes_the_colours_that_it_stands_for() -> None:
    pillow = pytest.importorskip("PIL.Image")
    file = io.BytesIO()
    pillow.fromarray(photo()[..., ::-1]).convert("CMYK").save(file, "JPEG", quality=95)
    shown = load_image("a.jpg", file.getvalue())
    assert np.abs(shown.astype(int) - photo()).mean() < 3


@pytest.mark.parametrize("kind", ["WEBP", "PNG", "TIFF"])
def test_of_an_animation_or_several_pages_the_first_is_taken(kind: str) -> None:
    pillow = pytest.importorskip("PIL.Image")
    file = io.BytesIO()
    first, second = (pillow.fromarray(np.ascontiguousarray(each[..., ::-1])) for each in (photo(), photo()[::-1]))
    lossless = {"lossless": True} if kind == "WEBP" else {}
    first.save(file, kind, save_all=True, append_images=[second], **lossless)
    assert np.abs(load_image("a", file.getvalue()).astype(int) - photo()).mean() < 3
