"""The CustomResourceDefinition of FaceSwapJob, made from recast/spec.py and recast/status.py.

`python -m recast.kube.crd` prints it; `make manifests` keeps manifests/crd up to date.
"""

import json
import sys
from typing import Any

import yaml

from recast.fields import S3_PATTERN, TEXT_LENGTH, URI_LENGTH, URI_PATTERN
from recast.kube.names import GROUP, KIND, PLURAL, SHORT_NAME, VERSION
from recast.podspec import GPUS_ASKED_FOR
from recast.spec import FRACTION, INNER_HOST, INNER_HOST_REFUSED, JobSpec
from recast.status import JobStatus

Schema = dict[str, Any]

MUTABLE = {"suspend", "deadlineSeconds", "ttlSecondsAfterFinished"}
MUTABLE_SEGMENTS = {"maxParallelism"}
PRINTER_COLUMNS = (
    ("Phase", "string", ".status.phase", "How far the job is.", 0),
    ("Segments", "string", ".status.progress", "Segments done, of all.", 0),
    ("FPS", "integer", ".status.frames.perSecond", "Frames a second.", 0),
    ("ETA", "string", ".status.estimatedCompletionTime", "When swap will be done.", 1),
    ("Reason", "string", ".status.conditions[?(@.type=='Stalled')].reason", "Why it failed, or does not move.", 0),
    ("Encoder", "string", ".status.encoder", "What the video is encoded with.", 1),
    ("Output", "string", ".spec.output.uri", "Where the result goes.", 1),
    ("Age", "date", ".metadata.creationTimestamp", "Since when it exists.", 0),
)


def make_crd() -> Schema:
    """Make the CustomResourceDefinition, as the object that the API server takes."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{PLURAL}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": KIND,
                "listKind": f"{KIND}List",
                "plural": PLURAL,
                "singular": KIND.lower(),
                "shortNames": [SHORT_NAME],
                "categories": ["all", "recast"],
            },
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": [
                        {"name": name, "type": kind, "jsonPath": path, "description": text, "priority": priority}
                        for name, kind, path, text, priority in PRINTER_COLUMNS
                    ],
                    "schema": {"openAPIV3Schema": _root()},
                }
            ],
        },
    }


def _root() -> Schema:
    spec = structural(JobSpec.model_json_schema(by_alias=True))
    spec["x-kubernetes-validations"] = [*_immutable(spec), *_rules()]
    status = structural(JobStatus.model_json_schema(by_alias=True))
    status["properties"]["conditions"] |= {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]}
    # A status has no defaults: what is not there is not known. But that no controller has seen a job yet stands in it,
    # or kstatus would take the job for done.
    return {
        "type": "object",
        "description": "Swaps faces in one video.",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": spec,
            "status": _without_defaults(status) | {"default": {"observedGeneration": 0}},
        },
    }


def _rules() -> list[Schema]:
    return [
        {
            "rule": "self.engine.name == 'Passthrough' || (has(self.faces) && size(self.faces) > 0)",
            "message": "faces: at least one is needed, unless engine.name is Passthrough",
        },
        {
            "rule": "self.engine.name == 'Passthrough' || has(self.consent)",
            "message": "consent: required wherever a face is changed",
        },
        {
            "rule": "self.output.uri.lowerAscii().matches('[.](mp4|mov|mkv)$')",
            "message": "output.uri: must end in .mp4, .mov or .mkv",
        },
        {
            "rule": "(self.engine.name == 'InSwapper') == has(self.engine.models)",
            "message": "engine.models: goes with engine InSwapper, and is needed there",
        },
        {
            "rule": _of_targets(f"{_selects('Index')} == has(f.target.index)"),
            "message": "faces.target.index: goes with select Index, and is needed there",
        },
        {
            "rule": _of_targets(f"{_selects('Reference')} == has(f.target.reference)"),
            "message": "faces.target.reference: goes with select Reference, and is needed there",
        },
        {
            "rule": _of_targets(f"{_selects('Reference')} || !has(f.target.maxDistance)"),
            "message": "faces.target.maxDistance: goes with select Reference",
        },
        {
            "rule": "!has(self.worker.modelCache) || "
            "!(has(self.worker.modelCache.claimName) && has(self.worker.modelCache.hostPath))",
            "message": "worker.modelCache: give claimName or hostPath, not both",
        },
        {
            "rule": " && ".join(
                f"(!has(self.worker.resources.{kind}) || "
                f"!self.worker.resources.{kind}.exists(name, name.startsWith('nvidia.com/')))"
                for kind in ("requests", "limits")
            ),
            "message": f"worker.{GPUS_ASKED_FOR}",
        },
        {
            "rule": "self.output.uri != self.source.uri",
            "message": "output.uri: is the source: it would be lost; choose another",
        },
        {
            "rule": f"!has(self.storage.endpoint) || !self.storage.endpoint.matches({json.dumps(INNER_HOST)})",
            "message": f"storage.endpoint: {INNER_HOST_REFUSED}",
        },
    ]


def _of_targets(rule: str) -> str:
    """A rule of each face's target, where it has one."""
    return f"!has(self.faces) || self.faces.all(f, !has(f.target) || ({rule}))"


def _selects(how: str) -> str:
    return f"(has(f.target.select) && f.target.select == '{how}')"


