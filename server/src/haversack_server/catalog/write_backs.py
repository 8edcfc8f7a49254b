"""Queries on write-backs to sources outside: who writes for which organization, and how that goes.

One worker at a time takes an organization's queued writes to its source, under a lease (`leases` says what those
promise). The writes themselves are in the staging database. Every function works inside the transaction of
`connection`.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, and_, insert, literal, select
from sqlalchemy.ext.asyncio import AsyncConnection

from haversack_server.catalog._tables import organization as organization_table
from haversack_server.catalog._write_back_tables import write_back as table
from haversack_server.catalog.leases import NEW, Clock, Lease, Leases, database_clock
from haversack_server.errors import HaversackError

BACKOFF_SECONDS_MIN = 1.0
BACKOFF_SECONDS_MAX = 60.0
"""Waits between attempts: twice as long each time within these, and then shortened by up to half at random."""

RETRY_SECONDS_MAX = 3_600.0
"""The longest that a source may ask to be left alone."""

ERROR_CHARACTERS_MAX = 2_000


@dataclass(frozen=True)
class StoredWriteBack:
    """How an organization's write-back goes; times are microseconds since the Unix epoch, 0 where there is none.

    Attributes:
        worker: Who has it, or had it until the lease ended; empty if nobody does.
        lease_until_us: When the lease ends.
        attempt: Attempts since the last that went well.
        next_run_at_us: Not before then is the next one.
        error: Why the last attempt failed; empty if it did not.
        error_reason: Name of the ErrorReason, without prefix.
        failed_at_us: When it did.
        written_at_us: When the source last took a write.
        total_written: Writes that it took.
        total_refused: Writes that it refused, or that had become conflicts.
    """

    worker: str
    lease_until_us: int
    attempt: int
    next_run_at_us: int
    error: str
    error_reason: str
    failed_at_us: int
    written_at_us: int
    total_written: int
    total_refused: int


@dataclass
class Tally:
    """What a worker has done under its lease."""

    written: int = 0
    refused: int = 0


def leases(clock: Clock = database_clock) -> Leases:
    """The leases on write-backs."""
    return Leases(table, clock=clock)


async def claim(connection: AsyncConnection, held: Leases, organization: str, *, owner: str) -> Lease | None:
    """Claims an organization's write-back; None if another worker has it, or if it is to be left alone for a while."""
    await _ensure(connection, organization)
    now_us = await held.clock(connection)
    due = and_(table.c.organization == organization, table.c.next_run_at_us <= now_us)
    return next(iter(await held.claim(connection, owner=owner, due=due, limit=1)), None)


async def complete(
    connection: AsyncConnection, held: Leases, lease: Lease, tally: Tally, error: HaversackError | None = None
) -> None:
    """Gives it back with everything written that can be; `error` is what keeps the rest, if there is one.

    Raises LeaseLost.
    """
    values: dict[str, object] = {"error": "", "error_reason": "", "failed_at_us": 0, "next_run_at_us": 0}
    if error is not None:
        failed_at_us = await held.clock(connection)
        text = str(error)[:ERROR_CHARACTERS_MAX]
        values |= {"error": text, "error_reason": error.reason, "failed_at_us": failed_at_us}
    await held.complete(connection, lease, **await _sums(connection, held, tally), **values)


async def fail(
    connection: AsyncConnection,
    held: Leases,
    lease: Lease,
    tally: Tally,
    error: HaversackError,
    *,
    retry_seconds: float | None = None,
) -> None:
    """Gives it back to be tried again after `retry_seconds`, or with a growing delay. Raises LeaseLost.

    Attempts count anew where the source has taken something meanwhile.
    """
    attempt = 1 if tally.written else lease.attempt
    wait = min(BACKOFF_SECONDS_MIN * 2.0 ** min(attempt - 1, 30), BACKOFF_SECONDS_MAX)
    wait *= 1 - random.random() / 2
    if retry_seconds is not None:
        wait = max(wait, min(retry_seconds, RETRY_SECONDS_MAX))
    now_us = await held.clock(connection)
    values = {
        "error": str(error)[:ERROR_CHARACTERS_MAX],
        "error_reason": error.reason,
        "failed_at_us": now_us,
        "next_run_at_us": now_us + int(wait * 1_000_000),
        "attempt": attempt,
    }
    await held.fail(connection, lease, **await _sums(connection, held, tally), **values)


async def find(connection: AsyncConnection, organization: str) -> StoredWriteBack | None:
    """Returns how an organization's write-back goes; None if nothing was ever written back."""
    row = (await connection.execute(select(table).where(table.c.organization == organization))).one_or_none()
    return _read(row) if row else None


async def hurry(connection: AsyncConnection, organization: str) -> None:
    """Has the next attempt begin at once."""
    await connection.execute(table.update().where(table.c.organization == organization).values(next_run_at_us=0))


async def _ensure(connection: AsyncConnection, organization: str) -> None:
    """Makes the row of an organization that has none; the organization's own row keeps two from doing so at once."""
    if await find(connection, organization) is not None:
        return
    organizations = organization_table.c
    await connection.execute(select(organizations.name).where(organizations.name == organization).with_for_update())
    new: dict[str, Any] = {
        **NEW,
        "next_run_at_us": 0,
        "error": "",
        "error_reason": "",
        "failed_at_us": 0,
        "written_at_us": 0,
        "total_written": 0,
        "total_refused": 0,
    }
    there = select(table.c.id).where(table.c.organization == organization).exists()
    values = [literal(value, table.c[name].type) for name, value in new.items()]
    missing = select(organizations.name, *values).where(organizations.name == organization, ~there)
    await connection.execute(insert(table).from_select(["organization", *new], missing))


async def _sums(connection: AsyncConnection, held: Leases, tally: Tally) -> dict[str, object]:
    sums: dict[str, object] = {
        "total_written": table.c.total_written + tally.written,
        "total_refused": table.c.total_refused + tally.refused,
    }
    if tally.written:
        sums["written_at_us"] = await held.clock(connection)
    return sums


def _read(row: Row[Any]) -> StoredWriteBack:
    return StoredWriteBack(
        worker=row.lease_owner or "",
        lease_until_us=row.lease_until_us,
        attempt=row.attempt,
        next_run_at_us=row.next_run_at_us,
        error=row.error,
        error_reason=row.error_reason,
        failed_at_us=row.failed_at_us,
        written_at_us=row.written_at_us,
        total_written=row.total_written,
        total_refused=row.total_refused,
    )
