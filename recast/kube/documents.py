"""Pure: a file of YAML documents as FaceSwapJobs, checked by the models that the CRD is made of.

A fault is one line that names the place, the field and what is wrong with it:

    jobs.yaml:12: spec.video.quality: 70: must be less than or equal to 63, or 'Lossless'
"""

import difflib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError
from pydantic_core import ErrorDetails

from recast.fields import S3_PATTERN, TEXT_PATTERN, URI_PATTERN, MapKey, Model
from recast.kube.names import API_VERSION, KIND
from recast.kube.yamllines import Path, YamlDocument, YamlError, read_yaml, without_nulls
from recast.spec import JobSpec

Json = dict[str, Any]

NAME_PATTERN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
LABEL_PATTERN = r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$"
ANNOTATION_LIMIT = 262_144
OBJECT_WANTED = "write s3://bucket/key"
TEXT_WANTED = "write a line that is not blank, without control characters"
# What --each puts in place of them.
SOURCE_STAND_IN = "s3://stand-in/source"
STAND_IN = "s3://stand-in/a.mkv"


class Metadata(Model):
    """What a user may set of an object's metadata."""

    # Annotations may be longer than all else.
    model_config = ConfigDict(str_max_length=ANNOTATION_LIMIT)

    name: Annotated[str, StringConstraints(pattern=NAME_PATTERN, max_length=253)]
    namespace: Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")] | None = None
    labels: dict[MapKey, Annotated[str, StringConstraints(pattern=LABEL_PATTERN, max_length=63)]] = {}
    annotations: dict[MapKey, str] = {}


class Manifest(Model):
    """A FaceSwapJob as a file holds it."""

    api_version: Literal["recast.video/v1alpha1"]
    kind: Literal["FaceSwapJob"]
    metadata: Metadata
    spec: JobSpec


@dataclass(frozen=True)
class JobDocument:
    """A FaceSwapJob of a file.

    Attributes:
        place: file and line.
        namespace: None where the document names none.
        manifest: as it is to be applied: what the file says, and no defaults.
        spec: the same, checked.
    """

    place: str
    namespace: str | None
    name: str
    manifest: Json
    spec: JobSpec


@dataclass
class Parsed:
    """What files hold.

    Attributes:
        jobs: those that are right.
        problems: one line for each fault.
    """

    jobs: list[JobDocument] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def parse_jobs(text: str, name: str, *, template: bool = False) -> Parsed:
    """Read the FaceSwapJobs of a file.

    Args:
        text: its content.
        name: the file, for people.
        template: source and output may be left out.
    """
    parsed = Parsed()
    try:
        for document in read_yaml(text):
            job = _parse(document, name, template, parsed.problems)
            if job is not None:
                parsed.jobs.append(job)
    except YamlError as error:
        parsed.problems.append(f"{name}:{error.line}: {error}")
    if not parsed.jobs and not parsed.problems:
        parsed.problems.append(f"{name}:1: holds no {KIND}")
    return parsed


def find_doubles(jobs: Sequence[JobDocument]) -> list[str]:
    """A line for each job whose name another has already."""
    seen: dict[tuple[str | None, str], str] = {}
    problems = []
    for job in jobs:
        first = seen.setdefault((job.namespace, job.name), job.place)
        if first != job.place:
            problems.append(f"{job.place}: metadata.name: {job.name}: {first} has this name already: give it another")
    return problems


def _parse(document: YamlDocument, name: str, template: bool, problems: list[str]) -> JobDocument | None:
    value = without_nulls(document.value)
    found = list(_envelope_faults(value))
    if not found:
        if template:
            _stand_in(value["spec"])
        try:
            manifest = Manifest.model_validate_json(json.dumps(value), strict=True, by_alias=True, by_name=False)
        except ValidationError as error:
            found = list(_faults(error, document))
        else:
            found = list(_local_files(manifest.spec))
    if found:
        problems += [f"{name}:{document.line(path)}: {_dotted(path)}{text}" for path, text in found]
        return None
    metadata = manifest.metadata
    return JobDocument(f"{name}:{document.line()}", metadata.namespace, metadata.name, value, manifest.spec)


def _stand_in(spec: Json) -> None:
    for name, uri in (("source", SOURCE_STAND_IN), ("output", STAND_IN)):
        if isinstance(spec.setdefault(name, {}), dict):
            spec[name].setdefault("uri", uri)


def _envelope_faults(value: Any) -> Iterator[tuple[Path, str]]:
    """What is so wrong that nothing more need be said."""
    if not isinstance(value, dict):
        yield (), f"not a {KIND}: begin with `apiVersion: {API_VERSION}`"
    elif value.get("kind") != KIND:
        yield ("kind",), f"{value.get('kind', 'missing')}: only {KIND} is submitted; the rest is for `kubectl apply`"
    elif value.get("apiVersion") != API_VERSION:
        yield ("apiVersion",), f"{value.get('apiVersion', 'missing')}: this recast knows {API_VERSION}"
    elif not isinstance(value.get("spec"), dict):
        yield ("spec",), "missing: it says what the job is"


