"""Calls to the Rust core from async code: each in a thread, since it may block, and each failure under its name."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from haversack_server._core import CoreError
from haversack_server.errors import HaversackError, by_reason

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


async def in_thread(
    function: Callable[_Arguments, _Result], *args: _Arguments.args, **kwargs: _Arguments.kwargs
) -> _Result:
    """Calls a function of the core in a thread. Raises what it raises as a HaversackError."""
    try:
        return await asyncio.to_thread(function, *args, **kwargs)
    except CoreError as error:
        raise named(error) from error


def named(error: CoreError) -> HaversackError:
    """Returns the error of the core's reason."""
    return by_reason(error.reason, str(error))
