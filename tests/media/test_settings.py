"""What is asked for is what comes out: codecs, pixel formats, encoded audio, containers made for playing."""

import re
import subprocess
from pathlib import Path
from typing import Any

import av
import pytest

from recast.errors import BadInput
from recast.media.codecs import ASKED_PIXELS
from recast.spec import Audio, Video
from recast.storage.embedded import EmbeddedStore
from recast.verify.report import verify
from recast.verify.tracks import Allowed
from tests import clips
from tests.jobs import job, run_job


@pytest.mark.parametrize(
    ("asked", "name", "suffix", "codec"),
    [
        ("H264", "open_gop_hevc", ".mp4", "h264"),
        ("Hevc", "bframes", ".mp4", "hevc"),
        ("Av1", "bframes", ".mp4", "av1"),
        ("Av1", "hevc_10bit", ".mkv", "av1"),
        ("Av1", "odd_sar", ".mp4", "av1"),
        ("Av1", "odd_sar", ".mkv", "av1"),
        ("ProRes", "h264_422_10bit", ".mov", "prores"),
        ("ProRes", "h264_422_10bit", ".mkv", "prores"),
        ("Auto", "vp9_webm", ".mkv", "h264"),
        ("Auto", "hdr10", ".mp4", "hevc"),
        ("Auto", "mjpeg", ".mp4", "h264"),
        ("Auto", "interlaced_bff", ".mkv", "h264"),
    ],
)
def test_every_codec_comes_out_whole(
    s3: EmbeddedStore, tmp_path: Path, asked: str, name: str, suffix: str, codec: str
) -> None:
    output = tmp_path / f"out{suffix}"
    run_job(job(s3, clips.build(name), output, video=Video(codec=asked)))  # type: ignore[arg-type]
    with av.open(str(output)) as container:
        assert container.streams.video[0].codec_context.codec.canonical_name == codec
    checks = verify(clips.build(name), output)
    assert not [f"{check.name}: {check.detail}" for check in checks if not check.ok]


@pytest.mark.parametrize(
    ("name", "asked", "suffix", "codec"),
    [
        ("hevc_12bit", "Yuv420p", ".mp4", "hevc"),
        ("hevc_12bit", "Yuv420p10", ".mp4", "hevc"),
        ("alpha_png", "Yuv420p", ".mp4", "h264"),
        ("alpha_png", "Yuv444p", ".mkv", "h264"),
        ("alpha_prores", "Yuv420p", ".mp4", "h264"),
        ("alpha_prores", "Yuv422p10", ".mov", "prores"),
        ("alpha_prores", "Yuv444p10", ".mov", "prores"),
        ("hevc_10bit", "Yuv420p", ".mp4", "hevc"),
        ("h264_444", "Yuv422p", ".mp4", "h264"),
    ],
)
def test_pictures_are_converted_where_that_is_asked_for(
    s3: EmbeddedStore, tmp_path: Path, name: str, asked: Any, suffix: str, codec: str
) -> None:
    output = tmp_path / f"out{suffix}"
    run_job(job(s3, clips.build(name), output, video=Video(pixel_format=asked)))
    with av.open(str(output)) as container:
        coded = container.streams.video[0].codec_context
        # FFmpeg decodes 4:4:4 of ProRes to 12 bits, whatever was coded.
        assert (coded.name, coded.pix_fmt.replace("12le", "10le")) == (codec, ASKED_PIXELS[asked])
    checks = verify(clips.build(name), output, allowed=Allowed(frozenset({"data"}), pixel_format=True))
    failed = {check.name for check in checks if not check.ok}
    # RGB has no matrix: it gets one.
    assert failed <= ({"colour"} if name.startswith("alpha") else set())


