"""Logs: one JSON object a line on stderr, with the keys that the Rust core uses too."""

from __future__ import annotations

import logging
import os
import sys

import structlog

CORE_VARIABLE = "HAVERSACK_LOG"
"""What the Rust core reads its level from when it is loaded; who sets it decides for the core alone."""

CORE_LEVELS = {"warning": "warn"}


def configure_logs(level: str = "info") -> None:
    """Sends everything at or above `level` ("debug", "info", "warning" or "error") to stderr as JSON.

    A line has `level`, `timestamp` and `message`; lines of a call have `request` (its id), `rpc`, `caller` and, where
    it is about one, `organization`. The Rust core uses the same names.
    """
    os.environ.setdefault(CORE_VARIABLE, CORE_LEVELS.get(level, level))
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="timestamp"),
            structlog.processors.format_exc_info,
            structlog.processors.EventRenamer("message"),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        # Asked for at each line, so that whoever replaces sys.stderr gets it.
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )
