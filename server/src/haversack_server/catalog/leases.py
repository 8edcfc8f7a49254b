"""Leases with fencing tokens: how any table of durable work is shared by workers that may die at any moment.

A row of such a table has the columns of `lease_columns` beside its own. A worker claims rows, says again and again that
it is alive, and gives them back with what came of them. Who stops saying so loses the row when the lease ends, and the
next worker that claims it gets a higher fence. Every write names the fence that it was made under, so whoever lost a
row without noticing writes nothing, and finds out: `LeaseLost`.

Every function works inside the transaction of `connection`, so that a row's state and whatever else its work wrote
commit together. Time is the database's, where there is a server that has one, so that hosts need not agree on it.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import BigInteger, Column, ColumnElement, Integer, Row, String, Table, and_, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

LEASE_SECONDS = 30
HEARTBEAT_SECONDS = LEASE_SECONDS / 3
"""How often a worker says that it is alive: it may miss two times."""

OWNER_CHARACTERS_MAX = 120
SERIAL = BigInteger().with_variant(Integer(), "sqlite")
"""The type of `id`: SQLite numbers rows by itself only where the key is called INTEGER."""


class LeaseLost(Exception):
    """Another worker has the row now, or the row is gone. Stop at once; nothing of the transaction may be kept."""


class Clock(Protocol):
    """Tells what time leases go by."""

    async def __call__(self, connection: AsyncConnection) -> int:
        """Returns microseconds since the Unix epoch; never fewer than before, as long as no clock is set back."""


async def database_clock(connection: AsyncConnection) -> int:
    """The clock of the database's server; ours, where the database is a file on this machine."""
    if connection.dialect.name != "postgresql":
        return time.time_ns() // 1_000
    asked = await connection.execute(text("SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)"))
    return int(asked.scalar_one())


def lease_columns() -> list[Column[Any]]:
    """The columns that leases need, for a table of work: put them into its definition, first."""
    return [
        Column("id", SERIAL, primary_key=True),
        Column("lease_owner", String(OWNER_CHARACTERS_MAX), nullable=True, comment="worker that has it; NULL if none"),
        Column("lease_until_us", BigInteger, nullable=False, comment="from then on another worker may claim it"),
        Column("fence", BigInteger, nullable=False, comment="how often it was claimed; every write names it"),
        Column("attempt", Integer, nullable=False, comment="claims since it was last completed"),
    ]


FREE: dict[str, object] = {"lease_owner": None, "lease_until_us": 0}
"""The columns of a row that nobody has."""

NEW: dict[str, object] = {**FREE, "fence": 0, "attempt": 0}
"""The columns of a row that nobody has had yet."""


async def free_all(connection: AsyncConnection, tables: Iterable[Table]) -> None:
    """Lets nobody have any row, because all who could are gone: the database was put back from a copy."""
    for table in tables:
        if "lease_owner" in table.c and "lease_until_us" in table.c:
            await connection.execute(update(table).values(FREE))


@dataclass(frozen=True)
class Lease:
    """The right to work on one row.

    Attributes:
        id: The row.
        owner: The worker that has it.
        fence: The number under which it was claimed; higher than of every claim before.
        attempt: Which try this is since the row was last completed; from 1.
    """

    id: int
    owner: str
    fence: int
    attempt: int


class Leases:
    """The leases on one table's rows."""

    def __init__(self, table: Table, *, clock: Clock = database_clock) -> None:
        self._table = table
        self.clock = clock

    async def claim(
        self,
        connection: AsyncConnection,
        *,
        owner: str,
        due: ColumnElement[bool],
        order_by: Sequence[ColumnElement[Any]] = (),
        limit: int,
    ) -> list[Lease]:
        """Takes at most `limit` rows that are `due` and that nobody has, in order; counts an attempt at each.

        Rows that another transaction is claiming right now are passed over, not waited for.
        """
        columns = self._table.c
        now_us = await self.clock(connection)
        free = select(columns.id).where(due, columns.lease_until_us <= now_us).order_by(*order_by, columns.id)
        ids = (await connection.execute(free.limit(limit).with_for_update(skip_locked=True))).scalars().all()
        if not ids:
            return []
        claimed = update(self._table).where(columns.id.in_(ids)).returning(columns.id, columns.fence, columns.attempt)
        values = {"lease_owner": owner, "lease_until_us": now_us + LEASE_SECONDS * 1_000_000}
        taken = await connection.execute(claimed.values(**values, fence=columns.fence + 1, attempt=columns.attempt + 1))
        leases = {row.id: Lease(row.id, owner, row.fence, row.attempt) for row in taken}
        return [leases[id_] for id_ in ids]

    async def owners(self, connection: AsyncConnection) -> list[str]:
        """Returns the workers that have leases which have not ended."""
        now_us = await self.clock(connection)
        columns = self._table.c
        held = select(columns.lease_owner).where(columns.lease_owner.is_not(None), columns.lease_until_us > now_us)
        return list((await connection.execute(held.distinct())).scalars())

    async def bury(self, connection: AsyncConnection, owner: str) -> None:
        """Ends every lease of a worker that is known to be dead: others need not wait for their time."""
        await connection.execute(update(self._table).where(self._table.c.lease_owner == owner).values(FREE))

    async def heartbeat(self, connection: AsyncConnection, lease: Lease, **values: object) -> Row[Any]:
        """Makes a lease last from now on, and writes `values`; returns the row, where requests to stop are seen.

        Raises LeaseLost. One that has ended goes on too, as long as nobody else has claimed the row.
        """
        until_us = await self.clock(connection) + LEASE_SECONDS * 1_000_000
        return await self._write(connection, lease, {**values, "lease_until_us": until_us})

    async def write(self, connection: AsyncConnection, lease: Lease, **values: object) -> Row[Any]:
        """Writes `values` under a lease and returns the row; with none it only proves the lease. Raises LeaseLost."""
        return await self._write(connection, lease, {"lease_owner": lease.owner, **values})

    async def complete(self, connection: AsyncConnection, lease: Lease, **values: object) -> None:
        """Gives a row back with its work done, and writes `values`. Attempts count anew. Raises LeaseLost."""
        await self._write(connection, lease, {**values, **FREE, "attempt": 0})

    async def fail(self, connection: AsyncConnection, lease: Lease, **values: object) -> None:
        """Gives a row back with its work not done, and writes `values`. The attempt stays counted. Raises LeaseLost."""
        await self._write(connection, lease, {**values, **FREE})

    async def _write(self, connection: AsyncConnection, lease: Lease, values: dict[str, object]) -> Row[Any]:
        columns = self._table.c
        held = and_(columns.id == lease.id, columns.fence == lease.fence)
        written = update(self._table).where(held, columns.lease_owner.is_not(None)).values(values)
        row: Row[Any] | None = (await connection.execute(written.returning(self._table))).one_or_none()
        if row is None:
            raise LeaseLost(f"{self._table.name} {lease.id} is not {lease.owner}'s any more")
        return row
