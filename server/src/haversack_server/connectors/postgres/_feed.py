"""The feed of a PostgreSQL database: the core's, seen as `haversack_server.replication.Feed`."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

import structlog

from haversack_server._core import PostgresFeed
from haversack_server.catalog.work_items import Counts
from haversack_server.core import in_thread
from haversack_server.replication import LIVE_SECONDS_MAX, EntityStanding, LeftOut, Standing, Taken

_log = structlog.get_logger()

_MODES = {"connecting": "connecting", "copying": "snapshot", "catching up": "logical replication"}


class PostgresqlFeed:
    """One organization's database, followed.

    Attributes:
        live: It waits for the next change.
        wait_seconds: How long.
        standing: Where it stands.
    """

    live = True
    wait_seconds = LIVE_SECONDS_MAX

    def __init__(self, core: PostgresFeed) -> None:
        self.standing = Standing(mode="connecting")
        self._core = core
        self._told: set[str] = set()
        self._reason = ""

    async def take(self, rows_max: int) -> Taken:
        """See `Feed`."""
        answer = await in_thread(self._core.take, rows_max=rows_max, wait_ms=int(self.wait_seconds * 1000))
        read = json.loads(answer)
        self._tell(read)
        self.standing = _standing(read)
        return Taken(Counts(*(read[it.name] for it in fields(Counts))), read["left"], read["lsn"])

    async def close(self) -> None:
        """See `Feed`."""
        await in_thread(self._core.close)

    def _tell(self, read: dict[str, Any]) -> None:
        """Logs once what could not be carried, and why all rows are copied."""
        for note in read["notes"].keys() - self._told:
            _log.warning("source row not carried whole", note=note)
            self._told.add(note)
        if read["reason"] and read["reason"] != self._reason:
            self._reason = read["reason"]
            _log.info("source copied in full", reason=self._reason)


def _standing(read: dict[str, Any]) -> Standing:
    copying = read["stage"] == "copying"
    entities = [
        EntityStanding(entity, "snapshot", rows_done=rows, rows_total=max(rows, expected))
        for entity, (rows, expected) in read["copied"].items()
        if copying
    ]
    left_out = tuple(LeftOut(_entity_of(note), note, count) for note, count in sorted(read["notes"].items()))
    mode = _MODES.get(read["stage"], "logical replication")
    lag = read["lag_seconds"] if read["stage"] in ("following", "catching up") else None
    return Standing(mode, read["position"], lag, tuple(entities), left_out)


def _entity_of(note: str) -> str:
    """The entity that a note of the core's is about; empty if it is about several."""
    about, colon, _ = note.partition(":")
    return about.partition(".")[0] if colon else ""
