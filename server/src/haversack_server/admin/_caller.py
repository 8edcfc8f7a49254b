"""Who calls: known from the token, once it has been believed, to everything that the call leads to."""

from __future__ import annotations

from contextvars import ContextVar

from haversack_server.errors import InternalFault
from haversack_server.security import Caller

_caller: ContextVar[Caller | None] = ContextVar("caller", default=None)


def calling(caller: Caller) -> None:
    """Sets who calls, for the rest of this task."""
    _caller.set(caller)


def caller() -> str:
    """Returns the subject of the call's token; empty outside calls."""
    known = _caller.get()
    return known.subject if known else ""


def current() -> Caller:
    """Returns who calls, roles included; for calls alone."""
    known = _caller.get()
    if known is None:
        raise InternalFault("nobody calls")
    return known
