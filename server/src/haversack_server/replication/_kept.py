"""Who has which part of the directory: the source outside what it brings, Haversack itself the rest.

That is settled whenever the source's metadata is imported. A part that changes hands leaves its rows where they are:
what was kept here stays in the record database, and is there again should the part come back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from haversack_server.catalog import entities, sources, work_items
from haversack_server.catalog.leases import database_clock
from haversack_server.catalog.sources import NATIVE, StoredSource
from haversack_server.metadata import KEEPABLE_ENTITIES, Document, read_document, standard_documents


@dataclass(frozen=True)
class Settled:
    """Who has what from now on.

    Attributes:
        source: The organization's, as it was before.
        kept: What Haversack keeps itself.
        documents: Of these, the standard metadata of those that the organization's metadata lacks.
    """

    source: StoredSource
    kept: frozenset[str]
    documents: Sequence[Document]

    @property
    def notes(self) -> list[str]:
        """Sentences about what has changed hands."""
        notes = []
        if come := ", ".join(sorted(self._come)):
            text = f"the source does not bring {come}: Haversack keeps that itself from now on"
            notes.append(f"{text} (`haversack user`, `team`, `unit`, `role`, `share`, `ingest`)")
        if gone := ", ".join(sorted(self._gone)):
            text = f"the source brings {gone} from now on, and devices have its rows"
            notes.append(f"{text}; those that were kept here stay in the record database")
        return notes

    async def follow(self, connection: AsyncConnection) -> None:
        """Has what has changed hands be read in full from where it comes from now, if there are work items."""
        name, kind, scope = self.source.organization, self.source.kind, self.source.scope
        now_us = await database_clock(connection)
        for entity in sorted(self._come):
            await work_items.ask_resync(connection, name, entity, source=NATIVE, scope="entity", now_us=now_us)
        for entity in sorted(self._gone):
            await work_items.ask_resync(connection, name, entity, source=kind, scope=scope, now_us=now_us)

    @property
    def _come(self) -> frozenset[str]:
        return self.kept - (self.source.kept or frozenset())

    @property
    def _gone(self) -> frozenset[str]:
        return (self.source.kept or frozenset()) - self.kept


async def settle_directory(connection: AsyncConnection, organization: str, brought: Sequence[Document]) -> Settled:
    """Settles who has what, by what the organization's source brings; raises SourceUnknown if it has none."""
    source = await sources.known(connection, organization, for_update=True)
    kept = frozenset(KEEPABLE_ENTITIES) - {it.entity.logical_name for it in brought}
    if kept != source.kept:
        await sources.set_kept(connection, organization, kept)
    missing = kept - set((await entities.names(connection, organization)).values())
    documents = [read_document(name, content) for name, content in standard_documents() if name in missing]
    return Settled(source, kept, documents)
