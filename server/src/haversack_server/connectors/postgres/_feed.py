"""The feed of a PostgreSQL database: the core's, seen as `haversack_server.replication.Feed`."""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import fields
from typing import Any

import structlog

from haversack_server._core import PostgresFeed
from haversack_server.catalog.work_items import Counts
from haversack_server.core import in_thread
from haversack_server.replication import LIVE_SECONDS_MAX, EntityStanding, LeftOut, Standing, Taken

_log = structlog.get_logger()

Renew = Callable[[], Awaitable[tuple[PostgresFeed, Mapping[str, str]]]]
"""Makes a feed of the core's for the tables as they are now; also returns the entities without such, and why."""

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

    def __init__(self, core: PostgresFeed, unfit: Mapping[str, str], renew: Renew, renewed_seconds: float) -> None:
        """Wraps `core`; while there are entities that the tables do not have, makes another now and then."""
        self.standing = Standing(mode="connecting")
        self._core = core
        self._unfit = unfit
        self._renew = renew
        self._renewed_seconds = renewed_seconds
        self._renewed_at = time.monotonic()
        self._told: set[str] = set()
        self._reason = ""

    async def take(self, rows_max: int) -> Taken:
        """See `Feed`."""
        if self._unfit and time.monotonic() >= self._renewed_at + self._renewed_seconds:
            await self._look_again()
        answer = await in_thread(self._core.take, rows_max=rows_max, wait_ms=int(self.wait_seconds * 1000))
        read = json.loads(answer)
        self._tell(read)
        self.standing = _standing(read, self._unfit)
        return Taken(Counts(*(read[it.name] for it in fields(Counts))), read["left"], read["lsn"])

    async def _look_again(self) -> None:
        """Has entities followed whose tables are as they should be by now."""
        core, unfit = await self._renew()
        self._renewed_at = time.monotonic()
        if unfit.keys() == self._unfit.keys():
            await in_thread(core.close)
            return
        await in_thread(self._core.close)
        self._core, self._unfit = core, unfit

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


def _standing(read: dict[str, Any], unfit: Mapping[str, str]) -> Standing:
    copying = read["stage"] == "copying"
    entities = [
        EntityStanding(entity, "snapshot", rows_done=rows, rows_total=max(rows, expected))
        for entity, (rows, expected) in read["copied"].items()
        if copying
    ]
    notes = [LeftOut(_entity_of(note), note, count) for note, count in sorted(read["notes"].items())]
    stays = "its rows stay as they were last"
    left_out = (*notes, *(LeftOut(entity, f"{entity}: {why}; {stays}", 1) for entity, why in sorted(unfit.items())))
    mode = _MODES.get(read["stage"], "logical replication")
    lag = read["lag_seconds"] if read["stage"] in ("following", "catching up") else None
    return Standing(mode, read["position"], lag, tuple(entities), left_out)


def _entity_of(note: str) -> str:
    """The entity that a note of the core's is about; empty if it is about several."""
    about, colon, _ = note.partition(":")
    return about.partition(".")[0] if colon else ""
