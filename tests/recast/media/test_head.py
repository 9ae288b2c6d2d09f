"""What is decoded of a stream's head, and which of its packets are damaged."""

import pytest

from recast.media import head, source
from recast.media.times import PacketTime
from tests.clips import build


@pytest.mark.media
@pytest.mark.parametrize(
    ("most", "least", "size", "expected"),
    [(48, 24, 1 << 30, 48), (48, 24, 1, 24), (10**6, 24, 1 << 30, None)],
    ids=["by their number", "by their bytes, at the least number", "the whole stream"],
)
def test_a_head_ends(most: int, least: int, size: int, expected: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("HEAD_PACKETS", most), ("HEAD_LEAST", least), ("HEAD_BYTES", size)):
        monkeypatch.setattr(head, name, value)
    with source.open_source(str(build("bframes")), "bframes") as container:
        whole = sum(1 for packet in container.demux(video=0) if packet.size)
    assert whole > 48
    _, _, read = head.read_head(lambda: source.open_source(str(build("bframes")), "bframes"), "b", mends=False)
    assert len(read.packets) == (expected or whole)
    assert read.ended == (expected is None)
    assert len(read.shown) == len(read.packets), "what the decoder held back is there too"


@pytest.mark.parametrize(
    ("shown", "earlier", "expected"),
    [([1, 2, 3], None, None), ([1, 3], None, 2), ([1, 3], 1, 1), ([1], 3, 2), ([], None, 1)],
    ids=["all there", "one missing", "after damage", "before damage", "none"],
)
def test_the_first_packet_without_a_frame_from_the_first_keyframe_on_is_damaged(
    shown: list[int], earlier: int | None, expected: int | None
) -> None:
    times = [0, 40, 80, 120, None]
    packets = [PacketTime(index, pts, None, index == 1) for index, pts in enumerate(times)]
    # 0 lies before the first keyframe, 4 is hidden.
    found = head.Head(packets=packets, shown=shown, damaged_from=earlier)
    found.mark_first_missing()
    assert found.damaged_from == expected
