"""Each clip builds and is what its name says, as PyAV reads it: else the tests built on it prove nothing."""

import re
import subprocess
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest

from tests import clips
from tests.clips import CLIPS

UNREADABLE = {"truncated_no_moov", "text", "empty"}


def packets(name: str) -> list[Any]:
    """The first video track's packets, the flushing one left out."""
    with av.open(str(clips.build(name))) as source:
        return [p for p in source.demux(source.streams.video[0]) if p.size]


def frames(name: str) -> list[av.VideoFrame]:
    with av.open(str(clips.build(name))) as source:
        return list(source.decode(source.streams.video[0]))


def stream_facts(name: str) -> list[tuple[str, str]]:
    """Type and codec tag or name of every track, as FFmpeg's log has them."""
    done = subprocess.run([clips.exe(), "-hide_banner", "-i", clips.build(name)], capture_output=True, text=True)
    found: list[tuple[str, str]] = re.findall(
        r"Stream #0:\d+.*?: (Video|Audio|Subtitle|Data|Attachment): (.*)", done.stderr
    )
    return found


def nal_types(packet: Any, hevc: bool) -> list[int]:
    """Types of the NAL units of a packet, whose lengths or start codes divide them."""
    data = bytes(packet)
    if data[:4] == b"\0\0\0\1" or data[:3] == b"\0\0\1":
        heads = [unit[0] for unit in re.split(b"\0\0\0?\1", data) if unit]
    else:
        heads, at = [], 0
        while at + 4 < len(data):
            heads.append(data[at + 4])
            at += 4 + int.from_bytes(data[at : at + 4], "big")
    return [head >> 1 & 63 if hevc else head & 31 for head in heads]


def leading(name: str) -> int:
    """Packets after a later keyframe that are shown before it."""
    key, count = None, 0
    for packet in packets(name):
        if packet.is_keyframe and packet.dts:
            key = packet.pts
        elif key is not None and packet.pts is not None and packet.pts < key:
            count += 1
    return count


def gaps(name: str) -> list[Fraction]:
    """Seconds between neighbours in display order."""
    found = packets(name)
    base = found[0].time_base
    times = sorted(p.pts for p in found if p.pts is not None and not p.is_discard)
    return [(b - a) * base for a, b in zip(times, times[1:], strict=False)]


@pytest.mark.parametrize("name", CLIPS)
def test_builds(name: str) -> None:
    path = clips.build(name)
    assert path.suffix == CLIPS[name].suffix
    assert clips.build(name) == path
    if name in UNREADABLE:
        with pytest.raises(av.FFmpegError):
            av.open(str(path))


@pytest.mark.parametrize("name", clips.good())
def test_frame_count(name: str) -> None:
    assert len(frames(name)) == CLIPS[name].frames


@pytest.mark.parametrize("name", clips.good())
def test_neighbouring_frames_differ(name: str) -> None:
    shown = [bytes(frame.planes[0]) for frame in frames(name)]
    equal = [i for i in range(1, len(shown)) if shown[i] == shown[i - 1]]
    assert equal == (list(range(24, 48)) if name == "still" else [])


@pytest.mark.parametrize("name", [n for n in clips.good() if "audio" in CLIPS[n].traits])
def test_has_sound(name: str) -> None:
    with av.open(str(clips.build(name))) as source:
        assert source.streams.audio


def test_cache_is_never_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def dies(out: Path) -> None:
        out.write_bytes(b"half")
        raise RuntimeError("killed")

    monkeypatch.setitem(CLIPS, "dies", clips.Clip("dies", ".mp4", dies, (), None, "", "", frozenset()))
    with pytest.raises(RuntimeError):
        clips.build("dies", tmp_path)
    assert not list(tmp_path.iterdir())


def keyframes(name: str) -> int:
    return sum(p.is_keyframe for p in packets(name))


def discarded(name: str) -> int:
    return sum(p.is_discard for p in packets(name))


def start(name: str, kind: str) -> Fraction:
    """Time of a track's first packet that is shown."""
    with av.open(str(clips.build(name))) as source:
        stream = next(s for s in source.streams if s.type == kind)
        times = [p.pts for p in source.demux(stream) if p.pts is not None and not p.is_discard]
        return Fraction(min(times) * (stream.time_base or 1))


def offset(name: str) -> float:
    return float(start(name, "audio") - start(name, "video"))


def first(name: str) -> Any:
    return frames(name)[0]


def stream(name: str) -> str:
    return stream_facts(name)[0][1]


def dropped_by_hand(name: str) -> list[int]:
    """NAL types of the keyframe that begins a clip and of the packets that lead it."""
    found = packets(name)
    key = found[0].pts or 0
    led = [p for p in found[1:] if p.pts is not None and p.pts < key]
    return [t for p in [found[0], *led] for t in nal_types(p, hevc=True) if t < 32]


def field_packets() -> set[int]:
    """How many slices the packets of the PAFF clip in MP4 hold."""
    return {sum(t in (1, 5) for t in nal_types(p, hevc=False)) for p in packets("paff_mp4")}


