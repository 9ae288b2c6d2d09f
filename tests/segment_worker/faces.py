"""Real faces for the tests, from packages of the dev environment, and pictures made of them."""

from functools import lru_cache

import cv2
import numpy as np

from demo.material import package_file
from segment_worker import paste
from segment_worker.picture import Picture, YuvLayout

SD = YuvLayout(8, 1, 1, "bt709", False)


@lru_cache
def astronaut() -> np.ndarray:
    """One face, about 96 pixels wide, in 512 x 512."""
    return cv2.imread(str(package_file("skimage", "data/astronaut.png")))


@lru_cache
def group() -> np.ndarray:
    """Six faces, about 105 pixels wide each, in 1280 x 886."""
    return cv2.imread(str(package_file("insightface", "data/images/t1.jpg")))


def yuv(image: np.ndarray, layout: YuvLayout = SD) -> Picture:
    """A BGR image as a picture of any layout."""
    bgr = image.astype(np.float32) / 255
    full = cv2.transform(bgr, paste.code_matrix(layout))
    top = (1 << layout.depth) - 1
    kind = np.uint8 if layout.depth == 8 else np.uint16
    planes = [full[..., 0]]
    if not layout.gray:
        sx, sy = layout.chroma_shift_x, layout.chroma_shift_y
        height, width = image.shape[:2]
        padded = cv2.copyMakeBorder(full, 0, height & sy, 0, width & sx, cv2.BORDER_REPLICATE)
        size = (padded.shape[1] >> sx, padded.shape[0] >> sy)
        small = cv2.resize(padded, size, interpolation=cv2.INTER_AREA)
        planes += [small[..., 1], small[..., 2]]
    return Picture(tuple(np.clip(np.rint(p), 0, top).astype(kind) for p in planes), layout)


def turned(image: np.ndarray, degrees: float, scale: float = 1.0) -> np.ndarray:
    """The image turned around its middle."""
    height, width = image.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, scale)
    return cv2.warpAffine(image, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
