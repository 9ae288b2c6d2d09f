"""A slice's lossless copy gives its worker what the source's own packets give, down to the part's bytes."""

from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from av.video.frame import VideoFrame

from recast.errors import BadInput, Corrupt
from recast.manifest import EncodeSettings, Segment, VideoFacts
from recast.media import codecs, lossless, source
from recast.media.losses import Losses
from recast.media.lossless import lossless_codec, write_slice
from recast.media.segments import decode_segment, kept_frames
from recast.media.split import split_packets
from recast.media.timing import read_timing
from recast.spec import Video
from segment_worker.encoders import choose_encoder
from segment_worker.engines.passthrough import PassthroughEngine
from segment_worker.pipeline import make_part
from tests import clips
from tests.captions import captioned, captions

CLIPS = (
    "giant_gop", "one_keyframe_hevc", "open_gop_h264", "open_gop_hevc", "vfr_mp4", "interlaced_bff", "paff_mp4",
    "hevc_10bit", "h264_422_10bit", "h264_444", "full_range", "odd_size_420", "hdr10", "rotated", "vp8_hidden",
)  # fmt: skip
FORMATS = sorted(lossless.X264 | lossless.FFV1)


def planned(path: Path) -> tuple[VideoFacts, EncodeSettings]:
    facts, _ = read_timing(lambda: source.open_source(str(path), "clip"), "clip")
    settings = codecs.encode_settings(facts, Video(quality=20), "mkv", "clip")
    preset = {"av1": "12", "prores": "Auto"}.get(settings.codec, "ultrafast")
    return facts, settings.model_copy(update={"preset": preset})


def slices(path: Path, folder: Path) -> list[tuple[Path, Segment]]:
    """Segments of a quarter of a second, and the packets that each is decoded from."""
    facts, timing = read_timing(lambda: source.open_source(str(path), "clip"), "clip")
    made = []
    with source.open_source(str(path), "clip") as container:
        for file in split_packets(
            container, facts, timing, target_seconds=0.25, folder=folder, most_slices=100,
            before_next=lambda: None, moved=lambda: None, name="clip", losses=Losses(),
        ):  # fmt: skip
            for frames in file.slices:
                pts, packets = zip(*frames, strict=True)
                made.append(
                    (
                        file.path,
                        Segment(index=len(made), object=0, sha256="", size=1, first=0, pts=pts, packets=packets),
                    )
                )
    return made


def check_parts_are_equal(path: Path, folder: Path) -> Path:
    """Make every part both ways; gives the last one."""
    facts, settings = planned(path)
    choice = choose_encoder(settings, facts)
    copy, ours, theirs = folder / "copy.mkv", folder / "ours.mkv", folder / "theirs.mkv"
    found = slices(path, folder)
    assert len(found) > len({packets for packets, _ in found}), "no giant GOP in it"
    for packets, segment in found:
        frames = kept_frames(decode_segment(packets, threads=2), segment, facts, "slice")
        write_slice(copy, frames, facts, threads=2, moved=lambda: None, name="slice")
        own = segment.model_copy(update={"packets": tuple(range(segment.frames))})
        for place, what, part in ((packets, segment, theirs), (copy, own, ours)):
            make_part(
                place, part, segment=what, facts=facts, settings=settings, choice=choice,
                engine=PassthroughEngine(), decode=partial(decode_segment, threads=1), moved=lambda _: None,
                name="slice",
            )  # fmt: skip
        assert ours.read_bytes() == theirs.read_bytes()
    return ours


@pytest.mark.parametrize("name", CLIPS)
def test_a_part_is_the_same_through_a_lossless_copy(tmp_path: Path, name: str) -> None:
    check_parts_are_equal(clips.build(name), tmp_path)


def test_closed_captions_are_kept_as_the_source_s_own_packets_keep_them(tmp_path: Path) -> None:
    source_file = captioned(clips.build("giant_gop"), tmp_path)
    said = captions(source_file)
    last = check_parts_are_equal(source_file, tmp_path)
    assert len(set(said)) == 64
    assert said[-len(captions(last)) :] == captions(last)


