"""What of the photo gets into the texture, how its mouth follows the target's, and how it is lit."""

from dataclasses import replace
from functools import lru_cache

import cv2
import numpy as np
import pytest

from benchmarks.stills import THIRD
from segment_worker.engines.mesh import swap_face
from segment_worker.images import picture_of_image
from segment_worker.mesh import topology
from segment_worker.mesh.facemesh import FaceFinder
from segment_worker.mesh.light import light_of
from segment_worker.mesh.mouth import mouth_of
from segment_worker.mesh.regions import LIGHT_SIDE
from segment_worker.mesh.shape import with_lips_met
from segment_worker.mesh.texture import make_texture
from segment_worker.paste import Rect, read_bgr
from segment_worker.picture import patched
from tests.segment_worker.faces import astronaut, yuv

pytestmark = pytest.mark.media

LOWER = sorted(
    {*topology.INNER_LIPS[11:], *topology.OUTER_LIPS[11:]} | {17, 18, 83, 182, 106, 313, 406, 335, 200, 199, 175, 152}
)


@lru_cache
def face_in(which):
    """An image and the face in it."""
    image = {"astronaut": astronaut, "third": THIRD.photo}[which]()
    picture, finder = picture_of_image(image), FaceFinder()
    return image, finder.with_eyes(picture, max(finder.find(picture, settle=6), key=lambda one: one.score))


def texture_of(image, face):
    return make_texture(image.astype(np.float32) / np.float32(255), face)


def opened(face, part):
    """The face with its lower lip so much of the eyes' distance away from the upper one."""
    points = face.points.copy()
    span = np.linalg.norm(points[33, :2] - points[263, :2])
    down = points[152, :2] - points[10, :2]
    now = np.linalg.norm(points[13, :2] - points[14, :2])
    points[LOWER, :2] += (part * span - now) * down / np.linalg.norm(down)
    return replace(face, points=points)


def test_lips_that_are_all_but_closed_meet():
    _, face = face_in("astronaut")
    gaps = [mouth_of(with_lips_met(opened(face, part).points))[1] for part in (0.0, 0.01, 0.03, 0.05, 0.1, 0.3)]
    assert gaps[0] < 1e-3 and gaps[1] < 0.003 and gaps[2] < 0.025
    assert gaps == sorted(gaps)
    wide = opened(face, 0.3).points
    assert np.array_equal(with_lips_met(wide), wide)


def test_teeth_keep_their_size_and_hang_from_the_upper_lip():
    texture = texture_of(*face_in("astronaut"))
    side = texture.levels[0].shape[0]
    x = int(topology.LAYOUT[13, 0] * side)
    top, bottom = (int(topology.LAYOUT[point, 1] * side) for point in (13, 14))
    shut, half, full = (texture.at(1e9, reveal) for reveal in (0.0, 0.5, 1.0))
    assert np.array_equal(shut, texture.levels[0])
    inner = slice(top + 2, bottom - 2)
    assert np.allclose(full[inner, x], texture.smiles[0][inner, x], atol=1e-3)
    middle = (top + bottom) // 2
    assert np.allclose(half[bottom - 3, x], full[middle - 1, x], atol=0.06)


def test_a_mouth_that_opens_changes_bit_by_bit():
    image, face = face_in("astronaut")
    texture, picture = texture_of(image, face), yuv(image)
    seen = []
    for part in np.linspace(0, 0.4, 81):
        patch = swap_face(picture, opened(face, part), texture)
        assert patch is not None
        rect = Rect(*(int(v) & ~1 for v in (face.points[61, 0] - 4, face.points[0, 1] - 4)), 48, 40)
        seen.append(read_bgr(patched(picture, (patch,)), rect) * 255)
    steps = [float(np.abs(b - a).mean()) for a, b in zip(seen, seen[1:], strict=False)]
    assert max(steps) < 3.0
    assert np.abs(seen[-1] - seen[0]).mean() > 5 * np.median(steps)


def test_a_fringe_is_not_carried_over():
    image, face = face_in("third")
    covered = image.copy()
    brows = face.points[[70, 63, 105, 66, 107, 336, 296, 334, 293, 300], :2]
    lift = 0.08 * (face.points[10, :2] - face.points[152, :2])
    fringe = np.vstack([brows + lift, (brows + 8 * lift)[::-1]])
    cv2.fillPoly(covered, [fringe.astype(np.int32)], (20, 30, 40))
    texture = texture_of(covered, face)
    rows = slice(0, int((topology.LAYOUT[105, 1] - 0.03) * LIGHT_SIDE))
    assert texture.small[rows].mean(2).min() > 0.5 * np.median(texture.small.mean(2))


@pytest.mark.parametrize(("which", "least", "most"), [("astronaut", 0.99, 1.0), ("third", 0.0, 0.9)])
def test_only_a_photo_in_coloured_light_gets_an_even_tint(monkeypatch, which, least, most):
    image, face = face_in(which)

    def unevenness():
        small = np.log(texture_of(image, face).small + 0.03)
        cheeks = (topology.LAYOUT[[50, 280, 205, 425, 101, 330, 4, 151]] * LIGHT_SIDE).astype(int)
        return float(np.std([small[y, x, 2] - small[y, x, 0] for x, y in cheeks]))

    evened = unevenness()
    monkeypatch.setattr("segment_worker.mesh.texture._evened", lambda flat: flat)
    assert least <= evened / unevenness() <= most


def test_a_soft_target_gets_a_soft_face():
    image, face = face_in("astronaut")
    texture = texture_of(image, face)
    soft = yuv(cv2.GaussianBlur(image, (0, 0), 4))
    sharp = light_of(texture, yuv(image), face)
    assert light_of(texture, soft, face).gain.sum() < 0.9 * sharp.gain.sum()