def shown_out_of_order(name: str) -> bool:
    """Packets count up in decoding order: the pts are no time of showing."""
    in_packets, in_frames = [p.pts for p in packets(name)], [f.pts for f in frames(name)]
    return all(b - a == 1 for a, b in zip(in_packets, in_packets[1:], strict=False) if a and b) and (
        in_frames != sorted(in_frames, key=lambda pts: pts or 0)
    )


def packed() -> bool:
    """Whether some packet holds two pictures (two start codes of a VOP)."""
    return any(bytes(p).count(b"\0\0\1\xb6") == 2 for p in packets("packed_avi"))


def recovery_points(name: str) -> bool:
    """Keyframes after the first are no IDR."""
    keys = [p for p in packets(name) if p.is_keyframe]
    return len(keys) > 2 and all(5 not in nal_types(p, hevc=False) for p in keys[1:])


def tracks(name: str) -> str:
    return " ".join(kind[0] for kind, _ in stream_facts(name))


def side_data(name: str) -> set[str]:
    data = first(name).side_data
    return {data[i].type.name for i in range(len(data))}


def languages(name: str) -> list[str]:
    with av.open(str(clips.build(name))) as source:
        return [s.metadata.get("language", "") for s in source.streams if s.type in ("audio", "subtitle")]


def refuses_copy(name: str, suffix: str) -> bool:
    """Whether FFmpeg cannot write a clip's data track to a container."""
    done = subprocess.run(
        [clips.exe(), "-v", "error", "-i", clips.build(name), "-map", "0:d", "-c", "copy", "-f", suffix, "-"],
        capture_output=True,
    )
    return done.returncode != 0


