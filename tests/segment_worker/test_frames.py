"""Frames in and out: views at their own depth, patches that touch nothing else, formats that keep samples."""

from fractions import Fraction
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import pytest
from av.filter import Graph
from av.video.frame import VideoFrame
from hypothesis import given, settings
from hypothesis import strategies as st

from recast.manifest import VideoFacts
from recast.media.codecs import SAME_SAMPLES
from segment_worker.frames import picture_of, put_patches, to_pixel_format, yuv_layout
from segment_worker.picture import Patch

Samples = npt.NDArray[np.uint8]
FORMATS = ["yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "yuv422p10le", "yuv444p10le", "gray", "gray10le"]
WIDTH, HEIGHT = 70, 50


def facts(pix_fmt: str, **more: Any) -> VideoFacts:
    base: dict[str, Any] = {
        "stream_index": 0, "codec": "h264", "width": WIDTH, "height": HEIGHT, "time_base": Fraction(1, 25),
        "rate": Fraction(25), "sar": Fraction(1),
    }  # fmt: skip
    return VideoFacts(pix_fmt=pix_fmt, **(base | more))


def noise(pix_fmt: str, *, width: int = WIDTH, height: int = HEIGHT) -> VideoFrame:
    """A frame of random samples, its rows' padding too."""
    frame = VideoFrame(width, height, pix_fmt)
    rng = np.random.default_rng(7)
    for plane in frame.planes:
        if "10" in pix_fmt:
            samples = rng.integers(0, 1024, plane.buffer_size // 2, dtype=np.uint16)
            plane.update((samples << 6 if pix_fmt[0] == "p" else samples).tobytes())
        else:
            plane.update(rng.integers(0, 256, plane.buffer_size, dtype=np.uint8).tobytes())
    frame.pts, frame.time_base = 5, Fraction(1, 25)
    return frame


def contents(frame: VideoFrame) -> list[Samples]:
    """Copies of all bytes of its planes."""
    return [np.frombuffer(memoryview(plane), np.uint8).copy() for plane in frame.planes]


def same(one: list[Samples], other: list[Samples]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def upside_down(frame: VideoFrame) -> VideoFrame:
    """The frame upside down, by rows that go backwards in memory."""
    graph: Any = Graph()
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format.name, time_base=Fraction(1, 25)
    )
    graph.link_nodes(source, graph.add("vflip"), graph.add("buffersink")).configure()
    graph.vpush(frame)
    turned: VideoFrame = graph.vpull()
    assert turned.planes[0].line_size < 0
    return turned


@pytest.mark.parametrize(("pix_fmt", "to"), [("yuvj420p", "yuv420p"), ("yuv420p", "yuv420p"), ("uyvy422", "yuv422p")])
def test_rows_that_go_backwards_in_memory_are_read(pix_fmt: str, to: str) -> None:
    frame = noise(pix_fmt)
    there = to_pixel_format(upside_down(frame), to, facts(pix_fmt))
    assert there.pts == frame.pts
    layout = yuv_layout(facts(to), to)
    for turned, plane in zip(
        picture_of(there, layout).planes,
        picture_of(to_pixel_format(frame, to, facts(pix_fmt)), layout).planes,
        strict=True,
    ):
        assert np.array_equal(turned[::-1], plane)


def shared(frame: VideoFrame) -> tuple[VideoFrame, VideoFrame]:
    """Two frames on one buffer, as a decoder shares its own with whom it gives it to."""
    graph: Any = Graph()
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format.name, time_base=Fraction(1, 25)
    )
    split, one, other = graph.add("split", "2"), graph.add("buffersink"), graph.add("buffersink")
    source.link_to(split)
    split.link_to(one, 0, 0)
    split.link_to(other, 1, 0)
    graph.configure()
    source.push(frame)
    pair = one.pull(), other.pull()
    assert pair[0].planes[0].buffer_ptr == pair[1].planes[0].buffer_ptr
    return pair


def patch(frame: VideoFrame, pix_fmt: str, x: int, y: int, width: int, height: int, value: int) -> Patch:
    layout = yuv_layout(facts(pix_fmt), pix_fmt)
    dtype = np.uint16 if layout.depth > 8 else np.uint8
    planes: list[Any] = [np.full((height, width), value, dtype)]
    for _ in frame.planes[1:]:
        shape = -(-height >> layout.chroma_shift_y), -(-width >> layout.chroma_shift_x)
        planes.append(np.full(shape, value, dtype))
    return Patch(x, y, tuple(planes))


@pytest.mark.parametrize("pix_fmt", FORMATS)
@pytest.mark.parametrize(("width", "height"), [(70, 50), (71, 51), (64, 48)])
def test_a_picture_is_a_view_of_each_plane_at_its_own_depth_and_size(pix_fmt: str, width: int, height: int) -> None:
    frame = noise(pix_fmt, width=width, height=height)
    layout = yuv_layout(facts(pix_fmt), pix_fmt)
    picture = picture_of(frame, layout)
    assert (picture.width, picture.height) == (width, height)
    assert len(picture.planes) == (1 if pix_fmt.startswith("gray") else 3)
    assert all(plane.dtype == (np.uint16 if "10" in pix_fmt else np.uint8) for plane in picture.planes)
    for chroma in picture.planes[1:]:
        halves = (1 if "420" in pix_fmt else 0), (0 if "444" in pix_fmt else 1)
        assert chroma.shape == (-(-height >> halves[0]), -(-width >> halves[1]))
    for plane, raw in zip(picture.planes, frame.planes, strict=True):
        assert plane.base is not None and plane.ctypes.data == raw.buffer_ptr, "a view, not a copy"
    if "10" in pix_fmt:
        assert 255 < int(picture.planes[0].max()) < 1024


@settings(max_examples=60, deadline=None)
@given(
    pix_fmt=st.sampled_from(FORMATS),
    x=st.integers(0, 32), y=st.integers(0, 22), width=st.integers(1, 38), height=st.integers(1, 28),
)  # fmt: skip
def test_a_patch_changes_its_rectangle_and_nothing_else(pix_fmt: str, x: int, y: int, width: int, height: int) -> None:
    x, y = 2 * (x // 2), 2 * (y // 2)
    layout = yuv_layout(facts(pix_fmt), pix_fmt)
    frame, before = noise(pix_fmt), noise(pix_fmt)
    put_patches(frame, [patch(frame, pix_fmt, x, y, width, height, 99)], layout)
    for number, (new, old) in enumerate(
        zip(picture_of(frame, layout).planes, picture_of(before, layout).planes, strict=True)
    ):
        sx, sy = (layout.chroma_shift_x, layout.chroma_shift_y) if number else (0, 0)
        inside = np.zeros(new.shape, bool)
        inside[y >> sy : (y >> sy) + (-(-height >> sy)), x >> sx : (x >> sx) + (-(-width >> sx))] = True
        assert (new[inside] == 99).all()
        assert np.array_equal(new[~inside], old[~inside])
    assert frame.pts == 5


def test_where_patches_overlap_the_later_one_wins() -> None:
    layout = yuv_layout(facts("yuv420p"), "yuv420p")
    frame = noise("yuv420p")
    patches = [patch(frame, "yuv420p", 0, 0, 20, 20, 10), patch(frame, "yuv420p", 10, 10, 20, 20, 20)]
    put_patches(frame, iter(patches), layout)
    luma = picture_of(frame, layout).planes[0]
    assert (luma[5, 5], luma[15, 15], luma[25, 25]) == (10, 20, 20)


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv420p10le", "yuv444p", "gray"])
def test_the_decoders_own_buffer_is_never_written(pix_fmt: str) -> None:
    decoders, given_away = shared(noise(pix_fmt))
    before = contents(decoders)
    layout = yuv_layout(facts(pix_fmt), pix_fmt)
    picture = picture_of(given_away, layout)
    seen = [plane.copy() for plane in picture.planes]
    put_patches(given_away, [patch(given_away, pix_fmt, 10, 10, 20, 20, 3)], layout)
    assert same(contents(decoders), before)
    assert picture_of(given_away, layout).planes[0][15, 15] == 3
    # Of the rest the copy is exact.
    given = [plane.copy() for plane in picture_of(given_away, layout).planes]
    given[0][10:30, 10:30] = seen[0][10:30, 10:30]
    assert np.array_equal(given[0], seen[0])


def test_reference_frames_of_a_real_decoder_survive_patches() -> None:
    layout = yuv_layout(facts("yuv420p"), "yuv420p")
    plain, patched = (decoded_gop(put) for put in (False, True))
    for clean, (frame, luma) in zip(plain, patched, strict=True):
        put_patches(clean[0], [patch(clean[0], "yuv420p", 0, 0, WIDTH, HEIGHT // 2, 0)], layout)
        assert np.array_equal(picture_of(clean[0], layout).planes[0], luma), frame.pts


def decoded_gop(put: bool) -> list[tuple[VideoFrame, Samples]]:
    """A GOP of P frames decoded; `put` blackens the upper half of each as soon as it comes out."""
    encoder: Any = av.CodecContext.create("mpeg4", "w")
    encoder.width, encoder.height, encoder.pix_fmt = WIDTH, HEIGHT, "yuv420p"
    encoder.time_base, encoder.framerate, encoder.gop_size = Fraction(1, 25), Fraction(25), 12
    packets = []
    for number in range(6):
        frame = noise("yuv420p")
        frame.pts = number
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    decoder: Any = av.CodecContext.create("mpeg4", "r")
    decoder.extradata = encoder.extradata
    layout = yuv_layout(facts("yuv420p"), "yuv420p")
    out = []
    for packet in [*packets, None]:
        for frame in decoder.decode(packet):
            if put:
                put_patches(frame, [patch(frame, "yuv420p", 0, 0, WIDTH, HEIGHT // 2, 0)], layout)
            out.append((frame, picture_of(frame, layout).planes[0].astype(np.uint8).copy()))
    assert len(out) == 6
    return out


def test_without_patches_not_even_a_copy_is_made() -> None:
    decoders, given_away = shared(noise("yuv420p"))
    put_patches(given_away, [], yuv_layout(facts("yuv420p"), "yuv420p"))
    assert given_away.planes[0].buffer_ptr == decoders.planes[0].buffer_ptr


def test_a_frame_that_is_in_the_format_already_is_itself() -> None:
    frame = noise("yuv420p10le")
    assert to_pixel_format(frame, "yuv420p10le", facts("yuv420p10le")) is frame


@pytest.mark.parametrize("chroma", ["420", "422", "444"])
def test_full_range_yuvj_becomes_yuv_with_every_sample_and_tag_as_it_was(chroma: str) -> None:
    frame = noise(f"yuvj{chroma}p")
    frame.color_range, frame.colorspace, frame.color_primaries, frame.color_trc = 2, 1, 1, 1
    before = contents(frame)
    made = to_pixel_format(frame, f"yuv{chroma}p", facts(f"yuvj{chroma}p", color_range=2))
    assert made.format.name == f"yuv{chroma}p" and made.pts == 5
    assert (int(made.color_range), int(made.colorspace), int(made.color_primaries), int(made.color_trc)) == (2, 1, 1, 1)
    layout = yuv_layout(facts(f"yuvj{chroma}p"), f"yuv{chroma}p")
    assert layout.full_range
    for new, old in zip(picture_of(made, layout).planes, picture_of(frame, layout).planes, strict=True):
        assert np.array_equal(new, old)
    assert same(contents(frame), before)


@pytest.mark.parametrize(("pix_fmt", "planar"), sorted(SAME_SAMPLES.items()))
@pytest.mark.parametrize("color_range", [0, 1, 2])
def test_formats_that_are_said_to_hold_the_same_samples_do(pix_fmt: str, planar: str, color_range: int) -> None:
    frame = noise(pix_fmt)
    made = to_pixel_format(frame, planar, facts(pix_fmt, color_range=color_range))
    assert (made.format.name, made.pts) == (planar, 5)
    layout = yuv_layout(facts(pix_fmt), planar)
    for number, (new, old) in enumerate(zip(picture_of(made, layout).planes, samples(frame), strict=True)):
        assert np.array_equal(new, old), f"plane {number}"


def samples(frame: VideoFrame) -> list[Any]:
    """Y, U and V of a packed or semi-planar frame, taken apart by hand."""
    name = frame.format.name
    dtype = np.uint16 if name.startswith("p") or "10" in name else np.uint8
    rows: list[Any] = [
        np.frombuffer(memoryview(plane), dtype).reshape(-1, plane.line_size // np.dtype(dtype).itemsize)[: plane.height]
        for plane in frame.planes
    ]
    width, pairs = frame.width, -(-frame.width // 2)
    if name in ("yuyv422", "uyvy422", "yvyu422"):
        packed = rows[0][:, : 2 * width]
        places = {"yuyv422": (0, 1, 3), "uyvy422": (1, 0, 2), "yvyu422": (0, 3, 1)}[name]
        return [packed[:, places[0] :: 2], packed[:, places[1] :: 4], packed[:, places[2] :: 4]]
    if len(rows) == 2:
        shift = 6 if name.startswith("p") else 0
        first, second = rows[1][:, : 2 * pairs : 2] >> shift, rows[1][:, 1 : 2 * pairs : 2] >> shift
        return [rows[0][:, :width] >> shift, *((second, first) if name == "nv21" else (first, second))]
    return [row[:, : plane.width] for row, plane in zip(rows, frame.planes, strict=True)]


@pytest.mark.parametrize(
    ("more", "matrix", "full"),
    [
        ({"color_space": 1}, "bt709", False),
        ({"color_space": 5}, "bt601", False),
        ({"color_space": 6}, "bt601", False),
        ({"color_space": 9}, "bt2020", False),
        ({"color_space": 2, "height": 720}, "bt709", False),
        ({"color_space": 2, "height": 576}, "bt601", False),
        ({"color_space": 0, "height": 1080}, "bt709", False),
        ({"color_space": 1, "color_range": 2}, "bt709", True),
        ({"color_space": 1, "color_range": 1}, "bt709", False),
    ],
    ids=str,
)
def test_pictures_are_read_by_their_tags_and_as_players_do_without(
    more: dict[str, Any], matrix: str, full: bool
) -> None:
    layout = yuv_layout(facts("yuv420p", **more), "yuv420p")
    assert (layout.matrix, layout.full_range) == (matrix, full)


@pytest.mark.parametrize(
    ("pix_fmt", "depth", "shifts", "gray"),
    [
        ("yuv420p", 8, (1, 1), False),
        ("yuv422p", 8, (1, 0), False),
        ("yuv444p", 8, (0, 0), False),
        ("yuv420p10le", 10, (1, 1), False),
        ("yuv422p10le", 10, (1, 0), False),
        ("yuv444p10le", 10, (0, 0), False),
        ("gray", 8, None, True),
        ("gray10le", 10, None, True),
    ],
)
def test_the_layout_is_the_formats(pix_fmt: str, depth: int, shifts: tuple[int, int] | None, gray: bool) -> None:
    layout = yuv_layout(facts(pix_fmt), pix_fmt)
    assert (layout.depth, layout.gray) == (depth, gray)
    if shifts:
        assert (layout.chroma_shift_x, layout.chroma_shift_y) == shifts
