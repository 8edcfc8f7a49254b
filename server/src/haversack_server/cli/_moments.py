"""Moments as people give them to commands."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime

import typer

_SPAN = re.compile(r"(\d{1,6})([smhdw])")
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}


def told_moment(text: str, option: str) -> int:
    """Returns microseconds since the Unix epoch: of a time, or of so long ago; 0 for no text."""
    if not text:
        return 0
    span = _SPAN.fullmatch(text)
    if span is not None:
        return time.time_ns() // 1_000 - int(span[1]) * _SECONDS[span[2]] * 1_000_000
    try:
        told = datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(
            "give a span as 2h or 7d, or a time as 2026-01-31T08:00Z", param_hint=option
        ) from error
    return int((told if told.tzinfo else told.replace(tzinfo=UTC)).timestamp() * 1_000_000)
