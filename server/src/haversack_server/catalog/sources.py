"""Queries on sources outside. Every function works inside the transaction of `connection`.

An organization without a row here is its own source: Haversack's record database has its rows. It also has those of
entities of the directory that an organization's source outside does not bring (`StoredSource.kept`).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, Select, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from haversack_server.catalog._source_tables import source as table
from haversack_server.errors import SourceUnknown

SOURCES_BELL = "sources"
"""Rung when a source was set, changed, paused, resumed or removed."""

NATIVE = "native"
"""The kind of what has no row here, and of what Haversack keeps itself beside a source outside."""

ACTIVE, PAUSED = "ACTIVE", "PAUSED"


@dataclass(frozen=True)
class StoredSource:
    """A source outside as the catalog knows it.

    Attributes:
        organization: Whose it is.
        kind: Which connector speaks to it.
        scope: What a work item of it follows: "entity", or "organization".
        interval_seconds: From the end of a run to the next one.
        settings: What the connector reads; no secrets.
        sealed_secrets: The secrets, as `haversack_server.sealing` keeps them.
        mapping: YAML; empty if there is none.
        is_paused: Whether an administrator has paused it.
        revision: Rises with everything that an open source must see.
        changed_at_us: When that was, microseconds since the Unix epoch.
        kept: Entities of the directory that it does not bring, and Haversack keeps itself; None before its metadata was
            imported, when nobody knows what it brings.
    """

    organization: str
    kind: str
    scope: str
    interval_seconds: int
    settings: Mapping[str, Any]
    sealed_secrets: bytes
    mapping: str
    is_paused: bool
    revision: int
    changed_at_us: int
    kept: frozenset[str] | None = None

    def keeps(self, entity: str) -> bool:
        """Whether Haversack keeps an entity's rows itself."""
        return entity in (self.kept or ())


async def find(connection: AsyncConnection, organization: str, *, for_update: bool = False) -> StoredSource | None:
    """Returns an organization's source outside; None if there is none."""
    query: Select[Any] = select(table).where(table.c.organization == organization)
    row = (await connection.execute(query.with_for_update() if for_update else query)).one_or_none()
    return _read(row) if row else None


async def known(connection: AsyncConnection, organization: str, *, for_update: bool = False) -> StoredSource:
    """Returns an organization's source outside; raises SourceUnknown if there is none."""
    stored = await find(connection, organization, for_update=for_update)
    if stored is None:
        raise SourceUnknown(
            f"organization {organization} has no source outside: it keeps its rows itself;"
            f" `haversack source add {organization}` gives it one"
        )
    return stored


async def everything(connection: AsyncConnection) -> list[StoredSource]:
    """Returns all sources, by organization."""
    return [_read(row) for row in await connection.execute(select(table).order_by(table.c.organization))]


async def revisions(connection: AsyncConnection) -> dict[str, tuple[int, bool]]:
    """Returns of each source its revision and whether it is paused."""
    query = select(table.c.organization, table.c.revision, table.c.state)
    return {row.organization: (row.revision, row.state == PAUSED) for row in await connection.execute(query)}


async def put(connection: AsyncConnection, stored: StoredSource) -> None:
    """Writes a source, in place of what is there."""
    values = {
        "kind": stored.kind,
        "scope": stored.scope,
        "interval_seconds": stored.interval_seconds,
        "settings": json.dumps(dict(stored.settings), ensure_ascii=False, sort_keys=True),
        "secrets": stored.sealed_secrets,
        "mapping": stored.mapping,
        "state": PAUSED if stored.is_paused else ACTIVE,
        "revision": stored.revision,
        "changed_at_us": stored.changed_at_us,
        "kept": "" if stored.kept is None else json.dumps(sorted(stored.kept)),
    }
    key = table.c.organization == stored.organization
    if (await connection.execute(update(table).where(key).values(values))).rowcount == 0:
        await connection.execute(insert(table).values(organization=stored.organization, **values))


async def set_kept(connection: AsyncConnection, organization: str, kept: Collection[str]) -> None:
    """Says which entities of the directory Haversack keeps itself; whoever has the source open opens it anew."""
    values = {"kept": json.dumps(sorted(kept)), "revision": table.c.revision + 1}
    await connection.execute(update(table).where(table.c.organization == organization).values(values))


async def touch(connection: AsyncConnection, organization: str) -> None:
    """Has whoever has the organization's source open open it anew, since what it was opened with has changed."""
    changed = update(table).where(table.c.organization == organization)
    await connection.execute(changed.values(revision=table.c.revision + 1))


async def remove(connection: AsyncConnection, organization: str) -> bool:
    """Forgets an organization's source outside; returns whether there was one."""
    return (await connection.execute(delete(table).where(table.c.organization == organization))).rowcount > 0


def paused() -> Select[Any]:
    """The organizations whose sources are paused."""
    return select(table.c.organization).where(table.c.state == PAUSED)


def _read(row: Row[Any]) -> StoredSource:
    return StoredSource(
        organization=row.organization,
        kind=row.kind,
        scope=row.scope,
        interval_seconds=row.interval_seconds,
        settings=json.loads(row.settings),
        sealed_secrets=row.secrets,
        mapping=row.mapping,
        is_paused=row.state == PAUSED,
        revision=row.revision,
        changed_at_us=row.changed_at_us,
        kept=frozenset(json.loads(row.kept)) if row.kept else None,
    )
