from pathlib import Path

import av
import numpy as np
import pytest

from controller.stages.contentcheck import OPEN_SIDE, ContentModel, load_model, upright
from recast import names
from recast.errors import BadConfig
from tests import stubmodels


def picture(model: ContentModel, left: tuple[int, int, int], right: tuple[int, int, int]) -> np.ndarray:
    image = np.zeros((model.height, model.width, 3), np.uint8)
    image[:, : model.width // 2], image[:, model.width // 2 :] = left, right
    return image


def test_a_model_sees_red_green_and_blue_between_0_and_1(tmp_path: Path) -> None:
    model = ContentModel(stubmodels.content(tmp_path / "m.onnx"), "m")
    assert (model.width, model.height) == (8, 8)
    assert model.score(picture(model, (0, 0, 0), (255, 0, 0))) == pytest.approx(1.0)
    assert model.score(picture(model, (255, 0, 0), (0, 51, 255))) == pytest.approx(-0.2)


def test_a_size_that_the_graph_leaves_open_is_the_usual_one(tmp_path: Path) -> None:
    model = load_model(stubmodels.content(tmp_path / "m.onnx", side="side").read_bytes(), "m")
    assert (model.width, model.height) == (OPEN_SIDE, OPEN_SIDE)
    assert model.score(picture(model, (0, 0, 0), (255, 255, 255))) == pytest.approx(0.0, abs=1e-6)


def test_what_is_no_content_model_is_refused_by_its_name(tmp_path: Path) -> None:
    nothing = tmp_path / "n.onnx"
    nothing.write_bytes(b"not a model")
    other = stubmodels.scrfd(tmp_path / "s.onnx")
    several = ContentModel(stubmodels.content(tmp_path / "t.onnx", numbers=2), "two")
    with pytest.raises(BadConfig, match=r"contentCheck.model nothing: ") as refused:
        ContentModel(nothing, "nothing")
    assert refused.value.reason == names.MISSING_MODEL
    with pytest.raises(BadConfig, match="one number a picture"):
        several.score(picture(several, (0, 0, 0), (0, 0, 0)))
    # It takes a picture, but answers with nine lists.
    detector = ContentModel(other, "detector")
    with pytest.raises(BadConfig, match="detector"):
        detector.score(picture(detector, (0, 0, 0), (0, 0, 0)))
    with pytest.raises(BadConfig, match=r"must take one float32 \[n, 3, height, width\], and takes"):
        ContentModel(stubmodels.inswapper(tmp_path / "i.onnx"), "swapper")


def test_a_graph_that_names_another_file_does_not_get_it(tmp_path: Path) -> None:
    import onnx

    path = stubmodels.content(tmp_path / "m.onnx")
    graph = onnx.load(str(path))
    kernel = next(weights for weights in graph.graph.initializer if weights.name == "red")
    onnx.external_data_helper.set_external_data(kernel, "weights.bin")
    onnx.save_model(graph, str(path))
    assert ContentModel(path, "beside its weights").width == 8
    with pytest.raises(BadConfig, match="weights.bin"):
        load_model(path.read_bytes(), "alone")


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_pictures_are_looked_at_as_people_see_them(rotation: int) -> None:
    coded = np.zeros((48, 64, 3), np.uint8)
    coded[:, 32:] = (255, 0, 0)
    frame = av.VideoFrame.from_ndarray(coded, format="rgb24")
    shown = upright(frame, rotation, 16, 8)
    assert shown.shape == (8, 16, 3)
    expected = np.rot90(coded, rotation // 90)
    ys, xs = (np.linspace(2, side - 3, 4).astype(int) for side in expected.shape[:2])
    for y, x in ((y, x) for y in ys for x in xs):
        near = shown[y * 8 // expected.shape[0], x * 16 // expected.shape[1]]
        assert abs(int(near[0]) - int(expected[y, x, 0])) < 40
