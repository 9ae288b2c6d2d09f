"""A pasted face against a float64 reference worked out here, in every depth and chroma layout."""

from typing import Any

import numpy as np
import pytest

from segment_worker.insight.alignment import corners, crop_matrix, inverse
from segment_worker.insight.crop import crop_of, mask_of, paste
from segment_worker.paste import bgr_matrix, code_matrix
from segment_worker.picture import Picture, YuvLayout, patched

LANDMARKS = np.array([[-0.22, -0.15], [0.22, -0.15], [0.0, 0.08], [-0.18, 0.3], [0.18, 0.3]])
LAYOUTS = [
    YuvLayout(depth, sx, sy, matrix, full)
    for depth in (8, 10)
    for sx, sy in ((1, 1), (1, 0), (0, 0))
    for matrix, full in (("bt709", False), ("bt601", True), ("bt2020", False))
]


def picture(layout: YuvLayout, height: int = 240, width: int = 320) -> Picture:
    """Smooth noise over the whole range of codes."""
    rng = np.random.default_rng(4)
    dtype = np.uint8 if layout.depth == 8 else np.uint16
    unit = 1 << (layout.depth - 8)
    planes = []
    for number in range(3):
        sx, sy = (layout.chroma_shift_x, layout.chroma_shift_y) if number else (0, 0)
        small = rng.uniform(70, 180, (-(-(height >> sy) // 8) + 1, -(-(width >> sx) // 8) + 1))
        plane = np.kron(small, np.ones((8, 8)))[: height >> sy, : width >> sx] * unit
        planes.append(np.rint(plane).astype(dtype))
    return Picture(tuple(planes), layout)


def bilinear(image: Any, x: Any, y: Any) -> Any:
    """float64 values at places (whole numbers are samples), the border repeated."""
    x, y = np.clip(x, 0, image.shape[1] - 1), np.clip(y, 0, image.shape[0] - 1)
    x0, y0 = np.minimum(x.astype(int), image.shape[1] - 2), np.minimum(y.astype(int), image.shape[0] - 2)
    fx, fy = (x - x0)[..., None], (y - y0)[..., None]
    top = image[y0, x0] * (1 - fx) + image[y0, x0 + 1] * fx
    below = image[y0 + 1, x0] * (1 - fx) + image[y0 + 1, x0 + 1] * fx
    return top * (1 - fy) + below * fy


@pytest.mark.parametrize("width", [70, 200])
@pytest.mark.parametrize(
    "layout", LAYOUTS, ids=lambda each: f"{each.depth}-{each.chroma_shift_x}{each.chroma_shift_y}-{each.matrix}"
)
def test_a_pasted_region_is_within_a_level_of_the_reference_and_the_rest_untouched(
    layout: YuvLayout, width: int
) -> None:
    below = picture(layout)
    matrix = crop_matrix((LANDMARKS * width + (150, 120)).astype(np.float32), 128)
    mask = mask_of(below, matrix, 128)
    assert mask is not None
    grid = np.linspace(0, 1, 128)
    crop = np.stack(
        [0.2 + 0.5 * grid[None, :].repeat(128, 0), 0.7 - 0.4 * grid[:, None].repeat(128, 1), np.full((128, 128), 0.55)],
        -1,
    )
    patch = paste(below, mask, matrix, crop.astype(np.float32))
    top = 255 << (layout.depth - 8)
    stored = np.floor(crop.astype(np.float32) * np.float32(top)).astype(np.float64) / top
    # Black beyond the crop, as InsightFace has it.
    framed = np.pad(stored, ((1, 1), (1, 1), (0, 0)))
    for number, plane in enumerate(patch.planes):
        sx, sy = (layout.chroma_shift_x, layout.chroma_shift_y) if number else (0, 0)
        rows, columns = np.mgrid[: plane.shape[0], : plane.shape[1]].astype(np.float64)
        total, share = np.zeros(plane.shape), np.zeros(plane.shape)
        samples = [(dx, dy) for dy in range(1 << sy) for dx in range(1 << sx)]
        # A face that is enlarged is read at the chroma sample's own place, one that shrinks averaged over its samples.
        middle = ((1 << sx) - 1) / 2, ((1 << sy) - 1) / 2
        grows = abs(np.linalg.det(matrix[:, :2])) * len(samples) <= 1
        for dx, dy in samples:
            at = middle if grows else (dx, dy)
            x, y = columns * (1 << sx) + at[0] + patch.x, rows * (1 << sy) + at[1] + patch.y
            places = matrix[:, :2] @ np.stack([x.ravel(), y.ravel()]) + matrix[:, 2:]
            colours = bilinear(framed, places[0].reshape(x.shape) + 1, places[1].reshape(x.shape) + 1)
            total += colours @ code_matrix(layout)[number, :3] + code_matrix(layout)[number, 3]
            inside = (rows * (1 << sy) + dy).astype(int), (columns * (1 << sx) + dx).astype(int)
            share += mask.share[inside].astype(np.float64)
        count = 1 << (sx + sy)
        share, total = share / count, total / count
        y0, x0 = patch.y >> sy, patch.x >> sx
        base = below.planes[number][y0 : y0 + plane.shape[0], x0 : x0 + plane.shape[1]].astype(np.float64)
        wanted = base + share * (total - base)
        assert np.abs(plane - wanted).max() <= 1 + 0.5, number
        assert (np.abs(plane - wanted) > 1).mean() < 0.002, number
    after = patched(below, [patch])
    for number, (old, new) in enumerate(zip(below.planes, after.planes, strict=True)):
        sx, sy = (layout.chroma_shift_x, layout.chroma_shift_y) if number else (0, 0)
        changed = np.argwhere(old != new)
        low, high = corners(matrix, 128).min(0), corners(matrix, 128).max(0)
        assert (changed[:, ::-1] * (1 << sx, 1 << sy) >= low - 2).all()
        assert (changed[:, ::-1] * (1 << sx, 1 << sy) <= high + 2).all()


@pytest.mark.parametrize("layout", LAYOUTS[:9:4] + LAYOUTS[9::4], ids=lambda each: f"{each.depth}")
def test_a_crop_is_what_a_float_reading_of_the_picture_gives(layout: YuvLayout) -> None:
    below = picture(layout)
    matrix = crop_matrix((LANDMARKS * 80 + (150, 120)).astype(np.float32), 128)
    crop = crop_of(below, matrix, 128)
    rows, columns = np.mgrid[:128, :128].astype(np.float64)
    back = inverse(matrix)
    places = back[:, :2] @ np.stack([columns.ravel(), rows.ravel()]) + back[:, 2:]
    planes = []
    for number, plane in enumerate(below.planes):
        sx, sy = (layout.chroma_shift_x, layout.chroma_shift_y) if number else (0, 0)
        x = (places[0] - ((1 << sx) - 1) / 2) / (1 << sx)
        y = (places[1] - ((1 << sy) - 1) / 2) / (1 << sy)
        planes.append(bilinear(plane.astype(np.float64)[..., None], x, y)[:, 0])
    codes = np.stack([*planes, np.ones_like(planes[0])])
    wanted = np.clip((bgr_matrix(layout) * 255 @ codes).T.reshape(128, 128, 3), 0, 255)
    # OpenCV looks up at 1/32 of a sample.
    assert np.abs(crop - wanted).mean() < 0.6


@pytest.mark.parametrize(("x", "y", "width"), [(-400, 100, 80), (150, 120, 3), (1000, 1000, 50), (float("nan"), 0, 50)])
def test_faces_that_are_too_small_or_elsewhere_have_no_mask(x: float, y: float, width: float) -> None:
    below = picture(LAYOUTS[0])
    points = (LANDMARKS * width + (x, y)).astype(np.float32)
    if np.isnan(x):
        points = np.full((5, 2), 7, np.float32)
    matrix = crop_matrix(points, 128)
    assert mask_of(below, matrix, 128) is None
    if not np.isnan(x):
        assert crop_of(below, matrix, 128).shape == (128, 128, 3)
