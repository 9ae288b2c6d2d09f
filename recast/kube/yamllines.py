"""YAML with the lines of its fields: what a file says as plain JSON values, and where it says it."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

Step = str | int
Path = tuple[Step, ...]

MOST_NODES = 100_000
"""Of one document, its aliases written out: a few lines of them could ask for all memory."""
MOST_TEXT = 16 << 20
"""Characters of one file, and of one document with its aliases written out: text counts beside values."""
MOST_DEPTH = 100
"""Lists and fields in each other: YAML's C parser calls itself for each, and dies of a few ten thousand."""


class YamlError(Exception):
    """A file is no YAML, or says what JSON cannot.

    Args:
        line: where, from 1.
        message: what is wrong.
    """

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # chosen when it is run
    """Without timestamps, which Kubernetes reads as text: `reference: 2026-01-17`."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


@dataclass(frozen=True)
class YamlDocument:
    """One document of a file.

    Attributes:
        value: what it says, as JSON would.
    """

    value: Any
    node: yaml.Node

    def line(self, path: Sequence[Step] = ()) -> int:
        """The line of a field; of the nearest field around it where it is not there."""
        line, node = _line(self.node), self.node
        for step in path:
            found = _child(node, step)
            if found is None:
                break
            key, node = found
            line = _line(key)
        return line

    def known(self, path: Sequence[Step]) -> Path:
        """The longest part of a path that the document has."""
        node = self.node
        for count, step in enumerate(path):
            found = _child(node, step)
            if found is None:
                return tuple(path[:count])
            node = found[1]
        return tuple(path)


def read_yaml(text: str) -> Iterator[YamlDocument]:
    """Read the documents of a file, those that are empty left out.

    Raises:
        YamlError: it is no YAML, names a field twice, or says what JSON cannot.
    """
    if len(text) > MOST_TEXT:
        raise YamlError(1, f"more than {MOST_TEXT >> 20} MiB: make it smaller")
    try:
        _check_depth(text)
        loader = _Loader(text)
        while loader.check_node():
            node = loader.get_node()
            _check(node, {})
            value = loader.construct_document(node)
            if value is not None:
                yield YamlDocument(_as_json(value, _line(node)), node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise YamlError(mark.line + 1 if mark else 1, f"not YAML: {error.problem or error.context}") from error
    except yaml.YAMLError as error:
        raise YamlError(1, f"not YAML: {' '.join(str(error).split())}") from error


def _check_depth(text: str) -> None:
    """Count how deep a file nests, by events: these come without recursion.

    Raises:
        YamlError: it is too deep.
    """
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MOST_DEPTH:
                line = event.start_mark.line + 1 if event.start_mark else 1
                raise YamlError(line, f"more than {MOST_DEPTH} levels deep: make it flatter")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def without_nulls(value: Any) -> Any:
    """Leave out the fields that are null, as the API server does: `segments:` with nothing under it."""
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [without_nulls(item) for item in value]
    return value


def _as_json(value: Any, line: int) -> Any:
    try:
        return json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise YamlError(line, f"says what JSON cannot: {error}") from error


def _check(node: yaml.Node, seen: dict[int, int]) -> int:
    """Count the nodes, aliases written out; long text counts as many.

    Raises:
        YamlError: there are too many, without end even, or a field is there twice.
    """
    if id(node) in seen:
        if seen[id(node)] == 0:
            raise YamlError(_line(node), "an alias stands for something that it is in: write it out")
        return seen[id(node)]
    seen[id(node)] = 0
    if isinstance(node, yaml.MappingNode):
        _check_keys(node)
    text = len(node.value) if isinstance(node, yaml.ScalarNode) else 0
    count = 1 + text * MOST_NODES // MOST_TEXT + sum(_check(child, seen) for child in _children(node))
    if count > MOST_NODES:
        raise YamlError(_line(node), f"more than {MOST_NODES} values in one document: make it smaller")
    seen[id(node)] = count
    return count


def _check_keys(node: yaml.MappingNode) -> None:
    keys: set[str] = set()
    for key, _ in node.value:
        # `<<` may come more than once: its content is merged.
        if key.tag == "tag:yaml.org,2002:merge" or not isinstance(key, yaml.ScalarNode):
            continue
        if key.value in keys:
            raise YamlError(_line(key), f"{key.value}: is there twice: remove one of them")
        keys.add(key.value)


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [each for pair in node.value for each in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _child(node: yaml.Node, step: Step) -> tuple[yaml.Node, yaml.Node] | None:
    """The key and the value of a field; for an item of a list, twice the item."""
    if isinstance(node, yaml.MappingNode):
        # The last one counts: those that `<<` merged in stand before.
        found = [pair for pair in node.value if pair[0].value == str(step)]
        return (found[-1][0], found[-1][1]) if found else None
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step], node.value[step]
    return None


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1
