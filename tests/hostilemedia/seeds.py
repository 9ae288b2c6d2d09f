"""The small real files that are damaged: one of each container and codec that people have, made by FFmpeg."""

from __future__ import annotations

import re
from pathlib import Path

from tests import clips

PICTURE = clips.picture(0.8, size="96x64")
SOUND = clips.sound(0.8)
H264 = clips.x264("keyint=8:min-keyint=8:bframes=2")
HEVC = clips.x265("keyint=8:min-keyint=8:bframes=2")
AV = [*PICTURE, *SOUND]

RECIPES: dict[str, list[str]] = {
    "h264.mp4": [*AV, *H264, *clips.AAC],
    "front.mp4": [*AV, *H264, *clips.AAC, "-movflags", "+faststart"],
    "fragmented.mp4": [*AV, *H264, *clips.AAC, "-movflags", "frag_keyframe+empty_moov"],
    "hevc.mp4": [*PICTURE, *HEVC],
    "h264.mkv": [*AV, *H264, *clips.AAC],
    "hevc.mkv": [*PICTURE, *HEVC],
    "live.mkv": [*AV, *H264, *clips.AAC, "-live", "1"],
    "vp9.webm": [*AV, "-c:v", "libvpx-vp9", "-cpu-used", "8", "-g", "8", "-c:a", "libopus"],
    "vp8.webm": [*PICTURE, "-c:v", "libvpx", "-cpu-used", "8", "-g", "8"],
    "av1.mkv": [*PICTURE, "-c:v", "libsvtav1", "-preset", "12", "-g", "8"],
    "h264.ts": [*AV, *H264, *clips.AAC],
    "hevc.ts": [*PICTURE, *HEVC],
    "mpeg2.ts": [*AV, "-c:v", "mpeg2video", "-g", "8", "-bf", "2", "-c:a", "mp2"],
    "mpeg2.mpg": [*AV, "-c:v", "mpeg2video", "-g", "8", "-bf", "2", "-c:a", "mp2"],
    "mpeg4.avi": [*AV, "-c:v", "mpeg4", "-g", "8", "-bf", "2", "-c:a", "mp2"],
    "h264.avi": [*PICTURE, *H264],
    "mjpeg.avi": [*PICTURE, "-c:v", "mjpeg", "-pix_fmt", "yuvj420p"],
    "flv1.flv": [*AV, "-c:v", "flv", "-g", "8", "-c:a", "aac"],
    "h264.flv": [*AV, *H264, *clips.AAC],
    "wmv2.wmv": [*AV, "-c:v", "wmv2", "-g", "8", "-c:a", "wmav2"],
    "theora.ogv": [*PICTURE, "-c:v", "libtheora", "-g", "8"],
    "prores.mov": [*PICTURE, "-c:v", "prores_ks", "-profile:v", "1", "-pix_fmt", "yuv422p10le"],
    "ffv1.mkv": [*PICTURE, "-c:v", "ffv1", "-pix_fmt", "yuv420p"],
    "mpeg2.mxf": [*PICTURE, "-c:v", "mpeg2video", "-g", "8"],
    "h264.h264": [*PICTURE, *H264],
    "hevc.hevc": [*PICTURE, *HEVC],
    "h264.nut": [*PICTURE, *H264],
    "gif.gif": [*PICTURE],
    "dv.dv": [*clips.picture(0.4, size="720x576"), "-c:v", "dvvideo", "-pix_fmt", "yuv420p"],
    "vp9.ivf": [*PICTURE, "-c:v", "libvpx-vp9", "-cpu-used", "8", "-g", "8"],
}

PAYLOAD = {
    "mp4": b"mdat", "mov": b"mdat", "mkv": b"\x1f\x43\xb6\x75", "webm": b"\x1f\x43\xb6\x75", "avi": b"movi",
    "wmv": b"\x36\x26\xb2\x75\x8e\x66\xcf\x11",
}  # fmt: skip
"""What the payload begins with."""
HEADER_BYTES = {"ts": 564, "mpg": 60, "flv": 420, "ogv": 3600, "mxf": 6000, "h264": 60, "hevc": 120, "nut": 200}
"""Where it is known by its place: behind tables, tags or parameter sets."""


def make_seeds(folder: Path, names: list[str] | None = None) -> dict[str, bytes]:
    """All seeds' bytes, by name."""
    seeds = {}
    for name in names or RECIPES:
        path = folder / name
        clips.ffmpeg(*RECIPES[name], path)
        seeds[name] = path.read_bytes()
    return seeds


def payload(name: str, data: bytes) -> tuple[int, int]:
    """Where the coded pictures are, about; what lies before (of MP4, also what lies behind) is the header."""
    suffix = name.rsplit(".", 1)[1]
    mark = PAYLOAD.get(suffix)
    start = data.find(mark) + len(mark) if mark else HEADER_BYTES.get(suffix, 64)
    moov = data.find(b"moov", start) if suffix in ("mp4", "mov") else -1
    return start, moov - 4 if moov > 0 else len(data)


def boxes(data: bytes) -> list[int]:
    """Where an MP4's boxes have their sizes."""
    names = rb"ftyp|moov|mvhd|trak|tkhd|mdia|mdhd|hdlr|minf|stbl|stsd|avc1|avcC|hvc1|hvcC|stts|ctts|stsc|stsz|stco|moof"
    return [found.start() - 4 for found in re.finditer(names + rb"|traf|trun|tfhd|elst|mdat", data)]
