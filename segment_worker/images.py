"""Image files of faces: what people send as a photo, upright, in BGR."""

import cv2
import numpy as np
import numpy.typing as npt

from recast.errors import BadInput
from segment_worker.paste import code_matrix
from segment_worker.picture import Picture, YuvLayout

Image = npt.NDArray[np.uint8]

_MEGAPIXELS = 64


def load_image(name: str, data: bytes) -> Image:
    """Decode an image file, upright by its EXIF orientation.

    Args:
        name: for messages.
        data: the file's bytes.

    Returns:
        uint8 [height, width, 3], BGR; alpha is dropped, 16 bits are cut to 8.

    Raises:
        BadInput: not an image that can be decoded, or one of more than 64 megapixels.
    """
    width, height = declared_size(data)
    if width * height > _MEGAPIXELS * 1_000_000:
        raise BadInput(f"{name}: {width} x {height} is more than {_MEGAPIXELS} megapixels; give a smaller image")
    try:
        # IMREAD_COLOR applies the EXIF orientation.
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    except cv2.error:
        image = None
    if image is None:
        raise BadInput(f"{name}: not an image that can be read; give a PNG or JPEG file")
    if image.shape[0] * image.shape[1] > _MEGAPIXELS * 1_000_000:
        raise BadInput(f"{name}: more than {_MEGAPIXELS} megapixels; give a smaller image")
    return image.astype(np.uint8, copy=False)


def declared_size(data: bytes) -> tuple[int, int]:
    """Width and height in a PNG's or JPEG's header, before anything is decoded; 0, 0 where there is none."""
    if data[:8] == b"\x89PNG\r\n\x1a\n" and len(data) >= 24:
        return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    at = 2
    while data[:2] == b"\xff\xd8" and at + 9 <= len(data) and data[at] == 0xFF:
        # The frame headers SOF0..SOF15, but for the tables DHT (C4), JPG (C8) and DAC (CC) among them.
        if 0xC0 <= data[at + 1] <= 0xCF and data[at + 1] not in (0xC4, 0xC8, 0xCC):
            return int.from_bytes(data[at + 7 : at + 9], "big"), int.from_bytes(data[at + 5 : at + 7], "big")
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return 0, 0


def picture_of_image(image: Image) -> Picture:
    """An image (uint8 BGR) as a full-range 4:4:4 picture, for the face finder."""
    layout = YuvLayout(8, 0, 0, "bt709", True)
    codes = cv2.transform(image.astype(np.float32) / np.float32(255), code_matrix(layout))
    whole = np.clip(np.rint(codes), 0, 255).astype(np.uint8)
    return Picture(tuple(np.ascontiguousarray(whole[..., k]) for k in range(3)), layout)
