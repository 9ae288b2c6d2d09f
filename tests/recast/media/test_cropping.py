"""What a container has players cut off: read from a source, and written where FFmpeg's own tool reads it."""

import re
import subprocess
from pathlib import Path

import av
import pytest

from recast.manifest import Crop
from recast.media.cropping import clap, read_clap
from recast.media.entry import add_to_entry, boxes_of
from tests import clips

pytestmark = pytest.mark.media

SIZE = (192, 144)


def told_by_ffmpeg(path: Path) -> Crop | None:
    told = subprocess.run([clips.exe(), "-hide_banner", "-i", path], capture_output=True, text=True, check=False).stderr
    found = re.search(r"Frame Cropping: (\d+)/(\d+)/(\d+)/(\d+)", told)
    if found is None:
        return None
    left, right, top, bottom = map(int, found.groups())
    return Crop(top=top, bottom=bottom, left=left, right=right)


def read(path: Path) -> Crop | None:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return read_clap(boxes_of(stream).get("clap", b""), stream.width, stream.height)


@pytest.mark.parametrize("name", ["clean_aperture", "pixel_crop"])
def test_what_a_source_asks_for_is_read_as_ffmpeg_reads_it(name: str) -> None:
    path = clips.build(name)
    assert read(path) == told_by_ffmpeg(path) == clips.pictures.CUT_OFF


@pytest.mark.parametrize(
    "name", ["cfr", "cropped", "h264_444", "vp9_webm", "prores", "dv", "ts", "ffv1", "raw_pictures_avi"]
)
def test_most_sources_ask_for_none(name: str) -> None:
    assert read(clips.build(name)) is None


@pytest.mark.parametrize(
    "crop",
    [
        Crop(top=1),
        Crop(bottom=3),
        Crop(left=5, right=5),
        Crop(top=1, bottom=2, left=3, right=4),
        Crop(left=190, top=142),
    ],
    ids=str,
)
@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
def test_what_is_written_is_read_again_and_no_packet_moves(tmp_path: Path, crop: Crop, suffix: str) -> None:
    path = tmp_path / f"clip{suffix}"
    clips.ffmpeg(*clips.picture(1), *clips.sound(1), *clips.x264(), *clips.AAC, path)
    before = packets(path)
    add_to_entry(path, [clap(crop, *SIZE)])
    assert read(path) == told_by_ffmpeg(path) == crop
    assert packets(path) == before


def packets(path: Path) -> list[tuple[int, int | None, bytes]]:
    with av.open(str(path)) as container:
        return [(packet.stream_index, packet.pts, bytes(packet)) for packet in container.demux()]


@pytest.mark.parametrize("crop", [Crop(), Crop(left=100, right=100), Crop(top=144)], ids=str)
def test_what_would_leave_nothing_or_all_is_none(tmp_path: Path, crop: Crop) -> None:
    path = tmp_path / "clip.mp4"
    clips.ffmpeg(*clips.picture(1), *clips.x264(), path)
    add_to_entry(path, [clap(crop, *SIZE)])
    assert read(path) is None
