"""What is heard where a demuxer passes over what it cannot read: of damaged files, and nothing of whole ones."""

from pathlib import Path

import av
import pytest

from recast.media.losses import Loss, Losses, loss_of
from recast.media.numbered import numbered_packets
from recast.media.source import open_source
from tests import clips

pytestmark = pytest.mark.media

MATROSKA = "matroska,webm"
CONTAINERS = {
    "mkv": ("-c:v", "libx264", "-g", "10", *clips.AAC),
    "webm": ("-c:v", "libvpx", "-g", "10", "-c:a", "libopus"),
    "flv": ("-c:v", "libx264", "-g", "10", *clips.AAC),
    "nut": ("-c:v", "libx264", "-g", "10", *clips.AAC),
    "ogv": ("-c:v", "libtheora", "-q:v", "9", "-c:a", "libvorbis"),
}


@pytest.mark.parametrize(
    ("name", "words", "loss"),
    [
        (MATROSKA, "Element at 0x1c6 ending at 0xfa52 exceeds containing master element ending at 0xe", (0x1C6, False)),
        (MATROSKA, "0x00 at pos 50931 (0xc6f3) invalid as first byte of an EBML number\n", (0xC6F3, False)),
        (MATROSKA, "Unknown entry 0xA9 at pos. 127963\n", (127963, True)),
        ("flv", "Packet mismatch 1515870907 225 29218\n", (None, False)),
        ("mov,mp4,m4a,3gp,3g2,mj2", "Sample size 1509950263 is too large\n", (None, False)),
    ],
)  # fmt: skip
def test_a_line_that_tells_of_a_loss_says_where_it_is(name: str, words: str, loss: tuple[int | None, bool]) -> None:
    assert loss_of(name, words) == Loss(words.strip(), *loss)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("h264", "Packet mismatch 1 2 3"),
        (MATROSKA, "File ended prematurely"),
        (MATROSKA, "Unknown entry 0xFD at pos. 1000"),
        ("mov,mp4,m4a,3gp,3g2,mj2", "stream 0, timescale not set"),
    ],
)
def test_other_lines_tell_of_none(name: str, words: str) -> None:
    assert loss_of(name, words) is None


def heard(*losses: Loss) -> Losses:
    made = Losses()
    made._heard = list(losses)
    return made


def test_a_loss_counts_before_the_first_packet_that_lies_behind_it_and_once() -> None:
    early, late, somewhere = Loss("early", 10), Loss("late", 20), Loss("somewhere", None)
    losses = heard(early, late, somewhere)
    assert losses.before(15) == [early, somewhere]
    assert losses.before(15) == []
    assert losses.before(None) == [late]


def test_an_unknown_element_is_a_loss_between_packets_only() -> None:
    head, middle, tail = (Loss("unknown", place, between=True) for place in (5, 15, 25))
    losses = heard(head, middle, tail)
    assert losses.before(10) == [], "of the header"
    assert losses.before(20) == [middle]
    assert losses.before(None) == [], "of what comes behind the last packet"


def read(path: Path) -> tuple[int, list[Loss]]:
    losses, found, packets = Losses(), list[Loss](), 0
    with open_source(str(path), path.name, losses=losses) as container:
        for _, packet in numbered_packets(container, path.name, losses):
            found += losses.before(packet.pos)
            packets += 1
    return packets, found + losses.before(None)


@pytest.mark.parametrize("suffix", CONTAINERS)
def test_packets_that_a_demuxer_passes_over_are_heard_of(tmp_path: Path, suffix: str) -> None:
    whole, bad = tmp_path / f"whole.{suffix}", tmp_path / f"bad.{suffix}"
    clips.ffmpeg(*clips.picture(3), *clips.sound(3), *CONTAINERS[suffix], whole)
    packets, losses = read(whole)
    assert packets == 75 and losses == []
    with av.open(str(whole)) as container:
        places = [packet.pos for packet in container.demux(video=0) if packet.size]
    data = bytearray(whole.read_bytes())
    # From the middle of a packet into the header of the one behind it.
    for place in range(places[40] - 32, places[40] + 32):
        data[place] ^= 0x5A
    bad.write_bytes(data)
    packets, losses = read(bad)
    assert packets < 75 and losses
    assert all(loss.place is None or abs(loss.place - places[40]) < 64 for loss in losses[:1])
