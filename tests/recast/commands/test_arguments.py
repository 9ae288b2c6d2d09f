"""Paths as URIs, and times as seconds."""

import argparse
from pathlib import Path

import pytest

from recast.cli import make_parser
from recast.commands.arguments import consent_of, content_check_of, engine_of, faces_of, file_of, to_uri
from recast.commands.preview import seconds_of
from recast.commands.refusals import refused_as_typed
from recast.errors import UsageError
from recast.spec import Mask, Source
from recast.storage.stored import local_path


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("a.mp4", "/here/a.mp4"),
        ("./a.mp4", "/here/a.mp4"),
        ("../a.mp4", "/a.mp4"),
        ("/in/a.mp4", "/in/a.mp4"),
        ("/in//b/../a.mp4", "/in/a.mp4"),
        ("a b.mp4", "/here/a b.mp4"),
        ("100%.mp4", "/here/100%.mp4"),
        ("a%20b.mp4", "/here/a%20b.mp4"),
        ("a#1?.mp4", "/here/a#1?.mp4"),
        ("ü.mp4", "/here/ü.mp4"),
        ("C:a.mp4", "/here/C:a.mp4"),
        ("-a.mp4", "/here/-a.mp4"),
        ("file:///in/a b.mp4", "/in/a b.mp4"),
        ("~a.mp4", "/here/~a.mp4"),
    ],
)
def test_a_path_becomes_the_uri_of_that_very_file(text: str, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.getcwd", lambda: "/here")
    uri = to_uri(text)
    assert local_path(uri) == Path(path)
    assert Source(uri=uri).uri == uri
    # Outputs, FFmpeg's input and the checks before a run take it so.
    assert uri.removeprefix("file://") == path


def test_an_s3_uri_stays_as_it_is() -> None:
    assert to_uri("s3://bucket/a b/../c.mp4") == "s3://bucket/a b/../c.mp4"


def test_a_dash_is_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.getcwd", lambda: "/here")
    with pytest.raises(UsageError, match="standard input"):
        to_uri("-")
    assert to_uri("./-") == "file:///here/-"


def test_a_report_or_a_picture_is_a_file_of_this_machine() -> None:
    assert file_of("file:///out/a b.json") == Path("/out/a b.json")
    for text, said in (("-", "standard input and output"), ("s3://b/a.json", "give a path on this machine")):
        with pytest.raises(UsageError, match=said):
            file_of(text)


@pytest.mark.parametrize("text", ["~/a.mp4", "~ada/a.mp4"])
def test_a_home_in_quotes_is_told_of_unless_there_is_a_folder_of_that_name(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="take it out of them"):
        to_uri(text)
    Path(text).parent.mkdir()
    assert to_uri(text) == f"file://{tmp_path}/{text}"


@pytest.mark.parametrize("text", ["http://host/a.mp4", "gs://b/a.mp4", "file://host/a.mp4", "rtmp://x/y"])
def test_other_uris_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="path or an s3:// URI"):
        to_uri(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0), ("63", 63), ("63.5", 63.5), ("01:03", 63), ("00:01:03", 63), ("1:00:00.25", 3600.25), (".5", 0.5)],
)
def test_times_are_seconds_or_a_clock(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "a", "-1", "1:-3", "1:2:3:4", "::", "1:", "nan", "inf", "1:nan"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--at"):
        seconds_of(text)


def options(**values: object) -> argparse.Namespace:
    defaults = {
        "face": [], "swap": [], "engine": "mesh", "select": "largest", "consent": None, "max_distance": None,
        "models": None, "provider": "cuda", "precision": "fp32", "pixel_boost": 128,
        "keep_mouth": False, "opacity": 1.0, "mask_blur": None, "mask_padding": "0,0,0,0", "occluder": None,
    }  # fmt: skip
    return argparse.Namespace(**(defaults | values))


def test_a_content_check_is_a_model_and_a_threshold() -> None:
    check = content_check_of(argparse.Namespace(content_check="/m/x.onnx", content_threshold=0.8))
    assert check is not None and (check.model, check.threshold) == ("file:///m/x.onnx", 0.8)
    assert content_check_of(argparse.Namespace(content_check=None, content_threshold=None)) is None
    for one in (
        {"content_check": "x.onnx", "content_threshold": None},
        {"content_check": None, "content_threshold": 0},
    ):
        with pytest.raises(UsageError, match="go together"):
            content_check_of(argparse.Namespace(**one))


def test_several_photos_are_one_persons() -> None:
    (pair,) = faces_of(options(face=["/f/a.png", "s3://bucket/b.png"], select="rightmost"))
    assert (pair.source, pair.target.select) == (("file:///f/a.png", "s3://bucket/b.png"), "Rightmost")


@pytest.mark.parametrize(
    ("who", "target"),
    [
        ("all", {"select": "All"}),
        ("2", {"select": "Index", "index": 2}),
        ("/f/bob.png", {"select": "Reference", "reference": "file:///f/bob.png", "max_distance": 0.4}),
    ],
)
def test_who_is_a_word_a_number_or_a_photo(who: str, target: dict[str, object]) -> None:
    far = 0.4 if "max_distance" in target else None
    (pair,) = faces_of(options(face=["/f/a.png"], select=who, max_distance=far))
    assert pair.target.model_dump(exclude_none=True) == target


def test_several_people_are_several_swaps() -> None:
    first, second = faces_of(options(swap=["/f/a.png=leftmost", "/f/b.png,/f/c=d.png=1"]))
    assert (first.source, first.target.select) == (("file:///f/a.png",), "Leftmost")
    assert (second.source, second.target.index) == (("file:///f/b.png", "file:///f/c=d.png"), 1)


def test_a_swap_can_name_photos_with_its_own_marks_in_their_names() -> None:
    (pair,) = faces_of(options(swap=["/f/ada\\, L=1.png,/f/b.png=/f/bob\\=2.png"]))
    assert pair.source == ("file:///f/ada, L=1.png", "file:///f/b.png")
    assert pair.target.reference == "file:///f/bob=2.png"


@pytest.mark.parametrize("text", ["a.png", "=leftmost", "a.png=", ",=all"])
def test_a_swap_names_both(text: str) -> None:
    with pytest.raises(UsageError, match="PHOTO=WHO"):
        faces_of(options(swap=[text]))
    with pytest.raises(UsageError, match="leave --face out"):
        faces_of(options(swap=["a=all"], face=["b"]))


@pytest.mark.parametrize(
    ("values", "what"),
    [
        ({"face": ["a.png"], "max_distance": 0.5}, "--max-distance goes with a photo"),
        ({"swap": ["a.png=all"], "max_distance": 0.5}, "--max-distance goes with a photo"),
        ({"swap": ["a.png=all"], "select": "leftmost"}, "leave --select out"),
        ({"swap": ["a.png=leftmost", "b.png=leftmost"]}, "--swap b.png=leftmost: leftmost is taken by another"),
    ],
)
def test_what_would_do_nothing_to_the_faces_is_refused(values: dict[str, object], what: str) -> None:
    with pytest.raises(UsageError, match=what):
        faces_of(options(**values))


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("provider", "cpu"), ("precision", "fp16"), ("pixel_boost", 256), ("keep_mouth", True), ("opacity", 0.5),
        ("occluder", "x.onnx"), ("mask_blur", 0.0), ("mask_padding", "1,0,0,0"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("engine", ["mesh", "passthrough"])
def test_what_is_inswappers_own_is_refused_with_other_engines(option: str, value: object, engine: str) -> None:
    with pytest.raises(UsageError, match=f"--{option.replace('_', '-')} goes with --engine inswapper"):
        engine_of(options(engine=engine, **{option: value}))


def test_the_parsers_own_defaults_are_taken_for_nothing_said() -> None:
    parsed = make_parser("preview").parse_args(["preview", "a.mp4", "b.png"])
    assert engine_of(parsed).name == "Mesh"


def test_inswapper_wants_models_and_no_other_does() -> None:
    engine = engine_of(options(engine="inswapper", models="s3://studio/models", provider="cpu", precision="fp16"))
    assert (engine.models, engine.provider, engine.precision) == ("s3://studio/models", "Cpu", "Fp16")
    for wrong in ({"engine": "inswapper"}, {"models": "s3://studio/models"}):
        with pytest.raises(UsageError, match="--models"):
            engine_of(options(**wrong))


def test_a_mask_is_what_was_asked_for() -> None:
    asked = {"engine": "inswapper", "models": "s3://studio/models"}
    assert engine_of(options(**asked)).mask == Mask()
    mask = engine_of(options(**asked, mask_padding="10, 0,5,0", opacity=0.5, mask_blur=0.3, keep_mouth=True)).mask
    assert (mask.padding.top, mask.padding.bottom, mask.opacity, mask.blur, mask.keep_mouth) == (10, 5, 0.5, 0.3, True)


@pytest.mark.parametrize(
    "wrong",
    [{"mask_padding": "10"}, {"mask_padding": "1,2,3,x"}, {"mask_padding": "1,2,3,101"}, {"opacity": 2.0},
     {"opacity": 0.0}, {"mask_blur": -1.0}],
)  # fmt: skip
def test_a_mask_that_cannot_be_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="^--(mask|opacity).*: give "), refused_as_typed():
        engine_of(options(engine="inswapper", models="s3://studio/models", **wrong))


def test_passthrough_looks_at_no_face() -> None:
    assert faces_of(options(face=["/f/a.png"], engine="passthrough")) == ()
    assert engine_of(options(engine="passthrough")).name == "Passthrough"


def test_consent_is_taken_as_typed() -> None:
    consent = consent_of(options(consent="release 12"))
    assert consent is not None and consent.reference == "release 12"
    assert consent_of(options()) is None
