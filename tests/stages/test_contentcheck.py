"""The content check, in the stages themselves: it sees what is there, wherever keyframes are, and is never skipped."""

from pathlib import Path

import pytest

from controller.stages.split import split
from recast import names
from recast.errors import BadConfig, BadInput
from recast.manifest import Plan
from recast.media.sampling import sampled_frames
from recast.spec import ContentCheck
from recast.storage.embedded import EmbeddedStore
from recast.storage.storage import Storage
from tests import clips, stubmodels
from tests.jobs import job, run_job

SECONDS = 6
RED = (3.4, 3.8)
"""When the right half of the picture is red."""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"file://{stubmodels.content(tmp_path_factory.mktemp('model') / 'content.onnx')}"


def clip(path: Path, *options: str, turned: bool = False) -> Path:
    """Gray, but for 0.4 s in which half the picture, the right one as it is shown, is red."""
    drawn = f"drawbox=x=iw/2:w=iw/2:color=0xFF0000:t=fill:enable='between(t,{RED[0]},{RED[1]})'"
    turn = ",transpose=clock" if turned else ""
    coded = path.with_suffix(".coded.mp4") if turned else path
    clips.ffmpeg(
        *("-f", "lavfi", "-i", f"color=0x808080:s=96x64:r=25:d={SECONDS},format=yuv444p,{drawn}{turn}"),
        *("-c:v", "libx264", "-pix_fmt", "yuv420p", "-preset", "ultrafast", *options, coded),
    )
    if turned:
        clips.ffmpeg("-display_rotation", "90", "-i", coded, "-c", "copy", path)
    return path


KEYFRAMES = {
    "one keyframe in all": ("-g", "1000"),
    "keyframes close together": ("-g", "5"),
    "keyframes far apart": ("-g", "75"),
    "open GOPs": ("-g", "10", "-x264-params", "open-gop=1:bframes=2:scenecut=0"),
    "intra refresh": ("-g", "25", "-x264-params", "intra-refresh=1"),
}


@pytest.mark.parametrize("options", KEYFRAMES.values(), ids=KEYFRAMES)
def test_what_is_seen_for_less_than_half_a_second_is_found(
    options: tuple[str, ...], model: str, s3: EmbeddedStore, tmp_path: Path
) -> None:
    source = clip(tmp_path / "a.mp4", *options)
    wanted = ContentCheck(model=model, threshold=0.5, every_seconds=0.3)
    with pytest.raises(BadInput, match=r"the frame at 3\.[4-7]\d* s scores 0\.9\d+ in the content check") as refused:
        split(job(s3, source, tmp_path / "out.mp4", content_check=wanted))
    assert refused.value.reason == names.CONTENT_REFUSED
    assert not (tmp_path / "out.mp4").exists()


def test_a_phones_video_is_looked_at_upright(model: str, s3: EmbeddedStore, tmp_path: Path) -> None:
    source = clip(tmp_path / "a.mp4", "-g", "5", turned=True)
    with pytest.raises(BadInput, match="content check"):
        split(
            job(
                s3,
                source,
                tmp_path / "out.mp4",
                content_check=ContentCheck(model=model, threshold=0.9, every_seconds=0.3),
            )
        )


def test_what_it_saw_is_said(model: str, s3: EmbeddedStore, storage: Storage, tmp_path: Path) -> None:
    source = clip(tmp_path / "a.mp4", "-g", "25")
    wanted = ContentCheck(model=model, threshold=1.5, every_seconds=0.2)
    asked = job(s3, source, tmp_path / "out.mp4", content_check=wanted)
    done = run_job(asked)
    assert done.content_check is not None
    assert done.content_check["frames"] >= SECONDS / 0.2
    assert 0.9 < done.content_check["highest"] < 1.1
    again = split(asked)
    assert again.content_check == done.content_check
    plan = Plan.model_validate_json(storage.get(asked.layout(done.run or "").plan))
    assert plan.content_check is not None and plan.content_check.model_dump() == done.content_check


def test_what_it_saw_is_said_of_an_output_that_was_published_already(
    model: str, s3: EmbeddedStore, tmp_path: Path
) -> None:
    wanted = ContentCheck(model=model, threshold=1.5, every_seconds=0.2)
    source = clip(tmp_path / "a.mp4", "-g", "25")
    asked = job(s3, source, tmp_path / "out.mp4", content_check=wanted, retain="OnFailure")
    done = run_job(asked)
    again = split(asked)
    assert again.output is not None
    assert again.content_check == done.content_check is not None


def test_keyframes_alone_are_looked_at_where_they_are_close(model: str, s3: EmbeddedStore, tmp_path: Path) -> None:
    source = clip(tmp_path / "a.mp4", "-g", "25", "-sc_threshold", "0")
    wanted = ContentCheck(model=model, threshold=1.5, every_seconds=1)
    done = split(job(s3, source, tmp_path / "out.mp4", seconds=60, content_check=wanted))
    # Six keyframes, none of them while it is red.
    assert done.content_check is not None and done.content_check["frames"] == SECONDS
    assert abs(done.content_check["highest"]) < 0.05


def test_a_source_that_was_split_without_it_is_looked_at(model: str, s3: EmbeddedStore, tmp_path: Path) -> None:
    source = clip(tmp_path / "a.mp4", "-g", "5")
    first = split(job(s3, source, tmp_path / "out.mp4", name="looked-at"))
    assert first.content_check is None
    wanted = ContentCheck(model=model, threshold=0.5, every_seconds=0.3)
    with pytest.raises(BadInput, match="content check"):
        split(job(s3, source, tmp_path / "out.mp4", name="looked-at", content_check=wanted))


def test_a_model_that_is_not_there_is_named(s3: EmbeddedStore, tmp_path: Path) -> None:
    wanted = ContentCheck(model=f"s3://{s3.bucket}/none.onnx", threshold=0.5)
    with pytest.raises(BadConfig, match=r"none\.onnx: is not there") as refused:
        split(job(s3, clips.build("cfr"), tmp_path / "out.mp4", content_check=wanted))
    assert refused.value.reason == names.MISSING_MODEL


def test_a_frame_that_is_decoded_and_not_looked_at_is_a_sign_of_life_too(tmp_path: Path) -> None:
    source = clip(tmp_path / "a.mkv", "-g", "250", "-bf", "0", "-sc_threshold", "0")
    frames = [(stamp, stamp) for stamp in range(0, SECONDS * 1000, 40)]
    moves: list[None] = []
    seen = sampled_frames(source, frames, every=4000, threads=1, moved=lambda: moves.append(None))
    assert [pts for pts, _ in seen] == [0, 4000, frames[-1][0]]
    assert len(moves) == len(frames)
