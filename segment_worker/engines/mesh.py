"""The embedded engine: the source's face, laid over the target's mesh, lit like it and blended into it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from recast import names
from recast.errors import BadInput
from segment_worker.arrays import Array, Image
from segment_worker.engines.base import FaceSeen, Pair, SwappedFrame
from segment_worker.engines.photos import PhotoSeen, face_in_photo
from segment_worker.images import picture_of_image
from segment_worker.mesh import topology
from segment_worker.mesh.clarity import clarity, clearest
from segment_worker.mesh.eyes import look_of, turn_eyes
from segment_worker.mesh.facemesh import Face, FaceFinder
from segment_worker.mesh.identity import Descriptor, Identity, distance
from segment_worker.mesh.light import light_of
from segment_worker.mesh.mouth import wide_open
from segment_worker.mesh.shape import pose_of, with_lips_met, with_proportions
from segment_worker.mesh.texture import Texture, make_texture, reveal_of
from segment_worker.mesh.warp import PictureMap, look_up, picture_map
from segment_worker.paste import Rect, align, code_matrix, cut, lay, shrink
from segment_worker.picture import Patch, Picture, Plane, YuvLayout, under
from segment_worker.select import Largest, Selection, Wish, assign, choose

# Faces narrower than this (luma pixels) hold nothing to swap.
_NARROWEST = 16.0
# Cosine of the farthest turn at which there is still a face to see.
_SIDEWAYS = 0.4
# The same of a source photo: beyond, most of one half of the face would have to be made up.
_FRONTAL = 0.65
# Of a photo's face: of 95 small and blurred ones (LFW's at 25 pixels) two score less, and a cat 0.93.
_CERTAIN = 0.99
# How far a mouth that is wide open is the target's own, from the inner rim of the lips (0) to the outer (1) and beyond:
# the mesh drops the jaw too little.
_OWN_LIPS = 1.3
# Openings beyond this many times the photo's are the target's alone: too much of the teeth is missing.
_FEW_TEETH = 2.5
# Where highlights begin to be rolled off.
_KNEE = np.float32(0.92)


@dataclass(frozen=True)
class _Person:
    """A pair, as it is put in and compared."""

    texture: Texture
    select: Selection
    wanted: Descriptor | None


class MeshEngine:
    """Swaps faces by warping a photo over the target's face mesh.

    Args:
        pairs: whose face takes whose place; a face that an earlier one takes is left to it. Of a person's
            pictures the one that shows the face best is used, and in it the largest face.

    Raises:
        BadConfig: weights or runtime are missing.
        BadInput: no source image shows a face from the front, or a reference shows none.
    """

    name = "mesh"

    def __init__(self, pairs: Sequence[Pair]) -> None:
        # Results must not depend on the machine's threads; the pipeline has its own.
        cv2.setNumThreads(1)
        self._finder = FaceFinder()
        self.photos: list[PhotoSeen] = []
        self._people = [_Person(self._source_texture(pair.sources), pair.select, self._wanted(pair)) for pair in pairs]

    def swap(self, pictures: Sequence[Picture]) -> list[SwappedFrame]:
        """Give each picture's changed regions, in the order of `pictures`."""
        return [self._swap_one(picture) for picture in pictures]

    def warm_up(self) -> None:
        """There is nothing to warm: the photos have been through the models."""

    def inspect(self, picture: Picture) -> list[FaceSeen]:
        """The faces of a picture, as `swap` sees them, left to right, and whether and why each is swapped."""
        faces = self._find(picture)
        chosen = self._chosen(picture, faces)
        seen = []
        for place, face in enumerate(faces):
            why = unfit(face, picture) or ("" if place in chosen else "not the one selected")
            said = (why or "selected") + self._far(picture, face)
            seen.append(FaceSeen(face.box, face.score, not why, said))
        return seen

    def _far(self, picture: Picture, face: Face) -> str:
        """How far a face is from each reference, for people."""
        wanted = [person.wanted for person in self._people if person.wanted is not None]
        if not wanted:
            return ""
        own = self._identity.of_picture(picture, face.box)
        return ", distance " + ", ".join(f"{distance(own, other):.3f}" for other in wanted)

    def _source_texture(self, sources: Sequence[tuple[str, Image]]) -> Texture:
        """The texture of the source image that shows a face best, of those seen from the front."""
        seen: list[PhotoSeen] = []
        fit: list[tuple[int, Image, Face]] = []
        turned = []
        for place, (name, image) in enumerate(sources):
            picture = picture_of_image(image)
            faces = self._finder.find(picture, settle=6)
            if not faces:
                seen.append(PhotoSeen(name, "no face found: left out", warned=True))
                continue
            face = self._finder.with_eyes(picture, largest_of(faces))
            if pose_of(face.points).turn[2, 2] >= _FRONTAL:
                seen.append(_seen(name, faces))
                fit.append((place, image, face))
            else:
                seen.append(PhotoSeen(name, "the face is turned too far away: left out", warned=True))
                turned.append(name)
        if not fit:
            raise _no_face(turned, [name for name, _ in sources])
        taken, image, face = fit[clearest([clarity(image, face.points) for _, image, face in fit])]
        why = f"left out: of several photos this engine takes one, {sources[taken][0]}"
        for place in (place for place, _, _ in fit if place != taken):
            seen[place] = PhotoSeen(sources[place][0], why, warned=True)
        self.photos += seen
        return make_texture(image.astype(np.float32) / np.float32(255), face)

    def _find(self, picture: Picture) -> list[Face]:
        """The faces to choose from."""
        only = len(self._people) == 1 and isinstance(self._people[0].select, Largest)
        return self._finder.find(picture, largest=only)

    def _swap_one(self, picture: Picture) -> SwappedFrame:
        """One picture's changed regions."""
        faces = self._find(picture)
        patches: list[Patch] = []
        for place, person in self._chosen(picture, faces).items():
            if unfit(faces[place], picture):
                continue
            patch = swap_face(picture, self._finder.with_eyes(picture, faces[place]), person.texture, patches)
            if patch is not None:
                patches.append(patch)
        return SwappedFrame(tuple(patches), len(faces), len(patches))

    def _chosen(self, picture: Picture, faces: Sequence[Face]) -> dict[int, _Person]:
        """Places in `faces`, and who goes there."""

        def far(place: int, wanted: Descriptor) -> float:
            return distance(self._identity.of_picture(picture, faces[place].box), wanted)

        wishes = [Wish(person, person.select, person.wanted) for person in self._people]
        return assign([face.box for face in faces], wishes, far)

    @cached_property
    def _identity(self) -> Identity:
        # Loaded only where a reference asks for it: it takes a second.
        return Identity()

    def _wanted(self, pair: Pair) -> Descriptor | None:
        if pair.reference is None:
            return None
        name, image = pair.reference
        faces = self._finder.find(picture_of_image(image), settle=6)
        if not faces:
            raise BadInput(f"{name}: no face found; give a photo of the person to replace", reason=names.NO_FACE)
        self.photos.append(_seen(name, faces))
        return self._identity.of_image(image, largest_of(faces).box)


