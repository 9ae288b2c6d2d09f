import itertools

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segment_worker import paste
from segment_worker.paste import Rect, View
from segment_worker.picture import Patch, Picture, YuvLayout

LAYOUTS = [
    YuvLayout(depth, sx, sy, matrix, full)
    for depth, (sx, sy), matrix, full in itertools.product(
        (8, 10), ((1, 1), (1, 0), (0, 0)), ("bt601", "bt709", "bt2020"), (False, True)
    )
]
GRAYS = [YuvLayout(depth, 0, 0, "bt709", full, gray=True) for depth in (8, 10) for full in (False, True)]


def named(layout: YuvLayout) -> str:
    chroma = "gray" if layout.gray else f"{layout.chroma_shift_x}{layout.chroma_shift_y}"
    return f"{layout.depth}-{chroma}-{layout.matrix}-{'full' if layout.full_range else 'limited'}"


def noise(layout: YuvLayout, height: int, width: int, seed: int = 1) -> Picture:
    """Random samples within the layout's range, in planes whose rows are padded."""
    random = np.random.default_rng(seed)
    unit = 1 << (layout.depth - 8)
    low, high = (0, 256 * unit) if layout.full_range else (16 * unit, 236 * unit)
    kind = np.uint8 if layout.depth == 8 else np.uint16
    planes = [random.integers(low, high, (height, width + 13)).astype(kind)[:, :width]]
    if not layout.gray:
        rows, columns = -(-height >> layout.chroma_shift_y), -(-width >> layout.chroma_shift_x)
        for _ in range(2):
            wide = random.integers(112 * unit, 144 * unit, (rows, columns + 5)).astype(kind)
            planes.append(wide[:, :columns])
    return Picture(tuple(planes), layout)


def laid(picture: Picture, rect: Rect, bgr: np.ndarray, mask: np.ndarray) -> Patch:
    """Colours laid over a picture, through its own code values."""
    layout = picture.layout
    codes = cv2.transform(bgr, paste.code_matrix(layout))
    planes = [codes[..., 0].copy()]
    if not layout.gray:
        planes += [paste.shrink(codes, layout)[..., number].copy() for number in (1, 2)]
    return paste.lay(picture, rect, planes, mask)


def reference_codes(bgr: np.ndarray, layout: YuvLayout) -> np.ndarray:
    """Y, U, V of BGR in float64, straight from the standards' formulas."""
    kr, kb = {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722), "bt2020": (0.2627, 0.0593)}[layout.matrix]
    b, g, r = (bgr[..., k].astype(np.float64) for k in range(3))
    y = kr * r + (1 - kr - kb) * g + kb * b
    cb, cr = (b - y) / (2 * (1 - kb)), (r - y) / (2 * (1 - kr))
    if layout.full_range:
        top = 2**layout.depth - 1
        return np.stack([y * top, cb * top + 2 ** (layout.depth - 1), cr * top + 2 ** (layout.depth - 1)], -1)
    unit = 2 ** (layout.depth - 8)
    return np.stack([(219 * y + 16) * unit, (224 * cb + 128) * unit, (224 * cr + 128) * unit], -1)


@pytest.mark.parametrize("layout", LAYOUTS, ids=named)
def test_colours_become_the_standards_codes_within_a_level(layout):
    below = noise(layout, 32, 48)
    random = np.random.default_rng(2)
    bgr = random.random((32, 48, 3)).astype(np.float32)
    patch = laid(below, Rect(0, 0, 48, 32), bgr, np.ones((32, 48), np.float32))
    wanted = reference_codes(bgr, layout)
    sx, sy = layout.chroma_shift_x, layout.chroma_shift_y
    chroma = wanted.reshape(32 >> sy, 1 << sy, 48 >> sx, 1 << sx, 3).mean((1, 3))
    assert np.abs(patch.planes[0] - wanted[..., 0]).max() <= 1
    for number in (1, 2):
        assert np.abs(patch.planes[number] - chroma[..., number]).max() <= 1


