"""Frames that do not decode whole: the job fails and names them, or shows what it was asked to, wherever it is cut."""

import hashlib
from pathlib import Path
from typing import Any

import av
import pytest

from controller.stages.mux import mux
from recast import exitcodes, mending, names
from recast.errors import FramesDamaged, Transient
from recast.manifest import OutputRecord
from recast.spec import OnBadFrames, Video
from recast.storage.embedded import EmbeddedStore
from recast.storage.storage import Storage
from tests import clips, damaged
from tests.damaged import H264, Harm, display_order, flipped, garbled, halved, harmed, zeroed
from tests.jobs import job, run_job, split, swap

FRAMES = 100


def pictures(path: Path) -> list[str]:
    """A digest of each frame that a file decodes to."""
    with av.open(str(path)) as container:
        # More than one would conceal damage in another way.
        container.streams.video[0].codec_context.thread_count = 1
        return [hashlib.sha256(frame.to_ndarray().tobytes()).hexdigest() for frame in container.decode(video=0)]


def video(policy: OnBadFrames) -> Video:
    return Video(quality="Lossless", preset="ultrafast", on_bad_frames=policy)


def record(storage: Storage, asked: Any, run: str | None) -> OutputRecord:
    return OutputRecord.model_validate_json(storage.get(asked.layout(run or "").output_record))


def bad_from(whole: Path, number: int, until: int) -> list[int]:
    """Frames that are bad where packet `number` is, and packet `until` is the next keyframe."""
    order = display_order(whole)
    end = order.index(until) if until < len(order) else len(order)
    return [place for place, packet in enumerate(order[:end]) if packet >= number]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return damaged.source(tmp_path_factory.mktemp("whole"), *H264)


