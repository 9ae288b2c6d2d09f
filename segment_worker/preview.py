"""Before and after of a few frames, for `recast preview`: the worker's own engine on frames of the source."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation

from recast import exitcodes
from recast.errors import BadInput, RecastError
from recast.fields import Model
from recast.manifest import VideoFacts
from recast.media import source
from recast.media.codecs import SAME_SAMPLES
from recast.media.sheet import Pair, contact_sheet, write_png
from recast.spec import Engine, FacePair, Limits
from recast.storage.storage import Storage, StorageSettings
from recast.wording import as_typed, counted
from segment_worker.arrays import Image
from segment_worker.engines.factory import make_engine
from segment_worker.frames import picture_of, put_patches, to_pixel_format, turns_of, yuv_layout
from segment_worker.inputs import models_of, read_pair

DEFAULT_FRAMES = 4
MAX_FRAMES = 12
CHOSEN, LEFT = (80, 220, 90), (230, 70, 60)


class Request(Model):
    """What `recast preview` asks for, by way of the environment."""

    source: str
    output: str
    engine: Engine
    faces: tuple[FacePair, ...]
    at: tuple[float, ...]
    endpoint: str | None
    limits: Limits = Limits()


def main() -> int:
    """Carry the request out; returns the exit code."""
    try:
        preview(Request.model_validate_json(os.environ["RECAST_PREVIEW"]))
    except RecastError as error:
        print(f"recast: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return exitcodes.INTERRUPTED
    return exitcodes.OK


def preview(request: Request) -> None:
    """Swap the frames asked for and write the picture; say which faces were found."""
    storage = Storage(StorageSettings(endpoint=request.endpoint))
    engine = make_engine(
        request.engine,
        [read_pair(storage, pair, request.limits) for pair in request.faces],
        models_of(storage, request.engine),
        request.limits,
    )
    for photo in dict.fromkeys(engine.photos):
        print(as_typed(f"{photo.name}: {photo.said}"), flush=True)
    pairs = []
    with (
        storage.open(request.source) as file,
        source.open_source(file, request.source, request.limits) as container,
    ):
        for seconds, frame, facts in _frames_at(container, request):
            pix_fmt = SAME_SAMPLES.get(frame.format.name, frame.format.name)
            frame = to_pixel_format(frame, pix_fmt, facts)
            layout, turns = yuv_layout(facts, pix_fmt), turns_of(facts)
            picture = picture_of(frame, layout, turns)
            before = _upright(frame, turns)
            seen = engine.inspect(picture) if hasattr(engine, "inspect") else None
            put_patches(frame, engine.swap([picture])[0].patches, layout, turns)
            after = _upright(frame, turns)
            found = "no face is looked for" if seen is None else f"{counted(len(seen), 'face')} found"
            print(f"{seconds:.3f} s: {found}")
            for face in seen or ():
                _outline(before, face.box, CHOSEN if face.chosen else LEFT)
                box = ", ".join(f"{value:.0f}" for value in face.box)
                print(f"  at {box}  score {face.score:.2f}  {'changed' if face.chosen else 'left'}: {face.why}")
            pairs.append(Pair(_as_shown(before, facts), _as_shown(after, facts)))
    write_png(contact_sheet(pairs), Path(request.output))
    print(f"{request.output}: source above, swapped below")


def _frames_at(
    container: av.container.InputContainer, request: Request
) -> Iterator[tuple[float, VideoFrame, VideoFacts]]:
    stream = source.video_stream(container, request.source)
    source.read_only(container, stream)
    length = float((container.duration or 0) / 1_000_000)
    times = sorted(request.at) or [length * (k + 0.5) / DEFAULT_FRAMES for k in range(DEFAULT_FRAMES)]
    base, start = Fraction(stream.time_base or 1), stream.start_time or 0
    for seconds in times[:MAX_FRAMES]:
        wanted = start + round(seconds / base)
        container.seek(wanted, stream=stream)
        frame = _first_from(container, stream, wanted)
        if frame is not None and seconds > length:
            print(f"{seconds:g} s is past the end: the last frame is shown")
        if frame is None:
            raise BadInput(f"{request.source}: no frame at {seconds:g} s: it is {length:.3f} s long")
        shown = float(((frame.pts or start) - start) * base)
        yield shown, frame, source.video_facts(stream, frame, request.source)


def _first_from(container: av.container.InputContainer, stream: av.VideoStream, wanted: int) -> VideoFrame | None:
    last = None
    for frame in container.decode(stream):
        last = frame
        if frame.pts is not None and frame.pts >= wanted:
            break
    return last


def _upright(frame: VideoFrame, turns: int) -> Image:
    return np.ascontiguousarray(np.rot90(frame.to_ndarray(format="rgb24"), turns)).astype(np.uint8)


def _as_shown(image: Image, facts: VideoFacts) -> Image:
    """An upright picture with square pixels, mirrored where players mirror it."""
    height, width = image.shape[:2]
    sar = facts.sar if facts.rotation % 180 == 0 else 1 / facts.sar
    shown = VideoFrame.from_ndarray(image, format="rgb24").reformat(
        width, max(2, round(height / sar)), interpolation=Interpolation.BICUBIC
    )
    pixels = shown.to_ndarray().astype(np.uint8)
    return np.ascontiguousarray(pixels[:, ::-1]) if facts.hflip else pixels


def _outline(image: Image, box: Sequence[float], colour: tuple[int, int, int]) -> None:
    height, width = image.shape[:2]
    x0, x1 = (int(min(max(value, 0), width - 1)) for value in (box[0], box[2]))
    y0, y1 = (int(min(max(value, 0), height - 1)) for value in (box[1], box[3]))
    thick = max(1, width // 400)
    for k in range(thick):
        image[min(y0 + k, y1), x0:x1] = colour
        image[max(y1 - k, y0), x0:x1] = colour
        image[y0:y1, min(x0 + k, x1)] = colour
        image[y0:y1, max(x1 - k, x0)] = colour


if __name__ == "__main__":
    sys.exit(main())
