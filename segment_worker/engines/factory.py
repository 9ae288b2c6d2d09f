"""Makes an engine by its name. Each engine's libraries are imported only where it is asked for."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from recast import spec
from recast.modelstore import Role
from segment_worker.engines.base import Engine, Pair
from segment_worker.select import All, Index, Largest, Leftmost, Reference, Rightmost, Selection

# Where the spec leaves `maxDistance` out, in the engines' own units.
FARTHEST = {"InSwapper": 0.3, "Mesh": 0.6}

AT_ONCE = 4
"""Pictures that the InSwapper engine works on at once beside a GPU; on a CPU, where models and all run, one."""

Labelled = tuple[str, bytes]
"""A name for messages, and an image file's bytes."""


@dataclass(frozen=True)
class PairFiles:
    """A pair of the job, its images as they were read.

    Attributes:
        sources: pictures of the person to put in.
        target: whose place it takes.
        reference: the picture of the person to replace, where `target` asks for one.
    """

    sources: Sequence[Labelled]
    target: spec.Target
    reference: Labelled | None = None


def make_engine(
    engine: spec.Engine,
    pairs: Sequence[PairFiles],
    models: Callable[[], Mapping[Role, Path]] = dict,
    limits: spec.Limits | None = None,
) -> Engine:
    """Set an engine up with the job's faces.

    Args:
        engine: which, and how.
        pairs: whose face takes whose place; Passthrough looks at none.
        models: fetches the files of an engine that needs some, by what they are for.
        limits: of the images; the usual ones where left out.

    Raises:
        BadConfig: the engine's models or runtime are missing.
        BadInput: an image cannot be read, or none shows a face.
    """
    limits = limits or spec.Limits()
    match engine.name:
        case "Passthrough":
            from segment_worker.engines.passthrough import PassthroughEngine

            return PassthroughEngine()
        case "Mesh":
            from segment_worker.engines.mesh import MeshEngine

            return MeshEngine([_read(pair, engine, limits) for pair in pairs])
        case "InSwapper":
            from segment_worker.engines.inswapper import InSwapperEngine
            from segment_worker.insight.load import load_models

            people = [_read(pair, engine, limits) for pair in pairs]
            return InSwapperEngine(
                load_models(engine, models()),
                people,
                boost=engine.pixel_boost,
                mask=engine.mask,
                at_once=1 if engine.provider == "Cpu" else AT_ONCE,
            )


def selection_of(target: spec.Target, engine: str) -> Selection:
    """Which faces a target means."""
    match target.select:
        case "Largest":
            return Largest()
        case "All":
            return All()
        case "Leftmost":
            return Leftmost()
        case "Rightmost":
            return Rightmost()
        case "Index":
            return Index(target.index or 0)
        case "Reference":
            return Reference(target.max_distance or FARTHEST.get(engine, 1.0))


def _read(pair: PairFiles, engine: spec.Engine, limits: spec.Limits) -> Pair:
    from segment_worker.arrays import Image
    from segment_worker.images import load_image

    def load(labelled: Labelled) -> tuple[str, Image]:
        return labelled[0], load_image(*labelled, most_pixels=limits.image_pixels)

    sources = [load(each) for each in pair.sources]
    reference = load(pair.reference) if pair.reference else None
    return Pair(sources, selection_of(pair.target, engine.name), reference)
