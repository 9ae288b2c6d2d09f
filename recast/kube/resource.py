"""A FaceSwapJob as the API server has it, for the controller and the command line."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from recast.status import JobStatus


@dataclass(frozen=True)
class Resource:
    """A FaceSwapJob.

    Attributes:
        deleted: since when it is being deleted.
        spec: as it stands in the API, not yet checked.
    """

    namespace: str
    name: str
    uid: str
    created: datetime
    generation: int = 1
    resource_version: str = ""
    deleted: datetime | None = None
    finalizers: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    spec: Mapping[str, Any] = field(default_factory=dict)
    status: JobStatus = field(default_factory=JobStatus)


def read_resource(item: Mapping[str, Any]) -> Resource:
    """Take what is needed of an object of the API."""
    metadata = item["metadata"]
    try:
        status = JobStatus.model_validate(item.get("status") or {})
    except ValidationError:
        # Somebody else wrote it, or another version: all of it can be observed anew.
        status = JobStatus()
    return Resource(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        generation=metadata.get("generation", 1),
        resource_version=metadata.get("resourceVersion", ""),
        created=read_time(metadata.get("creationTimestamp")) or datetime.now(UTC),
        deleted=read_time(metadata.get("deletionTimestamp")),
        finalizers=tuple(metadata.get("finalizers", ())),
        labels=metadata.get("labels", {}),
        spec=item.get("spec", {}),
        status=status,
    )


def read_time(text: str | None) -> datetime | None:
    """Read one of the API's times."""
    return datetime.fromisoformat(text).astimezone(UTC) if text else None
