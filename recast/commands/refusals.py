"""What the job's models have against a command line, in its own words."""

from collections.abc import Iterator
from contextlib import contextmanager

from pydantic import ValidationError

from recast.errors import UsageError

QUALITY = "0 (best) to 63, or lossless"
SEGMENT_SECONDS = "more than 0, at most 3600, or auto"
RETRIES = "0 to 20"
WORKERS = "1 to 100000"
PRESET = "letters and digits, 16 at most, or auto"
CONSENT = "a line of 1 to 512 characters, not all blank, no control characters"
INDEX = "a number from 0 to 255"
MAX_DISTANCE = "more than 0, at most 2"
OPACITY = "more than 0, at most 1"
BLUR = "0 to 1"

MOST_SHOWN = 60
_BUCKET = "the bucket's name of 3 to 63 small letters, digits, dots and dashes"
_S3 = f"s3://bucket/prefix, {_BUCKET}"
_OBJECT = f"s3://bucket/key, {_BUCKET}, no part of the key . or .."
_FILE = "a path in UTF-8 or an s3:// URI, of at most 4096 characters"
OPTIONS = {
    ("Source", "uri"): ("SOURCE", _FILE),
    ("Output", "uri"): ("OUTPUT", _FILE),
    ("FacePair", "source"): ("--face", f"1 to 16 photos: {_FILE} each"),
    ("JobSpec", "faces"): ("--swap", "it at most 16 times"),
    ("Target", "index"): ("--select", f"{INDEX}, or a word, or a photo"),
    ("Target", "reference"): ("--select", f"a word, a number, or a photo: {_FILE}"),
    ("Target", "max_distance"): ("--max-distance", MAX_DISTANCE),
    ("Consent", "reference"): ("--consent", CONSENT),
    ("Engine", "models"): ("--models", _FILE),
    ("Mask", "opacity"): ("--opacity", OPACITY),
    ("Mask", "blur"): ("--mask-blur", BLUR),
    ("Mask", "occluder"): ("--occluder", "the name of a file in --models that ends in .onnx"),
    ("ContentCheck", "model"): ("--content-check", _FILE),
    ("Video", "quality"): ("--quality", QUALITY),
    ("Video", "preset"): ("--preset", PRESET),
    ("Segments", "target_seconds"): ("--segment-seconds", SEGMENT_SECONDS),
    ("Segments", "max_parallelism"): ("--workers", WORKERS),
    ("Segments", "retries"): ("--retries", RETRIES),
    ("Storage", "scratch"): ("--scratch", _S3),
    ("Storage", "endpoint"): (
        "--endpoint-url",
        "http:// or https://, a host, and a port if need be",
    ),
}
"""By model and field: the argument, and what it takes."""


@contextmanager
def refused_as_typed() -> Iterator[None]:
    """Name the argument that a model refuses, and what it takes.

    Raises:
        UsageError: in place of the model's own error.
    """
    try:
        yield
    except ValidationError as error:
        raise UsageError(_text(error)) from error


def _text(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    field = str(first["loc"][0]) if first["loc"] else ""
    argument, wanted = OPTIONS.get((error.title, field), (field, None))
    if wanted is not None and _FILE in wanted and str(first["input"]).startswith("s3://"):
        wanted = wanted.replace(_FILE, _OBJECT)
    if first["type"] == "value_error" or wanted is None:
        # A model's own rules are said in words already.
        return f"{argument}: {first['msg'].removeprefix('Value error, ')}".removeprefix(": ")
    return f"{argument} {_shown(first['input'])}: give {wanted}"


def _shown(given: object) -> str:
    if isinstance(given, float):
        return f"{given:g}"
    text = str(given)
    text = text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}..."
    # Quotes show blanks, and what cannot be printed.
    return text if text.isprintable() and " " not in text else repr(text)
