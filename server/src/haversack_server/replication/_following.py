"""Work items of organizations: what keeps a staging database equal to its source from now on."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncConnection

from haversack_server.catalog import organizations, sources, work_items
from haversack_server.catalog.leases import database_clock
from haversack_server.catalog.sources import NATIVE, StoredSource
from haversack_server.metadata import KEEPABLE_ENTITIES
from haversack_server.replication._native import NATIVE_INTERVAL_SECONDS


async def keep_replicating(connection: AsyncConnection, organization: str) -> int:
    """Sees to it, inside the transaction of `connection`, that an organization has the work items of its source.

    That is one for every entity, or one for all of them, as the source's scope is; and one for every entity that
    Haversack keeps itself. To be called where an organization gets entities, where some come from elsewhere than
    before, and where it is provisioned; returns how many items are new.
    """
    await organizations.find(connection, organization, for_update=True)
    stored = await sources.find(connection, organization)
    now_us = await database_clock(connection)
    if stored is not None:
        return await _beside_a_source(connection, stored, now_us)
    return await work_items.ensure(
        connection,
        organization,
        source=NATIVE,
        interval_seconds=NATIVE_INTERVAL_SECONDS,
        due_at_us=now_us + NATIVE_INTERVAL_SECONDS * 1_000_000,
    )


async def _beside_a_source(connection: AsyncConnection, stored: StoredSource, now_us: int) -> int:
    name, kind, kept = stored.organization, stored.kind, stored.kept or frozenset()
    interval_seconds = stored.interval_seconds
    await work_items.delete_of(connection, name, set(KEEPABLE_ENTITIES) - kept, source=NATIVE)
    await work_items.delete_of(connection, name, kept, source=kind)
    made = await work_items.ensure(
        connection,
        name,
        source=NATIVE,
        interval_seconds=NATIVE_INTERVAL_SECONDS,
        due_at_us=now_us + NATIVE_INTERVAL_SECONDS * 1_000_000,
        only=kept,
    )
    if stored.scope == "organization":
        return made + await work_items.ensure_one(
            connection, name, source=kind, interval_seconds=interval_seconds, due_at_us=now_us
        )
    return made + await work_items.ensure(
        connection, name, source=kind, interval_seconds=interval_seconds, due_at_us=now_us, without=kept
    )
