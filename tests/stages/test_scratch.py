"""What a job leaves in scratch, who removes it, and that a tidied job still knows its own output."""

from pathlib import Path

import pytest

from controller.stages.cleanup import cleanup
from controller.stages.mux import mux
from controller.stages.split import split
from recast import names
from recast.errors import BadConfig
from recast.spec import Video
from recast.stage import StageInput
from recast.storage.embedded import EmbeddedStore
from recast.storage.s3client import make_client
from recast.storage.storage import Storage
from tests import clips, faces
from tests.jobs import NAMESPACE, job, run_job

LOSSY = Video(preset="ultrafast")


def left(s3: EmbeddedStore, storage: Storage, asked: StageInput) -> list[str]:
    prefix = f"s3://{s3.bucket}/scratch/{NAMESPACE}/{asked.name}/"
    return [info.uri.rsplit("/", 1)[-1] for info in storage.list(prefix)]


def test_after_success_only_the_outputs_record_stays(s3: EmbeddedStore, storage: Storage, tmp_path: Path) -> None:
    asked = job(s3, clips.build("cfr"), tmp_path / "out.mp4", video=LOSSY, retain="OnFailure")
    run_job(asked)
    assert left(s3, storage, asked) == ["output.json"]


def test_a_job_that_is_done_and_tidied_is_not_done_again(s3: EmbeddedStore, storage: Storage, tmp_path: Path) -> None:
    asked = job(s3, clips.build("cfr"), tmp_path / "out.mp4", video=LOSSY, retain="OnFailure")
    done = run_job(asked)
    before = (tmp_path / "out.mp4").stat()

    again = split(asked)
    muxed = mux(asked.model_copy(update={"run": done.run}))

    assert again.run == done.run and again.frames == done.frames
    assert again.output == muxed.output
    assert muxed.output is not None and muxed.output["size"] == before.st_size
    assert (tmp_path / "out.mp4").stat().st_mtime_ns == before.st_mtime_ns
    assert left(s3, storage, asked) == ["output.json"]


def test_a_tidied_job_whose_output_was_removed_is_done_anew(s3: EmbeddedStore, tmp_path: Path) -> None:
    asked = job(s3, clips.build("cfr"), tmp_path / "out.mp4", video=LOSSY, retain="OnFailure")
    run_job(asked)
    content = (tmp_path / "out.mp4").read_bytes()
    (tmp_path / "out.mp4").unlink()
    run_job(asked)
    assert (tmp_path / "out.mp4").read_bytes() == content


def test_a_tidied_job_with_another_face_does_not_pass_the_old_output_off_as_its_own(
    s3: EmbeddedStore, tmp_path: Path
) -> None:
    clip, output = clips.build("cfr"), tmp_path / "out.mp4"
    photo = tmp_path / "face.png"
    photo.write_bytes(faces.photo().read_bytes())
    asked = job(s3, clip, output, engine="Mesh", faces=[photo], video=LOSSY, retain="OnFailure")
    run_job(asked)
    photo.write_bytes(photo.read_bytes() + b"\0")
    with pytest.raises(BadConfig) as refused:
        split(asked)
    assert refused.value.reason == names.OUTPUT_EXISTS


def test_cleanup_removes_the_run_and_may_come_twice(s3: EmbeddedStore, storage: Storage, tmp_path: Path) -> None:
    asked = job(s3, clips.build("cfr"), tmp_path / "out.mp4", retain="Never")
    other = job(s3, clips.build("cfr"), tmp_path / "other.mp4", name=asked.name + "0")
    done = split(asked)
    split(other)
    ready = asked.model_copy(update={"run": done.run})
    raw = make_client(s3.settings, attempts=1)
    begun = f"scratch/{NAMESPACE}/{asked.name}/{done.run}/parts/000000.mkv"
    raw.create_multipart_upload(Bucket=s3.bucket, Key=begun)
    cleanup(ready)
    cleanup(ready)
    uploads = raw.list_multipart_uploads(Bucket=s3.bucket).get("Uploads", [])
    assert begun not in {upload["Key"] for upload in uploads}
    assert left(s3, storage, asked) == []
    assert left(s3, storage, other) != []


def test_cleanup_of_a_job_whose_split_was_stopped_removes_all_that_is_its_own(
    s3: EmbeddedStore, storage: Storage, tmp_path: Path
) -> None:
    asked = job(s3, clips.build("cfr"), tmp_path / "out.mp4", retain="Never")
    other = job(s3, clips.build("cfr"), tmp_path / "other.mp4", name=asked.name + "0")
    split(asked)
    split(other)
    cleanup(asked)
    assert left(s3, storage, asked) == []
    assert left(s3, storage, other) != []
