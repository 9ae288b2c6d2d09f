import subprocess
import sys

import cv2
import numpy as np
import pytest

from demo.material import package_file
from recast import names
from recast.errors import BadInput
from recast.spec import Engine, Target
from segment_worker.engines import mesh
from segment_worker.engines.base import Pair
from segment_worker.engines.factory import PairFiles, make_engine
from segment_worker.engines.mesh import MeshEngine
from segment_worker.paste import Rect, read_bgr
from segment_worker.picture import Patch, YuvLayout, patched
from segment_worker.select import All, Index, Largest, Leftmost, Reference
from tests.segment_worker.faces import SD, astronaut, group, turned, yuv

pytestmark = pytest.mark.media


def encoded(image, kind=".png"):
    return cv2.imencode(kind, image)[1].tobytes()


@pytest.fixture(scope="module")
def engine():
    return MeshEngine([Pair([("astronaut.png", astronaut())], All())])


@pytest.fixture(scope="module")
def six():
    return yuv(group())


def same(one, other):
    return one.faces_found == other.faces_found and all(
        (a.x, a.y) == (b.x, b.y) and all(np.array_equal(p, q) for p, q in zip(a.planes, b.planes, strict=True))
        for a, b in zip(one.patches, other.patches, strict=True)
    )


def test_every_face_is_swapped_and_nothing_else(engine, six):
    (answer,) = engine.swap([six])
    assert answer.faces_found == answer.faces_swapped == len(answer.patches) == 6
    after = patched(six, answer.patches)
    changed = after.planes[0] != six.planes[0]
    assert changed.any()
    outside = np.ones_like(changed)
    for seen in engine.inspect(six):
        x0, y0, x1, y1 = (int(v) for v in seen.box)
        outside[max(0, y0 - 2) : y1 + 4, max(0, x0 - 2) : x1 + 4] = False
    assert not (changed & outside).any()


def test_the_answer_does_not_depend_on_batch_or_order(engine, six):
    pictures = [six, yuv(turned(astronaut(), 25)), yuv(astronaut())]
    together = engine.swap(pictures)
    alone = [engine.swap([picture])[0] for picture in pictures]
    backwards = engine.swap(pictures[::-1])[::-1]
    assert all(map(same, together, alone))
    assert all(map(same, together, backwards))
    assert all(map(same, together, MeshEngine([Pair([("a", astronaut())], All())]).swap(pictures)))


def test_the_light_is_the_targets(engine):
    dark = (astronaut() * np.linspace(0.25, 1.0, 512)[None, :, None]).astype(np.uint8)
    picture = yuv(dark)
    (patch,) = engine.swap([picture])[0].patches
    rect = Rect(patch.x, patch.y, patch.planes[0].shape[1], patch.planes[0].shape[0])
    before = cv2.GaussianBlur(read_bgr(picture, rect), (0, 0), 12)
    after = cv2.GaussianBlur(read_bgr(patched(picture, (patch,)), rect), (0, 0), 12)
    assert np.abs(before - after).max() < 0.1


@pytest.mark.parametrize(
    "layout",
    [
        YuvLayout(10, 1, 1, "bt2020", False),
        YuvLayout(10, 1, 0, "bt709", False),
        YuvLayout(8, 0, 0, "bt601", True),
        YuvLayout(8, 0, 0, "bt709", False, gray=True),
    ],
)
def test_every_layout(engine, layout):
    picture = yuv(astronaut()[:301, :303], layout)
    (answer,) = engine.swap([picture])
    assert answer.faces_swapped == 1
    for plane, own in zip(answer.patches[0].planes, picture.planes, strict=True):
        assert plane.dtype == own.dtype
    patched(picture, answer.patches)


@pytest.mark.parametrize("degrees", [-90, -45, 30, 60, 120, 180])
def test_turned_faces(engine, degrees):
    (answer,) = engine.swap([yuv(turned(astronaut(), degrees))])
    assert answer.faces_swapped <= answer.faces_found
    if abs(degrees) <= 60:
        assert answer.faces_swapped == 1


@pytest.mark.parametrize("shift", [(-230, 0), (-200, 30), (220, 0), (0, -110), (0, 360), (0, 420)])
def test_faces_at_the_edge(engine, shift):
    matrix = np.array([[1, 0, shift[0]], [0, 1, shift[1]]], np.float64)
    picture = yuv(cv2.warpAffine(astronaut(), matrix, (512, 512)))
    (answer,) = engine.swap([picture])
    for patch in answer.patches:
        height, width = patch.planes[0].shape
        assert 0 <= patch.x and patch.x + width <= 512 and 0 <= patch.y and patch.y + height <= 512


def test_a_face_too_small_is_left_alone(engine):
    small = cv2.resize(astronaut(), (64, 64), interpolation=cv2.INTER_AREA)
    picture = yuv(cv2.copyMakeBorder(small, 0, 16, 0, 16, cv2.BORDER_REPLICATE))
    assert engine.swap([picture])[0].patches == ()


def test_no_face(engine):
    answer = engine.swap([yuv(np.full((120, 160, 3), 90, np.uint8))])[0]
    assert (answer.patches, answer.faces_found, answer.faces_swapped) == ((), 0, 0)


