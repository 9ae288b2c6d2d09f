"""What NVENC is asked for, held against FFmpeg's own description of its encoders; and that it is not here."""

import re
import subprocess
from fractions import Fraction
from functools import lru_cache

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame

from recast import names
from recast.errors import BadConfig
from recast.manifest import EncodeSettings, Hdr, VideoFacts
from recast.media.presets import NVENC
from recast.spec import Video
from segment_worker import encoders, nvenc
from segment_worker.encoders import candidates, check_nvenc, choose_encoder
from tests import clips


def facts(**changes: object) -> VideoFacts:
    fields = {
        "stream_index": 0, "codec": "h264", "width": 320, "height": 240, "pix_fmt": "yuv420p", "sar": Fraction(1),
        "rate": Fraction(25), "time_base": Fraction(1, 25), "frame_duration": 1, "field_order": "progressive",
        "color_range": 1, "color_primaries": 1, "color_trc": 1, "color_space": 1, "rotation": 0,
    }  # fmt: skip
    wanted = {name: value for name, value in (fields | changes).items() if name in VideoFacts.model_fields}
    return VideoFacts.model_validate(wanted)


def settings(**changes: object) -> EncodeSettings:
    fields = {"codec": "h264", "pix_fmt": "yuv420p", "quality": 18, "preset": "Auto", "threads": 2, "gop": 50}
    return EncodeSettings.model_validate(fields | changes)


JOBS = [
    settings(),
    settings(codec="hevc"),
    settings(codec="hevc", pix_fmt="yuv420p10le"),
    settings(codec="av1"),
    settings(codec="av1", pix_fmt="yuv420p10le"),
    *(settings(codec=codec, preset=preset) for codec in nvenc.NAMES for preset in NVENC),
]


