"""REPLICATE_DATA: the rows of every entity, from the source into the staging database, in bounded commits."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

from haversack_server._core import Staging
from haversack_server.catalog import entities, operations
from haversack_server.catalog.entities import StoredEntity
from haversack_server.catalog.operations import EntityProgress
from haversack_server.catalog.work_items import backoff_seconds
from haversack_server.core import in_thread
from haversack_server.errors import SourcePaused, SourceUnavailable
from haversack_server.provisioning.context import Context
from haversack_server.provisioning.machine import Step
from haversack_server.replication import Feed, Lent

ROWS_MAX = 5_000
"""Rows in one commit: some tenths of a second, after which the step can be stopped."""

REPORT_SECONDS = 0.25
"""How often progress is written."""

OUTAGES_MAX = 8
"""Attempts in a row that a source may leave unanswered before the step fails: some minutes."""

WAIT_SECONDS_MAX = 0.5
"""How long the step waits at once for a source that does not answer; then it sees whether it has to end."""


async def replicate_data(context: Context) -> None:
    """Copies what the staging database does not have yet.

    How far it is, the database itself keeps, in the commits that write its rows: after a crash, or once it was stopped
    and is begun again, it goes on from there. Raises what the source's failures are.
    """
    async with context.transaction() as connection:
        known = await entities.all_by_name(connection, context.organization)
    staging = await context.staging()
    async with context.parts.connections.lend(context.organization) as lent:
        progress = _Progress(context, known, staging, await _held(lent, known))
        for name in known if lent.source.scope == "entity" else ["", *sorted(lent.kept)]:
            await _copy_all(context, lent, staging, name, progress)
    await progress.report()


async def _held(lent: Lent, known: Mapping[str, StoredEntity]) -> dict[str, int]:
    """Returns how many rows there are of each entity, as far as it is known beforehand: where Haversack keeps them."""
    there = await lent.keeper.held()
    kept = {name: it.metadata.number for name, it in known.items() if lent.keeps(name)}
    return {name: there[number][0] for name, number in kept.items() if number in there}


async def _copy_all(context: Context, lent: Lent, staging: Staging, entity: str, progress: _Progress) -> None:
    """Copies an entity, or with "" all of them; waits, within limits, for a source that does not answer."""
    outages = 0
    while True:
        try:
            feed = await lent.open(entity, staging)
            try:
                await _copy(context, lent, feed, entity, progress)
                return
            finally:
                await feed.close()
        except SourceUnavailable as error:
            outages = 1 if progress.has_moved() else outages + 1
            if outages > OUTAGES_MAX:
                raise
            await _wait(context, outages, error)


async def _copy(context: Context, lent: Lent, feed: Feed, entity: str, progress: _Progress) -> None:
    left = 1
    while left:
        context.safe_point()
        if not lent.is_current:
            raise SourcePaused(
                f"the source of {context.organization} was paused or changed meanwhile; resume it, then retry"
            )
        taken = await feed.take(ROWS_MAX)
        left = taken.left
        progress.add(entity, feed, rows=taken.counts.read, left=left)
        await progress.report_sometimes()


async def _wait(context: Context, outages: int, error: SourceUnavailable) -> None:
    """Waits before the next attempt, as long as the source has asked for or longer each time, and says why."""
    seconds = max(backoff_seconds(outages, 0.0), error.retry_seconds or 0.0)
    async with context.transaction() as connection:
        text = f"{error}; it is asked again in {seconds:.0f} s"
        await context.say(connection, text, step=Step.REPLICATE_DATA)
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        context.safe_point()
        await asyncio.sleep(min(left, WAIT_SECONDS_MAX))


class _Progress:
    """How far the entities are, in rows and time.

    What is there, the staging database says: a worker that died had copied more than it had told.
    """

    def __init__(
        self, context: Context, known: Mapping[str, StoredEntity], staging: Staging, held: Mapping[str, int]
    ) -> None:
        self._context = context
        self._names = {it.metadata.number: name for name, it in known.items()}
        self._staging = staging
        self._total = dict(held)
        self._left: dict[str, int] = {}
        self._done: dict[str, EntityProgress] = {}
        self._rows_here = 0
        self._rows_before_outage = 0
        self._began_at = time.monotonic()
        self._reported_at = float("-inf")

    def add(self, entity: str, feed: Feed, *, rows: int, left: int) -> None:
        """Counts rows that were read, and what is expected still."""
        self._rows_here += rows
        for it in feed.standing.entities:
            self._total[it.entity] = max(it.rows_total, it.rows_done)
        if entity and not feed.standing.entities:
            self._left[entity] = left

    def has_moved(self) -> bool:
        """Whether rows have come since this was last asked."""
        before, self._rows_before_outage = self._rows_before_outage, self._rows_here
        return self._rows_here > before

    async def report_sometimes(self) -> None:
        """Writes progress, if it is some time ago."""
        if time.monotonic() - self._reported_at >= REPORT_SECONDS:
            await self.report()

    async def report(self) -> None:
        """Writes progress."""
        self._done = await self._looked_at()
        context = self._context
        async with context.transaction() as connection:
            await operations.put_entities(connection, context.operation.id, list(self._done.values()))
            seconds = self._seconds_left()
            await operations.change_step(connection, context.operation.id, Step.REPLICATE_DATA, seconds_left=seconds)
        self._reported_at = time.monotonic()

    async def _looked_at(self) -> dict[str, EntityProgress]:
        """Returns how far each entity is that has rows here, or will have."""
        progress = {name: EntityProgress(name, 0, total, 0) for name, total in self._total.items() if total}
        for number, rows, size in await in_thread(self._staging.statistics):
            name = self._names.get(number)
            if name is not None:
                left = self._left.get(name)
                total = max(rows, self._total.get(name, 0)) if left is None else rows + left
                progress[name] = EntityProgress(name, rows, total, size)
        return progress

    def _seconds_left(self) -> int | None:
        """Estimates by the speed so far of this worker."""
        left = sum(it.rows_total - it.rows_done for it in self._done.values())
        spent = time.monotonic() - self._began_at
        return round(left * spent / self._rows_here) if self._rows_here else None
