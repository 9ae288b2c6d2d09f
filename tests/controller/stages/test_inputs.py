"""What is pinned when a job is split, and which photos its plan carries."""

import hashlib
import json
import struct
from pathlib import Path

import pytest

from controller.stages.inputs import CARRIED_BYTES, pin_inputs
from recast.errors import BadInput, NotFound
from recast.spec import JobSpec, Limits
from recast.storage.storage import Storage, StorageSettings
from recast.versions import PIXEL_VERSION


@pytest.fixture
def storage() -> Storage:
    return Storage(StorageSettings(endpoint=None))


def faces(place: Path, *photos: str) -> JobSpec:
    fields = {
        "source": {"uri": "s3://studio/a.mov"},
        "output": {"uri": "s3://studio/b.mp4"},
        "faces": [{"source": [(place / photo).as_uri() for photo in photos]}],
        "consent": {"reference": "REL-1"},
        "storage": {"scratch": "s3://scratch/recast"},
    }
    return JobSpec.model_validate(fields)


def image(word: bytes) -> bytes:
    """What has the head and the end of a PNG."""
    return b"\x89PNG\r\n\x1a\n" + bytes(8) + struct.pack(">II", 1, 1) + word + b"IEND"


def test_faces_are_pinned_by_their_content(tmp_path: Path, storage: Storage) -> None:
    (tmp_path / "a.png").write_bytes(image(b"ada"))
    (tmp_path / "b.png").write_bytes(image(b"bob"))
    pinned, images = pin_inputs(storage, faces(tmp_path, "a.png", "b.png"))
    ada, bob = (hashlib.sha256(photo).hexdigest() for photo in (image(b"ada"), image(b"bob")))
    assert pinned == {
        "engine": "Mesh",
        "pixelVersion": PIXEL_VERSION["Mesh"],
        "faces": [[ada, bob]],
        "targets": [{"select": "Largest"}],
    }
    assert images == {ada: image(b"ada"), bob: image(b"bob")}
    assert json.loads(json.dumps(pinned)) == pinned, "it is the same once it has been through plan.json"
    (tmp_path / "b.png").write_bytes(image(b"eve"))
    assert pin_inputs(storage, faces(tmp_path, "a.png", "b.png"))[0] != pinned


def test_a_plan_carries_each_face_image_once_and_no_more_than_it_has_room_for(tmp_path: Path, storage: Storage) -> None:
    small, frame = image(b"b"), len(image(b""))
    photos = {"a.png": image(b"a" * (CARRIED_BYTES - frame)), "b.png": small, "d.png": image(b"d")}
    photos["c.png"] = image(b"c" * (CARRIED_BYTES - len(small) - frame))
    for name, photo in photos.items():
        (tmp_path / name).write_bytes(photo)
    _, images = pin_inputs(storage, faces(tmp_path, "b.png", "b.png", "a.png", "c.png", "d.png"))
    assert set(images.values()) == {photos["b.png"], photos["c.png"]}


def test_a_face_that_is_not_there_or_is_no_photo_is_refused(tmp_path: Path, storage: Storage) -> None:
    with pytest.raises(NotFound, match="none.png"):
        pin_inputs(storage, faces(tmp_path, "none.png"))
    with (tmp_path / "large.png").open("wb") as file:
        file.truncate(Limits().image_bytes + 1)
    with pytest.raises(BadInput, match="large.png"):
        pin_inputs(storage, faces(tmp_path, "large.png"))
    (tmp_path / "text.png").write_bytes(b"no picture")
    with pytest.raises(BadInput, match=r"text\.png: not an image"):
        pin_inputs(storage, faces(tmp_path, "text.png"))