def test_audio_is_encoded_where_it_is_asked_for(s3: EmbeddedStore, tmp_path: Path) -> None:
    output = tmp_path / "out.mp4"
    run_job(
        job(
            s3,
            clips.build("prores"),
            output,
            audio=Audio(codec="Aac", bitrate="96k"),
            video=Video(codec="H264", pixel_format="Yuv420p"),
        )
    )
    with av.open(str(output)) as container:
        assert container.streams.audio[0].codec_context.name == "aac"
    checks = verify(clips.build("prores"), output, allowed=Allowed(audio_encoded=True, pixel_format=True))
    assert not [f"{check.name}: {check.detail}" for check in checks if not check.ok]


@pytest.mark.parametrize(
    ("video", "name", "suffix", "cure"),
    [
        (Video(codec="ProRes"), "h264_422_10bit", ".mp4", r"\.mov or \.mkv"),
        (Video(codec="Av1"), "cfr", ".mov", r"\.mp4 or \.mkv"),
        (Video(codec="Av1"), "h264_444", ".mkv", "h264, hevc can"),
        (Video(codec="ProRes"), "cfr", ".mov", "h264, hevc, av1 can"),
        (Video(codec="Av1", quality="Lossless"), "cfr", ".mkv", "h264, hevc can"),
        (Video(quality="Lossless"), "odd_size_420", ".mkv", "lossy"),
    ],
)
def test_what_a_codec_cannot_hold_is_refused_naming_what_can(
    s3: EmbeddedStore, tmp_path: Path, video: Video, name: str, suffix: str, cure: str
) -> None:
    with pytest.raises(BadInput, match=cure):
        run_job(job(s3, clips.build(name), tmp_path / f"out{suffix}", video=video))


@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
def test_the_index_comes_first_and_hevc_is_tagged_for_players(s3: EmbeddedStore, tmp_path: Path, suffix: str) -> None:
    output = tmp_path / f"out{suffix}"
    run_job(job(s3, clips.build("hevc_10bit"), output, video=Video()))
    data = output.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    assert b"hvc1" in data and b"hev1" not in data


@pytest.mark.parametrize("name", ["paff_mp4", "ts_paff", "interlaced_bff"])
def test_every_frame_of_an_interlaced_output_has_the_source_s_order_of_fields(
    s3: EmbeddedStore, tmp_path: Path, name: str
) -> None:
    # A source may have whole frames between its fields (PAFF), which are tagged as neither.
    output = tmp_path / "out.mkv"
    done = run_job(job(s3, clips.build(name), output, video=Video(codec="H264")))
    shown = subprocess.run(
        [clips.exe(), "-hide_banner", "-i", output, "-vf", "showinfo", "-f", "null", "-"],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    order = "B" if name == "interlaced_bff" else "T"
    assert re.findall(r" i:(.)", shown.stderr) == [order] * (done.frames or 0)


@pytest.mark.parametrize("suffix", clips.ANY)
@pytest.mark.parametrize("name", ["bframes", "cfr_2997"])
def test_headers_say_the_source_s_rate_and_no_more_than_its_length(
    s3: EmbeddedStore, tmp_path: Path, name: str, suffix: str
) -> None:
    source, output = clips.build(name), tmp_path / f"out{suffix}"
    run_job(job(s3, source, output, video=Video(quality=30)))
    with av.open(str(source)) as given, av.open(str(output)) as made:
        ours, theirs = given.streams.video[0], made.streams.video[0]
        assert made.streams.video[0].codec_context.has_b_frames, "they reorder"
        assert theirs.average_rate == ours.average_rate
        if suffix != ".mkv":
            assert theirs.duration * theirs.time_base == ours.duration * ours.time_base


@pytest.mark.parametrize("suffix", clips.ANY)
def test_a_last_frame_that_is_shown_longer_stays_so(s3: EmbeddedStore, tmp_path: Path, suffix: str) -> None:
    source, output = tmp_path / "in.mp4", tmp_path / f"out{suffix}"
    longer = "setts=duration='if(eq(N,24),100,DURATION)'"
    clips.ffmpeg(*clips.picture(1), *clips.x264("bframes=0"), "-bsf:v", longer, source)
    run_job(job(s3, source, output, video=Video(quality=30)))
    with av.open(str(source)) as given, av.open(str(output)) as made:
        assert given.duration == made.duration == 4_960_000
