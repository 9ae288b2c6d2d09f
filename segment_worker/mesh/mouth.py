"""The mouth: painted over, opened as far as the target's, and how far that is."""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from segment_worker.arrays import Array, Array64
from segment_worker.mesh import regions, topology
from segment_worker.mesh.skin import FLOOR

# Openings of the lips, as parts of the photo's, between which its teeth come to lie over the mesh's rim.
_RIM = 0.1, 0.6
# How far from their middle nearly closed lips are apart, in half widths, how much farther for each part of the
# photo's opening, and how softly that ends.
_PART, _FARTHER, _SOFT = 0.8, 0.6, 0.3


@dataclass(frozen=True)
class _Mouth:
    """The mouth in a layout of some width.

    Attributes:
        part: rows and columns around the lips.
        hole: float32 [rows, columns, 1], 1 between the lips.
        depth: float32 [rows, columns], texels below the upper lip's rim.
        aside: float32 [1, columns, 1], distance from the middle, in half widths of the opening.
        x, y: float32 [rows, columns], each texel's own place in the part.
    """

    part: tuple[slice, slice]
    hole: Array
    depth: Array
    aside: Array
    x: Array
    y: Array


@lru_cache(maxsize=16)
def _mouth_in(side: int) -> _Mouth:
    """The mouth in a layout `side` wide."""
    lips = topology.LAYOUT[list(topology.OUTER_LIPS)] * side
    margin = np.ptp(lips, axis=0) / 4
    low, high = np.floor(lips.min(0) - margin).astype(int), np.ceil(lips.max(0) + margin).astype(int)
    ring = topology.LAYOUT[list(topology.INNER_LIPS)] * side - low - 0.5
    hole = np.zeros((high - low)[::-1], np.float32)
    cv2.fillPoly(hole, [np.rint(ring * 16).astype(np.int32)], 1.0, lineType=cv2.LINE_AA, shift=4)
    y, x = np.mgrid[: hole.shape[0], : hole.shape[1]].astype(np.float32)
    upper = ring[:11][np.argsort(ring[:11, 0])]
    depth = y - np.interp(x[0], upper[:, 0], upper[:, 1]).astype(np.float32)
    part = slice(int(low[1]), int(high[1])), slice(int(low[0]), int(high[0]))
    aside = np.abs(x[:1] - upper[:, 0].mean()) / (np.ptp(upper[:, 0]) / 2)
    return _Mouth(part, hole[..., None], np.maximum(depth, 0), aside[..., None], x, y)


def open_mouth(flat: Array, smile: Array, reveal: float) -> None:
    """Show the photo's own mouth between the lips, cut off by the lower lip where they are less open than it.

    Teeth hang from the upper lip and keep their size: a mouth that is half open shows the upper half of what the
    photo's shows.
    """
    mouth = _mouth_in(flat.shape[0])
    under, own = flat[mouth.part], smile[mouth.part]
    # What lies over the mesh's rim belongs to a mouth that is open as the photo's.
    under += np.float32(np.clip((reveal - _RIM[0]) / (_RIM[1] - _RIM[0]), 0, 1)) * (own - under)
    hung = cv2.remap(own, mouth.x, mouth.y + mouth.depth * np.float32(reveal - 1), cv2.INTER_LINEAR)
    # Lips part from the middle: the dark corners of a photo's mouth are none of lips that nearly touch.
    apart = np.clip((np.float32(_PART + _FARTHER * reveal) - mouth.aside) / np.float32(_SOFT), 0, 1)
    under += apart * mouth.hole * (hung - under)


def close_mouth(flat: Array) -> Array:
    """Paint the lips' colour over the source's teeth and tongue: the mouth's inside is always the target's."""
    side = flat.shape[0]
    hole = cv2.resize(regions.drawn((topology.INNER_LIPS,)), (side, side)) > 0.02
    mouth = cv2.resize(regions.drawn((topology.OUTER_LIPS,)), (side, side)) > 0.5
    # Teeth reach over the mesh's rim: they are less red than skin, lips are redder.
    logs = np.log(flat + FLOOR)
    redness = logs[..., 2] - logs[..., :2].mean(2)
    skin = float(np.median(redness[cv2.resize(regions.cheeks(), (side, side)) > 0.5]))
    teeth = mouth & (cv2.GaussianBlur(redness, (0, 0), side / 200) < skin - 0.04)
    grown = np.ones((3, 3), np.uint8)
    grown_hole = cv2.dilate((hole | teeth).astype(np.uint8), grown, iterations=max(1, side // 100))
    codes = np.rint(flat * 255).astype(np.uint8)
    painted = cv2.inpaint(codes, grown_hole, side / 64, cv2.INPAINT_TELEA).astype(np.float32) / np.float32(255)
    return np.where(grown_hole[..., None] > 0, painted, flat)


def mouth_of(points: Array) -> Array64:
    """The lips' opening, float64 [2]: its height over its own width, and over the distance of the eyes."""
    ring = points[list(topology.INNER_LIPS), :2].astype(np.float64)
    eyes = points[list(topology.EYE_CORNERS)].astype(np.float64)
    height = np.linalg.norm(ring[5] - ring[15])
    spans = [np.linalg.norm(ring[0] - ring[10]), np.linalg.norm(eyes[0] - eyes[1])]
    return np.asarray(height / np.maximum(spans, 1e-6))


def wide_open(points: Array) -> float:
    """How far a mouth is open beyond what the mesh follows well, 0..1."""
    return float(np.clip((mouth_of(points)[0] - 0.25) / 0.2, 0, 1))
