"""InsightFace's inswapper: detection, the source's embedding, swap, and paste of the region alone."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import cv2

from recast import names, spec
from recast.errors import BadInput
from segment_worker.arrays import Array, Array64, Image
from segment_worker.engines.base import FaceSeen, Pair, SwappedFrame
from segment_worker.engines.photos import PhotoSeen, face_in_photo
from segment_worker.insight.alignment import crop_matrix
from segment_worker.insight.arcface import average, distance, normed
from segment_worker.insight.crop import Mask, crop_of, mask_of, paste
from segment_worker.insight.masking import is_box, share_of
from segment_worker.insight.models import Models
from segment_worker.insight.scrfd import Detection
from segment_worker.insight.swapper import SIDE
from segment_worker.picture import Patch, Picture, under
from segment_worker.select import Largest, Selection, Wish, assign, choose

# Faces narrower than this (luma pixels) hold nothing to swap, and InsightFace's mask is empty.
_NARROWEST = 10.0
# Of a photo's face: clear ones score far higher, and cats lower.
_CERTAIN = 0.6


@dataclass(frozen=True)
class _Person:
    """A pair, as it is compared and put in."""

    latent: Array
    select: Selection
    wanted: Array | None = field(default=None)


class InSwapperEngine:
    """Swaps faces by inswapper_128.

    Args:
        models: what runs.
        pairs: whose face takes whose place; a face that an earlier one takes is left to it.
        boost: width of the crops, 128, 256 or 512.
        mask: how much of a swapped face is laid over.
        at_once: how many pictures are worked on at the same time: while a GPU has one's, the others' crops are cut
            out and pasted.

    Raises:
        BadInput: a source or reference image shows no face.
    """

    name = "inswapper"

    def __init__(
        self,
        models: Models,
        pairs: Sequence[Pair],
        *,
        boost: int = SIDE,
        mask: spec.Mask | None = None,
        at_once: int = 1,
    ) -> None:
        cv2.setNumThreads(1)
        self._models, self._side = models, boost
        self._mask = mask or spec.Mask()
        self.photos: list[PhotoSeen] = []
        self._people = [self._person(pair) for pair in pairs]
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix="swap")

    def swap(self, pictures: Sequence[Picture]) -> list[SwappedFrame]:
        """Give each picture's changed regions, in the order of `pictures`."""
        return list(self._threads.map(self._swap_one, pictures))

    def warm_up(self) -> None:
        """Run each model once."""
        self._models.warm_up()

    def inspect(self, picture: Picture) -> list[FaceSeen]:
        """The faces of a picture, the most certain first, and whether and why each is swapped."""
        faces = self._models.detector.find(picture)
        chosen = self._chosen(picture, faces)
        seen = []
        for place, face in enumerate(faces):
            fault = unfit(face)
            why = fault or ("selected" if place in chosen else "not the one selected")
            seen.append(FaceSeen(face.box, face.score, place in chosen and not fault, why + self._far(picture, face)))
        return seen

    def _far(self, picture: Picture, face: Detection) -> str:
        """How far a face is from each reference, for people."""
        wanted = [person.wanted for person in self._people if person.wanted is not None]
        if not wanted:
            return ""
        own = normed(self._models.recogniser.of_picture(picture, face.landmarks))
        return ", distance " + ", ".join(f"{distance(own, other):.3f}" for other in wanted)

    def _swap_one(self, picture: Picture) -> SwappedFrame:
        faces = self._models.detector.find(picture)
        patches: list[Patch] = []
        for place, person in self._chosen(picture, faces).items():
            if unfit(faces[place]):
                continue
            landmarks = faces[place].landmarks
            matrix = crop_matrix(landmarks, self._side)
            crop = crop_of(picture, matrix, self._side)
            mask = self._mask_of(picture, crop, landmarks, matrix)
            if mask is None:
                continue
            swapped = self._models.swapper.swap(crop, person.latent)
            below = under(picture, patches, mask.rect.x, mask.rect.y, mask.rect.width, mask.rect.height)
            patches.append(paste(below, mask, matrix, swapped))
        return SwappedFrame(tuple(patches), len(faces), len(patches))

    def _mask_of(self, picture: Picture, crop: Array, landmarks: Array, matrix: Array64) -> Mask | None:
        wanted = share_of(self._mask, landmarks, matrix, self._side)
        if self._models.occluder is not None:
            in_view = self._models.occluder.in_view(crop)
            wanted = in_view if wanted is None else wanted * in_view
        return mask_of(picture, matrix, self._side, wanted, box=is_box(self._mask))

    def _chosen(self, picture: Picture, faces: Sequence[Detection]) -> dict[int, _Person]:
        """Places in `faces`, and who goes there."""
        own: dict[int, Array] = {}

        def far(place: int, wanted: Array) -> float:
            if place not in own:
                own[place] = normed(self._models.recogniser.of_picture(picture, faces[place].landmarks))
            return distance(own[place], wanted)

        wishes = [Wish(person, person.select, person.wanted) for person in self._people]
        return assign([face.box for face in faces], wishes, far)

    def _person(self, pair: Pair) -> _Person:
        person = average([self._embedding(name, image) for name, image in pair.sources])
        wanted = normed(self._embedding(*pair.reference)) if pair.reference is not None else None
        return _Person(self._models.swapper.latent(person), pair.select, wanted)

    def _embedding(self, name: str, image: Image) -> Array:
        faces = self._models.detector.find_in_image(image)
        if not faces:
            raise BadInput(f"{name}: no face found; give a photo that shows the person's face", reason=names.NO_FACE)
        face = faces[choose([face.box for face in faces], Largest())[0]]
        self.photos.append(face_in_photo(name, len(faces), face.box, face.score, certain=_CERTAIN))
        return self._models.recogniser.of_image(image, face.landmarks)


def unfit(face: Detection) -> str:
    """Why a face cannot be swapped; empty where it can."""
    x0, y0, x1, y1 = face.box
    if min(x1 - x0, y1 - y0) < _NARROWEST:
        return f"too small: less than {_NARROWEST:.0f} pixels"
    return ""
