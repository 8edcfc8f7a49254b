"""Haversack itself as the system of record: rows come by ingest, and lie in the organization's record database."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields

from sqlalchemy.ext.asyncio import AsyncConnection

from haversack_server._core import Staging
from haversack_server.catalog import Catalog, entities, organizations, work_items
from haversack_server.catalog.leases import database_clock
from haversack_server.catalog.work_items import Counts
from haversack_server.core import in_thread
from haversack_server.replication._source import Standing, Taken
from haversack_server.replication._write_back import write_back
from haversack_server.stagings import Stagings

NATIVE = "native"

NATIVE_INTERVAL_SECONDS = 60
"""A safety net: an ingest replicates what it brings by itself, before it answers."""


async def keep_replicating(connection: AsyncConnection, organization: str) -> int:
    """Sees to it, inside the transaction of `connection`, that every entity of an organization has its work item.

    To be called where an organization gets entities, and where it is provisioned; returns how many items are new.
    """
    await organizations.find(connection, organization, for_update=True)
    due_at_us = await database_clock(connection) + NATIVE_INTERVAL_SECONDS * 1_000_000
    return await work_items.ensure(
        connection, organization, source=NATIVE, interval_seconds=NATIVE_INTERVAL_SECONDS, due_at_us=due_at_us
    )


@dataclass(frozen=True)
class NativeFeed:
    """One entity of a record database."""

    record: Staging
    staging: Staging
    number: int
    live = False
    standing = Standing("record database")

    async def take(self, rows_max: int) -> Taken:
        """See `Feed`. What devices have written goes to the record database first, so that both sides have the same."""
        await write_back(self.staging, self.record)
        answer = await in_thread(self.staging.replicate, self.record, self.number, rows_max=rows_max)
        read = json.loads(answer)
        return Taken(Counts(*(read[it.name] for it in fields(Counts))), read["left"], read["lsn"])

    async def close(self) -> None:
        """See `Feed`. Both databases are others'."""


class NativeSource:
    """The record databases of this server's organizations."""

    kind = NATIVE

    def __init__(self, catalog: Catalog, stagings: Stagings) -> None:
        self._catalog = catalog
        self._stagings = stagings

    async def open(self, organization: str, entity: str) -> NativeFeed:
        """See `Source`."""
        async with self._catalog.snapshot() as connection:
            await organizations.find(connection, organization)
            number = (await entities.find(connection, organization, entity)).metadata.number
        staging = await self._stagings.get(organization)
        record = await self._stagings.record(organization)
        return NativeFeed(record, staging, number)
