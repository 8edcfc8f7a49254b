"""Work items of organizations: what keeps a staging database equal to its source from now on."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncConnection

from haversack_server.catalog import organizations, sources, work_items
from haversack_server.catalog.leases import database_clock
from haversack_server.replication._native import NATIVE, NATIVE_INTERVAL_SECONDS


async def keep_replicating(connection: AsyncConnection, organization: str) -> int:
    """Sees to it, inside the transaction of `connection`, that an organization has the work items of its source.

    That is one for every entity, or one for all of them, as the source's scope is. To be called where an organization
    gets entities, and where it is provisioned; returns how many items are new.
    """
    await organizations.find(connection, organization, for_update=True)
    stored = await sources.find(connection, organization)
    kind, scope, interval_seconds = NATIVE, "entity", NATIVE_INTERVAL_SECONDS
    due_at_us = await database_clock(connection)
    if stored is not None:
        kind, scope, interval_seconds = stored.kind, stored.scope, stored.interval_seconds
    else:
        due_at_us += NATIVE_INTERVAL_SECONDS * 1_000_000
    ensure = work_items.ensure if scope == "entity" else work_items.ensure_one
    return await ensure(connection, organization, source=kind, interval_seconds=interval_seconds, due_at_us=due_at_us)
