"""What is made of other files is up to date, and every value is documented and checked."""

import importlib.util
import json
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
import yaml

from tests.charts.helm import CHART, ROOT

GENERATE = ROOT / "charts" / "generate.py"
VALUES = (CHART / "values.yaml").read_text()
FREE = ("controller.resources.requests.", "controller.resources.limits.", "kueue.quota.", "metrics.dashboard.labels.")
"""Mappings whose keys are Kubernetes' or the user's own."""
EMPTY = {
    "global",
    *(f"controller.affinity.{each}Affinity" for each in ("node", "pod")),
    "controller.affinity.podAntiAffinity",
}
"""What the schema knows and the defaults leave out."""


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", GENERATE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_nothing_is_out_of_date() -> None:
    done = subprocess.run([sys.executable, GENERATE, "--check"], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_every_value_is_in_the_readme_with_its_default(generate: ModuleType) -> None:
    documented = {each.path: json.loads(each.default) for each in generate.documented_values(VALUES)}
    values = yaml.safe_load(VALUES)
    assert all(_at(values, path.split(".")) == default for path, default in documented.items())
    paths = set(documented)
    for path in _leaves(values):
        assert any(path == each or path.startswith(f"{each}.") for each in paths), path


@pytest.mark.parametrize(
    "text", ["a:\n  b: 1\n", "# Not a mark.\na: 1\n", "# -- Of a.\na: 1\nb: {}\n", "# -- Too far.\n\na: 1\n"]
)
def test_a_value_without_a_comment_is_refused(text: str, generate: ModuleType) -> None:
    with pytest.raises(generate.Undocumented, match="say above it what it is for"):
        generate.documented_values(text)


def test_comments_go_on_over_lines_and_tables_hold_what_would_break_them(generate: ModuleType) -> None:
    text = "# Of a.\na:\n  # -- One|two\n  # three.\n  b: 'x|y'\n"
    made = generate.with_values(f"head\n{generate.BEGIN}old\n{generate.END}tail\n", text)
    assert "### `a`\n\nOf a.\n" in made and '| `a.b` | `"x\\|y"` | One\\|two three. |' in made
    assert made.startswith("head\n") and made.endswith("tail\n") and "old" not in made


def test_the_schema_knows_each_value_and_no_other() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    values = yaml.safe_load(VALUES)
    known = set(_properties(schema, schema["$defs"]))
    given = set(_paths(values))
    assert {path for path in given - known if not path.startswith(FREE)} == set()
    assert known - given == EMPTY


def test_the_chart_and_the_manifests_have_the_projects_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["appVersion"] == version
    named = [
        line for path in (ROOT / "manifests").rglob("*") if path.is_file() for line in _image_lines(path.read_text())
    ]
    assert len(named) >= 4 and all(f":{version}" in line for line in named), named


def _image_lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if "recast-video/recast-" in line]


def _at(values: Any, path: list[str]) -> Any:
    return _at(values[path[0]], path[1:]) if path else values


def _leaves(values: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for name, value in values.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def _paths(values: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for name, value in values.items():
        yield f"{prefix}{name}"
        if isinstance(value, dict):
            yield from _paths(value, f"{prefix}{name}.")


def _properties(schema: dict[str, Any], definitions: dict[str, Any], prefix: str = "") -> Iterator[str]:
    """Paths of all properties of objects; an object with properties allows no others."""
    if "$ref" in schema:
        schema = definitions[schema["$ref"].rsplit("/", 1)[-1]]
    properties = schema.get("properties", {})
    if properties:
        assert schema["additionalProperties"] is False, prefix
    for name, child in properties.items():
        yield f"{prefix}{name}"
        yield from _properties(child, definitions, f"{prefix}{name}.")
