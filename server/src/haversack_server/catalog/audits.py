"""Queries on the audit log. Every function works inside the transaction of `connection`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Row, delete, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from haversack_server.catalog._tables import audit_entry as table

UNFINISHED = "UNFINISHED"
"""The outcome of a call that has not ended."""


@dataclass(frozen=True, kw_only=True)
class NewEntry:
    """A call that begins, or that was refused; see `haversack.admin.v1.AuditEntry`."""

    at_us: int
    rpc: str
    organization: str
    target: str
    issuer: str
    subject: str
    request_id: str
    request: str
    outcome: str = UNFINISHED
    message: str = ""
    before: str = ""
    after: str = ""
    truncated: bool = False


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """Which entries are wanted; empty and 0 mean any."""

    organization: str = ""
    subject: str = ""
    rpc: str = ""
    since_at_us: int = 0
    until_at_us: int = 0
    outcome: str = ""
    below_number: int = 0


async def add(connection: AsyncConnection, entry: NewEntry) -> int:
    """Adds an entry; returns its number."""
    added = await connection.execute(insert(table).values(asdict(entry)).returning(table.c.number))
    return int(added.scalar_one())


async def amend(connection: AsyncConnection, number: int, values: dict[str, Any]) -> None:
    """Writes what has become of an entry's call."""
    await connection.execute(update(table).where(table.c.number == number).values(values))


async def find(connection: AsyncConnection, conditions: Conditions, limit: int) -> Sequence[Row[Any]]:
    """Returns the newest entries that meet the conditions, newest first."""
    query = select(table).order_by(table.c.number.desc()).limit(limit)
    for name in ("organization", "subject", "outcome"):
        wanted = getattr(conditions, name)
        if wanted:
            query = query.where(table.c[name] == wanted)
    if conditions.rpc:
        ending = "%." + conditions.rpc.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        query = query.where(or_(table.c.rpc == conditions.rpc, table.c.rpc.like(ending, escape="\\")))
    if conditions.since_at_us:
        query = query.where(table.c.at_us >= conditions.since_at_us)
    if conditions.until_at_us:
        query = query.where(table.c.at_us < conditions.until_at_us)
    if conditions.below_number:
        query = query.where(table.c.number < conditions.below_number)
    return (await connection.execute(query)).all()


async def forget(connection: AsyncConnection, before_at_us: int) -> int:
    """Deletes what is older; returns how many entries."""
    return (await connection.execute(delete(table).where(table.c.at_us < before_at_us))).rowcount
