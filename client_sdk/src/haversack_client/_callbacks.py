"""Calls of what the application gave to be told something: what it raises is its own, and ends nothing here."""

import logging
from collections.abc import Callable

_log = logging.getLogger(__name__)


def tell(callback: Callable[..., object], *arguments: object) -> None:
    """Calls it. What it raises is logged: the work that it is told of is done, and goes on."""
    try:
        callback(*arguments)
    except Exception:
        _log.exception("%r raised; the device goes on", callback)
