"""Writes what the chart has of others: the CRD, the controller's rules, and in its README the table of its values.

`make manifests` runs it; with --check it writes nothing, and fails where something is out of date.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from recast.kube.crd import to_yaml

ROOT = Path(__file__).parents[1]
CHART = ROOT / "charts" / "recast"
CRD = ROOT / "manifests" / "crd" / "faceswapjobs.yaml"
ROLES = ROOT / "manifests" / "rbac" / "role.yaml"
MARK = "# --"
BEGIN, END = "<!-- values: begin -->\n", "<!-- values: end -->\n"


class Undocumented(Exception):
    """A value without a comment."""


@dataclass(frozen=True)
class Value:
    """One documented value.

    Attributes:
        path: `image.registry`.
        text: what its comment says.
        default: as it stands, on one line.
    """

    path: str
    text: str
    default: str


def main() -> int:
    """Write the files, or compare them; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail where a file is out of date")
    check = parser.parse_args().check
    stale = [path for path, text in generated().items() if not path.exists() or path.read_text() != text]
    for path in stale:
        print(f"{path.relative_to(ROOT)}: {'out of date: run `make manifests`' if check else 'written'}")
        if not check:
            path.write_text(generated()[path])
    return int(check and bool(stale))


def generated() -> dict[Path, str]:
    """The files and what must be in them."""
    readme = CHART / "README.md"
    values = (CHART / "values.yaml").read_text()
    return {
        CHART / "files" / "faceswapjobs.yaml": CRD.read_text(),
        CHART / "files" / "rules.yaml": rules(ROLES.read_text()),
        readme: with_values(readme.read_text(), values),
    }


def rules(roles: str) -> str:
    """The rules of manifests/rbac/role.yaml, for the chart's Roles: the controller's and those of its lease."""
    controller, lease = yaml.safe_load_all(roles)
    found = {"controller": controller["rules"], "lease": lease["rules"]}
    return f"# Made by `make manifests` from manifests/rbac/role.yaml. Do not edit.\n{to_yaml(found)}"


def with_values(readme: str, values: str) -> str:
    """Put the values between the README's two marks: a table for each first name, with what is said above it."""
    head, _, rest = readme.partition(BEGIN)
    _, _, tail = rest.partition(END)
    lines = values.splitlines()
    made: list[str] = []
    last = None
    for name, key, node in _children(_root(values)):
        title, said = ("Names and scope", "") if _is_documented(lines, key) else (f"`{name}`", _comment(lines, key))
        if title != last:
            made += ["", f"### {title}", ""] + ([said, ""] if said else []) + ["| value | default | |", "|---|---|---|"]
        last = title
        made += [_row(each) for each in _values(lines, name, key, node)]
    return f"{head}{BEGIN}" + "\n".join([*made, "", END]) + tail


def _row(value: Value) -> str:
    cells = f"`{value.path}`", f"`{value.default}`", value.text
    return f"| {' | '.join(each.replace('|', chr(92) + '|') for each in cells)} |"


def documented_values(values: str) -> list[Value]:
    """All values of a values.yaml, in its order.

    Raises:
        Undocumented: one has no comment.
    """
    lines = values.splitlines()
    return [each for name, key, node in _children(_root(values)) for each in _values(lines, name, key, node)]


def _root(values: str) -> yaml.MappingNode:
    node = yaml.compose(values, Loader=yaml.SafeLoader)
    assert isinstance(node, yaml.MappingNode)
    return node


def _values(lines: list[str], path: str, key: yaml.Node, node: yaml.Node) -> Iterator[Value]:
    """The values at a name: itself where its comment begins with the mark, else those under it."""
    if _is_documented(lines, key):
        default = json.dumps(yaml.safe_load(yaml.serialize(node)), ensure_ascii=False)
        yield Value(path, _comment(lines, key).removeprefix("-- "), default)
    elif isinstance(node, yaml.MappingNode) and node.value:
        for name, inner, child in _children(node):
            yield from _values(lines, f"{path}.{name}", inner, child)
    else:
        raise Undocumented(f"{path}: say above it what it is for, beginning with `{MARK}`")


def _children(node: yaml.MappingNode) -> Iterator[tuple[str, yaml.Node, yaml.Node]]:
    return ((key.value, key, value) for key, value in node.value)


def _is_documented(lines: list[str], key: yaml.Node) -> bool:
    return _comment(lines, key).startswith("-- ")


def _comment(lines: list[str], key: yaml.Node) -> str:
    """The comment that ends on the line above, as one line."""
    found: list[str] = []
    number = key.start_mark.line - 1
    while number >= 0 and lines[number].lstrip().startswith("#"):
        found.insert(0, lines[number].lstrip().removeprefix("#").strip())
        number -= 1
    return " ".join(found)


if __name__ == "__main__":
    sys.exit(main())
