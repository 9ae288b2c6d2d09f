"""What the campaign found, each in the smallest file that shows it."""

import struct
from pathlib import Path

import pytest

from recast import exitcodes
from recast.cli import main
from recast.media import source
from recast.media.numbered import numbered_packets
from tests import clips
from tests.hostilemedia.forked import run_all


def test_a_track_that_begins_behind_what_was_probed_does_no_harm(tmp_path: Path) -> None:
    video, sound, late = (tmp_path / f"{name}.flv" for name in ("video", "sound", "late"))
    noise = ["-vf", "noise=alls=90:allf=t", *clips.x264("keyint=25:qp=8")]
    clips.ffmpeg(*clips.picture(2, size="640x480"), *noise, video)
    clips.ffmpeg(*clips.sound(1), *clips.AAC, sound)
    assert video.stat().st_size > 10_000_000
    late.write_bytes(video.read_bytes() + sound.read_bytes()[13:])
    # Where the libraries read beyond their arrays it depends on what lies there.
    for _ in range(10):
        with source.open_source(str(late), "late") as container:
            assert len(container.streams) == 1
            assert sum(1 for _ in numbered_packets(container, "late")) == 50


def test_a_second_video_track_that_nothing_decodes_is_told_by_its_tag(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "two.mp4"
    coded = [*clips.x264(), "-map", "0", "-map", "1"]
    clips.ffmpeg(*clips.picture(1), *clips.picture(1), *coded, path)
    data = path.read_bytes()
    path.write_bytes(data[: data.rfind(b"avc1")] + b"none" + data[data.rfind(b"avc1") + 4 :])
    assert main(["inspect", str(path)]) == exitcodes.OK
    assert capsys.readouterr().out.count("cannot hold video track 1 (unknown)") == 3


def test_a_source_of_which_nothing_is_shown_is_refused_by_inspect_and_split(tmp_path: Path) -> None:
    path = tmp_path / "hidden.mp4"
    clips.ffmpeg(*clips.picture(1), *clips.x264(), path)
    data = bytearray(path.read_bytes())
    # The edit begins behind the last frame.
    edit = data.find(b"elst") + 16
    data[edit : edit + 4] = struct.pack(">I", 0x7FFF0000)
    path.write_bytes(data)
    ((_, ended),) = run_all([path], tmp_path / "case")
    assert ended.codes == {"inspect": exitcodes.BAD_INPUT, "split": exitcodes.BAD_INPUT}
    assert all("not one frame of it is shown" in said for said in ended.messages.values())
