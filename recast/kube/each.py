"""Pure: one template and many sources make one job a source, under names that are the same each time."""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from pydantic import ValidationError

from recast.kube.documents import STAND_IN, JobDocument, Json
from recast.kube.names import GROUP
from recast.layout import sha256_hex
from recast.spec import Output, Source

LABEL_TEMPLATE = f"{GROUP}/template"
"""On each job: what `recast list` and `recast cancel` choose the jobs of one template by."""

VIDEO_SUFFIXES = (
    ".3gp", ".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".mxf", ".ogv", ".ts",
    ".webm", ".wmv",
)  # fmt: skip
CONTAINERS = {".mp4": ".mp4", ".m4v": ".mp4", ".mov": ".mov", ".mkv": ".mkv"}
OTHER_CONTAINER = ".mkv"
"""For sources whose own container recast does not write; it holds the most kinds of tracks."""

# 63 characters in all, so that a name is a label, too.
TEMPLATE_LENGTH, KEY_LENGTH, HASH_LENGTH = 20, 33, 8


@dataclass
class Expanded:
    """A template's jobs.

    Attributes:
        problems: a line for each source that cannot be made a job of.
        others: objects that are no videos.
    """

    jobs: list[JobDocument] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    others: int = 0


def expand(template: JobDocument, objects: Iterable[str], sources: str, outputs: str) -> Expanded:
    """Make a job of each video under a prefix.

    Args:
        template: everything but source and output; its output's suffix chooses the container.
        objects: the URIs under `sources`.
        sources: their prefix.
        outputs: takes its place: what follows `sources` in an object's URI follows `outputs` in its output's.
    """
    expanded = Expanded()
    taken: dict[str, str] = {}
    for uri in objects:
        relative = PurePosixPath(uri.removeprefix(sources))
        if relative.suffix.lower() not in VIDEO_SUFFIXES:
            expanded.others += 1
            continue
        output = f"{outputs}{relative.with_suffix(_container(template, relative.suffix.lower()))}"
        if output == uri:
            expanded.problems.append(f"{uri}: its output would take its place: give another --output")
            continue
        first = taken.setdefault(output, uri)
        if first != uri:
            expanded.problems.append(f"{uri}: its output would be {output}, as that of {first}: rename one of them")
            continue
        try:
            expanded.jobs.append(_job(template, uri, output, _name(template.name, relative, uri)))
        except ValidationError:
            expanded.problems.append(f"{uri}: its name cannot be part of an address: rename it")
    return expanded


def folder(uri: str) -> str:
    """A prefix with its slash, so that `in` does not take `in-progress/` along.

    >>> folder("s3://studio/in")
    's3://studio/in/'
    """
    return uri if uri.endswith("/") else uri + "/"


def slug(text: str, length: int) -> str:
    """Letters, digits and single hyphens, out of any text.

    >>> slug("Zoë's Interview (final).v2", 20)
    'zoe-s-interview-fina'
    """
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:length].strip("-")


def _name(template: str, relative: PurePosixPath, uri: str) -> str:
    unique = sha256_hex(uri.encode())[:HASH_LENGTH]
    words = (slug(template, TEMPLATE_LENGTH), slug(str(relative.with_suffix("")), KEY_LENGTH), unique)
    return "-".join(word for word in words if word)


def _container(template: JobDocument, suffix: str) -> str:
    chosen = template.spec.output.uri
    if chosen == STAND_IN:
        return CONTAINERS.get(suffix, OTHER_CONTAINER)
    return PurePosixPath(chosen).suffix


def _job(template: JobDocument, source: str, output: str, name: str) -> JobDocument:
    manifest: Json = template.manifest
    old: Json = manifest["spec"]
    labels = {**manifest["metadata"].get("labels", {}), LABEL_TEMPLATE: slug(template.name, 63)}
    spec = template.spec.model_copy(
        update={
            "source": Source(uri=source),
            "output": Output.model_validate({**template.spec.output.model_dump(), "uri": output}),
        }
    )
    changed = {
        **manifest,
        "metadata": {**manifest["metadata"], "name": name, "labels": labels},
        "spec": {**old, "source": {**old["source"], "uri": source}, "output": {**old["output"], "uri": output}},
    }
    return replace(template, name=name, manifest=changed, spec=spec)
