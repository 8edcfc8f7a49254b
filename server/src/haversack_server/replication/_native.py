"""Haversack itself as the system of record: rows come by ingest, and lie in the organization's record database."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields

from haversack_server._core import Staging
from haversack_server.catalog import Catalog, entities
from haversack_server.catalog.sources import NATIVE
from haversack_server.catalog.work_items import Counts
from haversack_server.core import in_thread
from haversack_server.errors import SourceUnknown
from haversack_server.replication._source import (
    Change,
    Checked,
    Described,
    Finding,
    Scope,
    Source,
    Standing,
    Taken,
    Verdict,
    Written,
)
from haversack_server.replication._write_back import write_back
from haversack_server.stagings import Stagings

NATIVE_INTERVAL_SECONDS = 600
"""A safety net: an ingest replicates what it brings by itself, before it answers. A server has this for every entity of
every organization: with a minute, fifty idle organizations took a third of a core."""


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
    """The record database of one of this server's organizations, with the rows that Haversack keeps itself."""

    kind = NATIVE
    scope: Scope = "entity"
    interval_seconds = NATIVE_INTERVAL_SECONDS
    address = ""
    recipients: frozenset[str] = frozenset()
    holds: frozenset[str] = frozenset()

    def __init__(self, catalog: Catalog, stagings: Stagings, organization: str) -> None:
        self._catalog = catalog
        self._stagings = stagings
        self._organization = organization

    async def check(self) -> Checked:
        """See `Source`."""
        held = await self.held()
        rows, size = sum(it[0] for it in held.values()), sum(it[1] for it in held.values())
        what = f"{rows:,} rows of {len(held):,} entities, {size:,} bytes"
        return Checked((Finding("record database", Verdict.OK, what),))

    async def metadata(self) -> Described:
        """See `Source`. It was imported into the catalog, and is there."""
        return Described(())

    async def mapping(self) -> str:
        """Raises SourceUnknown: there is nothing to map."""
        raise SourceUnknown(
            f"organization {self._organization} keeps its rows itself, so there is nothing to map;"
            " `haversack source add` gives it a source outside"
        )

    async def open(self, staging: Staging, model: bytes, entity: str, *, kept: Collection[str] = ()) -> NativeFeed:
        """See `Source`. The catalog has all that is needed of the model."""
        return NativeFeed(await self._record(), staging, await self._number(entity))

    async def resync(self, staging: Staging, model: bytes, entity: str) -> None:
        """See `Source`."""
        await in_thread(staging.replicate_anew, await self._number(entity))

    async def write(self, change: Change) -> Written:
        """Raises SourceUnknown: what devices write is in the rows' own commit, and goes to the record with `settle`."""
        raise SourceUnknown(f"organization {self._organization} keeps its rows itself; nothing is written elsewhere")

    async def forget(self, successor: Source | None = None) -> tuple[str, ...]:
        """See `Source`. The record database stays."""
        return ()

    async def close(self) -> None:
        """See `Source`. The record database is `Stagings`'."""

    async def held(self) -> Mapping[int, tuple[int, int]]:
        """Returns rows and bytes of each entity, by its number."""
        record = await self._record()
        return {number: (rows, size) for number, rows, size in await in_thread(record.statistics)}

    async def settle(self, staging: Staging) -> int:
        """Takes over all that devices have written in staging; returns how many changes that were."""
        return await write_back(staging, await self._record())

    async def _record(self) -> Staging:
        return await self._stagings.record(self._organization)

    async def _number(self, entity: str) -> int:
        async with self._catalog.snapshot() as connection:
            return (await entities.find(connection, self._organization, entity)).metadata.number
