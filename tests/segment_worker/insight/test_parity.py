"""InsightFace itself beside our own reading of its models: the same boxes, embeddings, latents, and pixels."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from segment_worker.engines.inswapper import InSwapperEngine, Pair
from segment_worker.images import picture_of_image
from segment_worker.insight.alignment import crop_matrix
from segment_worker.insight.arcface import Recogniser, normed
from segment_worker.insight.crop import codes_of, crop_of, mask_of
from segment_worker.insight.graph import last_initializer, load_graph, normalises_itself
from segment_worker.insight.models import Models
from segment_worker.insight.onnx_model import Device, OnnxModel
from segment_worker.insight.scrfd import Detector
from segment_worker.insight.swapper import Swapper
from segment_worker.paste import Rect, bgr_matrix, read_bgr
from segment_worker.picture import Picture
from segment_worker.select import All
from tests import stubmodels

pytestmark = pytest.mark.media

CPU = Device()


@contextmanager
def insightface_as_it_is() -> Iterator[None]:
    """InsightFace uses what scikit-image and others would rather be without."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def model(path: Path) -> OnnxModel:
    return OnnxModel(path, CPU, path.name)


def scene(size: tuple[int, int] = (540, 960), faces: tuple[tuple[int, int, int], ...] = ((300, 200, 90),)) -> Any:
    """Noise with red patches: what the stub takes for faces. (x, y, half width)."""
    rng = np.random.default_rng(5)
    image = cv2.GaussianBlur(rng.integers(60, 170, (*size, 3)).astype(np.uint8), (0, 0), 3)
    for x, y, half in faces:
        patch = np.zeros_like(image)
        cv2.rectangle(patch, (x - half // 2, y - half // 2), (x + half // 2, y + half // 2), stubmodels.FACE_BGR, -1)
        where = patch.any(2)
        image[where] = (0.75 * patch[where] + 0.25 * image[where]).astype(np.uint8)
    return image


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    folder = tmp_path_factory.mktemp("models")
    return SimpleNamespace(
        scrfd=stubmodels.scrfd(folder / "det_10g.onnx"),
        every=stubmodels.scrfd(folder / "det_every.onnx", levels=(0, 1, 2)),
        batched=stubmodels.scrfd(folder / "det_batched.onnx", batched=True, levels=(0, 1, 2)),
        arcface=stubmodels.arcface(folder / "w600k_r50.onnx"),
        mxnet=stubmodels.arcface(folder / "arcface_mxnet.onnx", mxnet=True),
        inswapper=stubmodels.inswapper(folder / "inswapper_128.onnx"),
        half=stubmodels.inswapper(folder / "inswapper_128_fp16.onnx", half=True),
    )


@pytest.mark.parametrize("kind", ["every", "batched"])
@pytest.mark.parametrize(
    ("size", "faces"),
    [
        ((540, 960), ((300, 200, 90), (700, 300, 160))),
        ((1080, 1920), ((1000, 500, 300),)),
        ((700, 300), ((150, 400, 120),)),
        ((640, 640), ((30, 600, 100),)),
    ],
)
def test_detection(kind: str, size: tuple[int, int], faces: tuple[tuple[int, int, int], ...], files: Any) -> None:
    from insightface.model_zoo.scrfd import SCRFD

    image = scene(size, faces)
    theirs = SCRFD(str(getattr(files, kind)))
    theirs.prepare(-1, input_size=(640, 640))
    boxes, landmarks = theirs.detect(image)
    found = Detector(model(getattr(files, kind))).find_in_image(image)
    assert len(found) == len(boxes) >= len(faces)
    np.testing.assert_allclose([each.box for each in found], boxes[:, :4], rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose([each.score for each in found], boxes[:, 4], rtol=1e-5)
    np.testing.assert_allclose([each.landmarks for each in found], landmarks, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("kind", ["arcface", "mxnet"])
def test_embedding(kind: str, files: Any) -> None:
    from insightface.model_zoo.arcface_onnx import ArcFaceONNX

    image = scene()
    landmarks = Detector(model(files.scrfd)).find_in_image(image)[0].landmarks
    path = getattr(files, kind)
    own = Recogniser(model(path), normalised=normalises_itself(load_graph(path, path.name)))
    with insightface_as_it_is():
        theirs = ArcFaceONNX(str(path)).get(image, SimpleNamespace(kps=landmarks))
    np.testing.assert_allclose(own.of_image(image, landmarks), theirs, rtol=1e-5, atol=1e-5)
    # The same out of a picture: its region is read, not the whole.
    near = own.of_picture(picture_of_image(image), landmarks)
    assert float(np.dot(normed(near), normed(theirs))) > 0.9999


@pytest.mark.parametrize("angle", [0, 30, 180, -75])
@pytest.mark.parametrize("side", [112, 128, 256])
def test_alignment(angle: int, side: int) -> None:
    from insightface.utils import face_align

    turn = cv2.getRotationMatrix2D((200, 150), angle, 1.7)
    points = np.array([[150, 120], [220, 118], [185, 160], [155, 200], [215, 205]], np.float32)
    moved = (points @ turn[:, :2].T + turn[:, 2]).astype(np.float32)
    with insightface_as_it_is():
        theirs = face_align.estimate_norm(moved, side)
    np.testing.assert_allclose(crop_matrix(moved, side), theirs, rtol=1e-5, atol=1e-4)


def landmarks_of(x: float, y: float, width: float, angle: float = 0.0) -> Any:
    """Landmarks of an upright face of some width, turned."""
    shape = np.array([[-0.22, -0.15], [0.22, -0.15], [0.0, 0.08], [-0.18, 0.3], [0.18, 0.3]]) * width
    c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    return (shape @ np.array([[c, s], [-s, c]]) + (x, y)).astype(np.float32)


FACES = {
    "40 px": (320, 200, 40, 0),
    "100 px, turned": (320, 200, 100, 30),
    "216 px": (320, 240, 216, -12),
    "upside down": (320, 240, 150, 180),
    "540 px": (480, 270, 540, 5),
    "at the left edge": (20, 200, 120, 0),
    "at the corner": (955, 535, 200, 15),
    "mostly outside": (-30, 200, 150, 0),
    "larger than the picture": (480, 270, 1500, 0),
}


@pytest.mark.parametrize("kind", ["inswapper", "half"])
@pytest.mark.parametrize("face", FACES)
def test_swap_and_paste(face: str, kind: str, files: Any) -> None:
    from insightface.model_zoo.inswapper import INSwapper

    x, y, width, angle = FACES[face]
    points = landmarks_of(x, y, width, angle)
    picture = picture_of_image(scene())
    # What InsightFace would be given: the same picture in BGR.
    whole = Rect(0, 0, picture.width, picture.height)
    image = np.clip(np.rint(read_bgr(picture, whole) * 255), 0, 255).astype(np.uint8)
    source = normed(np.random.default_rng(9).normal(size=512).astype(np.float32))
    path = getattr(files, kind)
    with insightface_as_it_is():
        reference = INSwapper(str(path))
        target, person = SimpleNamespace(kps=points), SimpleNamespace(normed_embedding=source)
        theirs = reference.get(image, target, person)
    swapper = Swapper(model(path), last_initializer(load_graph(path, path.name), path.name))
    latent = source.reshape(1, -1) @ reference.emap
    np.testing.assert_allclose(swapper.latent(source), (latent / np.linalg.norm(latent))[0], rtol=1e-5, atol=1e-5)

    matrix = crop_matrix(points, 128)
    mask = mask_of(picture, matrix, 128)
    assert mask is not None
    crop = swapper.swap(crop_of(picture, matrix, 128), swapper.latent(source))
    merged = merged_bgr(picture, mask.rect, codes_of(picture, mask.rect, matrix, crop), mask.share)
    part = slice(mask.rect.y, mask.rect.y + mask.rect.height), slice(mask.rect.x, mask.rect.x + mask.rect.width)
    away = np.abs(merged.astype(int) - theirs[part].astype(int))
    assert away.max() <= 2, (away.max(), (away > 2).mean())
    outside = np.ones(image.shape[:2], bool)
    outside[part] = False
    np.testing.assert_array_equal(theirs[outside], image[outside])


def merged_bgr(picture: Picture, rect: Rect, codes: list[Any], share: Any) -> Any:
    """The region with the face in it, uint8 BGR, before it goes back to codes: for 4:4:4."""
    new = cv2.transform(cv2.merge(codes), bgr_matrix(picture.layout))
    below = read_bgr(picture, rect)
    merged = share[..., None] * np.clip(new, 0, 1) + (1 - share[..., None]) * below
    return np.clip(np.rint(merged * 255), 0, 255).astype(np.uint8)


def test_the_engine_swaps_what_insightface_would_find(files: Any) -> None:
    image = scene(faces=((300, 200, 90), (700, 300, 160)))
    models = Models(
        Detector(model(files.scrfd)),
        Recogniser(model(files.arcface), normalised=False),
        Swapper(model(files.inswapper), last_initializer(load_graph(files.inswapper, "x"), "x")),
    )
    engine = InSwapperEngine(models, [Pair([("ada.png", scene())], All())])
    (photo,) = engine.photos
    assert photo.name == "ada.png" and photo.said.startswith(f"{len(models.detector.find_in_image(scene()))} face")
    picture = picture_of_image(image)
    (frame,) = engine.swap([picture])
    assert frame.faces_found == frame.faces_swapped == len(models.detector.find(picture)) >= 2
    assert len(frame.patches) == frame.faces_swapped
