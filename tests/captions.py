"""Closed captions inside pictures: a clip with some, and what a file says."""

import struct
from pathlib import Path

import av
from av.sidedata.sidedata import Type as SideData


def captioned(plain: Path, folder: Path) -> Path:
    """An H.264 clip's pictures, each with closed captions in an SEI message of its own."""
    path = folder / "captions.mp4"
    with av.open(str(plain)) as given, av.open(str(path), "w") as made:
        video = given.streams.video[0]
        copy = made.add_stream_from_template(video)
        for count, packet in enumerate(given.demux(video)):
            if packet.dts is None:
                continue
            said = b"\xb5\x00\x31GA94\x03\xc1\xff" + bytes([0xFC, 0x94, 0x20 + count % 64]) + b"\xff"
            sei = bytes([6, 4, len(said)]) + said + b"\x80"
            with_captions = av.Packet(struct.pack(">I", len(sei)) + sei + bytes(packet))
            with_captions.pts, with_captions.dts, with_captions.duration = packet.pts, packet.dts, packet.duration
            with_captions.time_base, with_captions.is_keyframe = packet.time_base, packet.is_keyframe
            with_captions.stream = copy
            made.mux(with_captions)
    return path


def captions(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(frame.side_data[SideData.A53_CC]) for frame in container.decode(video=0)]  # type: ignore[literal-required]
