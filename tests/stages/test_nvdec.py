"""Decoding on a real GPU; left out, with the reason, where there is none or its driver brings no NVDEC."""

import ctypes
from pathlib import Path

import pytest

from controller.stages.split import split
from recast.manifest import Plan
from recast.media.segments import decode_segment
from recast.spec import Video
from recast.storage.embedded import EmbeddedStore
from recast.storage.storage import Storage
from segment_worker.decoding import Decoder
from segment_worker.gpu import gpu_name
from tests import clips
from tests.jobs import job, reports, run_job

CLIPS = {
    "h264": ("-c:v", "libx264", "-bf", "3", "-g", "24", "-pix_fmt", "yuv420p"),
    "h264, open GOPs": ("-c:v", "libx264", "-g", "24", "-x264-params", "open-gop=1", "-pix_fmt", "yuv420p"),
    "hevc": ("-c:v", "libx265", "-g", "24", "-x265-params", "log-level=none", "-pix_fmt", "yuv420p"),
    "hevc, 10 bits": ("-c:v", "libx265", "-g", "24", "-x265-params", "log-level=none", "-pix_fmt", "yuv420p10le"),
    "vp9": ("-c:v", "libvpx-vp9", "-g", "24", "-deadline", "realtime", "-pix_fmt", "yuv420p"),
}


@pytest.fixture(autouse=True)
def nvdec() -> None:
    try:
        ctypes.CDLL("libnvcuvid.so.1")
    except OSError:
        pytest.skip("this machine has no NVDEC: no libnvcuvid.so.1")
    if gpu_name() is None:
        pytest.skip("this machine has no NVIDIA GPU, or nvidia-ml-py is missing: install recast[gpu]")


def made(path: Path, coded: tuple[str, ...]) -> Path:
    """Two seconds with noise, and a tone."""
    pictures = "testsrc2=s=324x242:r=24:d=2,noise=alls=20:allf=t"
    inputs = ("-f", "lavfi", "-i", pictures, "-f", "lavfi", "-i", "sine=330:d=2")
    clips.ffmpeg(*inputs, *coded, "-c:a", "libopus", path)
    return path


@pytest.mark.parametrize("name", CLIPS)
def test_the_gpu_gives_the_frames_of_the_software_decoder(
    name: str, s3: EmbeddedStore, storage: Storage, tmp_path: Path
) -> None:
    asked = job(s3, made(tmp_path / "clip.mkv", CLIPS[name]), tmp_path / "out.mkv", seconds=1000)
    layout = asked.layout(split(asked).run or "")
    plan = Plan.model_validate_json(storage.get(layout.plan))
    packets = tmp_path / "packets.mkv"
    packets.write_bytes(storage.get(layout.segment(0)))
    decoder = Decoder(Video(), plan.video, threads=1)
    ours = [(frame.pts, frame.to_ndarray().tobytes()) for frame in decoder.frames(packets)]
    assert decoder.name == "Nvdec"
    assert ours == [(frame.pts, frame.to_ndarray().tobytes()) for frame in decode_segment(packets, threads=1)]
    assert len(ours) == 48


@pytest.mark.parametrize("seconds", [1000, 1])
def test_the_output_is_that_of_the_software_decoder(
    s3: EmbeddedStore, storage: Storage, tmp_path: Path, seconds: float
) -> None:
    source, outputs = made(tmp_path / "clip.mkv", CLIPS["h264"]), []
    for decoder in ("Auto", "Software"):
        outputs.append(tmp_path / f"{decoder}.mkv")
        video = Video.model_validate({"decoder": decoder, "quality": 18, "preset": "ultrafast"})
        run_job(asked := job(s3, source, outputs[-1], seconds=seconds, video=video))
        used = {report.decoder for report in reports(storage, asked)}
        assert used == {"Nvdec" if decoder == "Auto" else "Software"}
    assert outputs[0].read_bytes() == outputs[1].read_bytes()
