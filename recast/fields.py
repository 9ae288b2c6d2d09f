"""What the models of the spec, the status and the plan are made of: their base, and kinds of text.

Field names are snake_case here and camelCase on the wire.
"""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

UNSEEN = r"\x00-\x1f\x7f-\x9f\x{200e}\x{200f}\x{2028}-\x{202e}\x{2066}-\x{2069}"
"""Of a set of characters: control characters and those that turn the direction of text, which hide what is said."""
_PART = rf"([^/.{UNSEEN}][^/{UNSEEN}]*|[.][^/.{UNSEEN}][^/{UNSEEN}]*|[.][.][^/{UNSEEN}]+)"
S3_PATTERN = rf"^s3://[a-z0-9][a-z0-9.-]{{1,61}}[a-z0-9]/(/*{_PART})(/+{_PART})*/*$"
"""What a FaceSwapJob on a cluster may name. `.` and `..` are no parts of a key: some stores climb by them."""
URI_PATTERN = rf"{S3_PATTERN}|^file:///[^\x00]+$"
URI_LENGTH = 1100
"""Of an S3 address: a key has at most 1,024 bytes."""
TEXT_LENGTH = 4096
BLANK = r"\x20\x{a0}\x{1680}\x{2000}-\x{200d}\x{202f}\x{205f}\x{2060}\x{3000}\x{feff}"
"""Of a set of characters: spaces, those of no width among them."""
TEXT_PATTERN = rf"^[^{UNSEEN}]*[^{UNSEEN}{BLANK}][^{UNSEEN}]*$"
"""One line that says something."""

Uri = Annotated[str, StringConstraints(pattern=URI_PATTERN)]
"""`s3://bucket/key`; the local runner also passes `file:///absolute/path`."""

ObjectName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$", max_length=253)]
"""The name of a Kubernetes object."""

MapKey = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]([-A-Za-z0-9._/]*[A-Za-z0-9])?$", max_length=316)]
"""The key of a label, a resource or a ConfigMap."""

Quantity = Annotated[
    int | Annotated[str, StringConstraints(pattern=r"^[0-9]+(\.[0-9]+)?([numkMGTPE]|[KMGTPE]i)?$", max_length=32)],
    Field(description="A Kubernetes quantity: 500m, 2, 4Gi."),
]


class Model(BaseModel):
    """Base of all spec models: camelCase on the wire, unknown fields refused, immutable.

    What a newer version of recast wrote is read with `extra="ignore"`: the API server adds a new field's default to
    every object as soon as it has the new CRD.
    """

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True, str_max_length=TEXT_LENGTH
    )
