"""Queries on the roles of administrators. Every function works inside the transaction of `connection`."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Row, delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from haversack_server.catalog._tables import access_grant as table

EVERYWHERE = ""
"""The organization of a grant that is for all of them."""


@dataclass(frozen=True, kw_only=True)
class StoredGrant:
    """A role that a caller has.

    Attributes:
        organization: Where; `EVERYWHERE` means in all.
        issuer: The `iss` claim of the caller's tokens.
        subject: Whose.
        role: A number of `haversack.admin.v1.Role`.
        granted_at_us: When it was given, in microseconds since the Unix epoch.
        granted_by: The subject that gave it.
    """

    organization: str
    issuer: str
    subject: str
    role: int
    granted_at_us: int
    granted_by: str


async def put(connection: AsyncConnection, grant: StoredGrant) -> None:
    """Gives a role, in place of the one that the caller has in the same place."""
    await remove(connection, grant.organization, grant.issuer, grant.subject)
    await connection.execute(insert(table).values(vars(grant)))


async def remove(connection: AsyncConnection, organization: str, issuer: str, subject: str) -> bool:
    """Takes a role away; returns whether there was one."""
    query = delete(table).where(
        table.c.organization == organization, table.c.issuer == issuer, table.c.subject == subject
    )
    return (await connection.execute(query)).rowcount > 0


async def of_caller(connection: AsyncConnection, issuer: str, subject: str) -> list[StoredGrant]:
    """Returns every role of a caller."""
    query = select(table).where(table.c.issuer == issuer, table.c.subject == subject).order_by(table.c.organization)
    return [_read(row) for row in await connection.execute(query)]


async def in_place(connection: AsyncConnection, organization: str | None) -> list[StoredGrant]:
    """Returns the roles that count in an organization; None means in any."""
    query = select(table).order_by(table.c.organization, table.c.issuer, table.c.subject)
    if organization is not None:
        query = query.where(table.c.organization.in_((EVERYWHERE, organization)))
    return [_read(row) for row in await connection.execute(query)]


def _read(row: Row[tuple[object, ...]]) -> StoredGrant:
    return StoredGrant(**row._mapping)
