"""The work that recurs for an organization while it is provisioned: replication of each of its entities."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncConnection


async def begin(connection: AsyncConnection, organization: str) -> None:
    """Has the replication of every entity recur from now on."""


async def end(connection: AsyncConnection, organization: str) -> None:
    """Has nothing recur any more."""
