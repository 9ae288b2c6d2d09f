"""Facts and frame lists of real files: the same whatever the cores."""

from pathlib import Path
from typing import Any

import pytest

from recast.errors import FramesDamaged
from recast.media import numbered, source
from recast.media.numbered import MOST_DECODERS
from recast.media.times import NO_FRAME
from recast.media.timing import decode_timing, read_timing
from tests.clips import build

pytestmark = pytest.mark.media

IVF_HEADER = 12
"""Bytes before a frame of IVF: its size and its time."""


@pytest.mark.parametrize("clip", ["h264_avi", "mpeg4_avi", "raw_hevc", "vp8_ivf", "av1_ivf", "av1_split_mkv"])
def test_the_frame_list_of_a_decode_does_not_depend_on_the_cores(clip: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def open_source() -> Any:
        return source.open_source(str(build(clip)), clip)

    facts, _ = read_timing(open_source, clip)
    lists = []
    for cores in (1, 3, 10 * MOST_DECODERS):
        monkeypatch.setattr(numbered, "usable_cores", lambda cores=cores: cores)
        lists.append(decode_timing(open_source, facts, clip))
    assert len(lists[0].times) > 1
    assert lists[0] == lists[1] == lists[2]


@pytest.mark.parametrize("clip", ["bframes", "av1_mkv", "vp9_webm", "open_gop_hevc", "ts_paff", "paff_mp4", "vp8_ivf"])
def test_facts_and_times_do_not_depend_on_the_cores(clip: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def open_source() -> Any:
        return source.open_source(str(build(clip)), clip)

    found = []
    for cores in (1, 3, 10 * MOST_DECODERS):
        monkeypatch.setattr(numbered, "usable_cores", lambda cores=cores: cores)
        found.append(read_timing(open_source, clip))
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("clip", ["av1_split_mkv", "av1_split_mp4", "av1_split_ivf"])
@pytest.mark.parametrize("mends", [False, True])
def test_a_packet_that_says_that_it_shows_no_frame_is_not_damaged(clip: str, mends: bool) -> None:
    _, timing = read_timing(lambda: source.open_source(str(build(clip)), clip), clip, mends=mends)
    assert len(timing.times) == 50
    assert sum(rank != NO_FRAME for rank in timing.decoded or ()) == 50


@pytest.mark.parametrize("back", [1, 2, 20])
@pytest.mark.parametrize("clip", ["vp8_ivf", "av1_ivf", "av1_split_ivf"])
@pytest.mark.parametrize("mends", [False, True])
def test_a_packet_that_gives_no_frame_is_named_whatever_the_cores(
    clip: str, back: int, mends: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, number = without_its_pictures(clip, back, tmp_path)

    def open_source() -> Any:
        return source.open_source(str(path), clip)

    said = set()
    for cores in (1, 3, 10 * MOST_DECODERS):
        monkeypatch.setattr(numbered, "usable_cores", lambda cores=cores: cores)
        with pytest.raises(FramesDamaged, match=rf"packet ({number}|{number + 1}|{number + 2})\b") as refused:
            read_timing(open_source, clip, mends=mends)
        said.add(str(refused.value))
    assert len(said) == 1


def without_its_pictures(clip: str, back: int, folder: Path) -> tuple[Path, int]:
    """A copy whose packet so many before the end is nothing but zeros, and that packet's number."""
    with source.open_source(str(build(clip)), clip) as container:
        places = [packet.pos for packet in container.demux(video=0) if packet.size]
    data = bytearray(build(clip).read_bytes())
    frame = places[-back]
    assert frame is not None
    size = int.from_bytes(data[frame : frame + 4], "little")
    data[frame + IVF_HEADER : frame + IVF_HEADER + size] = bytes(size)
    path = folder / build(clip).name
    path.write_bytes(data)
    return path, len(places) - back
