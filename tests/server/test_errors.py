"""The tree of errors and the registry of reasons agree, and messages fit into headers."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import grpc
import pytest
from haversack_server import errors
from haversack_server.errors import HaversackError, InternalFault, by_reason, named_errors

REGISTRY = Path(__file__).resolve().parents[2] / "proto/haversack/error/v1/error.proto"


@pytest.fixture(scope="module")
def codes() -> dict[str, str]:
    """The gRPC code of every reason, as the contract's comments give it."""
    found = re.findall(r"  // ([A-Z_]+): [^\n]*\n(?:  //[^\n]*\n)*  ERROR_REASON_(\w+) = \d+;", REGISTRY.read_text())
    return {reason: code for code, reason in found}


def test_every_error_has_a_reason_of_the_registry_and_its_code(codes: dict[str, str]) -> None:
    named = list(named_errors())
    assert len(named) > 20
    for kind in named:
        assert kind.code.name == codes[kind.reason], kind


def test_no_two_errors_have_one_reason() -> None:
    reasons = [kind.reason for kind in named_errors()]
    assert len(reasons) == len(set(reasons))


def test_the_drawn_tree_is_the_tree() -> None:
    drawn = set(re.findall(r"[A-Z]\w+", (errors.__doc__ or "").split("Whoever")[0].split("HaversackError\n", 1)[1]))
    defined = {
        name
        for name, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, HaversackError) and kind is not HaversackError
    }
    assert drawn == defined


def test_a_reason_of_the_core_becomes_its_error() -> None:
    assert isinstance(by_reason("FILTER_MALFORMED", "why"), errors.FilterMalformed)
    unexpected = by_reason("COOKIE_INVALID", "why")
    assert isinstance(unexpected, InternalFault)
    assert unexpected.code is grpc.StatusCode.INTERNAL
    assert str(unexpected) == "COOKIE_INVALID: why"