PROPERTIES: dict[str, Callable[[], bool]] = {
    "cfr": lambda: set(gaps("cfr")) == {Fraction(1, 25)},
    "cfr_23976": lambda: set(gaps("cfr_23976")) == {Fraction(1001, 24000)},
    "cfr_2997": lambda: set(gaps("cfr_2997")) == {Fraction(1001, 30000)},
    "vfr_mp4": lambda: len(set(gaps("vfr_mp4"))) > 5,
    "vfr_mkv": lambda: len(set(gaps("vfr_mkv"))) > 5,
    "dense_mkv": lambda: len(set(gaps("dense_mkv"))) == 2 and 0 in gaps("dense_mkv"),
    "dense": lambda: set(gaps("dense")) == {Fraction(27, 90000)},
    "hole_mp4": lambda: max(gaps("hole_mp4")) > 2,
    "hole_ts": lambda: max(gaps("hole_ts")) > 2,
    "bframes": lambda: any(p.pts != p.dts for p in packets("bframes")) and not leading("bframes"),
    "open_gop_h264": lambda: leading("open_gop_h264") > 6 and recovery_points("open_gop_h264"),
    "open_gop_h264_mkv": lambda: leading("open_gop_h264_mkv") > 6 and recovery_points("open_gop_h264_mkv"),
    "open_gop_hevc": lambda: (
        leading("open_gop_hevc") > 6
        and all(21 in nal_types(p, hevc=True) for p in packets("open_gop_hevc")[1:] if p.is_keyframe)
    ),
    # 21 is a CRA, 8 and 9 are RASL.
    "hevc_cra": lambda: dropped_by_hand("hevc_cra")[0] == 21 and 8 in dropped_by_hand("hevc_cra"),
    "hevc_cra_ts": lambda: dropped_by_hand("hevc_cra_ts")[0] == 21 and 8 in dropped_by_hand("hevc_cra_ts"),
    "intra_refresh": lambda: recovery_points("intra_refresh"),
    "intra_refresh_ts": lambda: recovery_points("intra_refresh_ts"),
    "giant_gop": lambda: keyframes("giant_gop") == 1,
    "one_keyframe_hevc": lambda: keyframes("one_keyframe_hevc") == 1,
    "edit_list": lambda: 0 < discarded("edit_list") < 20,
    "multi_edit": lambda: discarded("multi_edit") > 20 and max(gaps("multi_edit")) == Fraction(1, 25),
    "audio_late": lambda: 0.25 < offset("audio_late") < 0.35,
    "audio_late_mkv": lambda: 0.25 < offset("audio_late_mkv") < 0.35,
    "video_late": lambda: -0.36 < offset("video_late") < -0.28,
    "video_late_mkv": lambda: -0.36 < offset("video_late_mkv") < -0.28,
    "negative_start": lambda: start("negative_start", "video") < 0,
    "negative_cts": lambda: start("negative_cts", "video") == 0,
    "ts_midgop": lambda: not packets("ts_midgop")[0].is_keyframe,
    "ts_mbaff": lambda: first("ts_mbaff").interlaced_frame and "top" in stream("ts_mbaff"),
    "interlaced_bff": lambda: first("interlaced_bff").interlaced_frame and "bottom" in stream("interlaced_bff"),
    "ts_paff": lambda: len(packets("ts_paff")) == 84 and keyframes("ts_paff") == 3,
    "paff_mp4": lambda: field_packets() == {1, 2},
    "mpeg2_ts": lambda: first("mpeg2_ts").interlaced_frame,
    "hevc_10bit": lambda: first("hevc_10bit").format.name == "yuv420p10le",
    "h264_422_10bit": lambda: first("h264_422_10bit").format.name == "yuv422p10le",
    "h264_444": lambda: first("h264_444").format.name == "yuv444p",
    "prores": lambda: tracks("prores") == "V A D" or tracks("prores") == "V D A",
    "metadata_again": lambda: tracks("metadata_again") == "V A S",
    "side_by_side": lambda: "STEREO3D" in side_data("side_by_side"),
    "late_chapters": lambda: tracks("late_chapters") == "V A",
    "tilted": lambda: first("tilted").rotation == 170,
    "rotated": lambda: first("rotated").rotation == 90,
    "odd_sar": lambda: "SAR 16:11" in stream("odd_sar"),
    "odd_size_444": lambda: (first("odd_size_444").width, first("odd_size_444").height) == (161, 119),
    "odd_size_420": lambda: first("odd_size_420").format.name == "yuv420p" and first("odd_size_420").width == 161,
    "cropped": lambda: (first("cropped").width, first("cropped").height) == (162, 118),
    "hdr10": lambda: {"MASTERING_DISPLAY_METADATA", "CONTENT_LIGHT_LEVEL"} <= side_data("hdr10"),
    "full_range": lambda: "pc, bt709" in stream("full_range"),
    "bt601": lambda: "tv, smpte170m" in stream("bt601"),
    "h264_avi": lambda: shown_out_of_order("h264_avi"),
    "mpeg4_avi": lambda: any(frame.pict_type == 3 for frame in frames("mpeg4_avi")),
    "packed_avi": packed,
    "raw_h264": lambda: all(p.pts is None for p in packets("raw_h264")),
    "raw_hevc": lambda: all(p.pts is None for p in packets("raw_hevc")),
    "tracks_mp4": lambda: languages("tracks_mp4") == ["eng", "deu", "fra"],
    "tracks_mkv": lambda: languages("tracks_mkv") == ["eng", "deu", "fra", "jpn"],
    "cover_mp4": lambda: "attached pic" in stream_facts("cover_mp4")[2][1],
    "cover_mkv": lambda: "attached pic" in stream_facts("cover_mkv")[2][1],
    "two_videos": lambda: tracks("two_videos") == "V V A",
    "mp3_mp4": lambda: stream_facts("mp3_mp4")[1][1].startswith("mp3"),
    "ac3_mp4": lambda: stream_facts("ac3_mp4")[1][1].startswith("ac3"),
    "timecode": lambda: any("tmcd" in codec for _, codec in stream_facts("timecode")),
    "mebx": lambda: (
        any("mebx" in codec for _, codec in stream_facts("mebx"))
        and refuses_copy("mebx", "mp4")
        and refuses_copy("mebx", "matroska")
    ),
    "audio_only": lambda: tracks("audio_only") == "A",
    "audio_cover": lambda: tracks("audio_cover") == "A V",
    "hevc_12bit": lambda: first("hevc_12bit").format.name == "yuv420p12le",
    "alpha_prores": lambda: first("alpha_prores").format.name.startswith("yuva444p"),
    "alpha_png": lambda: first("alpha_png").format.name == "rgba",
    "size_change": lambda: {f.width for f in frames("size_change")} == {192, 256},
    "size_change_mkv": lambda: {f.width for f in frames("size_change_mkv")} == {192, 256},
}


@pytest.mark.parametrize("name", PROPERTIES)
def test_property(name: str) -> None:
    assert PROPERTIES[name]()


def test_matroska_that_is_cut_off_ends_without_a_word() -> None:
    assert 0 < len(frames("truncated_mkv")) < 75


@pytest.mark.parametrize("name", ["truncated", "truncated_avi", "corrupt_packet", "unknown_codec"])
def test_does_not_decode(name: str) -> None:
    with pytest.raises((av.FFmpegError, ValueError)):
        frames(name)


def test_fields_decode_to_the_pictures_they_were_made_of() -> None:
    """The hand-written PAFF stream is right: decoded, it is the picture bit for bit."""

    def hashes(*source: str) -> list[str]:
        command = [clips.exe(), "-v", "error", *source, "-pix_fmt", "yuv420p", "-f", "framehash", "-"]
        lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
        return [line.split(",")[-1] for line in lines if not line.startswith("#")]

    made_of = hashes(*clips.picture(2, size="128x96"))
    assert hashes("-i", str(clips.build("ts_paff"))) == made_of
    assert hashes("-i", str(clips.build("paff_mp4"))) == made_of


def test_vp9_alpha_is_beside_the_packets() -> None:
    with av.open(str(clips.build("alpha_vp9"))) as source:
        assert source.streams.video[0].metadata.get("alpha_mode") == "1"
