"""Between PyAV's frames and the engines' pictures: views of planes, patches put in, pixel formats made equal."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
from av.filter import Graph
from av.video.frame import VideoFrame

from recast.manifest import VideoFacts
from recast.media.codecs import HD_LINES, SAME_SAMPLES
from recast.media.planes import copy_colours, rows_of
from recast.media.source import FULL_RANGE
from segment_worker.picture import Matrix, Patch, Picture, Plane, YuvLayout, write_patches

# ITU-T H.273 matrix coefficients.
MATRICES: dict[int, Matrix] = {1: "bt709", 5: "bt601", 6: "bt601", 9: "bt2020", 10: "bt2020"}
# Where Y, U and V begin in a packed row.
PACKED = {"yuyv422": (0, 1, 3), "uyvy422": (1, 0, 2), "yvyu422": (0, 3, 1)}


def yuv_layout(facts: VideoFacts, pix_fmt: str) -> YuvLayout:
    """How pictures of `pix_fmt`, tagged as `facts` say, are to be read.

    An untagged picture is read as players do: BT.709 from 720 lines on, else BT.601; limited range.
    """
    guessed: Matrix = "bt709" if facts.height >= HD_LINES else "bt601"
    return YuvLayout(
        depth=10 if pix_fmt.endswith("10le") else 8,
        chroma_shift_x=0 if "444" in pix_fmt else 1,
        chroma_shift_y=1 if "420" in pix_fmt else 0,
        matrix=MATRICES.get(facts.color_space, guessed),
        full_range=facts.color_range == FULL_RANGE or facts.pix_fmt.startswith("yuvj"),
        gray=pix_fmt.startswith("gray"),
    )


def turns_of(facts: VideoFacts) -> int:
    """Quarter turns, counter-clockwise, that make a coded picture upright (phones film sideways)."""
    return facts.rotation // 90


def picture_of(frame: VideoFrame, layout: YuvLayout, turns: int = 0) -> Picture:
    """View a frame's planes, upright. The view is good until the frame is written to or freed.

    Args:
        frame: the frame, as it is coded.
        layout: how to read it.
        turns: quarter turns that make it upright.
    """
    planes = tuple(_upright(_plane(plane, layout), turns) for plane in frame.planes)
    return Picture(planes, _turned(layout, turns))


def put_patches(frame: VideoFrame, patches: Iterable[Patch], layout: YuvLayout, turns: int = 0) -> None:
    """Write an upright picture's patches into its frame, which is copied first: a decoder may still need it."""
    patches = tuple(patches)
    if not patches:
        return
    frame.make_writable()
    planes = [np.rot90(_plane(plane, layout), turns) for plane in frame.planes]
    write_patches(planes, patches, _turned(layout, turns))


def _upright(plane: Plane, turns: int) -> Plane:
    # OpenCV wants rows that go forwards.
    return np.ascontiguousarray(np.rot90(plane, turns)) if turns else plane  # type: ignore[return-value]


def _turned(layout: YuvLayout, turns: int) -> YuvLayout:
    if turns % 2 == 0:
        return layout
    return replace(layout, chroma_shift_x=layout.chroma_shift_y, chroma_shift_y=layout.chroma_shift_x)


def to_pixel_format(frame: VideoFrame, pix_fmt: str, facts: VideoFacts) -> VideoFrame:
    """Give the frame in `pix_fmt`; the samples stay the same unless depth or chroma must change."""
    if frame.planes[0].line_size < 0:
        frame = _from_the_top(frame)
    if frame.format.name == pix_fmt:
        return frame
    if SAME_SAMPLES.get(frame.format.name) == pix_fmt:
        return _planar(frame, pix_fmt)
    if frame.format.is_rgb:
        changed = frame.reformat(format=pix_fmt, dst_colorspace=facts.color_space, dst_color_range=facts.color_range)
    else:
        ranges = {"src_color_range": facts.color_range, "dst_color_range": facts.color_range}
        changed = frame.reformat(format=pix_fmt, **(ranges if facts.color_range else {}))
    changed.pts = frame.pts
    return changed


def _from_the_top(frame: VideoFrame) -> VideoFrame:
    """The same picture for one whose rows lie backwards in memory, as AMV's do: no view of them can say so."""
    graph = Graph()
    source = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base)
    graph.link_nodes(source, graph.add("copy"), graph.add("buffersink")).configure()
    graph.vpush(frame)
    return graph.vpull()


def _planar(frame: VideoFrame, pix_fmt: str) -> VideoFrame:
    """The same samples in planes of their own.

    By hand: libswscale squeezes yuvj into limited range, and what it makes of p010 was seen to differ from run
    to run.
    """
    copy = VideoFrame(frame.width, frame.height, pix_fmt)
    dtype = np.uint16 if pix_fmt.endswith("10le") else np.uint8
    for new, samples in zip(copy.planes, _samples(frame, dtype), strict=True):
        rows_of(new, dtype)[:, : new.width] = samples[:, : new.width]
    copy.pts = frame.pts
    copy_colours(frame, copy)
    return copy


def _samples(frame: VideoFrame, dtype: type[np.generic]) -> list[Any]:
    """Y, U and V of a planar, semi-planar (nv12, p010) or packed (uyvy422) frame, as views."""
    rows = [rows_of(plane, dtype) for plane in frame.planes]
    name = frame.format.name
    if name in PACKED:
        y, u, v = PACKED[name]
        return [rows[0][:, y::2], rows[0][:, u::4], rows[0][:, v::4]]
    if len(rows) == 2:
        # Semi-planar 10-bit samples stand in the high bits.
        luma, chroma = (rows[0] >> 6, rows[1] >> 6) if dtype is np.uint16 else rows
        u, v = (1, 0) if name == "nv21" else (0, 1)
        return [luma, chroma[:, u::2], chroma[:, v::2]]
    return rows


def _plane(plane: Any, layout: YuvLayout) -> Plane:
    rows: Plane = rows_of(plane, np.uint16 if layout.depth > 8 else np.uint8)
    return rows[:, : plane.width]
