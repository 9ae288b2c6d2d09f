"""Clips with damage in chosen packets of their video, made from whole ones."""

from collections.abc import Callable, Mapping
from pathlib import Path

import av

from tests import clips

Harm = Callable[[bytes], bytes]


def zeroed(data: bytes) -> bytes:
    """The middle half is nought, as where a disk lost a block."""
    quarter = len(data) // 4
    return data[:quarter] + bytes(len(data) - 2 * quarter) + data[-quarter:] if quarter else bytes(len(data))


def halved(data: bytes) -> bytes:
    """The end is missing."""
    return data[: max(1, len(data) // 2)]


def garbled(data: bytes) -> bytes:
    """All but the first bytes are other ones."""
    return data[:12] + bytes(byte ^ 0x5A for byte in data[12:])


def flipped(data: bytes) -> bytes:
    """One bit is another."""
    place = len(data) * 2 // 3
    return data[:place] + bytes([data[place] ^ 16]) + data[place + 1 :]


def source(folder: Path, *encoder: str, seconds: float = 4, name: str = "whole.mkv", audio: bool = False) -> Path:
    """A moving, noisy picture in the codec that FFmpeg's options say, 25 frames a second.

    Without the noise there would be so little in a packet that most damage decodes to something.
    """
    path = folder / name
    sound = clips.sound(seconds) if audio else []
    noise = ("-vf", "noise=alls=12:allf=t:all_seed=7", "-pix_fmt", "yuv420p")
    clips.ffmpeg(*clips.picture(seconds, size="320x240"), *sound, *noise, *encoder, path)
    return path


H264 = ("-c:v", "libx264", "-preset", "veryfast", "-g", "25", "-sc_threshold", "0", "-bf", "2", "-threads", "2")


def harmed(whole: Path, path: Path, harms: Mapping[int, Harm]) -> Path:
    """A copy of a clip whose video packets of these numbers, in the file's order, are harmed."""
    with av.open(str(whole)) as given, av.open(str(path), "w") as made:
        streams = {stream.index: made.add_stream_from_template(stream) for stream in given.streams}
        video, number = given.streams.video[0].index, 0
        for packet in given.demux():
            if packet.size == 0:
                continue
            harm = None
            if packet.stream_index == video:
                harm, number = harms.get(number), number + 1
            copy = packet
            if harm is not None:
                copy = av.Packet(harm(bytes(packet)))
                copy.pts, copy.dts, copy.duration = packet.pts, packet.dts, packet.duration
                copy.time_base, copy.is_keyframe = packet.time_base, packet.is_keyframe
            copy.stream = streams[packet.stream_index]
            made.mux(copy)
    return path


def display_order(path: Path) -> list[int]:
    """The numbers of the video packets in the order that they are shown."""
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    return [number for _, number in sorted((packet.pts, number) for number, packet in enumerate(packets))]
