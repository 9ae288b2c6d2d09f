"""The line of threads: exactly the slice's frames, in order; one failure ends all, and leaves no thread."""

import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from av.video.frame import VideoFrame
from hypothesis import given, settings
from hypothesis import strategies as st

from recast import names
from recast.errors import BadInput, FramesDamaged, Transient
from recast.manifest import EncoderChoice, EncodeSettings, Segment, VideoFacts
from recast.media.segments import kept_frames
from recast.process.stopping import Terminated
from segment_worker import pipeline
from segment_worker.encoders import PartWriter, probe
from segment_worker.engines.base import SwappedFrame
from segment_worker.engines.passthrough import PassthroughEngine
from segment_worker.picture import Patch, Picture
from segment_worker.pipeline import BATCH_FRAMES, QUEUE_BATCHES, SegmentStats, make_part

FACTS = VideoFacts(
    stream_index=0, codec="h264", width=32, height=16, pix_fmt="yuv420p", time_base=Fraction(1, 25), rate=Fraction(25),
    sar=Fraction(1),
)  # fmt: skip
SETTINGS = EncodeSettings(codec="h264", pix_fmt="yuv420p", quality=18, preset="Auto", threads=1, gop=50)
CHOICE = EncoderChoice(name="libx264", options={}, extradata_sha256="")


def segment(packets: Sequence[int]) -> Segment:
    pts = tuple(40 * k for k in range(len(packets)))
    return Segment(index=0, object=0, sha256="", size=1, first=0, pts=pts, packets=tuple(packets))


def fake(stamp: int | None, width: int = 32) -> Any:
    return SimpleNamespace(pts=stamp, width=width, height=16)


def kept(frames: Iterable[Any], packets: Sequence[int]) -> list[int | None]:
    return [frame.pts for frame in kept_frames(frames, segment(packets), FACTS, "segment 3")]


def test_only_the_slices_frames_are_kept() -> None:
    assert kept([fake(stamp) for stamp in (0, 2, 1, 5, 4, 3, 8)], [2, 1, 5]) == [2, 1, 5]


def test_nothing_is_decoded_beyond_the_last_frame() -> None:
    def frames() -> Iterator[Any]:
        yield from map(fake, (0, 1))
        pytest.fail("went on")

    assert kept(frames(), [0, 1]) == [0, 1]


@pytest.mark.parametrize(
    ("stamps", "packets", "what"),
    [
        ([0, 1], [0, 1, 2], "1 of 3 frames do not decode"),
        ([], [0, 1], "2 of 2 frames do not decode"),
        ([0, 2], [0, 1, 2], "frame 1 does not decode"),
        ([1, 0, 2], [0, 1, 2], "frame 0 does not decode, or comes out of order"),
        ([0, 0, 1], [0, 1], "frame 1 does not decode, or comes out of order"),
        ([None, 0], [0, 1], "1 of 2 frames do not decode"),
    ],
    ids=[
        "the last is missing",
        "all are missing",
        "one is missing",
        "out of order",
        "one comes twice",
        "without a stamp",
    ],
)
def test_a_slice_that_does_not_decode_as_planned_is_refused(
    stamps: list[int | None], packets: list[int], what: str
) -> None:
    with pytest.raises(FramesDamaged, match=what) as refused:
        kept([fake(stamp) for stamp in stamps], packets)
    assert refused.value.reason == names.BAD_FRAMES and "segment 3" in str(refused.value)


def test_a_picture_of_another_size_is_refused() -> None:
    with pytest.raises(BadInput, match="size changes at frame 1"):
        kept([fake(0), fake(1, width=64)], [0, 1])
    assert kept([fake(0, width=64), fake(1)], [1]) == [1], "of frames that are not kept it does not matter"


@settings(deadline=None)
@given(st.lists(st.integers(0, 30), unique=True, min_size=1), st.lists(st.integers(0, 30), unique=True, max_size=31))
def test_the_slice_comes_out_just_where_it_is_there_in_order(packets: list[int], decoded: list[int]) -> None:
    possible = [stamp for stamp in decoded if stamp in packets] == packets
    if possible:
        assert kept([fake(stamp) for stamp in decoded], packets) == packets
    else:
        with pytest.raises(BadInput):
            kept([fake(stamp) for stamp in decoded], packets)


