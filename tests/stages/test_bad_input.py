"""What cannot be used is refused by split, before any work, with 65 and one line; nothing is published."""

from pathlib import Path

import pytest

from controller.stages.split import split
from recast import exitcodes
from recast.errors import BadConfig, BadInput, NotFound, RecastError
from recast.storage.embedded import EmbeddedStore
from recast.storage.storage import Storage
from tests import clips, faces
from tests.jobs import job, run_job, swap

BAD = [clip for clip in clips.CLIPS.values() if clip.bad]


@pytest.mark.parametrize("clip", BAD, ids=lambda clip: clip.name)
def test_a_bad_source_is_refused_before_any_work(s3: EmbeddedStore, tmp_path: Path, clip: clips.Clip) -> None:
    output = tmp_path / "out.mkv"

    with pytest.raises(BadInput) as caught:
        split(job(s3, clips.build(clip.name), output))

    assert caught.value.exit_code == exitcodes.BAD_INPUT
    assert "\n" not in str(caught.value) and clip.name in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_source_is_66(s3: EmbeddedStore, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"none\.mp4"):
        split(job(s3, tmp_path / "none.mp4", tmp_path / "out.mp4"))


def test_a_missing_object_is_66(s3: EmbeddedStore, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"none\.mp4"):
        split(job(s3, f"s3://{s3.bucket}/none.mp4", tmp_path / "out.mp4"))


def test_a_missing_face_is_66(s3: EmbeddedStore, tmp_path: Path) -> None:
    asked = job(s3, clips.build("cfr"), tmp_path / "out.mp4", engine="Mesh", faces=[tmp_path / "none.png"])
    with pytest.raises(NotFound, match=r"none\.png"):
        split(asked)


def test_a_face_image_without_a_face_is_65(s3: EmbeddedStore, tmp_path: Path) -> None:
    asked = job(s3, clips.build("cfr"), tmp_path / "out.mp4", engine="Mesh", faces=[faces.faceless()])
    run = split(asked).run
    with pytest.raises(BadInput, match=r"brick\.png"):
        swap(asked.model_copy(update={"run": run}), 0)


def test_a_text_file_as_a_face_is_65(s3: EmbeddedStore, tmp_path: Path) -> None:
    text = tmp_path / "face.png"
    text.write_text("no picture")
    asked = job(s3, clips.build("cfr"), tmp_path / "out.mp4", engine="Mesh", faces=[text])
    with pytest.raises(BadInput, match=r"face\.png"):
        split(asked)


def test_tracks_that_the_container_cannot_hold_are_refused_naming_one_that_can(
    s3: EmbeddedStore, tmp_path: Path
) -> None:
    with pytest.raises(BadInput, match=r"cannot hold subtitle .*use \.mkv"):
        split(job(s3, clips.build("tracks_mkv"), tmp_path / "out.mp4"))


def test_tracks_that_may_be_dropped_are_and_are_named(s3: EmbeddedStore, tmp_path: Path) -> None:
    output = tmp_path / "out.mp4"
    run_job(job(s3, clips.build("tracks_mkv"), output, drop_tracks=["subtitle", "attachment"]))
    assert output.exists()


def test_an_output_that_exists_is_refused(s3: EmbeddedStore, tmp_path: Path) -> None:
    output = tmp_path / "out.mp4"
    output.write_bytes(b"mine")
    with pytest.raises(BadConfig, match="exists already"):
        split(job(s3, clips.build("cfr"), output))
    assert output.read_bytes() == b"mine"


def test_an_output_bucket_that_is_missing_is_refused_before_any_work(s3: EmbeddedStore, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"s3://nobucket/out\.mp4: there is no such bucket"):
        split(job(s3, clips.build("cfr"), "s3://nobucket/out.mp4"))


def test_an_output_object_that_exists_is_refused(s3: EmbeddedStore, storage: Storage, prefix: str) -> None:
    storage.put(f"{prefix}out.mp4", b"mine")
    with pytest.raises(BadConfig, match="exists already"):
        split(job(s3, clips.build("cfr"), f"{prefix}out.mp4"))


def test_an_output_folder_that_is_missing_is_refused(s3: EmbeddedStore, tmp_path: Path) -> None:
    with pytest.raises(RecastError) as caught:
        run_job(job(s3, clips.build("cfr"), tmp_path / "none" / "out.mp4"))
    assert caught.value.exit_code == exitcodes.BAD_CONFIG


def test_a_source_overwritten_in_the_middle_fails_clearly(
    s3: EmbeddedStore, storage: Storage, prefix: str, tmp_path: Path
) -> None:
    source = f"{prefix}source.mp4"
    storage.upload(source, clips.build("bframes"))
    asked = job(s3, source, tmp_path / "out.mp4")
    done = split(asked)
    ready = asked.model_copy(update={"run": done.run})
    for index in range(done.segments or 0):
        swap(ready, index)
    storage.upload(source, clips.build("cfr"))

    from controller.stages.mux import mux

    with pytest.raises(BadInput, match="changed"):
        mux(ready)
    assert not (tmp_path / "out.mp4").exists()
