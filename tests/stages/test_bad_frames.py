"""Frames that do not decode whole: the job fails and names them, or shows what it was asked to, wherever it is cut."""

import hashlib
from pathlib import Path
from typing import Any

import av
import pytest

from recast import exitcodes, names
from recast.embedded import EmbeddedStore
from recast.errors import FramesDamaged
from recast.manifest import OutputRecord
from recast.spec import OnBadFrames, Video
from recast.storage import Storage
from tests import damaged
from tests.damaged import H264, display_order, garbled, harmed, zeroed
from tests.jobs import job, run_job, split, swap

FRAMES = 100


def pictures(path: Path) -> list[str]:
    """A digest of each frame that a file decodes to."""
    with av.open(str(path)) as container:
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
