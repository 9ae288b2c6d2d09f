"""The embedded engine: the source's face, laid over the target's mesh, lit like it and blended into it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from recast.errors import BadInput
from segment_worker import mesh_topology as topology
from segment_worker.engines.base import SwappedFrame
from segment_worker.eyes import look_of, turn_eyes
from segment_worker.facemesh import Face, FaceFinder
from segment_worker.paste import Rect, align, blend, code_matrix, read_bgr
from segment_worker.picture import Patch, Picture, YuvLayout
from segment_worker.select import Box, Largest, Selection, choose
from segment_worker.shape import pose_of, with_proportions
from segment_worker.texture import Texture, light_of, make_texture, smile_share
from segment_worker.warp import picture_map

# OpenCV's stubs promise no more than "some number": the docstrings say which.
Array = npt.NDArray[Any]
Image = npt.NDArray[np.uint8]

# Raised by hand whenever the same input gives other pixels.
PIXEL_VERSION = 1

_MEGAPIXELS = 64
# Faces narrower than this (luma pixels) hold nothing to swap.
_NARROWEST = 16.0
# Cosine of the farthest turn at which there is still a face to see.
_SIDEWAYS = 0.4
# Texels a pixel: more than one, since the warp softens.
_DENSE = 1.6
# Where highlights begin to be rolled off.
_KNEE = np.float32(0.92)


@dataclass(frozen=True)
class FaceSeen:
    """A face as `recast preview` tells of it.

    Attributes:
        box: x0, y0, x1, y1 in luma pixels.
        score: 0..1, certainty that it is a face.
        chosen: whether it is swapped.
        why: one phrase: why it is, or is not.
    """

    box: Box
    score: float
    chosen: bool
    why: str


class MeshEngine:
    """Swaps faces by warping a photo over the target's face mesh.

    Args:
        sources: (name for messages, image uint8 [height, width, 3] BGR) of the source person; the first that
            shows a face is used, and in it the largest face.
        select: which faces of a frame are swapped.

    Raises:
        BadConfig: weights or runtime are missing.
        BadInput: no source image shows a face.
    """

    name = "mesh"

    def __init__(self, sources: Sequence[tuple[str, Image]], select: Selection) -> None:
        # Results must not depend on the machine's threads; the pipeline has its own.
        cv2.setNumThreads(1)
        self._finder = FaceFinder()
        self._select = select
        self._texture = self._source_texture(sources)

    def swap(self, pictures: Sequence[Picture]) -> list[SwappedFrame]:
        """Give each picture's changed regions, in the order of `pictures`."""
        return [self._swap_one(picture) for picture in pictures]

    def inspect(self, picture: Picture) -> list[FaceSeen]:
        """The faces of a picture, as `swap` sees them, left to right, and whether and why each is swapped."""
        faces = self._find(picture)
        chosen = choose([face.box for face in faces], self._select)
        seen = []
        for place, face in enumerate(faces):
            why = unfit(face, picture) or ("" if place in chosen else "not the one selected")
            seen.append(FaceSeen(face.box, face.score, not why, why or "selected"))
        return seen

    def _source_texture(self, sources: Sequence[tuple[str, Image]]) -> Texture:
        """The texture of the first source image with a face."""
        for _, image in sources:
            picture = picture_of_image(image)
            faces = self._finder.find(picture, settle=6)
            if faces:
                largest = choose([face.box for face in faces], Largest())[0]
                return make_texture(image.astype(np.float32) / np.float32(255), faces[largest])
        names = ", ".join(name for name, _ in sources) or "no source image"
        raise BadInput(f"{names}: no face found; give a photo that shows the person's face from the front")

    def _find(self, picture: Picture) -> list[Face]:
        """The faces to choose from: small ones are looked for only where one of them could be chosen."""
        if isinstance(self._select, Largest):
            faces = self._finder.find(picture, small=False)
            if any(face.box[2] - face.box[0] >= 0.1 * max(picture.width, picture.height) for face in faces):
                return faces
        return self._finder.find(picture)

    def _swap_one(self, picture: Picture) -> SwappedFrame:
        """One picture's changed regions."""
        faces = self._find(picture)
        patches = []
        for place in choose([face.box for face in faces], self._select):
            patch = None if unfit(faces[place], picture) else swap_face(picture, faces[place], self._texture)
            if patch is not None:
                patches.append(patch)
        return SwappedFrame(tuple(patches), len(faces), len(patches))


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


