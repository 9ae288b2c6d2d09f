from typing import Any

import numpy as np
import pytest

from recast.spec import Mask
from segment_worker.insight.alignment import crop_matrix
from segment_worker.insight.crop import mask_of
from segment_worker.insight.masking import is_box, share_of
from segment_worker.picture import Picture, YuvLayout

SIDE = 128
LANDMARKS = (
    np.array([[-0.22, -0.15], [0.22, -0.15], [0.0, 0.08], [-0.18, 0.3], [0.18, 0.3]]) * 150 + (200, 150)
).astype(np.float32)
MATRIX = crop_matrix(LANDMARKS, SIDE)
PICTURE = Picture(tuple(np.zeros((300, 400), np.uint8) for _ in range(3)), YuvLayout(8, 0, 0, "bt709", True))


def share(**options: Any) -> Any:
    return share_of(Mask.model_validate(options), LANDMARKS, MATRIX, SIDE)


def test_nothing_asked_for_is_insightfaces_own_mask() -> None:
    assert share() is None
    plain, same = mask_of(PICTURE, MATRIX, SIDE), mask_of(PICTURE, MATRIX, SIDE, None)
    assert plain is not None and same is not None
    np.testing.assert_array_equal(plain.share, same.share)


def test_opacity_scales_it() -> None:
    plain, half = mask_of(PICTURE, MATRIX, SIDE), mask_of(PICTURE, MATRIX, SIDE, share(opacity=0.5))
    assert plain is not None and half is not None
    np.testing.assert_allclose(half.share.max(), 0.5 * plain.share.max(), atol=1e-3)


@pytest.mark.parametrize("place", ["top", "right", "bottom", "left"])
def test_padding_leaves_out_its_side_alone(place: str) -> None:
    options = {"padding": {place: 40}, "blur": 0}
    found = share(**options)
    middle = SIDE // 2
    ends = {
        "top": found[10, middle],
        "right": found[middle, -10],
        "bottom": found[-10, middle],
        "left": found[middle, 10],
    }
    assert [side for side, value in ends.items() if value == 0] == [place]
    assert found[middle, middle] == 1 and is_box(Mask.model_validate(options))


def test_blur_makes_the_edges_soft() -> None:
    hard, soft = share(blur=0), share(blur=0.6)
    assert set(np.unique(hard)) == {0.0, 1.0}
    assert 0.01 < soft[SIDE // 2, 18] < 0.99 and soft[SIDE // 2, SIDE // 2] > 0.99
    assert np.all(np.diff(soft[SIDE // 2, : SIDE // 2]) >= -1e-6)


def test_all_of_it_padded_away_leaves_nothing() -> None:
    assert mask_of(PICTURE, MATRIX, SIDE, share(padding={"top": 100}, blur=0), box=True) is None


def test_the_mouth_that_is_kept_is_where_the_landmarks_say() -> None:
    found = share(keep_mouth=True)
    mouth = (LANDMARKS[3:].mean(0) @ MATRIX[:, :2].T + MATRIX[:, 2]).round().astype(int)
    nose = (LANDMARKS[2] @ MATRIX[:, :2].T + MATRIX[:, 2]).round().astype(int)
    assert found[mouth[1], mouth[0]] < 0.02 and found[nose[1] - 12, nose[0]] > 0.9
    assert found[5, 5] == 1
