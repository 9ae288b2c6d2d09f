import pytest
from hypothesis import given
from hypothesis import strategies as st

from segment_worker.select import All, Index, Largest, Leftmost, Rightmost, choose, order

SMALL_LEFT = (0.0, 10.0, 10.0, 20.0)
LARGE = (30.0, 0.0, 60.0, 40.0)
RIGHT = (100.0, 5.0, 120.0, 25.0)
BOXES = [LARGE, RIGHT, SMALL_LEFT]

numbers = st.floats(-1e4, 1e4)
boxes = st.lists(
    st.tuples(numbers, numbers, st.floats(1, 1e3), st.floats(1, 1e3)).map(
        lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3])
    ),
    max_size=8,
)


@pytest.mark.parametrize(
    ("selection", "chosen"),
    [
        (All(), [2, 0, 1]),
        (Largest(), [0]),
        (Leftmost(), [2]),
        (Rightmost(), [1]),
        (Index(0), [2]),
        (Index(1), [0]),
        (Index(2), [1]),
        (Index(3), []),
    ],
)
def test_each_selection(selection, chosen):
    assert choose(BOXES, selection) == chosen


@pytest.mark.parametrize("selection", [All(), Largest(), Leftmost(), Rightmost(), Index(0)])
def test_no_faces(selection):
    assert choose([], selection) == []


def test_equal_areas_take_the_first_in_order():
    assert choose([(50.0, 0.0, 60.0, 10.0), (0.0, 0.0, 10.0, 10.0)], Largest()) == [1]


def test_one_above_the_other_goes_top_first():
    assert order([(0.0, 50.0, 10.0, 60.0), (0.0, 0.0, 10.0, 10.0)]) == [1, 0]


def test_a_negative_index_is_refused():
    with pytest.raises(ValueError, match="-1"):
        Index(-1)


@given(boxes)
def test_order_is_a_permutation_from_left_to_right(found):
    places = order(found)
    assert sorted(places) == list(range(len(found)))
    middles = [found[k][0] + found[k][2] for k in places]
    assert middles == sorted(middles)


@given(boxes, st.randoms())
def test_the_choice_does_not_depend_on_the_order_of_detection(found, random):
    found = list(dict.fromkeys(found))
    shuffled = random.sample(found, len(found))
    for selection in (All(), Leftmost(), Rightmost(), Index(1)):
        assert [found[k] for k in choose(found, selection)] == [shuffled[k] for k in choose(shuffled, selection)]