def facts_of(pix_fmt: str, width: int = 64, height: int = 48) -> VideoFacts:
    return VideoFacts(
        stream_index=0, codec="h264", width=width, height=height, pix_fmt=pix_fmt, time_base=Fraction(1, 25),
        rate=Fraction(25), sar=Fraction(1),
    )  # fmt: skip


def noise(facts: VideoFacts, count: int = 5) -> list[VideoFrame]:
    """Frames that no transform holds, with every value that a sample can have."""
    random, frames = np.random.default_rng(1), []
    for _ in range(count):
        frame = VideoFrame(facts.width, facts.height, facts.pix_fmt)
        for plane in frame.planes:
            dtype, top = (np.uint16, 1024) if facts.pix_fmt.endswith("le") else (np.uint8, 256)
            plane.update(random.integers(0, top, plane.buffer_size // np.dtype(dtype).itemsize, dtype).tobytes())
        frames.append(frame)
    return frames


def samples(frame: VideoFrame) -> list[bytes]:
    """Each plane's rows, without padding."""
    planes = []
    for plane in frame.planes:
        width = plane.width * (2 if frame.format.name.endswith("le") else 1)
        rows = [bytes(plane)[y * plane.line_size :][:width] for y in range(plane.height)]
        planes.append(b"".join(rows))
    return planes


@pytest.mark.parametrize("pix_fmt", FORMATS)
def test_every_format_comes_back_sample_for_sample_and_the_same_twice(tmp_path: Path, pix_fmt: str) -> None:
    written = []
    for name in ("a.mkv", "b.mkv"):
        facts = facts_of(pix_fmt)
        write_slice(tmp_path / name, noise(facts), facts, threads=2, moved=lambda: None, name="slice")
        written.append((tmp_path / name).read_bytes())
    assert written[0] == written[1]
    frames = list(decode_segment(tmp_path / "a.mkv", threads=2))
    assert [frame.pts for frame in frames] == [0, 1, 2, 3, 4]
    for ours, theirs in zip(frames, noise(facts_of(pix_fmt)), strict=True):
        assert ours.format.name == pix_fmt
        assert samples(ours) == samples(theirs)


@pytest.mark.parametrize(("width", "height"), [(161, 119), (1921, 1081), (17, 17), (64, 49)])
def test_an_odd_size_with_shared_chroma_comes_back(tmp_path: Path, width: int, height: int) -> None:
    facts = facts_of("yuv420p", width, height)
    assert lossless_codec(facts) == "ffv1"
    write_slice(tmp_path / "a.mkv", noise(facts, 2), facts, threads=2, moved=lambda: None, name="slice")
    assert len(list(decode_segment(tmp_path / "a.mkv", threads=2))) == 2


def test_a_picture_of_another_format_is_refused(tmp_path: Path) -> None:
    facts = facts_of("yuv420p")
    frames = noise(facts) + noise(facts_of("yuv422p"))
    with pytest.raises(BadInput, match="change from yuv420p to yuv422p"):
        write_slice(tmp_path / "a.mkv", frames, facts, threads=2, moved=lambda: None, name="slice")


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "gray"])
def test_a_copy_that_is_not_lossless_is_found_out(
    tmp_path: Path, pix_fmt: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lossy = {"preset": "ultrafast", "qp": "1", "x264-params": "keyint=infinite:bframes=0"}
    monkeypatch.setitem(lossless.OPTIONS_OF, "libx264", lossy)
    monkeypatch.setattr(lossless, "FFV1", frozenset())
    monkeypatch.setattr(lossless, "lossless_codec", lambda facts: "libx264")
    facts = facts_of(pix_fmt)
    with pytest.raises(Corrupt, match="frame 0 of its lossless copy"):
        write_slice(tmp_path / "a.mkv", noise(facts), facts, threads=2, moved=lambda: None, name="slice")


@pytest.mark.parametrize(
    ("pix_fmt", "codec"),
    [("yuv420p", "libx264"), ("yuvj420p", "libx264"), ("yuv444p10le", "libx264"), ("gray10le", "ffv1"),
     ("nv12", None), ("rgb24", None), ("yuv420p12le", None), ("yuva420p", None)],
)  # fmt: skip
def test_pictures_that_no_codec_here_keeps_are_not_normalised(pix_fmt: str, codec: str | None) -> None:
    assert lossless_codec(facts_of(pix_fmt)) == codec