def largest_of(faces: Sequence[Face]) -> Face:
    """The face of a photo that is taken."""
    return faces[choose([face.box for face in faces], Largest())[0]]


def _no_face(turned: Sequence[str], given: Sequence[str]) -> BadInput:
    what = "the face is turned too far away" if turned else "no face found"
    names_ = ", ".join(turned or given or ["no source image"])
    return BadInput(f"{names_}: {what}; give a photo that shows the person's face from the front", reason=names.NO_FACE)


def _seen(name: str, faces: Sequence[Face]) -> PhotoSeen:
    face = largest_of(faces)
    return face_in_photo(name, len(faces), face.box, face.score, certain=_CERTAIN)


def unfit(face: Face, picture: Picture) -> str:
    """Why a face cannot be swapped; empty where it can."""
    x0, y0, x1, y1 = face.box
    if min(x1 - x0, y1 - y0) < _NARROWEST:
        return f"too small: less than {_NARROWEST:.0f} pixels"
    width = min(x1, picture.width) - max(x0, 0.0)
    height = min(y1, picture.height) - max(y0, 0.0)
    if max(width, 0.0) * max(height, 0.0) < 0.35 * (x1 - x0) * (y1 - y0):
        return "mostly outside the picture"
    if pose_of(face.points).turn[2, 2] < _SIDEWAYS:
        return "turned too far away"
    return ""


