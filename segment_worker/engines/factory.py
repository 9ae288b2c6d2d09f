"""Makes an engine by its name. Each engine's libraries are imported only where it is asked for."""

from collections.abc import Sequence

from recast.errors import BadConfig
from segment_worker.engines.base import Engine
from segment_worker.select import Selection


def make_engine(name: str, face_images: Sequence[tuple[str, bytes]], select: Selection) -> Engine:
    """Set an engine up with the job's faces.

    Args:
        name: "mesh" or "passthrough", in any case.
        face_images: (name for messages, the file's bytes) of the source person's pictures; the first that
            shows a face is used. Passthrough looks at none.
        select: which faces of a frame are swapped.

    Raises:
        BadConfig: no such engine, or its models or runtime are missing.
        BadInput: an image cannot be read, or none shows a face.
    """
    match name.lower():
        case "passthrough":
            from segment_worker.engines.passthrough import PassthroughEngine

            return PassthroughEngine()
        case "mesh":
            from segment_worker.engines.mesh import MeshEngine, load_image

            return MeshEngine([(label, load_image(label, data)) for label, data in face_images], select)
    raise BadConfig(f"engine {name!r}: unknown; use mesh or passthrough")
