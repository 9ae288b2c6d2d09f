"""The storage that a job's spec names."""

from recast.spec import JobSpec
from recast.storage import Storage, StorageSettings


def make_storage(spec: JobSpec) -> Storage:
    """Connect to the job's S3; credentials come from the environment."""
    place = spec.storage
    return Storage(
        StorageSettings(endpoint=place.endpoint, region=place.region, force_path_style=place.force_path_style)
    )
