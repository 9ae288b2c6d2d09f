"""Cropping that the container alone asks for: Matroska's PixelCrop, the clean aperture (clap) of MP4 and MOV.

Players and FFmpeg's own tool cut the picture by it; decoders do not.
"""

import struct
from fractions import Fraction

from recast.manifest import Crop

CLAP = ">I4s8i"


def read_clap(box: bytes, width: int, height: int) -> Crop | None:
    """Turn a clean aperture's size and its centre's distance from the picture's (12.1.4) into what is cut off.

    Args:
        box: the whole box.
        width: of the pictures.
        height: likewise.

    Returns:
        None where that is nothing, or more than there is.
    """
    if len(box) < struct.calcsize(CLAP):
        return None
    fields = struct.unpack_from(CLAP, box)[2:]
    if not all(fields[1::2]):
        return None
    wide, high, right, down = (Fraction(*fields[i : i + 2]) for i in range(0, 8, 2))
    left, top = (width - wide) / 2 + right, (height - high) / 2 + down
    sides = [round(side) for side in (top, height - high - top, left, width - wide - left)]
    if min(sides) < 0 or not any(sides) or sides[0] + sides[1] >= height or sides[2] + sides[3] >= width:
        return None
    return Crop(top=sides[0], bottom=sides[1], left=sides[2], right=sides[3])


def clap(crop: Crop, width: int, height: int) -> bytes:
    """The box that asks for a cropping.

    Args:
        crop: what is cut off.
        width: of the pictures.
        height: likewise.
    """
    return struct.pack(
        CLAP,
        struct.calcsize(CLAP),
        b"clap",
        *(width - crop.left - crop.right, 1, height - crop.top - crop.bottom, 1),
        *(crop.left - crop.right, 2, crop.top - crop.bottom, 2),
    )
