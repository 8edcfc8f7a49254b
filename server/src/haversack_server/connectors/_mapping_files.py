"""Mapping files of any kind of source as YAML: what they may be, before anybody asks what they say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

from haversack_server.breaches import sentences
from haversack_server.errors import MappingInvalid

MAPPING_BYTES_MAX = 1 << 20
"""Of a mapping file: some ten thousand entities."""

MAPPING_DEPTH_MAX = 32
"""Lists and groups within one another. Both of PyYAML's loaders recurse, and the one in C ends the process too deep."""

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def composed(text: str) -> yaml.Node | None:
    """Reads a mapping file's YAML, whose nodes know their lines; None if nothing is in it.

    Raises MappingInvalid, by line: not YAML, too long or too deep, a name that is none, or that is there twice.
    """
    if len(text.encode()) > MAPPING_BYTES_MAX:
        raise MappingInvalid(
            f"the mapping has more than {MAPPING_BYTES_MAX >> 20} MiB; map fewer of the source's entities"
        )
    try:
        _check_depth(text)
        root: yaml.Node | None = yaml.compose(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise _invalid(error) from None
    breaches = [f"line {node.start_mark.line + 1}: {what}" for node, what in _misnamed(root)]
    if breaches:
        raise MappingInvalid(sentences(breaches))
    return root


def constructed(root: yaml.Node | None) -> Any:
    """Returns the values of nodes; raises MappingInvalid for what is not the value that it looks like."""
    if root is None:
        return None
    try:
        return yaml.SafeLoader("").construct_document(root)
    except yaml.YAMLError as error:
        raise _invalid(error) from None
    except ValueError as error:
        raise MappingInvalid(
            f"a value looks like a number or a date and is none ({error}); write it in quotes"
        ) from None


def _invalid(error: yaml.YAMLError) -> MappingInvalid:
    """Says what is wrong with a file, and in which line if that is known."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        said = ", ".join(filter(None, (error.context, error.problem))) or "this is not YAML"
        return MappingInvalid(f"line {error.problem_mark.line + 1}: {said}")
    return MappingInvalid(f"the mapping is not YAML: {error}")


def _check_depth(text: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAPPING_DEPTH_MAX:
            line = event.start_mark.line + 1 if event.start_mark else 1
            raise MappingInvalid(f"line {line}: more than {MAPPING_DEPTH_MAX} lists and groups are within one another")


def _misnamed(root: yaml.Node | None) -> Iterator[tuple[yaml.Node, str]]:
    """Finds names that are no text, or are there twice, in the order of the file."""
    waiting, met = [root] if root is not None else [], set()
    while waiting:
        node = waiting.pop()
        if id(node) in met:
            # An alias may lead back to what it is in.
            continue
        met.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            waiting += reversed(node.value)
        elif isinstance(node, yaml.MappingNode):
            seen: set[str] = set()
            for key, _ in node.value:
                if not isinstance(key, yaml.ScalarNode):
                    yield key, "a list or a group stands where a name should be; write `name: value`"
                elif key.value in seen:
                    yield key, f"{key.value} is there twice"
                else:
                    seen.add(key.value)
            waiting += reversed([value for _, value in node.value])
