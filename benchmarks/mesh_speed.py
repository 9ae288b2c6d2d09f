"""Milliseconds a face of the mesh engine at 1080p on one core, split by stage: the least of many runs.

taskset -c 0 python -m benchmarks.mesh_speed
"""

import time
from collections.abc import Callable
from functools import partial

import cv2
import numpy as np

from benchmarks.stills import THIRD
from demo.material import package_file
from segment_worker.engines import mesh
from segment_worker.engines.base import Pair
from segment_worker.engines.mesh import MeshEngine
from segment_worker.images import picture_of_image
from segment_worker.mesh.facemesh import FaceFinder
from segment_worker.mesh.light import light_of
from segment_worker.mesh.texture import make_texture
from segment_worker.mesh.warp import picture_map
from segment_worker.paste import code_matrix
from segment_worker.picture import Picture, YuvLayout
from segment_worker.select import All, Largest


def picture_of(image: np.ndarray) -> Picture:
    """A BGR image as an 8-bit 4:2:0 BT.709 picture."""
    layout = YuvLayout(8, 1, 1, "bt709", False)
    codes = cv2.transform(image.astype(np.float32) / 255, code_matrix(layout))
    half = cv2.resize(codes, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    parts = (codes[..., 0], half[..., 1], half[..., 2])
    return Picture(tuple(np.rint(part).astype(np.uint8) for part in parts), layout)


def best(work: Callable[[], object], runs: int = 15) -> float:
    """Least milliseconds of `runs` runs."""
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times) * 1e3


def row(what: str, milliseconds: float) -> None:
    """Print one line of the table."""
    print(f"| {what} | {milliseconds:.1f} |", flush=True)


def main() -> None:
    """Print the table."""
    astronaut = np.asarray(cv2.imread(str(package_file("skimage", "data/astronaut.png"))), np.uint8)
    finder = FaceFinder()
    source = make_texture(
        astronaut.astype(np.float32) / 255,
        finder.with_eyes(picture_of_image(astronaut), finder.find(picture_of_image(astronaut))[0]),
    )
    photo = THIRD.photo()
    print("| stage | ms |\n|---|---|")
    for width in (150, 300, 600):
        scale = width / 108
        small = cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)[:1080, :1920]
        canvas = np.full((1080, 1920, 3), 90, np.uint8)
        canvas[: small.shape[0], : small.shape[1]] = small
        picture = picture_of(canvas)
        face = finder.with_eyes(picture, max(finder.find(picture), key=lambda one: one.box[2] - one.box[0]))
        x0, y0, x1, y1 = face.box
        rect = mesh.align(picture, x0, y0, x1, y1)
        assert rect is not None
        row(f"face {width} px: find it (whole frame), mesh", best(partial(finder.find, picture, largest=True)))
        row(f"face {width} px: eyes", best(partial(finder.with_eyes, picture, face)))
        row(f"face {width} px: light", best(partial(light_of, source, picture, face)))
        row(f"face {width} px: map", best(partial(picture_map, face.points, rect)))
        row(f"face {width} px: light, map, warp, paste", best(partial(mesh.swap_face, picture, face, source)))
        engine = MeshEngine([Pair([("astronaut", astronaut)], Largest())])
        row(f"face {width} px: **everything, select Largest**", best(partial(engine.swap, [picture])))
    group = np.asarray(cv2.imread(str(package_file("insightface", "data/images/t1.jpg"))), np.uint8)
    wide = cv2.copyMakeBorder(group, 97, 97, 320, 320, cv2.BORDER_REPLICATE)[:1080, :1920]
    picture, engine = picture_of(wide), MeshEngine([Pair([("astronaut", astronaut)], All())])
    count = engine.swap([picture])[0].faces_swapped
    row(f"**{count} faces, select All: a face**", best(partial(engine.swap, [picture])) / max(1, count))


if __name__ == "__main__":
    main()
