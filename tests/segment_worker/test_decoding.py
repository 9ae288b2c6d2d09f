"""When the GPU decodes and when not; a stand-in decodes in its place, since the tests' machine has none."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import count
from pathlib import Path
from typing import Any

import av
import pytest
from av.video.frame import VideoFrame

from recast.errors import BadInput, FramesDamaged
from recast.manifest import VideoFacts
from recast.spec import Video
from segment_worker import decoding
from segment_worker.decoding import COMPARED_FRAMES, Decoder

FACTS = VideoFacts(
    stream_index=0, codec="h264", width=32, height=16, pix_fmt="yuv420p", time_base=Fraction(1, 25), rate=Fraction(25),
    sar=Fraction(1),
)  # fmt: skip
PATH = Path("0-packets.mkv")
FRAMES = COMPARED_FRAMES + 6


def frame(stamp: int, level: int | None = None) -> VideoFrame:
    made = VideoFrame(32, 16, "yuv420p")
    for plane in made.planes:
        plane.update(bytes([stamp if level is None else level]) * plane.buffer_size)
    made.pts = stamp
    return made


def playing(stamps: Sequence[int]) -> Any:
    return lambda *_, **__: (frame(stamp) for stamp in stamps)


@pytest.fixture(autouse=True)
def software(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "decode_segment", playing(range(FRAMES)))


def decoder(by_gpu: Any, *, gpu: bool = True, **changes: Any) -> Decoder:
    facts = FACTS.model_copy(update=changes)
    return Decoder(Video(), facts, threads=1, by_gpu=by_gpu, has_gpu=lambda: gpu)


def test_a_gpu_that_gives_the_same_frames_decodes() -> None:
    made = decoder(playing(range(FRAMES)))
    assert [each.pts for each in made.frames(PATH)] == list(range(FRAMES))
    assert made.name == "Nvdec"


def other_pixels(path: Path) -> Iterator[VideoFrame]:
    for stamp in range(FRAMES):
        yield frame(stamp, 7 if stamp == COMPARED_FRAMES - 1 else None)


def refused(path: Path) -> Iterator[VideoFrame]:
    raise av.error.PermissionError(1, "Operation not permitted")
    yield


@pytest.mark.parametrize(
    "by_gpu",
    [
        other_pixels,
        refused,
        playing(range(1, FRAMES)),
        playing(range(COMPARED_FRAMES - 1)),
        playing([1, 0, *range(2, FRAMES)]),
        playing([]),
    ],
    ids=["other pixels", "no device", "lost the first", "ends early", "another order", "nothing"],
)
def test_a_gpu_that_gives_anything_else_does_not(by_gpu: Any) -> None:
    made = decoder(by_gpu)
    assert [each.pts for each in made.frames(PATH)] == list(range(FRAMES))
    assert made.name == "Software" and not made.give_up_gpu()


def never(path: Path) -> Iterator[VideoFrame]:
    raise AssertionError("the GPU was tried")


@pytest.mark.parametrize(
    "changes", [{"codec": "mpeg4"}, {"pix_fmt": "yuv422p"}, {"pix_fmt": "yuvj420p"}, {"field_order": "tff"}]
)
def test_what_nvdec_is_not_trusted_with_is_not_tried(changes: dict[str, str]) -> None:
    made = decoder(never, **changes)
    assert len(list(made.frames(PATH))) == FRAMES


def test_it_is_not_tried_without_a_gpu_or_where_software_is_asked_for() -> None:
    assert len(list(decoder(never, gpu=False).frames(PATH))) == FRAMES
    asked = Decoder(Video(decoder="Software"), FACTS, threads=1, by_gpu=never, has_gpu=lambda: True)
    assert len(list(asked.frames(PATH))) == FRAMES


def test_it_is_tried_once_a_pod() -> None:
    calls = count()

    def by_gpu(path: Path) -> Iterator[VideoFrame]:
        next(calls)
        yield from playing(range(FRAMES))()

    made = decoder(by_gpu)
    for _ in range(3):
        assert len(list(made.frames(PATH))) == FRAMES
    assert next(calls) == 4, "one trial, and a segment each"


def test_a_gpu_that_fails_on_the_way_is_given_up() -> None:
    def by_gpu(path: Path) -> Iterator[VideoFrame]:
        yield from playing(range(FRAMES - 2))()
        raise av.error.ExternalError(1, "cuvid")

    made = decoder(by_gpu)
    with pytest.raises(BadInput, match="the GPU does not decode it"):
        list(made.frames(PATH))
    assert made.give_up_gpu() and made.name == "Software"
    assert len(list(made.frames(PATH))) == FRAMES
    assert not made.give_up_gpu()


def damaged(path: Path) -> Iterator[VideoFrame]:
    yield frame(0)
    raise FramesDamaged("packet 1 is damaged")


def test_damage_before_the_gpu_is_believed_goes_to_the_software_decoder() -> None:
    made = decoder(damaged)
    assert [each.pts for each in made.frames(PATH)] == list(range(FRAMES))
    assert made.name == "Software"


@pytest.mark.parametrize("policy", ["Repeat", "Original"])
def test_where_bad_frames_are_to_be_replaced_no_gpu_decodes(policy: Any) -> None:
    made = Decoder(Video(on_bad_frames=policy), FACTS, threads=1, by_gpu=playing(range(FRAMES)), has_gpu=lambda: True)
    list(made.frames(PATH))
    assert made.name == "Software"
