"""Pure: a FaceSwapJob's spec, as the API server gives it, checked by the models."""

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from recast.kube.resource import Resource
from recast.spec import JobSpec


def spec_of(resource: Resource) -> JobSpec:
    """Read a FaceSwapJob's spec.

    Raises:
        ValueError: it cannot be carried out; says which field, and why.
    """
    try:
        # A newer CRD than this controller has its new fields' defaults in every object.
        spec = JobSpec.model_validate(dict(resource.spec), extra="ignore")
    except ValidationError as error:
        first = error.errors()[0]
        what = first["msg"].removeprefix("Value error, ")
        raise ValueError(f"{_place(first)}: {what}: correct it and apply the job again") from error
    _refuse_files(spec)
    return spec


def unknown_fields(resource: Resource) -> list[str]:
    """Fields that a newer CRD has, and this controller does not know."""
    try:
        JobSpec.model_validate(dict(resource.spec))
    except ValidationError as error:
        return [_place(each) for each in error.errors() if each["type"] == "extra_forbidden"]
    return []


def _refuse_files(spec: JobSpec) -> None:
    for uri in (*spec.uris, spec.storage.scratch):
        if not uri.startswith("s3://"):
            raise ValueError(f"spec: {uri}: a FaceSwapJob takes s3://bucket/key only")


def _place(error: ErrorDetails) -> str:
    return ".".join(str(part) for part in ("spec", *error["loc"]))
