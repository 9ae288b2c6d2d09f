"""Several pictures at once: the same answers in the same order, and a device that is asked by one thread alone."""

import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from segment_worker.engines.base import SwappedFrame
from segment_worker.engines.inswapper import InSwapperEngine, Pair
from segment_worker.images import picture_of_image
from segment_worker.insight import onnx_model
from segment_worker.insight.arcface import Recogniser
from segment_worker.insight.emap import emap_of
from segment_worker.insight.models import Models
from segment_worker.insight.onnx_model import Device, OnnxModel
from segment_worker.insight.scrfd import Detector
from segment_worker.insight.swapper import Swapper
from segment_worker.picture import Picture
from segment_worker.select import All
from tests import stubmodels
from tests.segment_worker.insight.test_parity import scene

pytestmark = pytest.mark.media


def engine(folder: Path, at_once: int, device: Device) -> InSwapperEngine:
    swapper = stubmodels.inswapper(folder / "inswapper_128.onnx")
    models = Models(
        Detector(OnnxModel(stubmodels.scrfd(folder / "det_10g.onnx"), device, "detector")),
        Recogniser(OnnxModel(stubmodels.arcface(folder / "w600k_r50.onnx"), device, "recogniser"), normalised=False),
        Swapper(OnnxModel(swapper, device, "swapper"), emap_of(swapper)),
    )
    return InSwapperEngine(models, [Pair([("ada.png", scene())], All())], at_once=at_once)


def pictures() -> list[Picture]:
    return [picture_of_image(scene(faces=((200 + 40 * k, 200, 40), (700, 250, 30 + 2 * k)))) for k in range(8)]


def planes(answers: Sequence[SwappedFrame]) -> list[bytes]:
    return [np.ascontiguousarray(p).tobytes() for answer in answers for patch in answer.patches for p in patch.planes]


def test_pictures_that_are_swapped_at_once_get_what_each_gets_alone(tmp_path: Path) -> None:
    one = engine(tmp_path, 1, Device())
    alone = [one.swap([picture])[0] for picture in pictures()]
    assert [answer.faces_swapped for answer in alone] == [2] * 8
    assert planes(engine(tmp_path, 4, Device()).swap(pictures())) == planes(alone)


def test_a_device_is_asked_by_one_thread_while_others_prepare_and_paste(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs, askers = set[str](), set[str]()
    run, call = OnnxModel._run, OnnxModel.__call__

    def slowly(self: OnnxModel, feeds: Mapping[str, Any]) -> Sequence[Any]:
        runs.add(threading.current_thread().name)
        time.sleep(0.002)
        return run(self, feeds)

    def asked(self: OnnxModel, *values: Any) -> list[Any]:
        askers.add(threading.current_thread().name)
        return call(self, *values)

    # The CPU stands in for a device: nothing else is different.
    monkeypatch.setitem(onnx_model._PROVIDERS, "Cuda", "CPUExecutionProvider")
    monkeypatch.setattr(Device, "providers", lambda self: ["CPUExecutionProvider"])
    beside = engine(tmp_path, 4, Device("Cuda"))
    monkeypatch.setattr(OnnxModel, "_run", slowly)
    monkeypatch.setattr(OnnxModel, "__call__", asked)
    answers = beside.swap(pictures())
    assert len(runs) == 1 and len(askers) > 1
    assert planes(answers) == planes(engine(tmp_path, 1, Device()).swap(pictures()))