def swap_face(picture: Picture, face: Face, texture: Texture, before: Sequence[Patch] = ()) -> Patch | None:
    """New pixels for one face; None where nothing of it is in the picture.

    Args:
        picture: the target's.
        face: the target's, with its eyes.
        texture: the source's.
        before: the picture's other faces so far: where they overlap, this one lies above them.
    """
    x0, y0, x1, y1 = face.box
    rect = align(picture, x0, y0, x1, y1)
    if rect is None:
        return None
    points = with_lips_met(with_proportions(face.points, texture.shape, 1 - wide_open(face.points)))
    places = picture_map(points, rect)
    reveal = reveal_of(texture, points)
    flat = texture.at(places.scale, reveal)
    eyes = turn_eyes(flat, texture.look, look_of(face))
    light = light_of(texture, picture, face)
    side = flat.shape[1::-1]
    cv2.multiply(flat, cv2.resize(light.gain, side), dst=flat)
    cv2.add(flat, cv2.resize(light.lift, side), dst=flat)
    planes = _seen_planes(_within_range(flat), places, picture.layout)
    planes[0] = _with_grain_of(cut(picture, 0, rect), planes[0], places.scale)
    teeth = _teeth(reveal, wide_open(face.points))
    # A band too thin to be seen would still soften the lip.
    own = (*(1 - eyes), min(1.0, 4 * (1 - teeth)))
    for rims, share in zip(_rims(face.points, points, teeth), own, strict=True):
        _keep_opening(picture, rect, planes, rims, places.scale, share)
    lit = look_up(light.mask, places.places, cv2.INTER_LINEAR, light.mask.shape[0])
    below = under(picture, before, rect.x, rect.y, rect.width, rect.height)
    return lay(below, rect, planes, places.soft(lit * _soft(places)))


def _teeth(reveal: float, wide: float) -> float:
    """How much of the mouth's height the photo's teeth take, 0..1; they hang from the upper lip.

    Args:
        reveal: as in `Texture.at`.
        wide: how far the mouth is wide open, 0..1: there it is the target's.
    """
    if reveal <= 0:
        return 0.0
    return min(1.0, 1 / reveal) * (1 - wide) * min(1.0, max(0.0, _FEW_TEETH - reveal))


def _rims(here: Array, there: Array, teeth: float) -> list[tuple[Array, Array]]:
    """What of the target's eyes and mouth may be kept: rims in the target's mesh and in the swapped one.

    Of the mouth it is what lies below the photo's teeth; `teeth` is their share of its height.

    Returns:
        both eyes and the mouth, each two times float32 [n, 2].
    """
    inner, outer = list(topology.INNER_LIPS), list(topology.OUTER_LIPS)
    # With a mouth wide open the lips are the target's own in part.
    outwards = np.float32(_OWN_LIPS * wide_open(here))
    rims = []
    for points in (here, there):
        mouth = points[inner, :2] + outwards * (points[outer, :2] - points[inner, :2])
        # From each point of the upper lip towards the one of the lower lip below it.
        mouth[:11] += np.float32(teeth) * (mouth[[0, *range(19, 9, -1)]] - mouth[:11])
        rims.append([*(points[list(ring), :2] for ring in topology.EYES), mouth])
    return list(zip(*rims, strict=True))


