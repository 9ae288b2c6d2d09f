"""Image files of faces: what people send as a photo, upright, in BGR."""

import cv2
import numpy as np

from recast import names
from recast.errors import BadInput
from recast.media.imageheads import check_head
from recast.spec import Limits
from segment_worker.arrays import Image
from segment_worker.paste import code_matrix
from segment_worker.picture import Picture, YuvLayout


def load_image(name: str, data: bytes, *, most_pixels: int = Limits().image_pixels) -> Image:
    """Decode an image file, upright by its EXIF orientation.

    Args:
        name: for messages.
        data: the file's bytes.
        most_pixels: a larger picture is refused before it is decoded.

    Returns:
        uint8 [height, width, 3], BGR; alpha is dropped, 16 bits are cut to 8, CMYK is converted; of an animation or
        several pages the first.

    Raises:
        BadInput: not an image that can be decoded, cut off, or too large.
    """
    check_head(name, data, most_pixels)
    try:
        # IMREAD_COLOR applies the EXIF orientation.
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        image = None
    if image is None:
        raise BadInput(f"{name}: the image is damaged: copy it again, or give another")
    if image.shape[0] * image.shape[1] > most_pixels:
        raise BadInput(f"{name}: the image is larger than its header says: give another", reason=names.OVER_LIMIT)
    return image.astype(np.uint8, copy=False)


def picture_of_image(image: Image) -> Picture:
    """An image (uint8 BGR) as a full-range 4:4:4 picture, for the face finder."""
    layout = YuvLayout(8, 0, 0, "bt709", True)
    codes = cv2.transform(image.astype(np.float32) / np.float32(255), code_matrix(layout))
    whole = np.clip(np.rint(codes), 0, 255).astype(np.uint8)
    return Picture(tuple(np.ascontiguousarray(whole[..., k]) for k in range(3)), layout)
