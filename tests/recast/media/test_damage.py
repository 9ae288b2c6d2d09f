"""What shows that a packet is damaged, and which frames are bad for it."""

import random
from collections.abc import Callable
from pathlib import Path

import av
import pytest

from recast.errors import BadInput, FramesDamaged
from recast.media import ffv1, nal, source, timing
from recast.media.damage import mended, survey
from recast.media.segments import SegmentWriter, decode_segment
from tests import clips, damaged
from tests.damaged import H264, garbled, halved, zeroed

pytestmark = pytest.mark.media

HEVC = ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=error:keyint=25:bframes=2:pools=1")


def packets_of(path: Path) -> tuple[list[bytes], bytes]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        data = [bytes(packet) for packet in container.demux(stream) if packet.size]
        return data, stream.codec_context.extradata or b""


def object_of(path: Path, folder: Path) -> tuple[Path, list[int]]:
    """A clip's packets as one object, and its frames' stamps in display order."""
    written = folder / "object.mkv"
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        writer = SegmentWriter(written, stream, path.name)
        for number, packet in enumerate(packet for packet in container.demux(stream) if packet.size):
            writer.write(packet, number)
        writer.close()
    return written, damaged.display_order(path)


def nulled(data: bytes) -> bytes:
    """Zeros alone: NAL units of no length."""
    return bytes(len(data))


@pytest.mark.parametrize(("encoder", "codec"), [(H264, "h264"), (HEVC, "hevc")], ids=["h264", "hevc"])
def test_a_block_of_zeros_and_a_lost_end_show_in_every_packet_and_nothing_does_in_whole_ones(
    tmp_path: Path, encoder: tuple[str, ...], codec: str
) -> None:
    packets, extradata = packets_of(damaged.source(tmp_path, *encoder))
    assert not [number for number, data in enumerate(packets) if nal.is_damaged(data, codec, extradata)]
    for harm in (zeroed, halved, nulled):
        assert all(nal.is_damaged(harm(data), codec, extradata) for data in packets), harm.__name__


def test_between_start_codes_zeros_are_found_and_start_codes_are_not() -> None:
    whole = b"\0\0\0\1\x67abc\0\0\1\x65\x88\0\0\3\1d\0\0\0\1\x41e\0\0\0"
    assert not nal.is_damaged(whole, "h264", b"")
    assert nal.is_damaged(whole[:14] + bytes(6) + whole[14:], "h264", b"")
    assert nal.is_damaged(whole[:14] + b"\0\0\2" + whole[14:], "h264", b"")


def test_of_ffv1_every_flipped_bit_is_found_by_its_own_checksum(tmp_path: Path) -> None:
    chosen = random.Random(1)
    packets, _ = packets_of(damaged.source(tmp_path, "-c:v", "ffv1", "-level", "3", "-slicecrc", "1", seconds=1))
    assert not any(map(ffv1.is_damaged, packets))
    for _ in range(200):
        data = bytearray(chosen.choice(packets))
        data[chosen.randrange(len(data))] ^= 1 << chosen.randrange(8)
        assert ffv1.is_damaged(bytes(data))


def test_ffv1_without_checksums_is_not_taken_for_damaged(tmp_path: Path) -> None:
    packets, _ = packets_of(damaged.source(tmp_path, "-c:v", "ffv1", "-level", "3", "-slicecrc", "0", seconds=1))
    assert not any(map(ffv1.is_damaged, packets))


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("harm", [halved, zeroed, garbled], ids=lambda harm: harm.__name__)
def test_strict_decoding_stops_where_a_tolerant_one_goes_on(
    tmp_path: Path, harm: Callable[[bytes], bytes], threads: int
) -> None:
    bad = damaged.harmed(damaged.source(tmp_path, *H264, seconds=2), tmp_path / "bad.mkv", {30: harm})
    written, frames = object_of(bad, tmp_path)
    assert len(list(decode_segment(written, threads=threads))) >= len(frames) - 1
    with pytest.raises(FramesDamaged, match="packet 3"):
        list(decode_segment(written, threads=threads, strict=True))


def test_bad_are_the_damaged_frame_and_those_decoded_after_it_up_to_the_next_keyframe(tmp_path: Path) -> None:
    whole = damaged.source(tmp_path, *H264)
    written, frames = object_of(damaged.harmed(whole, tmp_path / "bad.mkv", {40: halved}), tmp_path)
    groups = survey(written, frames)
    assert [group.start for group in groups] == [0, 25, 50, 75]
    assert set().union(*(group.bad for group in groups)) == set(range(40, 50))


def test_in_an_open_gop_the_next_keyframes_leading_pictures_are_bad_too(tmp_path: Path) -> None:
    whole = clips.build("open_gop_h264")
    written, frames = object_of(damaged.harmed(whole, tmp_path / "bad.mkv", {30: halved}), tmp_path)
    groups = survey(written, frames)
    hit = next(group for group in groups if group.bad)
    after = groups[groups.index(hit) + 1]
    assert max(hit.frames) > after.start, "the clip has leading pictures"
    assert hit.bad == {stamp for stamp in hit.frames if stamp >= 30} and not after.bad


def test_packets_that_the_container_calls_damaged_are(tmp_path: Path) -> None:
    written, frames = object_of(damaged.source(tmp_path, *H264), tmp_path)
    assert not any(group.bad for group in survey(written, frames))
    assert set().union(*(group.bad for group in survey(written, frames, damaged=[90]))) == set(range(90, 100))


def test_whole_frames_in_another_order_than_their_times_say_are_no_damage_and_no_bug(tmp_path: Path) -> None:
    path = clips.build("bframes")
    facts, _ = timing.read_timing(lambda: source.open_source(str(path), "clip"), "clip")
    written, frames = object_of(path, tmp_path)
    frames[3], frames[4] = frames[4], frames[3]
    groups = survey(written, frames)
    assert not any(group.bad for group in groups)
    with pytest.raises(BadInput, match=rf"another order than its pictures, of which packet {frames[3]}'s comes too"):
        list(mended(written, groups, None, facts, conceal=False, concealed=set()))
