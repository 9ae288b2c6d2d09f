from pathlib import Path

import numpy as np
import pytest

from recast.errors import BadConfig
from segment_worker.engines.base import Pair
from segment_worker.engines.inswapper import InSwapperEngine
from segment_worker.images import picture_of_image
from segment_worker.insight.arcface import Recogniser
from segment_worker.insight.emap import emap_of
from segment_worker.insight.models import Models
from segment_worker.insight.occlusion import Occluder
from segment_worker.insight.onnx_model import Device, OnnxModel
from segment_worker.insight.scrfd import Detector
from segment_worker.insight.swapper import Swapper
from segment_worker.picture import write_patches
from segment_worker.select import Largest
from tests import stubmodels
from tests.segment_worker.insight.test_parity import scene

CPU = Device()


def occluder(folder: Path) -> Occluder:
    return Occluder(OnnxModel(stubmodels.xseg(folder / "xseg.onnx"), CPU, "xseg.onnx"))


def test_what_is_not_face_is_left_out_softly(tmp_path: Path) -> None:
    crop = np.zeros((128, 128, 3), np.float32)
    crop[:, :64] = (255, 0, 0)
    seen = occluder(tmp_path).in_view(crop)
    assert seen.shape == (128, 128) and seen.dtype == np.float32
    assert np.all(seen[:, :60] == 0) and np.all(seen[:, 88:] == 1)
    edge = seen[64, 60:80]
    assert np.all(np.diff(edge) >= 0) and ((edge > 0.05) & (edge < 0.95)).sum() >= 3


def test_a_model_of_another_kind_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match=r"x\.onnx: not an occlusion model"):
        Occluder(OnnxModel(stubmodels.arcface(tmp_path / "x.onnx"), CPU, "x.onnx"))


def test_a_hand_before_the_face_stays(tmp_path: Path) -> None:
    image = scene(faces=((300, 200, 160),))
    x, y = 250, 200
    hand = slice(y - 30, y + 30), slice(x - 20, x + 20)
    image[hand] = (255, 0, 0)
    swapper = stubmodels.inswapper(tmp_path / "i.onnx")
    parts = (
        Detector(OnnxModel(stubmodels.scrfd(tmp_path / "s.onnx"), CPU, "detector")),
        Recogniser(OnnxModel(stubmodels.arcface(tmp_path / "a.onnx"), CPU, "recogniser"), normalised=False),
        Swapper(OnnxModel(swapper, CPU, "swapper"), emap_of(swapper)),
    )
    changed = {}
    for name, models in {"plain": Models(*parts), "occluded": Models(*parts, occluder(tmp_path))}.items():
        picture = picture_of_image(image)
        (frame,) = InSwapperEngine(models, [Pair([("ada.png", scene())], Largest())]).swap([picture])
        assert frame.faces_swapped == 1
        after = [plane.copy() for plane in picture.planes]
        write_patches(after, frame.patches, picture.layout)
        changed[name] = np.abs(after[0].astype(int) - picture.planes[0].astype(int))
    inside = slice(y - 22, y + 22), slice(x - 12, x + 12)
    assert changed["plain"][inside].mean() > 5
    assert changed["occluded"][inside].max() == 0
    right = slice(180, 240), slice(320, 350)
    np.testing.assert_array_equal(changed["plain"][right], changed["occluded"][right])
