"""What an engine sees in the photos that it is given, in words."""

from collections.abc import Sequence
from dataclasses import dataclass

from recast import log
from recast.stage import NOTICE
from recast.wording import counted


@dataclass(frozen=True)
class PhotoSeen:
    """A photo that an engine was given, as `recast run` and `recast preview` tell of it.

    Attributes:
        name: for messages.
        said: one phrase: what it shows, and what becomes of it.
        warned: whether people should look at it once more.
    """

    name: str
    said: str
    warned: bool = False


def face_in_photo(
    name: str, faces: int, box: tuple[float, float, float, float], score: float, *, certain: float
) -> PhotoSeen:
    """A photo with a face in it.

    Args:
        name: of the photo.
        faces: found in it.
        box: x0, y0, x1, y1 in pixels of the largest, which is taken.
        score: its own, 0..1.
        certain: the least score that leaves no doubt.
    """
    said = f"{counted(faces, 'face')} found{', the largest is taken' if faces > 1 else ''}"
    said += f": {box[3] - box[1]:.0f} pixels high, score {score:.2f}"
    if score < certain:
        said += ": this may be no face, or a blurred one: give a sharp photo from the front"
    return PhotoSeen(name, said, faces > 1 or score < certain)


def tell_of(photos: Sequence[PhotoSeen]) -> list[str]:
    """Log, and give, what people should look at once more; of a photo that is given twice, once."""
    told = [f"{photo.name}: {photo.said}" for photo in dict.fromkeys(photos) if photo.warned]
    for text in told:
        log.warning(NOTICE, detail=text)
    return told
