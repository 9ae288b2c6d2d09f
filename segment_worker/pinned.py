"""A job's engine with its photos and models as the plan has pinned them."""

from pathlib import Path
from typing import Any, cast

from recast import names
from recast.errors import BadConfig
from recast.layout import JsonValue, sha256_hex
from recast.manifest import Plan
from recast.modelstore import Role, cache_folder, cached
from recast.spec import JobSpec
from recast.storage.storage import Storage
from recast.versions import PIXEL_VERSION
from segment_worker.engines.base import Engine
from segment_worker.engines.factory import Labelled, PairFiles, make_engine


def refuse_other_pixels(engine: str, plan: Plan) -> None:
    """See that this image's engine makes the job's pixels.

    Raises:
        BadConfig: the job was begun with another engine, or with one that makes others.
    """
    pinned: JsonValue = plan.inputs["pixelVersion"]
    if plan.inputs["engine"] != engine or pinned != PIXEL_VERSION[engine]:
        raise BadConfig(
            f"engine {engine} here has pixel version {PIXEL_VERSION[engine]}, the job was begun with {pinned}: "
            "use the same image for controller and workers, or start the job anew",
            reason=names.INPUTS_CHANGED,
        )


def pinned_engine(storage: Storage, spec: JobSpec, plan: Plan) -> Engine:
    """Set the engine up.

    Raises:
        BadConfig: a photo that the plan does not carry is another one now; or as `make_engine`.
        BadInput: as `make_engine`.
    """

    def image(uri: str, sha256: str) -> Labelled:
        data = plan.images.get(sha256) or storage.get(uri)
        if sha256_hex(data) != sha256:
            raise BadConfig(
                f"{uri}: changed since the job began: give the job another name", reason=names.INPUTS_CHANGED
            )
        return uri, data

    def models() -> dict[Role, Path]:
        store, folder = spec.engine.models or "", cache_folder()
        pinned = cast(dict[Role, str], plan.inputs["models"])
        return {role: cached(storage, store, role, sha256, folder) for role, sha256 in pinned.items()}

    inputs: dict[str, Any] = plan.inputs
    references = iter(inputs.get("references", ()))
    pairs = []
    for pair, hashes in zip(spec.faces, inputs["faces"], strict=True):
        sources = [image(uri, sha256) for uri, sha256 in zip(pair.source, hashes, strict=True)]
        wanted = pair.target.reference
        pairs.append(PairFiles(sources, pair.target, image(wanted, next(references)) if wanted else None))
    return make_engine(spec.engine, pairs, models, spec.limits)
