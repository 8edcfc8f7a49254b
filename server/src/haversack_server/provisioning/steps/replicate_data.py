"""REPLICATE_DATA: the rows of every entity, from the source into the staging database, in bounded commits."""

from __future__ import annotations

import json
import time

from haversack_server._core import Staging
from haversack_server.catalog import entities, operations
from haversack_server.catalog.operations import EntityProgress
from haversack_server.core import in_thread
from haversack_server.provisioning.context import Context
from haversack_server.provisioning.machine import Step

ROWS_MAX = 5_000
"""Rows in one commit: some tenths of a second, after which the step can be stopped."""

REPORT_SECONDS = 0.25
"""How often progress is written."""


async def replicate_data(context: Context) -> None:
    """Copies what the staging database does not have yet.

    How far each entity is, the database itself keeps, in the commits that write its rows: after a crash it goes on
    from there.
    """
    async with context.transaction() as connection:
        known = await entities.all_by_name(connection, context.organization)
        before = {it.entity: it for it in await operations.entities(connection, context.operation.id)}
    record, staging = await context.parts.stagings.record(context.organization), await context.staging()
    rows = {number: count for number, count, _ in await in_thread(record.statistics)}
    totals = {name: rows.get(it.metadata.number, 0) for name, it in known.items()}
    progress = _Progress(context, totals, before)
    for name, stored in known.items():
        left = 1
        while left:
            context.safe_point()
            left = await _copy(progress, name, staging, record, stored.metadata.number)
    await progress.report()


async def _copy(progress: _Progress, entity: str, staging: Staging, record: Staging, number: int) -> int:
    """Copies one commit's rows of an entity; returns how many are left."""
    done = json.loads(await in_thread(staging.replicate, record, number, rows_max=ROWS_MAX))
    progress.add(entity, rows=done["read"], left=done["left"], size=done["bytes"])
    await progress.report_sometimes()
    left: int = done["left"]
    return left


class _Progress:
    """How far the entities are, in rows and time."""

    def __init__(self, context: Context, totals: dict[str, int], before: dict[str, EntityProgress]) -> None:
        self._context = context
        self._done = {
            name: before.get(name, EntityProgress(name, 0, total, 0)) for name, total in totals.items() if total
        }
        self._rows_here = 0
        self._began_at = time.monotonic()
        self._reported_at = float("-inf")

    def add(self, entity: str, *, rows: int, left: int, size: int) -> None:
        """Counts rows that were read."""
        old = self._done.get(entity, EntityProgress(entity, 0, 0, 0))
        if rows or left or entity in self._done:
            done = old.rows_done + rows
            self._done[entity] = EntityProgress(entity, done, done + left, old.bytes + size)
        self._rows_here += rows

    async def report_sometimes(self) -> None:
        """Writes progress, if it is some time ago."""
        if time.monotonic() - self._reported_at >= REPORT_SECONDS:
            await self.report()

    async def report(self) -> None:
        """Writes progress."""
        context = self._context
        async with context.transaction() as connection:
            await operations.put_entities(connection, context.operation.id, list(self._done.values()))
            seconds = self._seconds_left()
            await operations.change_step(connection, context.operation.id, Step.REPLICATE_DATA, seconds_left=seconds)
        self._reported_at = time.monotonic()

    def _seconds_left(self) -> int | None:
        """Estimates by the speed so far of this worker."""
        left = sum(it.rows_total - it.rows_done for it in self._done.values())
        spent = time.monotonic() - self._began_at
        return round(left * spent / self._rows_here) if self._rows_here else None
