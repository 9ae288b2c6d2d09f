"""Every awkward clip, cut in several ways, comes out as it went in, judged by FFmpeg's own reading."""

from pathlib import Path

import pytest

from recast.spec import Video
from recast.storage.embedded import EmbeddedStore
from recast.verify.report import verify
from recast.verify.tracks import Allowed
from tests import clips
from tests.jobs import job, run_job

SECONDS = (1, 1000)
"""At every keyframe that is a second behind the last cut, and nowhere."""
GOOD = [clip for clip in clips.CLIPS.values() if not clip.bad]
LOSSY = {"prores", "hdr_prores", "odd_size_420", "raw_pictures_avi"}
"""ProRes has no lossless form; of the encoders only AV1 can hold an odd size with shared chroma; and FFmpeg hashes
packed pictures and the same samples in planes differently (`to_pixel_format`'s own test compares these)."""

# One container gets both lengths; the others one, since the cuts do not depend on it.
CASES = [
    pytest.param(clip, suffix, seconds, id=f"{clip.name}-{suffix[1:]}-{seconds}")
    for clip in GOOD
    for place, suffix in enumerate(clip.outputs)
    for seconds in (SECONDS if place == 0 else SECONDS[:1])
]


@pytest.mark.parametrize(("clip", "suffix", "seconds"), CASES)
def test_lossless_passthrough_is_the_source(
    s3: EmbeddedStore, tmp_path: Path, clip: clips.Clip, suffix: str, seconds: int
) -> None:
    source, output = clips.build(clip.name), tmp_path / f"out{suffix}"
    lossy = clip.name in LOSSY
    video = Video(quality=18) if lossy else Video(quality="Lossless", preset="ultrafast")

    done = run_job(job(s3, source, output, seconds=seconds, video=video))

    if clip.frames is not None:
        assert done.frames == clip.frames
    checks = verify(
        source,
        output,
        expect="lossy" if lossy else "lossless",
        allowed=Allowed(frozenset({"data"}), pixel_format=clip.name == "raw_pictures_avi"),
    )
    assert not [f"{check.name}: {check.detail}" for check in checks if not check.ok]
