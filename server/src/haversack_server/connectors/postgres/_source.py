"""One organization's PostgreSQL database as its system of record."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections.abc import Collection, Mapping
from typing import Any, Literal

from haversack.model.v1 import model_pb2
from psycopg import AsyncConnection
from psycopg import Error as DatabaseError

from haversack_server._core import PostgresFeed, Staging
from haversack_server.connectors.postgres._catalog import Table, read_tables
from haversack_server.connectors.postgres._check import check
from haversack_server.connectors.postgres._documents import documents, left_out
from haversack_server.connectors.postgres._draft import draft
from haversack_server.connectors.postgres._feed import PostgresqlFeed
from haversack_server.connectors.postgres._following import read_followed, refuse_inherited
from haversack_server.connectors.postgres._forget import forget
from haversack_server.connectors.postgres._mapping import read_mapping
from haversack_server.connectors.postgres._plan import Plan, for_core, settle, settle_what_fits
from haversack_server.connectors.postgres._refusals import unavailable
from haversack_server.connectors.postgres._settings import NAME, Settings, read_settings
from haversack_server.connectors.postgres._write import Writer
from haversack_server.core import in_thread
from haversack_server.errors import EntityUnknown, MappingInvalid
from haversack_server.replication import CHECK_SECONDS_MAX, Change, Checked, Described, Source, Written

KIND = "postgres"

OWN_NAME_CHARACTERS_MAX = 30
"""Of an organization's name, in that of its slot."""

INTERVAL_SECONDS = 5
"""How soon a feed that has ended, since its database was away, is opened again at the latest."""


LOOK_SECONDS = 30
"""Between looks at the tables while changes are followed: a table that was replaced or rewritten is copied so soon."""


def own_settings(organization: str) -> dict[str, str]:
    """Returns the settings that each organization needs of its own, where nobody says otherwise: its slot."""
    plain = re.sub("[^a-z0-9_]", "_", organization.lower())[:OWN_NAME_CHARACTERS_MAX]
    if plain == organization:
        return {"slot": f"{NAME}_{plain}"}
    # Two names that become the same are told apart by what they were.
    return {"slot": f"{NAME}_{plain}_{hashlib.sha256(organization.encode()).hexdigest()[:8]}"}


def connect(settings: Mapping[str, Any], secrets: Mapping[str, str], mapping: str) -> PostgresSource:
    """Makes a source ready; asks the database nothing. Raises SourceInvalid or MappingInvalid."""
    return PostgresSource(read_settings(settings, secrets), mapping)


class PostgresSource:
    """See `haversack_server.replication.Source`.

    Attributes:
        kind: "postgres".
        scope: One feed follows the whole organization, since transactions span tables.
        interval_seconds: Between runs of a feed that ended.
        address: The database.
        recipients: It alone.
        holds: The replication slot.
    """

    kind = KIND
    scope: Literal["entity", "organization"] = "organization"
    interval_seconds = INTERVAL_SECONDS

    def __init__(self, settings: Settings, mapping: str) -> None:
        self.address = settings.address
        self.recipients = frozenset({settings.address})
        self.holds = frozenset({f"the slot {settings.slot} of {settings.address}"})
        self._settings = settings
        self._text = mapping
        self._file = read_mapping(mapping)
        self._writer: Writer | None = None

    async def check(self) -> Checked:
        """See `Source`."""
        async with asyncio.timeout(CHECK_SECONDS_MAX):
            return Checked(tuple(await check(self._settings, self._file)))

    async def metadata(self) -> Described:
        """See `Source`."""
        plan = settle(self._file, await self._tables())
        async with await self._connected() as connection:
            refuse_inherited(
                plan, await read_followed(connection, (it.table.full_name for it in plan.entities.values() if it.table))
            )
        return Described(tuple(documents(plan)), tuple(left_out(plan)))

    async def mapping(self) -> str:
        """See `Source`."""
        async with await self._connected() as connection:
            tables = await read_tables(connection)
        return draft(self._settings.database, tables, self._file, self._text)

    async def open(self, staging: Staging, model: bytes, entity: str, *, kept: Collection[str] = ()) -> PostgresqlFeed:
        """See `Source`."""
        if entity:
            raise EntityUnknown(f"a PostgreSQL source is followed as a whole, not {entity} alone")

        async def core() -> tuple[PostgresFeed, Mapping[str, str]]:
            settings, unfit = await self._core_settings(kept)
            return await in_thread(PostgresFeed, settings, staging, model), unfit

        return PostgresqlFeed(*await core(), core, LOOK_SECONDS)

    async def core_settings(self, kept: Collection[str] = ()) -> str:
        """Returns what the core's feed is made from, as JSON; the password is in it. Raises as `metadata`.

        Entities in `kept` are left out, and those that the tables do not have.
        """
        settings, _ = await self._core_settings(kept)
        return settings

    async def _core_settings(self, kept: Collection[str]) -> tuple[str, Mapping[str, str]]:
        """Also returns the entities that the tables do not have, and why."""
        plan = await self._plan_of_now()
        settings = {
            "connection": self._settings.for_core(),
            "slot": self._settings.slot,
            "publication": self._settings.publication,
            "look_ms": int(LOOK_SECONDS * 1000),
            "entities": [it for it in for_core(plan) if it["entity"] not in kept],
        }
        return json.dumps(settings), {name: why for name, why in plan.unfit.items() if name not in kept}

    async def resync(self, staging: Staging, model: bytes, entity: str) -> None:
        """See `Source`. Forgets how the entity was mapped, so that the next feed copies it."""
        for it in model_pb2.Model.FromString(model).entities:
            if entity in ("", it.logical_name):
                await in_thread(staging.set_position, it.number, None)

    async def write(self, change: Change) -> Written:
        """See `Source`."""
        if self._writer is None:
            self._writer = Writer(self._settings, self._plan_of_now)
        return await self._writer.write(change)

    async def forget(self, successor: Source | None = None) -> tuple[str, ...]:
        """See `Source`."""
        after = successor._settings if isinstance(successor, PostgresSource) else None
        return await forget(self._settings, after)

    async def close(self) -> None:
        """See `Source`."""
        if self._writer is not None:
            await self._writer.close()

    async def _plan_of_now(self) -> Plan:
        """Joins the mapping with the tables as they are now, as far as they fit."""
        return settle_what_fits(self._file, await self._tables())

    async def _tables(self) -> dict[str, Table]:
        if not self._file.entities:
            raise MappingInvalid("no table is mapped; `haversack source map` drafts a mapping to edit and set")
        async with await self._connected() as connection:
            return await read_tables(connection)

    async def _connected(self) -> AsyncConnection[Any]:
        try:
            return await AsyncConnection.connect(autocommit=True, **self._settings.for_psycopg())
        except DatabaseError as error:
            raise unavailable(self._settings, error) from error
