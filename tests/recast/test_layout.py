"""A run's and a part's names change with everything their bytes depend on, and with nothing else."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recast.layout import RunLayout, canonical_json, part_digest, run_id, sha256_hex

RUN: dict[str, Any] = {
    "source_uri": "s3://studio/in/a.mov",
    "etag": '"5d41"',
    "size": 1000,
    "cut": {"targetSeconds": 60.0, "dropTracks": ["data"], "video": {"codec": "Auto", "quality": 18}},
    "splitter_version": 1,
}  # fmt: skip
PART: dict[str, Any] = {
    "segment": {"index": 3, "object": 3, "sha256": "ab", "size": 9, "first": 7, "pts": [0, 40], "packets": [0, 1]},
    "inputs": {"engine": "Mesh", "pixelVersion": 1, "faces": [["aa", "bb"]], "targets": [{"select": "Largest"}]},
    "encoder": {"name": "libx264", "options": {"crf": "18"}, "extradata_sha256": "cd"},
}  # fmt: skip


def leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(value, dict):
        return [leaf for key, item in value.items() for leaf in leaves(item, (*path, key))]
    if isinstance(value, list):
        return [leaf for place, item in enumerate(value) for leaf in leaves(item, (*path, place))]
    return [path]


def changed(value: dict[str, Any], path: tuple[Any, ...]) -> dict[str, Any]:
    copy = json.loads(json.dumps(value))
    *way, last = path
    place = copy
    for step in way:
        place = place[step]
    place[last] = place[last] + ("x" if isinstance(place[last], str) else 1)
    return copy  # type: ignore[no-any-return]


def backwards(value: Any) -> Any:
    """The same, its keys put in the other way round."""
    if isinstance(value, dict):
        return {key: backwards(item) for key, item in reversed(value.items())}
    return [backwards(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("path", leaves(RUN), ids=str)
def test_a_run_is_another_where_one_thing_is(path: tuple[Any, ...]) -> None:
    assert run_id(**changed(RUN, path)) != run_id(**RUN)


@pytest.mark.parametrize("path", leaves(PART), ids=str)
def test_a_part_is_another_where_one_thing_is(path: tuple[Any, ...]) -> None:
    assert part_digest(**changed(PART, path)) != part_digest(**PART)


@pytest.mark.parametrize(("name", "given"), [(run_id, RUN), (part_digest, PART)], ids=["run", "part"])
def test_names_do_not_depend_on_the_order_of_keys(name: Callable[..., str], given: dict[str, Any]) -> None:
    assert name(**backwards(given)) == name(**given)
    assert name(**json.loads(json.dumps(given))) == name(**given)


def test_names_stay_the_same_from_release_to_release() -> None:
    # What is in stores out there is found by these.
    assert (run_id(**RUN), part_digest(**PART)) == ("07c5ae068188", "8a60b1a08da5ca16")


def test_a_value_moved_to_another_input_gives_another_name() -> None:
    swapped = PART | {"inputs": PART["encoder"], "encoder": PART["inputs"]}
    assert part_digest(**swapped) != part_digest(**PART)
    parted = RUN | {"source_uri": RUN["source_uri"] + RUN["etag"], "etag": ""}
    assert run_id(**parted) != run_id(**RUN)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@given(JSON, JSON)
def test_canonical_json_is_equal_just_where_the_values_are(one: Any, other: Any) -> None:
    assert json.loads(canonical_json(one)) == one
    # Python holds 1 and True for equal; JSON does not.
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (canonical_json(one) == canonical_json(other)) is same


def test_sha256_is_in_hex() -> None:
    assert sha256_hex(b"") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_every_key_is_where_the_documentation_says() -> None:
    layout = RunLayout.of(scratch="s3://scratch/recast/", namespace="studio", name="interview", run="0123456789ab")
    base = "s3://scratch/recast/studio/interview/0123456789ab"
    assert layout.prefix == base
    assert layout.plan == f"{base}/plan.json"
    assert layout.chunk(3) == f"{base}/plan/000003.json"
    assert layout.segment(12) == f"{base}/segments/000012.mkv"
    assert layout.encoder == f"{base}/encoder.json"
    assert layout.part(12, "feed") == f"{base}/parts/000012-feed.mkv"
    assert layout.bad_frames(12, "feed") == f"{base}/parts/000012-feed-bad.json"
    assert layout.output_record == f"{base}/output.json"


@given(st.lists(st.integers(0, 10**7), min_size=2, max_size=2, unique=True))
def test_no_two_things_share_a_key(pair: list[int]) -> None:
    layout = RunLayout("s3://b/p")
    keys = [layout.plan, layout.encoder, layout.output_record]
    for index in pair:
        keys += [layout.chunk(index), layout.segment(index), layout.part(index, "d"), layout.bad_frames(index, "d")]
    assert len(set(keys)) == len(keys)
    low, high = sorted(pair)
    if high < 10**6:
        assert layout.segment(low) < layout.segment(high), "listings are in order"
