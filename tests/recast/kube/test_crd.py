import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from recast.kube.crd import PRINTER_COLUMNS, make_crd, to_yaml
from recast.spec import JobSpec
from recast.status import JobStatus

MANIFESTS = Path(__file__).parents[3] / "manifests"
SAMPLES = sorted((MANIFESTS / "samples").glob("*.yaml"))
ROOT = make_crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]


def nodes(node: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every schema in a schema."""
    yield path, node
    for name, child in node.get("properties", {}).items():
        yield from nodes(child, f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if isinstance(node.get(key), dict):
            yield from nodes(node[key], f"{path}.{key}")


def test_the_one_in_the_repository_is_up_to_date() -> None:
    there = (MANIFESTS / "crd" / "faceswapjobs.yaml").read_text()
    assert yaml.safe_load(there) == make_crd(), "recast/spec.py or recast/status.py changed: run `make manifests`"
    head, _, body = there.partition("\n")
    assert head.startswith("# Made by `make manifests`") and body == to_yaml(make_crd()), "run `make manifests`"


@pytest.mark.parametrize(("path", "node"), list(nodes(ROOT)), ids=lambda each: each if isinstance(each, str) else "")
def test_every_field_is_structural(path: str, node: dict[str, Any]) -> None:
    free = node.get("x-kubernetes-int-or-string") or node.get("x-kubernetes-preserve-unknown-fields")
    assert "type" in node or free, path
    assert not node.keys() & {"$ref", "anyOf", "oneOf", "allOf", "patternProperties", "const", "title"}, path
    assert node.get("additionalProperties") is not False, path


def test_every_field_is_explained() -> None:
    for path, node in nodes(ROOT):
        inside = path.rpartition(".")[2] in ("items", "additionalProperties", "apiVersion", "kind", "metadata")
        given = ".worker.affinity" in path
        assert not path or inside or given or node.get("description"), path


def test_field_names_are_those_of_the_models() -> None:
    for name, model in (("spec", JobSpec), ("status", JobStatus)):
        expected = {field.alias for field in model.model_fields.values()}
        assert set(ROOT["properties"][name]["properties"]) == expected


def test_rules_say_what_is_wrong() -> None:
    rules = ROOT["properties"]["spec"]["x-kubernetes-validations"]
    assert all(rule["rule"] and rule["message"] for rule in rules)
    text = " ".join(rule["message"] for rule in rules)
    for word in ("faces:", "consent:", "output.uri:", "source cannot be changed", "segments.targetSeconds cannot"):
        assert word in text
    changeable = ("self.suspend", "self.deadlineSeconds", "self.ttlSecondsAfterFinished", "maxParallelism")
    assert not any(each in rule["rule"] for rule in rules for each in changeable)


@pytest.mark.parametrize(
    ("value", "taken"),
    [("Auto", True), ("0.5", True), ("12.25", True), (".5", True), ("auto", False), ("0.0", False), ("5s", False)],
)
def test_a_number_with_a_fraction_or_a_word_is_a_string_of_the_pattern(value: str, *, taken: bool) -> None:
    field = ROOT["properties"]["spec"]["properties"]["segments"]["properties"]["targetSeconds"]
    assert bool(re.search(field["pattern"], value)) == taken
    assert field["default"] == 60 and isinstance(field["default"], int)


def test_printer_columns_point_at_fields() -> None:
    for _, _, path, *_ in PRINTER_COLUMNS:
        node = ROOT
        for name in path.partition("[")[0].strip(".").split("."):
            if name == "metadata":
                break
            node = node["properties"][name]


def test_a_status_has_no_defaults_but_that_nobody_has_looked_yet() -> None:
    defaults = [node["default"] for _, node in nodes(ROOT["properties"]["status"]) if "default" in node]
    assert defaults == [{"observedGeneration": 0}], "kstatus takes a job without it for done"


def test_a_list_has_no_defaults_and_so_stays_as_it_was_applied() -> None:
    items = [node["items"] for _, node in nodes(ROOT["properties"]["spec"]) if "items" in node]
    assert items and not [path for each in items for path, node in nodes(each) if "default" in node]


@pytest.mark.parametrize("sample", SAMPLES, ids=[path.stem for path in SAMPLES])
def test_samples_are_valid(sample: Path) -> None:
    for document in yaml.safe_load_all(sample.read_text()):
        JobSpec.model_validate(document["spec"])
