"""The storage that a job's spec names."""

from functools import cache

from recast.spec import JobSpec
from recast.storage.storage import Storage, StorageSettings


def make_storage(spec: JobSpec) -> Storage:
    """Connect to the job's S3, once a process; credentials come from the environment."""
    place = spec.storage
    return _storage(
        StorageSettings(endpoint=place.endpoint, region=place.region, force_path_style=place.force_path_style)
    )


@cache
def _storage(settings: StorageSettings) -> Storage:
    return Storage(settings)
