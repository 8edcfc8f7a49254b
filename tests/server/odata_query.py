"""The part of `$filter` and `$orderby` that the tests' OData service understands."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

_TOKEN = re.compile(r"\s*(?:(?P<bracket>[()])|(?P<text>'(?:[^']|'')*')|(?P<word>[^\s()']+))")

Row = Mapping[str, Any]
Test = Callable[[Row], bool]


class Unknown(Exception):
    """The query names what the entity does not have, or says what nobody understands."""


def parsed_filter(text: str, known: Mapping[str, str]) -> Test:
    """Reads a filter on the properties that are known, with their types."""
    tokens = [next(part for part in it.groups() if part is not None) for it in _TOKEN.finditer(text)]
    test, rest = _either(tokens, known)
    if rest:
        raise Unknown(f"syntax error at {rest[0]}")
    return test


def sort_key(text: str) -> Callable[[Row], tuple[Any, ...]]:
    """Reads an order by properties, ascending; nothing comes first."""
    names = [it.strip() for it in text.split(",")]
    return lambda row: tuple((row.get(name) is not None, row.get(name)) for name in names)


def _either(tokens: list[str], known: Mapping[str, str]) -> tuple[Test, list[str]]:
    test, tokens = _both(tokens, known)
    while tokens and tokens[0] == "or":
        left = test
        right, tokens = _both(tokens[1:], known)
        test = _joined(left, right, any)
    return test, tokens


def _both(tokens: list[str], known: Mapping[str, str]) -> tuple[Test, list[str]]:
    test, tokens = _one(tokens, known)
    while tokens and tokens[0] == "and":
        left = test
        right, tokens = _one(tokens[1:], known)
        test = _joined(left, right, all)
    return test, tokens


def _joined(left: Test, right: Test, how: Callable[[list[bool]], bool]) -> Test:
    return lambda row: how([left(row), right(row)])


def _one(tokens: list[str], known: Mapping[str, str]) -> tuple[Test, list[str]]:
    if tokens[:1] == ["("]:
        test, rest = _either(tokens[1:], known)
        return test, rest[1:]
    name, operator, literal, *rest = tokens
    if name not in known:
        raise Unknown(f"Could not find a property named '{name}'")
    value = _value(literal, known[name])
    tests: dict[str, Callable[[Any], bool]] = {
        "eq": lambda it: it == value,
        "ne": lambda it: it != value,
        "ge": lambda it: it is not None and it >= value,
        "gt": lambda it: it is not None and it > value,
        "le": lambda it: it is not None and it <= value,
        "lt": lambda it: it is not None and it < value,
    }
    return lambda row: tests[operator](_comparable(row.get(name), known[name])), rest


def _value(literal: str, type_: str) -> Any:
    if literal == "null":
        return None
    if literal.startswith("'"):
        return literal[1:-1].replace("''", "'")
    if type_ == "Edm.Boolean":
        return literal == "true"
    if type_ in ("Edm.Int32", "Edm.Int64"):
        return int(literal)
    if type_ == "Edm.Decimal":
        return float(literal)
    return _comparable(literal, type_)


def _comparable(value: Any, type_: str) -> Any:
    if value is not None and type_ == "Edm.DateTimeOffset":
        return datetime.fromisoformat(value.replace("Z", "+00:00"))
    return value