def _faults(error: ValidationError, document: YamlDocument) -> Iterator[tuple[Path, str]]:
    """The faults by field; what the members of a union say of one field is one fault."""
    by_path: dict[Path, list[str]] = {}
    for fault in error.errors(include_url=False):
        path = fault["loc"] if fault["type"] == "missing" else document.known(fault["loc"])
        text = _text(fault, path)
        # A rule about several fields begins with the one that it is about.
        about = re.match(r"([a-z]\w*): ", text) if fault["type"] == "value_error" else None
        if about:
            path, text = (*path, about[1]), text[about.end() :]
        texts = by_path.setdefault(path, [_given(fault)])
        if text not in texts:
            texts.append(text)
    if ("metadata", "generateName") in by_path:
        by_path.pop(("metadata", "name"), None)
    for path, (given, *texts) in sorted(by_path.items(), key=lambda each: document.line(each[0])):
        # A list is too short where its only item is wrong.
        if not any(other[: len(path)] == path for other in by_path if other != path):
            yield path, given + " or ".join(texts)


def _given(fault: ErrorDetails) -> str:
    """The value that is wrong, as it is to be shown."""
    value, kind = fault["input"], fault["type"]
    if not isinstance(value, str | int | float) or kind in ("missing", "extra_forbidden"):
        return ""
    # Quotes tell the text "2" from the number, and show blanks.
    bare = isinstance(value, str) and value.strip() and not re.fullmatch(r"[\d.]*|true|false", value)
    return f"{value if bare else json.dumps(value):.200}: "


def _text(fault: ErrorDetails, path: Path) -> str:
    kind = fault["type"]
    if kind == "missing":
        return "missing"
    if kind == "extra_forbidden":
        return _unknown(path)
    if kind == "string_pattern_mismatch" and fault["ctx"]["pattern"] in (URI_PATTERN, S3_PATTERN):
        return OBJECT_WANTED
    if kind == "string_pattern_mismatch" and fault["ctx"]["pattern"] == TEXT_PATTERN:
        return TEXT_WANTED
    if path[:1] == ("metadata",) and "labels" in path and kind == "string_type":
        return "must be text: put it in quotes"
    text = fault["msg"].removeprefix("Value error, ")
    return re.sub(r"^[A-Z][a-z]+ should ", "must ", text)


def _unknown(path: Path) -> str:
    if path == ("metadata", "generateName"):
        return "a name must be stable, so that what is submitted twice is one job: give metadata.name"
    if path[0] == "status":
        return "the controller writes it: remove it"
    if path[0] == "metadata":
        return "the cluster sets it: remove it"
    close = difflib.get_close_matches(str(path[-1]), _fields_at(path[:-1]), n=1)
    return "there is no such field" + (f": did you mean {close[0]}?" if close else "")


def _fields_at(path: Path) -> list[str]:
    """The fields of the model at a path."""
    schema = Manifest.model_json_schema(by_alias=True)
    definitions, node = schema["$defs"], schema
    for step in path:
        node = node.get("properties", {}).get(step, {}) if isinstance(step, str) else node.get("items", {})
        node = next((each for each in node.get("anyOf", ()) if "$ref" in each), node)
        node = definitions[node["$ref"].rsplit("/", 1)[-1]] if "$ref" in node else node
    return list(node.get("properties", ()))


def _local_files(spec: JobSpec) -> Iterator[tuple[Path, str]]:
    for path, uri in _uris(spec):
        if not uri.startswith("s3://"):
            yield ("spec", *path), f"{uri}: a pod cannot see this machine's files: {OBJECT_WANTED}"


def _uris(model: BaseModel, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """The addresses of objects in a spec."""
    for name, value in model:
        info = type(model).model_fields[name]
        here = (*path, info.alias or name)
        if isinstance(value, BaseModel):
            yield from _uris(value, here)
        elif isinstance(value, str) and value.startswith("file://") and name in ("uri", "scratch"):
            yield here, value
        elif isinstance(value, tuple):
            for index, each in enumerate(value):
                if isinstance(each, BaseModel):
                    yield from _uris(each, (*here, index))
                elif name == "source" and isinstance(each, str):
                    yield (*here, index), each


def _dotted(path: Path) -> str:
    """The field in words, before what is said of it.

    >>> _dotted(("spec", "faces", 0, "source"))
    'spec.faces[0].source: '
    """
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return f"{text[1:]}: " if text else ""