def _with_grain_of(target: Plane, luma: Array, scale: float) -> Array:
    """The face's luma with no more of its finest detail than the target's has: photos are sharper than video.

    Args:
        target: the picture's luma in the rectangle.
        luma: the swapped face's, float32 codes of the same size.
        scale: luma pixels per layout unit.
    """
    size = 2 * round(0.006 * scale) + 1
    if size == 1:
        # So small a face has features there, no grain.
        return luma
    height, width = luma.shape
    middle = slice(height // 3, height * 3 // 4), slice(width // 4, width * 3 // 4)
    own = target[middle].astype(np.float32)
    smooth = cv2.blur(luma, (size, size))
    # Medians, so that eyes and lips do not count; of some ten thousand samples, however large the face.
    step = max(2, round(0.005 * scale))
    there = np.median(cv2.absdiff(own, cv2.blur(own, (size, size)))[::step, ::step])
    here = np.median(cv2.absdiff(luma[middle], smooth[middle])[::step, ::step])
    share = float(np.clip((there / max(float(here), 1e-3)) ** 0.7, 0.4, 1.0))
    return np.asarray(cv2.addWeighted(luma, share, smooth, 1 - share, 0))


def _seen_planes(lit: Array, places: PictureMap, layout: YuvLayout) -> list[Array]:
    """A lit texture, float32 BGR, as the picture's planes show it: float32 codes, each at its own resolution."""
    codes = cv2.transform(lit, code_matrix(layout))
    luma = places.sample(cv2.extractChannel(codes, 0), cv2.INTER_CUBIC)
    if layout.gray:
        return [luma]
    shift = layout.chroma_shift_x, layout.chroma_shift_y
    if any(shift):
        # Filtered down by as much as the planes are, or it would alias. All three: OpenCV is slow with two.
        codes = cv2.resize(codes, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    chroma = np.ascontiguousarray(codes[..., 1:])
    return [luma, *cv2.split(places.sample(chroma, cv2.INTER_LINEAR, shift))]


def _within_range(colours: Array) -> Array:
    """Bring colours into 0..1, highlights rolled off by one factor for all channels, so that they keep their hue."""
    peak = np.maximum(np.maximum(colours[..., 0], colours[..., 1]), colours[..., 2])
    if float(peak.max()) > _KNEE:
        # knee + (1 - knee) * t / (1 + t), t the excess in units of 1 - knee.
        peak = np.maximum(peak, _KNEE)
        factor = (1 - (1 - _KNEE) ** 2 / (peak + (1 - 2 * _KNEE))) / peak
        colours = cv2.multiply(colours, cv2.merge([factor] * 3))
    return np.maximum(colours, np.float32(0))


def _soft(places: PictureMap) -> Array:
    """The mask of what is visible, taken in from its edge and softened there, on the map's own grid."""
    sigma = max(0.7, 0.008 * places.scale) * places.inside.shape[1] / places.extent[0]
    blurred = cv2.GaussianBlur(places.inside, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    return np.clip(blurred * 2 - 1, 0, 1)


def _keep_opening(
    picture: Picture, rect: Rect, planes: list[Array], ring: tuple[Array, Array], scale: float, own_share: float
) -> None:
    """Put the target's own eye or mouth into `planes`, carried from where it is to where it belongs now.

    Args:
        picture: the target's.
        rect: of `planes`.
        planes: float32 codes of the picture's planes, changed in place.
        ring: the opening's rim in the picture, and where it goes, each float32 [n, 2].
        scale: luma pixels per layout unit.
        own_share: how much of the target's own to put there, 0..1.
    """
    if own_share <= 0:
        return
    here, there = ring
    soft = max(0.8, 0.004 * scale)
    margin = 3 * soft + 1
    low, high = np.minimum(here.min(0), there.min(0)) - margin, np.maximum(here.max(0), there.max(0)) + margin
    x0, y0 = max(low[0], rect.x), max(low[1], rect.y)
    x1, y1 = min(high[0], rect.x + rect.width), min(high[1], rect.y + rect.height)
    part = align(picture, x0, y0, x1, y1) if x1 > x0 and y1 > y0 else None
    if part is None:
        return
    image = np.zeros((part.height, part.width), np.float32)
    corners = (there - np.array([part.x + 0.5, part.y + 0.5], np.float32)) * 16
    cv2.fillPoly(image, [np.rint(corners).astype(np.int32)], 1.0, lineType=cv2.LINE_AA, shift=4)
    share = np.float32(own_share) * cv2.GaussianBlur(image, (0, 0), soft)
    # The affine map from where the opening goes to where it is.
    back = np.linalg.lstsq(np.hstack([there, np.ones((len(there), 1), np.float32)]), here, rcond=None)[0].T
    how = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    for index, plane in enumerate(planes):
        sx, sy = (picture.layout.chroma_shift_x, picture.layout.chroma_shift_y) if index else (0, 0)
        own = cut(picture, index, part).astype(np.float32)
        # cv2 counts from the middle of the part's first sample.
        size, first = np.array([1 << sx, 1 << sy]), (np.array([part.x >> sx, part.y >> sy]) + 0.5)
        local = back[:, :2] * size / size[:, None]
        matrix = np.column_stack([local, local @ first + back[:, 2] / size - first])
        moved = cv2.warpAffine(own, matrix, own.shape[1::-1], flags=how, borderMode=cv2.BORDER_REPLICATE)
        y, x = (part.y - rect.y) >> sy, (part.x - rect.x) >> sx
        under = plane[y : y + own.shape[0], x : x + own.shape[1]]
        under += (shrink(share, picture.layout) if index else share) * (moved - under)
