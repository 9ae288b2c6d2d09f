"""Helm on the chart, and what it renders."""

import os
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.cluster.api import Json

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts" / "recast"
RELEASE = "recast"
HELM_SECONDS = 60.0

# The CRD takes the other one a quarter of a second.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Strict(LOADER):  # type: ignore[misc, valid-type]
    """Refuses a key that is there twice, as kustomize does and the YAML standard says."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[object, object]:
        found = [self.construct_object(key, deep=True) for key, _ in node.value]
        twice = {key for key in found if found.count(key) > 1}
        if twice:
            raise yaml.YAMLError(f"{node.start_mark}: twice: {sorted(twice)}")
        mapping: dict[object, object] = super().construct_mapping(node, deep)
        return mapping


Values = Mapping[str, Any]


class Refused(Exception):
    """Helm ended with an error; the text is what it said."""


@dataclass(frozen=True)
class Helm:
    """Helm with folders of its own.

    Attributes:
        program: the executable.
        folder: for its settings, its cache and our values.
        kubeconfig: of the cluster that it installs to.
    """

    program: Path
    folder: Path
    kubeconfig: Path | None = None

    def run(self, *arguments: str, values: Values | None = None) -> str:
        """Run a command; give what it printed.

        Raises:
            Refused: it failed.
        """
        given: list[str] = []
        if values is not None:
            file = self.folder / "values.yaml"
            file.write_text(yaml.safe_dump(dict(values)))
            given = ["--values", str(file)]
        homes = {f"HELM_{name}_HOME": str(self.folder / name.lower()) for name in ("CACHE", "CONFIG", "DATA")}
        config = {"KUBECONFIG": str(self.kubeconfig or os.devnull)}
        done = subprocess.run(
            [str(self.program), *arguments, *given],
            capture_output=True,
            text=True,
            timeout=HELM_SECONDS,
            env=os.environ | homes | config,
        )
        if done.returncode:
            raise Refused(done.stderr)
        return done.stdout

    def template(self, values: Values | None = None, *, namespace: str = "recast-system") -> str:
        """Render the chart.

        Raises:
            Refused: the values are not allowed.
        """
        return self.run("template", RELEASE, str(CHART), "--namespace", namespace, values=values or {})

    def objects(self, values: Values | None = None, *, namespace: str = "recast-system") -> "Objects":
        """Render the chart, as objects."""
        return Objects(self.template(values, namespace=namespace))


class Objects:
    """Objects of a YAML stream.

    Args:
        text: the stream.
    """

    def __init__(self, text: str) -> None:
        self._all: list[Json] = [each for each in yaml.load_all(text, _Strict) if each]

    def __iter__(self) -> Iterator[Json]:
        """All of them."""
        return iter(self._all)

    def kinds(self) -> set[str]:
        """Which kinds there are."""
        return {each["kind"] for each in self._all}

    def of(self, kind: str, **metadata: str) -> list[Json]:
        """Those of a kind, whose metadata has these fields."""
        return [
            each
            for each in self._all
            if each["kind"] == kind and all(each["metadata"].get(key) == value for key, value in metadata.items())
        ]

    def one(self, kind: str, **metadata: str) -> Json:
        """The only one of a kind, with these fields in its metadata."""
        (found,) = self.of(kind, **metadata)
        return found


def container_of(workload: Json) -> Json:
    """The container of a Deployment."""
    (found,) = workload["spec"]["template"]["spec"]["containers"]
    container: Json = found
    return container