class FakeWriter:
    """Keeps what is encoded: each frame's stamp, and its first luma sample."""

    made: list["FakeWriter"] = []
    hold: threading.Event | None = None
    fail_at: int | None = None
    fail_close = False

    def __init__(self, *_: object) -> None:
        self.stamps: list[int | None] = []
        self.samples: list[int] = []
        self.closed = self.abandoned = False
        self.made.append(self)

    def encode(self, frame: VideoFrame) -> None:
        if self.hold is not None:
            self.hold.wait(5)
        if self.fail_at == len(self.stamps):
            raise Transient("the encoder failed")
        self.stamps.append(frame.pts)
        self.samples.append(int(memoryview(frame.planes[0])[0]))

    def close(self) -> None:
        if self.fail_close:
            raise Transient("the encoder failed at its end")
        self.closed = True

    def abandon(self) -> None:
        self.abandoned = True


class Line:
    """Runs `make_part` on made-up frames."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.decoded = 0
        self.engine: Any = PassthroughEngine()
        self.moves: list[int] = []
        FakeWriter.made = []
        self.writer: Any = type("Writer", (FakeWriter,), {"made": FakeWriter.made})
        patch.setattr(pipeline, "PartWriter", self.writer)

    def run(
        self, frames: int, stamps: Iterable[int | None] | None = None, untouched: Collection[int] = ()
    ) -> SegmentStats:
        def decode(path: Path) -> Iterator[VideoFrame]:
            for stamp in range(frames) if stamps is None else stamps:
                frame = VideoFrame(32, 16, "yuv420p")
                for plane in frame.planes:
                    plane.update(bytes([(stamp or 0) % 200]) * plane.buffer_size)
                frame.pts = stamp
                self.decoded += 1
                yield frame

        return make_part(
            Path("in"), Path("out"), segment=segment(range(frames)), facts=FACTS, settings=SETTINGS, choice=CHOICE,
            engine=self.engine, decode=decode, moved=self.moves.append, name="segment 3",
            untouched=untouched,
        )  # fmt: skip

    @property
    def written(self) -> FakeWriter:
        (writer,) = FakeWriter.made
        return writer


@pytest.fixture
def line(monkeypatch: pytest.MonkeyPatch) -> Iterator[Line]:
    """A line; afterwards no thread of it may be left."""
    monkeypatch.setattr(pipeline, "POLL_SECONDS", 0.01)
    before = set(threading.enumerate())
    yield Line(monkeypatch)
    assert set(threading.enumerate()) <= before, "no thread is left"


@pytest.mark.parametrize("frames", [1, 3, 4, 5, 8, 50])
def test_all_frames_go_through_in_order_whatever_their_number(line: Line, frames: int) -> None:
    stats = line.run(frames)
    assert line.written.stamps == list(range(frames))
    assert line.written.samples == [k % 200 for k in range(frames)]
    assert line.written.closed and not line.written.abandoned
    assert stats.frames == frames and (stats.faces_found, stats.faces_swapped) == (0, 0)
    assert {"decode", "swap", "encode"} <= stats.seconds.keys()
    assert line.moves[-1] == frames and line.moves == sorted(line.moves)


class Blackens:
    """Blackens the first samples of every second frame."""

    name = "blackens"

    def __init__(self, fail_after: int | None = None) -> None:
        self._fail_after, self._seen = fail_after, 0

    def swap(self, pictures: Sequence[Picture]) -> list[SwappedFrame]:
        answers = []
        for picture in pictures:
            if self._seen == self._fail_after:
                raise Transient("the engine failed")
            value, self._seen = int(picture.planes[0][0, 0]), self._seen + 1
            planes = (np.full((2, 2), 255, np.uint8), np.zeros((1, 1), np.uint8), np.zeros((1, 1), np.uint8))
            odd = value % 2 == 1
            answers.append(SwappedFrame((Patch(0, 0, planes),) if odd else (), 2, 1 if odd else 0))
        return answers


def test_patches_are_put_into_their_own_frames_and_faces_are_counted(line: Line) -> None:
    line.engine = Blackens()
    stats = line.run(11)
    assert line.written.samples == [255 if k % 2 else k for k in range(11)]
    assert (stats.faces_found, stats.faces_swapped) == (22, 5)


def test_frames_that_are_to_stay_as_they_are_never_reach_the_engine(line: Line) -> None:
    line.engine = Blackens()
    stats = line.run(13, untouched={3, 8, 9, 10, 11})
    assert line.written.stamps == list(range(13))
    assert line.written.samples == [255 if k in (1, 5, 7) else k for k in range(13)]
    assert stats.faces_found == 2 * (13 - 5)


def missing_frame(line: Line) -> None:
    line.run(100, [k for k in range(100) if k != 50])


def failing_decoder(line: Line) -> None:
    def stamps() -> Iterator[int]:
        yield from range(30)
        raise Transient("the decoder failed")

    line.run(100, stamps())


def failing_engine(line: Line) -> None:
    line.engine = Blackens(fail_after=30)
    line.run(100)


def engine_with_too_few_answers(line: Line) -> None:
    line.engine = SimpleNamespace(name="few", swap=lambda pictures: [SwappedFrame()] * (len(pictures) - 1))
    line.run(100)


def failing_encoder(line: Line) -> None:
    line.writer.fail_at = 30
    line.run(100)


def failing_watcher(line: Line) -> None:
    def moved(frames: int) -> None:
        raise Transient("the watcher failed")

    line.moves = SimpleNamespace(append=moved)  # type: ignore[assignment]
    line.run(100)


@pytest.mark.parametrize(
    ("run", "error", "what"),
    [
        (missing_frame, BadInput, "frame 50 does not decode"),
        (failing_decoder, Transient, "the decoder failed"),
        (failing_engine, Transient, "the engine failed"),
        (engine_with_too_few_answers, ValueError, "shorter"),
        (failing_encoder, Transient, "the encoder failed"),
        (failing_watcher, Transient, "the watcher failed"),
    ],
)
def test_one_failure_ends_all_and_is_what_is_raised(
    line: Line, run: Callable[[Line], None], error: type[Exception], what: str
) -> None:
    with pytest.raises(error, match=what):
        run(line)
    assert line.written.abandoned and not line.written.closed
    assert line.decoded < 100, "the decoder did not go on to the end"


def test_an_encoder_that_fails_at_its_end_fails_the_part_and_is_let_go_of(line: Line) -> None:
    line.writer.fail_close = True
    with pytest.raises(Transient, match="at its end"):
        line.run(10)
    assert line.written.abandoned


def test_a_slow_encoder_holds_the_decoder_back(line: Line) -> None:
    line.writer.hold = threading.Event()
    ahead: list[int] = []

    def release() -> None:
        time.sleep(0.2)
        ahead.append(line.decoded)
        line.writer.hold.set()

    releasing = threading.Thread(target=release)
    releasing.start()
    line.run(300)
    releasing.join()
    # Two queues, and a batch in the hands of each thread.
    assert 0 < ahead[0] <= BATCH_FRAMES * (2 * QUEUE_BATCHES + 3)


def test_a_signal_while_it_runs_ends_all(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    def join(_: object) -> None:
        while not line.moves:
            time.sleep(0.005)
        raise Terminated(143)

    monkeypatch.setattr(pipeline._Line, "join", join)
    with pytest.raises(Terminated):
        line.run(10**6, count())
    assert line.written.abandoned


def test_pictures_of_another_layout_than_planned_are_refused_unless_they_are_converted_anyway() -> None:
    frame: Any = SimpleNamespace(format=SimpleNamespace(name="yuv422p"))
    with pytest.raises(BadInput, match="yuv420p to yuv422p"):
        pipeline._as_planned(frame, FACTS, SETTINGS, "segment 0")
    deep = FACTS.model_copy(update={"pix_fmt": "yuv422p12le"})
    assert pipeline._as_planned(frame, deep, SETTINGS, "segment 0") is frame


@pytest.mark.media
def test_a_part_is_checked_with_a_sign_of_life_at_each_packet(tmp_path: Path) -> None:
    """The check of a long part takes longer than the watchdog waits."""
    part, frames = tmp_path / "part.mkv", 12
    writer = PartWriter(part, probe("libx264", SETTINGS, FACTS), SETTINGS, FACTS)
    for _ in range(frames):
        writer.encode(VideoFrame(FACTS.width, FACTS.height, FACTS.pix_fmt))
    writer.close()
    moves: list[None] = []
    pipeline.check_part(part, frames=frames, facts=FACTS, threads=1, name="s", moved=lambda: moves.append(None))
    assert len(moves) >= frames
