"""dlib's word on who is seen in a real clip before and after: the source person comes nearer, the target goes away."""

from pathlib import Path

import av
import numpy as np
import pytest

from recast.errors import BadConfig
from segment_worker.engines.base import Pair
from segment_worker.engines.mesh import MeshEngine
from segment_worker.images import load_image, picture_of_image
from segment_worker.mesh import identity
from segment_worker.mesh.facemesh import FaceFinder
from segment_worker.mesh.identity import Identity, distance
from segment_worker.picture import Picture, patched
from segment_worker.select import Largest, Reference
from tests import faces
from tests.segment_worker.faces import SD, astronaut, group, yuv

EVERY = 5


def pictures(clip: Path) -> list[Picture]:
    with av.open(str(clip)) as container:
        images = [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]
    return [picture_of_image(np.asarray(image, np.uint8)) for image in images[::EVERY]]


def test_the_swapped_face_is_the_sources_and_no_longer_the_targets(tmp_path: Path) -> None:
    photo = load_image("photo", faces.photo().read_bytes())
    engine, finder, knows = MeshEngine([Pair([("photo", photo)], Largest())]), FaceFinder(), Identity()
    person = knows.of_image(photo, finder.find(picture_of_image(photo))[0].box)
    before = pictures(faces.talking_head(tmp_path))
    boxes = [finder.find(picture, largest=True)[0].box for picture in before]
    after = [patched(picture, engine.swap([picture])[0].patches) for picture in before]
    own = [knows.of_picture(picture, box) for picture, box in zip(before, boxes, strict=True)]
    new = [knows.of_picture(picture, box) for picture, box in zip(after, boxes, strict=True)]
    target = np.mean(own, axis=0)
    assert np.median([distance(each, person) for each in own]) > 0.8
    assert np.median([distance(each, person) for each in new]) < 0.5
    assert np.median([distance(each, target) for each in own]) < 0.3
    assert np.median([distance(each, target) for each in new]) > 0.65


def test_a_reference_says_who_is_replaced() -> None:
    six = yuv(group(), SD)
    person = group()[200:480, 380:660]
    far = MeshEngine([Pair([("a", astronaut())], Reference(0.6), ("third.png", person))])
    seen = far.inspect(six)
    chosen = [face for face in seen if face.chosen]
    assert len(chosen) == 1 and "distance 0." in chosen[0].why
    distances = [float(face.why.rsplit(" ", 1)[1]) for face in seen]
    assert chosen[0] is seen[int(np.argmin(distances))] and min(distances) < 0.4 < sorted(distances)[1]
    (answer,) = far.swap([six])
    assert answer.faces_swapped == 1
    stranger = MeshEngine([Pair([("a", astronaut())], Reference(0.2), ("astronaut.png", astronaut()))])
    assert stranger.swap([six])[0].faces_swapped == 0


def test_a_face_outside_the_picture_is_like_nobody() -> None:
    picture = yuv(np.full((100, 100, 3), 90, np.uint8), SD)
    assert np.isinf(Identity().of_picture(picture, (-500, -500, -400, -400))).all()


def test_without_dlib_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity, "find_spec", lambda _name: None)
    with pytest.raises(BadConfig, match=r"install recast\[identity\]"):
        Identity()
