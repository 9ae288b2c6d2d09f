"""A job's photos and models as they are now, before a plan has pinned them."""

from collections.abc import Callable, Mapping
from pathlib import Path

from recast.faceimages import read_face_image
from recast.modelstore import Role, cache_folder, cached, files_of
from recast.spec import Engine, FacePair, Limits
from recast.storage.storage import Storage
from segment_worker.engines.factory import Labelled, PairFiles


def read_pair(storage: Storage, pair: FacePair, limits: Limits) -> PairFiles:
    """The images of a pair.

    Raises:
        NotFound: one is not there.
        BadInput: one has more bytes than `limits` allow.
    """

    def read(uri: str) -> Labelled:
        return uri, read_face_image(storage, uri, limits)

    reference = pair.target.reference
    return PairFiles([read(uri) for uri in pair.source], pair.target, read(reference) if reference else None)


def models_of(storage: Storage, engine: Engine) -> Callable[[], Mapping[Role, Path]]:
    """What fetches the engine's models, by what they are for."""

    def fetch() -> dict[Role, Path]:
        store, files = engine.models or "", files_of(storage, engine)
        folder = cache_folder()
        return {role: cached(storage, store, file.name, file.sha256, folder) for role, file in files.items()}

    return fetch
