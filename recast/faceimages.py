"""Reads face images: for split, which pins them, and for whoever sets an engine up before that."""

from recast.media.limits import over
from recast.spec import Limits
from recast.storage.storage import Storage
from recast.storage.stored import TooLarge


def read_face_image(storage: Storage, uri: str, limits: Limits) -> bytes:
    """The image's file, whole.

    Raises:
        NotFound: it is not there.
        BadInput: it has more bytes than `limits` allow.
    """
    try:
        return storage.get(uri, most=limits.image_bytes)
    except TooLarge as error:
        raise over(uri, f"a face image of {error.size} bytes", "imageBytes", limits.image_bytes) from error
