"""Closed captions that stand in the pictures' own messages come out with the same pictures."""

from pathlib import Path

import pytest

from recast.spec import Video
from recast.storage.embedded import EmbeddedStore
from tests.captions import captioned, captions
from tests.faces import photo, talking_head
from tests.jobs import job, run_job


@pytest.mark.parametrize("codec", ["H264", "Hevc"])
@pytest.mark.parametrize("engine", ["Passthrough", "Mesh"])
def test_captions_stay_with_their_pictures(s3: EmbeddedStore, tmp_path: Path, codec: str, engine: str) -> None:
    source, output = captioned(talking_head(tmp_path), tmp_path), tmp_path / "out.mkv"
    video = Video(codec=codec, preset="ultrafast")  # type: ignore[arg-type]
    faces = [photo()] if engine == "Mesh" else []
    run_job(job(s3, source, output, engine=engine, faces=faces, video=video))
    assert captions(output) == captions(source)
