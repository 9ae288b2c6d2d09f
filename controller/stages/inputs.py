"""What a job's pixels depend on besides its segments, pinned when it is split: faces, engine and models."""

from recast.faceimages import read_face_image
from recast.layout import JsonValue, sha256_hex
from recast.media.imageheads import check_head
from recast.modelstore import files_of
from recast.spec import Engine, JobSpec, Limits
from recast.storage.storage import Storage
from recast.versions import PIXEL_VERSION

CARRIED_BYTES = 8 << 20
"""Of face images in the plan, which each pod, normalise and mux read: what is beyond is fetched by those who swap."""


def pin_inputs(storage: Storage, spec: JobSpec) -> tuple[dict[str, JsonValue], dict[str, bytes]]:
    """Everything besides the segments that the pixels depend on, by sha256 and version.

    Returns:
        The inputs, and by their sha256 those face images that the plan can carry.
    """
    images = _FaceImages(storage, spec.limits)
    faces = [[images.sha256(uri) for uri in pair.source] for pair in spec.faces]
    inputs: dict[str, JsonValue] = {
        "engine": spec.engine.name,
        "pixelVersion": PIXEL_VERSION[spec.engine.name],
        "faces": faces,
        "targets": [pair.target.model_dump(mode="json", exclude_none=True) for pair in spec.faces],
    }
    references = [images.sha256(pair.target.reference) for pair in spec.faces if pair.target.reference]
    if references:
        inputs["references"] = references
    if spec.engine.models is not None:
        inputs |= pin_models(storage, spec.engine)
    return inputs, images.carried


def pin_models(storage: Storage, engine: Engine) -> dict[str, JsonValue]:
    """What the pixels of an engine with models depend on."""
    return {
        "models": {role: file.sha256 for role, file in files_of(storage, engine).items()},
        "pixelBoost": engine.pixel_boost,
        "provider": engine.provider,
        "mask": engine.mask.model_dump(mode="json"),
    }


class _FaceImages:
    """Face images as they are now.

    Attributes:
        carried: by sha256, those that the plan has room for.
    """

    def __init__(self, storage: Storage, limits: Limits) -> None:
        self._storage, self._limits = storage, limits
        self._room = CARRIED_BYTES
        self.carried: dict[str, bytes] = {}

    def sha256(self, uri: str) -> str:
        """Read an image, and name it by its content."""
        data = read_face_image(self._storage, uri, self._limits)
        # Whether there is a face in it only a worker can tell.
        check_head(uri, data, self._limits.image_pixels)
        sha256 = sha256_hex(data)
        if sha256 not in self.carried and len(data) <= self._room:
            self._room -= len(data)
            self.carried[sha256] = data
        return sha256
