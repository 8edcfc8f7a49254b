"""Who calls: known from the token, once it has been believed, to everything that the call leads to."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

_subject: ContextVar[str] = ContextVar("caller_subject", default="")


def calling(claims: Mapping[str, Any]) -> None:
    """Sets who calls, for the rest of this task."""
    _subject.set(str(claims.get("sub", "")))


def caller() -> str:
    """Returns the subject of the call's token; empty outside calls."""
    return _subject.get()
