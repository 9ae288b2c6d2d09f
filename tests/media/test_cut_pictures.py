"""Old codecs, cut: each segment decodes to the source's own pictures, colours and what did not change among them."""

from pathlib import Path

import av
import pytest

from recast.errors import BadInput
from recast.media import source
from recast.media.losses import Losses
from recast.media.segments import decode_segment
from recast.media.split import split_packets
from recast.media.timing import read_timing
from tests import clips

pytestmark = pytest.mark.media

PALETTE = ["-vf", "split[a][b];[a]palettegen[p];[b][p]paletteuse"]


def made(out: Path, *coded: str) -> Path:
    clips.ffmpeg(*clips.picture(1.2, size="64x48"), *coded, "-g", "4", out)
    return out


def without_index(path: Path) -> Path:
    """An AVI without the index that says which of its chunks are keyframes: FFmpeg calls all of them so."""
    data = bytearray(path.read_bytes())
    place = data.rfind(b"idx1")
    data[place : place + 4] = b"JUNK"
    path.write_bytes(data)
    return path


def cut(path: Path, folder: Path) -> list[list[bytes]]:
    """The pictures of each segment, as RGB, with cuts at every keyframe that may have one."""

    def opened() -> object:
        return source.open_source(str(path), "clip")

    facts, timing = read_timing(opened, "clip")  # type: ignore[arg-type]
    segments = []
    with source.open_source(str(path), "clip") as container:
        for file in split_packets(
            container, facts, timing, target_seconds=0.01, folder=folder, most_slices=1, before_next=lambda: None,
            moved=lambda: None, name="clip", losses=Losses(),
        ):  # fmt: skip
            wanted = {stamp for part in file.slices for _, stamp in part}
            segments.append([rgb(frame) for frame in decode_segment(file.path, threads=1) if frame.pts in wanted])
    return segments


def rgb(frame: av.VideoFrame) -> bytes:
    return bytes(frame.to_ndarray(format="rgb24").tobytes())


def decoded(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [rgb(frame) for frame in container.decode(video=0)]


@pytest.mark.parametrize(
    ("name", "coded"),
    [
        ("raw.avi", (*PALETTE, "-c:v", "rawvideo", "-pix_fmt", "pal8")),
        ("rle.avi", ("-c:v", "msrle", "-pix_fmt", "pal8")),
        ("raw.mov", (*PALETTE, "-c:v", "rawvideo", "-pix_fmt", "pal8")),
    ],
)
def test_every_segment_has_the_palette(name: str, coded: tuple[str, ...], tmp_path: Path) -> None:
    clip = made(tmp_path / name, *coded)
    segments = cut(clip, tmp_path)
    assert len(segments) > 1
    assert sum(segments, []) == decoded(clip)


@pytest.mark.parametrize("name", ["msvideo1.avi", "cinepak.avi"])
def test_no_cut_falls_where_a_picture_only_says_that_it_is_a_keyframe(name: str, tmp_path: Path) -> None:
    clip = without_index(made(tmp_path / name, "-c:v", name.split(".")[0]))
    segments = cut(clip, tmp_path)
    assert len(segments) > 1
    assert sum(segments, []) == decoded(clip)


def test_a_palette_that_no_segment_can_hold_is_refused(tmp_path: Path) -> None:
    clip = made(tmp_path / "rle.avi", "-c:v", "msrle", "-pix_fmt", "pal8")
    data = clip.read_bytes().replace(b"mrle", b"CRAM", 1)
    clip.write_bytes(data.replace(b"\x08\x00\x01\x00\x00\x00", b"\x08\x00CRAM", 1))
    with pytest.raises(BadInput, match="msvideo1 with a palette cannot be cut"):
        cut(clip, tmp_path)