@pytest.mark.parametrize(
    ("select", "chosen"), [(Leftmost(), [0]), (Index(3), [3]), (Index(9), []), (All(), list(range(6)))]
)
def test_inspect_tells_which_and_why(six, select, chosen):
    seen = MeshEngine([Pair([("a", astronaut())], select)]).inspect(six)
    assert [k for k, face in enumerate(seen) if face.chosen] == chosen
    assert all(face.why == ("selected" if face.chosen else "not the one selected") for face in seen)


def test_largest_takes_one(six):
    (answer,) = MeshEngine([Pair([("a", astronaut())], Largest())]).swap([six])
    assert len(answer.patches) == 1


def test_a_source_without_a_face_is_named():
    blank = np.full((200, 200, 3), 99, np.uint8)
    with pytest.raises(BadInput, match=r"wall\.png"):
        MeshEngine([Pair([("wall.png", blank)], Largest())])
    engine = MeshEngine([Pair([("wall.png", blank), ("a.png", astronaut()), ("b.png", astronaut())], Largest())])
    assert [(photo.name, photo.warned) for photo in engine.photos] == [
        ("wall.png", True),
        ("a.png", False),
        ("b.png", True),
    ]
    assert engine.photos[0].said == "no face found: left out" and "takes one, a.png" in engine.photos[2].said


def test_of_several_photos_the_clearest_is_taken_wherever_it_stands(engine, six):
    soft, small = cv2.GaussianBlur(astronaut(), (0, 0), 2), cv2.resize(astronaut(), None, fx=0.4, fy=0.4)
    several = MeshEngine([Pair([("soft", soft), ("clear", astronaut()), ("small", small)], All())])
    assert [photo.name for photo in several.photos if not photo.warned] == ["clear"]
    assert same(several.swap([six])[0], engine.swap([six])[0])


def test_a_source_turned_away_is_refused_by_name(monkeypatch):
    monkeypatch.setattr(mesh, "_FRONTAL", 1.01)
    with pytest.raises(BadInput, match=r"side\.png: the face is turned too far away") as caught:
        MeshEngine([Pair([("wall.png", np.full((200, 200, 3), 99, np.uint8)), ("side.png", astronaut())], Largest())])
    assert caught.value.reason == names.NO_FACE


def test_a_source_with_several_faces_gives_the_largest():
    (photo,) = MeshEngine([Pair([("group.jpg", group())], Largest())]).photos
    assert photo.warned and photo.said.startswith("6 faces found, the largest is taken: ")


def test_a_cat_is_taken_for_a_face_but_told_of_and_a_clear_photo_is_not():
    cat = cv2.imread(str(package_file("skimage", "data/chelsea.png")))
    people = [
        Pair([("cat.png", cat)], Leftmost()),
        Pair([("ada.png", astronaut())], Reference(0.6), ("b.png", astronaut())),
    ]
    told, *clear = MeshEngine(people).photos
    assert told.warned and "score 0.93: this may be no face" in told.said
    assert [(photo.name, photo.warned, photo.said) for photo in clear] == [
        (name, False, "1 face found: 108 pixels high, score 1.00") for name in ("ada.png", "b.png")
    ]


def test_the_factory():
    pair = PairFiles([("a.png", encoded(astronaut()))], Target())
    assert make_engine(Engine(name="Mesh"), [pair]).name == "mesh"
    passthrough = make_engine(Engine(name="Passthrough"), [])
    assert passthrough.swap([yuv(astronaut(), SD)])[0].patches == ()


def test_passthrough_needs_no_vision_libraries():
    code = (
        "import sys; from segment_worker.engines.factory import make_engine; from recast.spec import Engine;"
        "make_engine(Engine(name='Passthrough'), []);"
        "sys.exit(any(name in sys.modules for name in ('cv2', 'ai_edge_litert', 'onnxruntime')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_each_goes_in_the_place_that_an_earlier_one_left(six):
    people = [Pair([("a", astronaut())], Leftmost()), Pair([("b", astronaut()[:, ::-1].copy())], All())]
    (answer,) = MeshEngine(people).swap([six])
    (alone,) = MeshEngine(people[:1]).swap([six])
    assert answer.faces_swapped == 6 and alone.faces_swapped == 1
    assert all(np.array_equal(a, b) for a, b in zip(answer.patches[0].planes, alone.patches[0].planes, strict=True))


def test_a_face_lies_above_those_before_it(engine, six):
    alone = engine.swap([six])[0].patches[0]
    # Another face's pixels all over this one's region.
    planes = tuple(np.full_like(plane, 7) for plane in alone.planes)
    before = [Patch(alone.x, alone.y, planes)]
    finder, texture = engine._finder, engine._people[0].texture
    face = finder.with_eyes(six, sorted(finder.find(six), key=lambda one: one.box)[0])
    over = mesh.swap_face(six, face, texture, before)
    plain = mesh.swap_face(six, face, texture)
    assert over.planes[0][0, 0] == 7, "where the mask is 0 lies what came before"
    middle = tuple(side // 2 for side in plain.planes[0].shape)
    assert over.planes[0][middle] == plain.planes[0][middle], "where it is 1 nothing of that shows"


def test_a_reference_without_a_face_is_named():
    wall = np.full((200, 200, 3), 99, np.uint8)
    with pytest.raises(BadInput, match=r"wall\.png: no face found"):
        MeshEngine([Pair([("a", astronaut())], Reference(0.6), ("wall.png", wall))])