@lru_cache
def described(encoder: str) -> str:
    """FFmpeg's own description of an encoder."""
    command = [clips.exe(), "-hide_banner", "-h", f"encoder={encoder}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("job", JOBS, ids=lambda job: f"{job.codec}-{job.pix_fmt}-{job.preset}")
def test_every_option_and_value_is_one_that_ffmpeg_has(job: EncodeSettings) -> None:
    text = described(nvenc.NAMES[job.codec])
    for option, value in nvenc.options(job).items():
        found = re.search(rf"^  -{re.escape(option)} +<(\w+)>(.*\n(?:     .*\n)*)", text, re.MULTILINE)
        assert found, f"{job.codec}: no option {option}"
        kind, values = found[1], found[2]
        if not value.lstrip("-").isdecimal():
            assert re.search(rf"^     {re.escape(value)} ", values, re.MULTILINE), f"{option} has no {value}"
        else:
            bounds = re.search(r"\(from (-?\w+) to (-?\w+)\)", values)
            assert kind in ("boolean", "float") or bounds, option
            if bounds and bounds[2].isdecimal():
                assert int(bounds[1]) <= int(value) <= int(bounds[2]), option
    formats = re.search(r"Supported pixel formats: (.*)", text)
    assert formats and nvenc.pixel_format(job) in formats[1].split()


@pytest.mark.parametrize("job", JOBS, ids=lambda job: f"{job.codec}-{job.pix_fmt}-{job.preset}")
def test_pyav_has_the_encoders_too(job: EncodeSettings) -> None:
    codec = av.Codec(nvenc.NAMES[job.codec], "w")
    assert nvenc.pixel_format(job) in {each.name for each in codec.video_formats or ()}


@pytest.mark.parametrize(
    ("changes", "of_facts", "why"),
    [
        ({"codec": "prores", "pix_fmt": "yuv422p10le"}, {}, "does not write prores"),
        ({"quality": "Lossless"}, {}, "lossless"),
        ({}, {"field_order": "tff"}, "fields"),
        ({"pix_fmt": "yuv422p"}, {}, "yuv422p"),
        ({"codec": "hevc", "pix_fmt": "yuv420p10le"}, {"hdr": Hdr(light_level="1000,400")}, "HDR10 metadata"),
        ({"pix_fmt": "yuv420p10le"}, {}, "yuv420p10le as h264"),
        ({"preset": "ultrafast"}, {}, "no preset ultrafast, only slow, medium, fast, p1,"),
    ],
)
def test_what_it_cannot_do_goes_to_software_or_is_refused(
    changes: dict[str, object], of_facts: dict[str, object], why: str
) -> None:
    assert why in nvenc.why_not(settings(**changes), facts(**of_facts))
    assert len(candidates(settings(**changes), facts(**of_facts))) == 1
    with pytest.raises(BadConfig, match=why):
        candidates(settings(**changes, encoder="Nvenc"), facts(**of_facts))


def here() -> bool:
    """Whether this machine has NVENC."""
    try:
        encoders.probe("h264_nvenc", settings(), facts())
    except BadConfig:
        return False
    return True


@pytest.mark.skipif(here(), reason="this machine has NVENC")
def test_where_there_is_none_auto_takes_software_and_nvenc_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert choose_encoder(settings(), facts()).name == "libx264"
    told = capsys.readouterr().err
    assert "the next is tried" in told and "worker.nodeSelector" not in told, "nobody asked for NVENC"
    with pytest.raises(BadConfig, match=r"NVENC is not on this node.*L40S have.*worker\.nodeSelector") as refused:
        choose_encoder(settings(encoder="Nvenc"), facts())
    assert refused.value.reason == names.NO_ENCODER


@pytest.mark.skipif(here(), reason="this machine has NVENC")
@pytest.mark.parametrize(
    ("video", "what"),
    [
        (Video(encoder="Nvenc"), "NVENC is not on this node"),
        (Video(encoder="Nvenc", codec="ProRes"), "it does not write prores"),
        (Video(encoder="Nvenc", quality="Lossless"), "lossless goes to the software encoders"),
        (Video(preset="p5"), "preset p5 is NVENC's alone, which is not on this node: h264 and hevc: ultrafast,"),
    ],
)
def test_a_job_that_cannot_do_without_it_is_refused_before_its_pictures_are_known(video: Video, what: str) -> None:
    with pytest.raises(BadConfig, match=what) as refused:
        check_nvenc(video)
    assert refused.value.reason == names.NO_ENCODER


def test_where_there_is_one_auto_takes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    probed = []
    real = encoders.probe

    def probe(name: str, *given: object) -> object:
        probed.append(name)
        # x264 plays the GPU's part.
        return real("libx264", *given).model_copy(update={"name": name})  # type: ignore[arg-type]

    monkeypatch.setattr(encoders, "probe", probe)
    assert choose_encoder(settings(), facts()).name == "h264_nvenc"
    assert choose_encoder(settings(encoder="Software"), facts()).name == "libx264"
    assert choose_encoder(settings(), facts(), agreed="libx264").name == "libx264"
    assert probed == ["h264_nvenc", "libx264", "libx264"], "what was agreed is not looked for elsewhere"


def test_ten_bits_stay_what_they_are_as_p010() -> None:
    rng = np.random.default_rng(1)
    frame = VideoFrame(50, 34, "yuv420p10le")
    planes = []
    for plane in frame.planes:
        rows = rng.integers(0, 1024, (plane.height, plane.line_size // 2)).astype(np.uint16)
        plane.update(rows.tobytes())
        planes.append(rows[:, : plane.width])
    made = nvenc.as_p010(frame)
    luma, chroma = (
        np.frombuffer(plane, np.uint16).reshape(plane.height, plane.line_size // 2) for plane in made.planes
    )
    np.testing.assert_array_equal(luma[:, :50] >> 6, planes[0])
    np.testing.assert_array_equal(chroma[:, 0:50:2] >> 6, planes[1])
    np.testing.assert_array_equal(chroma[:, 1:50:2] >> 6, planes[2])