def swap_face(picture: Picture, face: Face, texture: Texture) -> Patch | None:
    """New pixels for one face; None where nothing of it is in the picture."""
    x0, y0, x1, y1 = face.box
    rect = align(picture, x0, y0, x1, y1)
    if rect is None:
        return None
    points = with_proportions(face.points, texture.shape)
    places = picture_map(points, rect)
    light = light_of(texture, picture, face)
    smile = smile_share(texture, face.points)
    flat = _sized(texture.smile if smile == 1 else texture.bgr, places.scale)
    if 0 < smile < 1:
        flat = flat + np.float32(smile) * (_sized(texture.smile, places.scale) - flat)
    flat, eyes = turn_eyes(flat, texture.look, look_of(face))
    side = (flat.shape[1], flat.shape[0])
    lit = flat * cv2.resize(light.gain, side) + cv2.resize(light.lift, side)
    colours = places.sample(lit, cv2.INTER_CUBIC)
    for ring, own in zip((*topology.EYES, topology.INNER_LIPS), (*(1 - eyes), 1 - smile), strict=True):
        rims = face.points[list(ring), :2], points[list(ring), :2]
        _keep_opening(picture, rect, colours, rims, places.scale, own)
    mask = places.sample(light.mask, cv2.INTER_LINEAR) * _soft(places.shrink(places.inside), places.scale)
    return blend(picture, rect, _within_range(colours), mask)


def _within_range(colours: Array) -> Array:
    """Bring colours into 0..1, highlights rolled off by one factor for all channels, so that they keep their hue."""
    peak = np.maximum(np.maximum(colours[..., 0], colours[..., 1]), colours[..., 2])
    if float(peak.max()) > _KNEE:
        # knee + (1 - knee) * t / (1 + t), t the excess in units of 1 - knee.
        peak = np.maximum(peak, _KNEE)
        factor = (1 - (1 - _KNEE) ** 2 / (peak + (1 - 2 * _KNEE))) / peak
        colours = colours * factor.astype(np.float32)[..., None]
    return np.maximum(colours, np.float32(0))


def _sized(bgr: Array, scale: float) -> Array:
    """The texture filtered down to the picture's scale; never up."""
    side = max(16, round(scale * _DENSE))
    if side >= bgr.shape[0]:
        return bgr
    return np.asarray(cv2.resize(bgr, (side, side), interpolation=cv2.INTER_AREA), np.float32)


def _soft(inside: Array, scale: float) -> Array:
    """Take the mask in from the visible silhouette and soften it there."""
    sigma = max(0.7, 0.008 * scale)
    blurred = cv2.GaussianBlur(inside, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    return np.clip(blurred * 2 - 1, 0, 1)


def _keep_opening(
    picture: Picture, rect: Rect, colours: Array, ring: tuple[Array, Array], scale: float, own_share: float
) -> None:
    """Put the target's own eye or mouth into `colours`, carried from where it is to where it belongs now.

    Args:
        picture: the target's.
        rect: of `colours`.
        colours: float32 [height, width, 3], changed in place.
        ring: the opening's rim in the picture, and where it goes, each float32 [n, 2].
        scale: luma pixels per layout unit.
        own_share: how much of the target's own to put there, 0..1.
    """
    if own_share <= 0:
        return
    here, there = ring
    soft = max(0.5, 0.004 * scale)
    margin = 3 * soft + 1
    low, high = np.minimum(here.min(0), there.min(0)) - margin, np.maximum(here.max(0), there.max(0)) + margin
    x0, y0 = max(low[0], rect.x), max(low[1], rect.y)
    x1, y1 = min(high[0], rect.x + rect.width), min(high[1], rect.y + rect.height)
    part = align(picture, x0, y0, x1, y1) if x1 > x0 and y1 > y0 else None
    if part is None:
        return
    own = read_bgr(picture, part)
    origin = np.array([part.x + 0.5, part.y + 0.5], np.float32)
    ones = np.ones((len(there), 1), np.float32)
    back = np.linalg.lstsq(np.hstack([there - origin, ones]), here - origin, rcond=None)[0].T
    size, how = (part.width, part.height), cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    moved = cv2.warpAffine(own, back, size, flags=how, borderMode=cv2.BORDER_REPLICATE)
    image = np.zeros((part.height, part.width), np.float32)
    cv2.fillPoly(image, [np.rint((there - origin) * 16).astype(np.int32)], 1.0, lineType=cv2.LINE_AA, shift=4)
    share = np.float32(own_share) * cv2.GaussianBlur(image, (0, 0), soft)[..., None]
    rows = slice(part.y - rect.y, part.y - rect.y + part.height)
    columns = slice(part.x - rect.x, part.x - rect.x + part.width)
    under = colours[rows, columns]
    under += share * (moved - under)
