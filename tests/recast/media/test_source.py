"""What a source is, by its header and its first frame."""

from pathlib import Path

import pytest

from recast.media.source import open_source, read_only, video_facts, video_stream
from tests import clips

pytestmark = pytest.mark.media

CODERS = {
    "libx264": ["-flags", "+ilme+ildct", "-pix_fmt", "yuv420p"],
    "mpeg2video": ["-flags", "+ilme+ildct", "-pix_fmt", "yuv420p"],
    "prores_ks": ["-flags", "+ildct", "-pix_fmt", "yuv422p10le"],
    "ffv1": ["-pix_fmt", "yuv420p"],
    "v210": ["-pix_fmt", "yuv422p10le"],
    "dvvideo": ["-s", "1440x1080", "-pix_fmt", "yuv422p"],
}


@pytest.mark.parametrize("order", ["tff", "bff"])
@pytest.mark.parametrize(
    ("codec", "container"),
    [
        *((codec, container) for codec in ("libx264", "mpeg2video", "ffv1") for container in ("mkv", "mov", "avi")),
        ("prores_ks", "mov"),
        # Its header says progressive.
        ("prores_ks", "mxf"),
        # Its pictures say nothing, only the header does.
        ("v210", "mov"),
        ("libx264", "ts"),
        # DVCPRO HD: its header says progressive.
        ("dvvideo", "mov"),
    ],
)
def test_the_order_of_fields_is_what_the_pictures_say(codec: str, container: str, order: str, tmp_path: Path) -> None:
    path = tmp_path / f"in.{container}"
    fields = f"tinterlace=interleave_{'top' if order == 'tff' else 'bottom'},fieldorder={order}"
    clips.ffmpeg(*clips.picture(0.4, rate="50"), "-vf", fields, "-c:v", codec, *CODERS[codec], path)
    with open_source(str(path), "in") as container_:
        stream = video_stream(container_, "in")
        read_only(container_, stream)
        first = next(container_.decode(stream))
        assert video_facts(stream, first, "in").field_order == order
