"""Which of several photos shows a face best: the sharp, the large, the one from the front with open eyes."""

from functools import cache

import cv2
import numpy as np
import pytest

from segment_worker.images import picture_of_image
from segment_worker.mesh import topology
from segment_worker.mesh.clarity import clarity, clearest
from segment_worker.mesh.facemesh import FaceFinder
from tests.segment_worker.faces import astronaut

pytestmark = pytest.mark.media


@cache
def points():
    return FaceFinder().find(picture_of_image(astronaut()), settle=6)[0].points


def scaled(factor):
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    return cv2.resize(astronaut(), None, fx=factor, fy=factor, interpolation=how), points() * np.float32(factor)


def blurred(sigma):
    return cv2.GaussianBlur(astronaut(), (0, 0), sigma), points()


def winking(share):
    image, mesh = astronaut(), points().copy()
    for ring in topology.EYES:
        upper, lower = list(ring[9:16]), list(ring[1:8][::-1])
        middle = (mesh[upper] + mesh[lower]) / 2
        mesh[upper] += np.float32(share) * (middle - mesh[upper])
        mesh[lower] += np.float32(share) * (middle - mesh[lower])
    return image, mesh


def gaping(share):
    mesh = points().copy()
    lower = list(topology.INNER_LIPS[11:])
    mesh[lower] += np.float32(share) * (mesh[152] - mesh[0])
    return astronaut(), mesh


def cut_off(share):
    """The astronaut with the right of the face beyond the picture's edge."""
    low, high = points()[:, 0].min(), points()[:, 0].max()
    return astronaut()[:, : int(high - share * (high - low))], points()


@pytest.mark.parametrize(
    ("photo", "values"),
    [
        (blurred, (0.5, 1, 2, 3)),
        (scaled, (1, 0.75, 0.5, 0.25)),
        (winking, (0, 0.6, 1)),
        (gaping, (0, 0.1, 0.3)),
        (cut_off, (0, 0.2, 0.4)),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_what_shows_less_of_the_person_is_worth_less(photo, values):
    found = [clarity(*photo(value)) for value in values]
    assert found == sorted(found, reverse=True) and found[-1] < 0.8 * found[0]


def test_enlarging_a_photo_or_darkening_it_makes_no_other_of_it():
    plain = clarity(*scaled(1))
    dark = clarity((astronaut() * 0.4).astype(np.uint8), points())
    for other in (clarity(*scaled(2)), clarity(*scaled(4)), dark):
        assert abs(other / plain - 1) < 0.15


@pytest.mark.parametrize(("found", "taken"), [([1.0], 0), ([0.9, 1.0], 0), ([0.5, 0.85, 1.0], 1), ([0.0, 0.0], 0)])
def test_the_first_that_is_about_as_good_as_the_best_is_taken(found, taken):
    assert clearest(found) == taken