@pytest.fixture(scope="module")
def bad(whole: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Damaged in the middle of a GOP (packet 40 of 25..50), and in the keyframe that begins the fourth (75)."""
    return harmed(whole, tmp_path_factory.mktemp("bad") / "bad.mkv", {40: zeroed, 75: garbled})


@pytest.fixture(scope="module")
def due(whole: Path) -> list[int]:
    return bad_from(whole, 40, 50) + bad_from(whole, 75, 100)


def test_a_job_fails_at_a_frame_that_does_not_decode_and_names_it(
    s3: EmbeddedStore, bad: Path, due: list[int], tmp_path: Path
) -> None:
    asked = job(s3, bad, tmp_path / "out.mkv")
    ready = asked.model_copy(update={"run": split(asked).run})

    with pytest.raises(FramesDamaged) as caught:
        for index in range(4):
            swap(ready, index)

    error = caught.value
    assert (error.exit_code, error.reason) == (exitcodes.BAD_INPUT, names.BAD_FRAMES)
    assert f"segment 1: frame {due[0]}, at {due[0] / 25:.3f} s (pts " in str(error)
    assert error.segment == 1 and "onBadFrames" in str(error)  # type: ignore[attr-defined]


def test_repeat_shows_the_last_good_frame_and_leaves_all_others(
    s3: EmbeddedStore, storage: Storage, whole: Path, bad: Path, due: list[int], tmp_path: Path
) -> None:
    asked = job(s3, bad, tmp_path / "out.mkv", video=video("Repeat"))
    run = run_job(asked).run

    want = pictures(whole)
    for frame in due:
        want[frame] = want[frame - 1]
    assert pictures(tmp_path / "out.mkv") == want
    runs = record(storage, asked, run).bad_frames
    assert [number for each in runs for number in range(each.first, each.first + each.frames)] == due
    assert runs[0].shows == due[0] - 1 and runs[0].seconds == due[0] / 25


def test_a_part_whose_bad_frames_are_gone_is_made_again_to_the_same(
    s3: EmbeddedStore, storage: Storage, bad: Path, due: list[int], tmp_path: Path
) -> None:
    asked = job(s3, bad, tmp_path / "out.mkv", video=video("Repeat"))
    ready = asked.model_copy(update={"run": split(asked).run})
    for index in range(4):
        swap(ready, index)
    listed = [info.uri for info in storage.list(asked.folder) if info.uri.endswith("-bad.json")]
    assert len(listed) == 2, "those of the two segments that have bad frames"
    before = [storage.get(uri) for uri in listed]
    storage.delete(listed[0])

    with pytest.raises(Transient, match=r"bad\.json.* run the swap stage again") as refused:
        mux(ready)
    assert refused.value.reason == names.NOT_READY and not (tmp_path / "out.mkv").exists()
    for index in range(4):
        swap(ready, index)
    assert [storage.get(uri) for uri in listed] == before
    mux(ready)
    runs = record(storage, asked, ready.run).bad_frames
    assert [number for each in runs for number in range(each.first, each.first + each.frames)] == due


@pytest.mark.parametrize("policy", ["Repeat", "Original"])
def test_the_result_does_not_depend_on_where_the_source_is_cut(
    s3: EmbeddedStore, storage: Storage, bad: Path, due: list[int], tmp_path: Path, policy: OnBadFrames
) -> None:
    seen = []
    for seconds in (0.5, 1.5, 60):
        output = tmp_path / f"{seconds}.mkv"
        asked = job(s3, bad, output, seconds=seconds, video=video(policy))
        done = run_job(asked)
        seen.append((pictures(output), record(storage, asked, done.run).bad_frames))
    assert len(seen[0][0]) == FRAMES
    assert seen[0] == seen[1] == seen[2]
    assert sum(each.frames for each in seen[0][1]) == len(due)


def test_where_no_good_frame_came_before_the_first_one_is_shown(
    s3: EmbeddedStore, storage: Storage, whole: Path, tmp_path: Path
) -> None:
    bad = harmed(whole, tmp_path / "bad.mkv", {0: halved, 25: halved})
    seen = []
    for seconds in (0.5, 60):
        asked = job(s3, bad, tmp_path / f"{seconds}.mkv", seconds=seconds, video=video("Repeat"))
        done = run_job(asked)
        seen.append((pictures(tmp_path / f"{seconds}.mkv"), record(storage, asked, done.run).bad_frames))
    start = display_order(whole).index(50)
    good = pictures(whole)
    assert seen[0][0] == [good[start]] * start + good[start:]
    assert seen[0] == seen[1]
    assert [(run.first, run.frames, run.shows) for run in seen[0][1]] == [(0, start, start)]


def test_a_video_without_one_good_frame_is_refused(s3: EmbeddedStore, whole: Path, tmp_path: Path) -> None:
    bad = harmed(whole, tmp_path / "bad.mkv", {0: zeroed, 25: zeroed, 50: zeroed, 75: zeroed})
    with pytest.raises(FramesDamaged, match=r"not one|does not decode"):
        run_job(job(s3, bad, tmp_path / "out.mkv", video=video("Repeat")))


def test_original_shows_what_the_decoder_makes_and_everything_else_is_the_source(
    s3: EmbeddedStore, storage: Storage, whole: Path, bad: Path, due: list[int], tmp_path: Path
) -> None:
    asked = job(s3, bad, tmp_path / "out.mkv", video=video("Original"))
    run = run_job(asked).run
    got, want, made = pictures(tmp_path / "out.mkv"), pictures(whole), pictures(bad)
    assert len(made) == FRAMES, "the decoder makes something of each"
    first = [place for place in due if place < 50]
    assert [got[place] for place in first] == [made[place] for place in first]
    assert [digest for place, digest in enumerate(got) if place not in due] == [
        digest for place, digest in enumerate(want) if place not in due
    ]
    assert {run.shows for run in record(storage, asked, run).bad_frames} == {None}


@pytest.mark.parametrize("policy", ["Repeat", "Original"])
def test_a_normalised_source_shows_the_same(
    s3: EmbeddedStore, storage: Storage, tmp_path: Path, policy: OnBadFrames, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = damaged.source(tmp_path, "-c:v", "libx264", "-preset", "veryfast", "-g", "250", "-bf", "2", seconds=3)
    bad = harmed(whole, tmp_path / "bad.mkv", {40: halved})
    seen = []
    surveyed: list[str] = []
    survey = mending.survey
    monkeypatch.setattr(
        mending, "survey", lambda path, *a, **more: surveyed.append(path.name) or survey(path, *a, **more)
    )
    for normalise in (False, True):
        surveyed.clear()
        output = tmp_path / f"{normalise}.mkv"
        asked = job(s3, bad, output, seconds=0.5, video=video(policy), normalise=normalise)
        done = run_job(asked)
        seen.append((pictures(output), record(storage, asked, done.run).bad_frames))
    assert (done.segments or 0) > 4
    # Once for all slices of an object, not once for each: it is a decode of all of it.
    assert surveyed == ["packets.mkv"]
    assert seen[0] == seen[1] and sum(run.frames for run in seen[0][1]) == len(bad_from(whole, 40, 75))


@pytest.mark.parametrize(
    ("encoder", "suffix", "harm"),
    [
        (("-c:v", "mjpeg", "-q:v", "4"), ".avi", halved),
        (("-c:v", "ffv1", "-level", "3", "-slicecrc", "1", "-g", "1"), ".mkv", flipped),
        (("-c:v", "prores_ks", "-pix_fmt", "yuv422p10le"), ".mov", halved),
    ],
    ids=["mjpeg in avi", "ffv1, one bit", "prores"],
)
def test_where_every_packet_is_a_picture_the_damaged_ones_alone_are_replaced(
    s3: EmbeddedStore, storage: Storage, tmp_path: Path, encoder: tuple[str, ...], suffix: str, harm: Harm
) -> None:
    whole = damaged.source(tmp_path, *encoder, seconds=1, name=f"whole{suffix}")
    bad = harmed(whole, tmp_path / f"bad{suffix}", {0: harm, 7: harm, 8: harm})
    asked = job(s3, bad, tmp_path / "out.mkv", seconds=0.5, video=video("Repeat"))
    run = run_job(asked).run
    runs = record(storage, asked, run).bad_frames
    assert [(run.first, run.frames, run.shows) for run in runs] == [(0, 1, 1), (7, 2, 6)]
    assert len(pictures(tmp_path / "out.mkv")) == 25


def lossy_transport_stream(whole: Path, path: Path, share: float) -> Path:
    """A transport stream that lost a few of its packets, as a receiver does, from a share of its length on."""
    clips.ffmpeg("-i", whole, "-c", "copy", "-f", "mpegts", path)
    data = path.read_bytes()
    packets = [data[place : place + 188] for place in range(0, len(data), 188)]
    start = int(len(packets) * share)
    video = [k for k in range(start, len(packets)) if (packets[k][1] & 0x1F, packets[k][2]) == (1, 0)]
    lost = set(video[1:4])
    path.write_bytes(b"".join(packet for k, packet in enumerate(packets) if k not in lost))
    return path


def test_packets_that_a_transport_stream_lost_are_bad_frames_too(
    s3: EmbeddedStore, storage: Storage, whole: Path, tmp_path: Path
) -> None:
    bad = lossy_transport_stream(whole, tmp_path / "bad.ts", 0.6)
    with pytest.raises(FramesDamaged, match=r"video packet \d+, at .* s, is damaged"):
        split(job(s3, bad, tmp_path / "out.mkv"))

    seen = []
    for seconds in (0.5, 60):
        asked = job(s3, bad, tmp_path / f"{seconds}.mkv", seconds=seconds, video=video("Repeat"))
        done = run_job(asked)
        seen.append((pictures(tmp_path / f"{seconds}.mkv"), record(storage, asked, done.run).bad_frames))
    got, runs = seen[0]
    assert seen[0] == seen[1] and len(got) == FRAMES
    numbers = {number for run in runs for number in range(run.first, run.first + run.frames)}
    want = pictures(whole)
    assert 0 < len(numbers) <= 25
    assert [k for k in range(FRAMES) if got[k] != want[k] and k not in numbers] == []


def test_a_packet_that_cannot_even_be_written_into_a_segment_is_bad(
    s3: EmbeddedStore, storage: Storage, tmp_path: Path
) -> None:
    av1 = ("-c:v", "libsvtav1", "-preset", "12", "-g", "10", "-svtav1-params", "lp=1")
    whole = damaged.source(tmp_path, *av1, seconds=1)
    bad = harmed_in_place(whole, tmp_path / "bad.mkv", 15)
    with pytest.raises(FramesDamaged, match=r"video packet 15, at 0\.600 s, "):
        split(job(s3, bad, tmp_path / "fails.mkv"))
    asked = job(s3, bad, tmp_path / "out.mkv", seconds=0.3, video=video("Repeat"))
    run = run_job(asked).run
    (found,) = record(storage, asked, run).bad_frames
    assert (found.first, found.first + found.frames, found.shows) == (15, 20, 14)
    assert len(pictures(tmp_path / "out.mkv")) == 25


def harmed_in_place(whole: Path, path: Path, number: int) -> Path:
    """A copy of a file in which a packet's bytes are others, where no muxer will write it."""
    with av.open(str(whole)) as container:
        packets = [bytes(packet) for packet in container.demux(video=0) if packet.size]
    data = whole.read_bytes()
    assert data.count(packets[number]) == 1
    path.write_bytes(data.replace(packets[number], garbled(packets[number][:2]) + b"\xff" * (len(packets[number]) - 2)))
    return path
