"""What a container alone says of a picture comes out of a header as it went in, and no packet moves."""

from pathlib import Path

import av
import pytest
from av.sidedata.sidedata import Type

from recast.media.entry import add_to_entry, boxes_of, set_matrix
from recast.media.turning import as_matrix
from tests import clips

pytestmark = pytest.mark.media


def boxes(path: Path) -> dict[str, bytes]:
    with av.open(str(path)) as container:
        return boxes_of(container.streams.video[0])


@pytest.mark.parametrize(
    ("name", "types"), [("sphere", {"sv3d"}), ("side_by_side", {"st3d"}), ("hdr_prores", {"mdcv", "clli"})]
)
def test_boxes_are_read_and_what_was_written_again_reads_the_same(name: str, types: set[str], tmp_path: Path) -> None:
    found = boxes(clips.build(name))
    assert types <= set(found)
    suffix = ".mov" if name == "hdr_prores" else ".mp4"
    bare, again = tmp_path / f"bare{suffix}", tmp_path / f"again{suffix}"
    coded = ["-c:v", "prores_ks", "-pix_fmt", "yuv422p10le"] if name == "hdr_prores" else clips.x264()
    clips.ffmpeg(*clips.picture(0.4), *coded, bare)
    assert not types & set(boxes(bare))
    again.write_bytes(bare.read_bytes())
    add_to_entry(again, [found[each] for each in sorted(types)])
    assert {each: boxes(again)[each] for each in types} == {each: found[each] for each in types}
    assert packets(again) == packets(bare)


@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
def test_a_display_matrix_is_read_as_it_was_written(suffix: str, tmp_path: Path) -> None:
    matrix = (-64540, 11380, 0, 11380, 64540, 0, 64 << 16, 7 << 16, 1 << 30)
    path = tmp_path / f"clip{suffix}"
    clips.ffmpeg(*clips.picture(0.4), *clips.x264(), path)
    before = packets(path)
    set_matrix(path, matrix)
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
    assert as_matrix(bytes(frame.side_data[Type.DISPLAYMATRIX])) == matrix  # type: ignore[literal-required]
    assert packets(path) == before


@pytest.mark.parametrize("name", ["ts", "h264_avi"])
def test_formats_without_such_boxes_have_none(name: str) -> None:
    assert boxes(clips.build(name)) == {}


def packets(path: Path) -> list[tuple[int | None, bytes]]:
    with av.open(str(path)) as container:
        return [(packet.pts, bytes(packet)) for packet in container.demux()]
