import numpy as np
import pytest

from segment_worker.picture import Patch, Picture, YuvLayout, under

LAYOUT = YuvLayout(8, 1, 1, "bt709", False)


def picture() -> Picture:
    return Picture((np.zeros((40, 60), np.uint8), np.zeros((20, 30), np.uint8), np.zeros((20, 30), np.uint8)), LAYOUT)


def patch(x: int, y: int, value: int) -> Patch:
    planes = (np.full((10, 10), value, np.uint8), *(np.full((5, 5), value, np.uint8) for _ in range(2)))
    return Patch(x, y, planes)


@pytest.mark.parametrize(("x", "y"), [(30, 0), (0, 30), (20, 4), (4, 20)])
def test_patches_that_do_not_reach_it_change_nothing(x: int, y: int) -> None:
    whole = picture()
    assert under(whole, [patch(x, y, 9)], 10, 10, 10, 10) is whole


def test_those_that_do_lie_below_in_their_order() -> None:
    whole = picture()
    below = under(whole, [patch(4, 4, 5), patch(8, 8, 9), patch(50, 0, 7)], 10, 10, 10, 10)
    assert below.planes[0][10, 10] == 9 and below.planes[1][5, 5] == 9
    assert below.planes[0][5, 5] == 5 and below.planes[0][0, 55] == 0
    assert not whole.planes[0].any(), "the picture belongs to the decoder"