@pytest.mark.parametrize("layout", [*LAYOUTS, *GRAYS], ids=named)
def test_there_and_back_is_within_a_level(layout):
    picture = noise(layout, 24, 32)
    if not layout.gray:
        # Chroma that is the same all over survives its filters; the rest is about the matrices.
        flat = tuple(np.full_like(plane, 120 << (layout.depth - 8)) for plane in picture.planes[1:])
        picture = Picture((picture.planes[0], *flat), layout)
    rect = Rect(8, 4, 16, 16)
    patch = laid(picture, rect, paste.read_bgr(picture, rect), np.ones((16, 16), np.float32))
    for number, plane in enumerate(patch.planes):
        sx, sy = (layout.chroma_shift_x, layout.chroma_shift_y) if number else (0, 0)
        own = picture.planes[number][4 >> sy : 20 >> sy, 8 >> sx : 24 >> sx]
        assert plane.dtype == own.dtype
        assert np.abs(plane.astype(int) - own).max() <= 1


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([*LAYOUTS, *GRAYS]), st.integers(9, 40), st.integers(9, 40), st.integers(0, 1000))
def test_samples_without_mask_are_untouched(layout, height, width, seed):
    picture = noise(layout, height, width, seed)
    random = np.random.default_rng(seed)
    rect = paste.align(picture, *random.uniform(-5, 8, 2), *random.uniform(9, 50, 2))
    bgr = random.random((rect.height, rect.width, 3)).astype(np.float32)
    mask = np.where(random.random((rect.height, rect.width)) < 0.7, 0, 0.8).astype(np.float32)
    patch = laid(picture, rect, bgr, mask)
    for number, plane in enumerate(patch.planes):
        sx, sy = (layout.chroma_shift_x, layout.chroma_shift_y) if number else (0, 0)
        own = picture.planes[number][rect.y >> sy :, rect.x >> sx :][: plane.shape[0], : plane.shape[1]]
        assert own.shape == plane.shape
        rows, columns = np.nonzero(mask)
        touched = np.zeros(plane.shape, bool)
        touched[rows >> sy, columns >> sx] = True
        assert np.array_equal(plane[~touched], own[~touched])


@given(st.floats(-50, 150), st.floats(-50, 150), st.floats(-50, 150), st.floats(-50, 150))
def test_align_is_on_the_grid_and_inside(x0, y0, x1, y1):
    picture = noise(LAYOUTS[0], 61, 83)
    rect = paste.align(picture, x0, y0, x1, y1)
    if rect is None:
        return
    assert rect.x % 2 == 0 and rect.y % 2 == 0
    assert 0 < rect.width <= picture.width - rect.x and 0 < rect.height <= picture.height - rect.y
    assert rect.x <= max(x0, 0) and rect.y <= max(y0, 0)
    assert rect.x + rect.width >= min(x1, 83) and rect.y + rect.height >= min(y1, 61)


@pytest.mark.parametrize("layout", [LAYOUTS[0], LAYOUTS[-1], GRAYS[0]], ids=named)
def test_a_view_is_black_outside_the_picture(layout):
    picture = noise(layout, 40, 40)
    image = paste.view_bgr(picture, View(-500, -500, 100), 32)
    assert np.abs(image).max() < 1e-5


def test_a_view_of_the_whole_is_the_picture():
    picture = noise(YuvLayout(8, 0, 0, "bt709", True), 64, 64)
    image = paste.view_bgr(picture, View(32, 32, 64), 64)
    assert np.allclose(image, np.clip(paste.read_bgr(picture, Rect(0, 0, 64, 64)), 0, 1), atol=1e-4)


def test_a_view_turns_about_its_middle():
    codes = np.zeros((64, 64), np.uint8)
    codes[32:, :] = 255
    picture = Picture((codes,), YuvLayout(8, 0, 0, "bt709", True, gray=True))
    image = paste.view_bgr(picture, View(32, 32, 40, np.pi / 2), 40)
    assert image[:, :18].min() > 0.9 or image[:, 22:].min() > 0.9
