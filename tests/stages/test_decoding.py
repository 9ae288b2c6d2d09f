"""A segment whose frames the GPU's decoder loses is begun again in software. A stand-in decodes in the GPU's place."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from av.video.frame import VideoFrame

from recast.media.segments import decode_segment
from recast.storage.embedded import EmbeddedStore
from recast.storage.storage import Storage
from recast.verify.report import verify
from segment_worker import worker
from segment_worker.decoding import COMPARED_FRAMES, Decoder
from tests import clips
from tests.jobs import job, reports, run_job


@pytest.mark.parametrize(("lost", "used"), [(None, "Nvdec"), (COMPARED_FRAMES + 3, "Software"), (2, "Software")])
def test_what_comes_out_is_the_same(
    lost: int | None, used: str, s3: EmbeddedStore, storage: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def by_gpu(path: Path) -> Iterator[VideoFrame]:
        for number, frame in enumerate(decode_segment(path, threads=1)):
            if number != lost:
                yield frame

    def with_gpu(*given: object, **more: object) -> Decoder:
        return Decoder(*given, **more, by_gpu=by_gpu, has_gpu=lambda: True)  # type: ignore[arg-type]

    monkeypatch.setattr(worker, "Decoder", with_gpu)
    source, output = clips.build("bframes"), tmp_path / "out.mp4"
    asked = job(s3, source, output, seconds=60)
    run_job(asked)
    assert [check for check in verify(source, output) if not check.ok] == []
    (report,) = reports(storage, asked)
    assert report.decoder == used
