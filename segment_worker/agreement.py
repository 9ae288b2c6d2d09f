"""The encoder that all workers of a job agree on: the first one's, which each other's own must equal."""

import os
import platform

from recast import names
from recast.errors import BadConfig, NotFound
from recast.manifest import EncoderChoice, Plan
from recast.storage.storage import Storage
from segment_worker.encoders import choose_encoder


def agreed_encoder(storage: Storage, uri: str, plan: Plan) -> EncoderChoice:
    """encoder.json, which the first worker writes.

    Args:
        storage: where it is.
        uri: its own.
        plan: what is to be encoded, and how.

    Raises:
        BadConfig: this node does not encode alike.
    """
    try:
        agreed = EncoderChoice.model_validate_json(storage.get(uri))
    except NotFound:
        first = choose_encoder(plan.encode, plan.video)
        storage.put(uri, first.model_dump_json(by_alias=True).encode(), if_absent=True)
        # Some stores let two through that write at the same moment: what is read then counts.
        agreed = EncoderChoice.model_validate_json(storage.get(uri, promised=True))
        if agreed == first:
            return first
    node = os.environ.get("NODE_NAME") or platform.node()
    try:
        own = choose_encoder(plan.encode, plan.video, agreed=agreed.name)
    except BadConfig as error:
        raise BadConfig(
            f"node {node}: the job's first worker encodes by {agreed.name}, which does not run here: {error}",
            reason=names.ENCODER_MISMATCH,
        ) from error
    if agreed != own:
        raise BadConfig(
            f"node {node}: its {own.name} does not encode like the job's first worker's: use the same image "
            "everywhere, encoder Software, or a node selector that names one GPU model",
            reason=names.ENCODER_MISMATCH,
        )
    return agreed
