"""The swapped pixels depend on nothing but the frame and the job; all others are the source's, bit for bit."""

from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest

from recast.spec import Engine, Target, Video
from recast.storage.embedded import EmbeddedStore
from segment_worker.engines.factory import PairFiles, make_engine
from segment_worker.frames import picture_of, yuv_layout
from tests import clips, faces
from tests.jobs import job, run_job

LOSSLESS = Video(quality="Lossless", preset="ultrafast")

Planes = list[npt.NDArray[np.uint8]]


def frames(path: Path) -> list[Planes]:
    """Every frame's planes."""
    with av.open(str(path)) as container:
        decoded = list(container.decode(video=0))
    return [[_plane(plane) for plane in frame.planes] for frame in decoded]


def _plane(plane: av.video.plane.VideoPlane) -> npt.NDArray[np.uint8]:
    rows = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)
    return rows[:, : plane.width].copy()


@pytest.fixture(scope="module")
def talking(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return faces.talking_head(tmp_path_factory.mktemp("talking"))


@pytest.fixture(scope="module")
def swapped(s3: EmbeddedStore, talking: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("swapped") / "out.mp4"
    run_job(job(s3, talking, output, seconds=1000, engine="Mesh", faces=[faces.photo()], video=LOSSLESS))
    return output


@pytest.mark.parametrize("seconds", [0.4, 0.9])
def test_swapped_pixels_do_not_depend_on_the_cuts_or_the_order_of_work(
    s3: EmbeddedStore, talking: Path, swapped: Path, tmp_path: Path, seconds: float
) -> None:
    asked = job(
        s3, talking, tmp_path / "out.mp4", seconds=seconds, engine="Mesh", faces=[faces.photo()], video=LOSSLESS
    )
    cuts = {0.4: 3, 0.9: 2}[seconds]
    done = run_job(asked, order=range(cuts - 1, -1, -1))
    assert done.segments == cuts
    for ours, theirs in zip(frames(swapped), frames(tmp_path / "out.mp4"), strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))


def test_virtual_cuts_of_a_giant_gop_swap_the_same_pixels(s3: EmbeddedStore, tmp_path: Path) -> None:
    source = faces.talking_head(tmp_path, gop=1000)
    asked = {"engine": "Mesh", "faces": [faces.photo()], "video": LOSSLESS}
    whole = run_job(job(s3, source, tmp_path / "whole.mp4", seconds=1000, **asked))  # type: ignore[arg-type]
    cut = run_job(job(s3, source, tmp_path / "cut.mp4", seconds=0.3, **asked))  # type: ignore[arg-type]
    assert (whole.segments, cut.segments) == (1, 4)
    for ours, theirs in zip(frames(tmp_path / "whole.mp4"), frames(tmp_path / "cut.mp4"), strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))


def test_pixels_outside_the_face_are_the_source_s(talking: Path, swapped: Path) -> None:
    engine = make_engine(Engine(), [PairFiles([("photo", faces.photo().read_bytes())], Target())])
    from recast.media import source
    from recast.media.timing import read_timing

    facts, _ = read_timing(lambda: source.open_source(str(talking), "talking"), "talking")
    layout = yuv_layout(facts, "yuv420p")
    with av.open(str(talking)) as container:
        boxes = [
            engine.inspect(picture_of(frame, layout))[0].box  # type: ignore[attr-defined]
            for frame in container.decode(video=0)
        ]
    changed = 0
    for before, after, (x0, y0, x1, y1) in zip(frames(talking), frames(swapped), boxes, strict=True):
        # The patch reaches a little beyond the face's box: chin and soft edge.
        grow = 0.35 * max(x1 - x0, y1 - y0)
        luma = before[0] != after[0]
        rows, columns = np.nonzero(luma)
        assert rows.min() >= y0 - grow and rows.max() <= y1 + grow
        assert columns.min() >= x0 - grow and columns.max() <= x1 + grow
        changed += int(luma.sum())
    assert changed > 0


def test_a_clip_filmed_sideways_is_swapped_as_if_it_stood_upright(
    s3: EmbeddedStore, talking: Path, swapped: Path, tmp_path: Path
) -> None:
    coded, sideways = tmp_path / "coded.mp4", tmp_path / "sideways.mp4"
    clips.ffmpeg("-i", talking, "-vf", "transpose=clock", "-c:v", "libx264", "-qp", "0", "-bf", "0", "-an", coded)
    clips.ffmpeg("-display_rotation", "90", "-i", coded, "-c", "copy", sideways)
    output = tmp_path / "out.mp4"
    run_job(job(s3, sideways, output, engine="Mesh", faces=[faces.photo()], video=LOSSLESS))
    for upright, turned in zip(frames(swapped), frames(output), strict=True):
        assert all(np.array_equal(a, np.rot90(b)) for a, b in zip(upright, turned, strict=True))