def _immutable(spec: Schema) -> list[Schema]:
    """Everything that the pixels and pods depend on stays as it was created."""
    rules = [_unchanged("self", name, spec) for name in spec["properties"] if name not in MUTABLE | {"segments"}]
    segments = spec["properties"]["segments"]
    fixed = [name for name in segments["properties"] if name not in MUTABLE_SEGMENTS]
    return rules + [_unchanged("self.segments", name, segments) for name in fixed]


def _unchanged(new: str, name: str, parent: Schema) -> Schema:
    old = new.replace("self", "oldSelf", 1)
    rule = f"{new}.{name} == {old}.{name}"
    if name not in parent.get("required", ()) and "default" not in parent["properties"][name]:
        rule = f"has({new}.{name}) == has({old}.{name}) && (!has({new}.{name}) || {rule})"
    place = f"{new}.{name}".removeprefix("self.")
    return {"rule": rule, "message": f"{place} cannot be changed: delete the job and apply it again"}


def structural(schema: Schema) -> Schema:
    """Turn a pydantic JSON schema into a structural one (Kubernetes' CRD documentation, "Structural schema").

    References are resolved, unions with null become optional fields, those of numbers and strings become
    int-or-string, where a number with a fraction is given as a string, for a structural schema has no other union with
    a string; fields outside the schema are pruned rather than forbidden.
    """
    return _convert(schema, schema.get("$defs", {}))


def _convert(node: Schema, definitions: dict[str, Schema]) -> Schema:
    own = {key: node[key] for key in ("description", "default") if node.get(key) is not None}
    if "$ref" in node:
        resolved = _convert(definitions[node["$ref"].rsplit("/", 1)[-1]], definitions)
        return resolved | own
    if "anyOf" in node:
        return _union(node["anyOf"], definitions) | _whole(own)
    kind = node.get("type")
    out: Schema = dict(own)
    if kind:
        out["type"] = kind
    for key in ("pattern", "minLength", "maxLength", "minimum", "maximum", "minItems", "maxItems", "format", "enum"):
        if key in node:
            out[key] = node[key]
    if out.get("pattern") == URI_PATTERN:
        out |= {"pattern": S3_PATTERN, "maxLength": URI_LENGTH}
    if kind == "string" and not out.keys() & {"maxLength", "enum"}:
        out["maxLength"] = TEXT_LENGTH
    if "const" in node:
        out["enum"] = [node["const"]]
    if "exclusiveMinimum" in node:
        out |= {"minimum": node["exclusiveMinimum"], "exclusiveMinimum": True}
    if kind == "integer":
        out["format"] = "int64"
    if kind == "array":
        # A list is compared as a whole: with defaults in it, none would ever be what was applied.
        out["items"] = _without_defaults(_convert(node.get("items", {}), definitions))
    if kind == "object":
        out |= _object(node, definitions)
    return out


def _whole(own: Schema) -> Schema:
    """A default without its decimal point: an int-or-string takes none."""
    default = own.get("default")
    return own | {"default": int(default)} if isinstance(default, float) else own


def _object(node: Schema, definitions: dict[str, Schema]) -> Schema:
    if "properties" not in node:
        # Keys with a pattern come as patternProperties, which a structural schema does not have.
        patterns = list(node.get("patternProperties", {}).values())
        values = patterns[0] if patterns else node.get("additionalProperties")
        if not isinstance(values, dict):
            return {"x-kubernetes-preserve-unknown-fields": True}
        bound = {"maxProperties": node["maxProperties"]} if "maxProperties" in node else {}
        return {"additionalProperties": _convert(values, definitions)} | bound
    required = node.get("required", [])
    properties = {}
    for name, child in node["properties"].items():
        properties[name] = _convert(child, definitions)
        if "$ref" in child and name not in required and "default" not in properties[name]:
            # An object that is left out gets the defaults of its own fields.
            properties[name]["default"] = {}
    return {"properties": properties} | ({"required": required} if required else {})


def _union(branches: list[Schema], definitions: dict[str, Schema]) -> Schema:
    kinds = [branch for branch in branches if branch.get("type") != "null"]
    if len(kinds) == 1:
        return _convert(kinds[0], definitions)
    number, text = sorted(kinds, key=lambda branch: branch["type"] not in {"integer", "number"})
    # Bounds apply to numbers only, patterns to strings only.
    bounds = {key: number[key] for key in ("minimum", "maximum") if key in number}
    if "exclusiveMinimum" in number:
        bounds["minimum"] = number["exclusiveMinimum"] + 1
    pattern = text.get("pattern") or f"^{text['const']}$"
    if number["type"] == "number":
        pattern = f"{pattern}|{FRACTION}"
    return {"x-kubernetes-int-or-string": True, "pattern": pattern, "maxLength": 32} | ({"minimum": 0} | bounds)


def _without_defaults(node: Schema) -> Schema:
    if not isinstance(node, dict):
        return node
    kept = {key: value for key, value in node.items() if key != "default"}
    for key in ("items", "additionalProperties"):
        if key in kept:
            kept[key] = _without_defaults(kept[key])
    if "properties" in kept:
        kept["properties"] = {name: _without_defaults(child) for name, child in kept["properties"].items()}
    return kept


def to_yaml(document: Schema) -> str:
    """Write an object as YAML that `kubectl apply -f` takes."""
    return yaml.safe_dump(document, sort_keys=False, width=120, allow_unicode=True)


if __name__ == "__main__":
    sys.stdout.write("# Made by `make manifests` from recast/spec.py and recast/status.py. Do not edit.\n")
    sys.stdout.write(to_yaml(make_crd()))
