"""Importing metadata documents: all of them, or none."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from haversack.admin.v1 import entities_pb2
from sqlalchemy.ext.asyncio import AsyncConnection

from haversack_server.breaches import sentences
from haversack_server.catalog import Catalog, entities, organizations, profiles, provisioning, sources
from haversack_server.catalog.entities import StoredEntity
from haversack_server.core import in_thread
from haversack_server.errors import (
    HaversackError,
    MetadataIncompatible,
    MetadataInvalid,
    RequestInvalid,
    SourceUnmappable,
)
from haversack_server.metadata import Document, Merged, merge_entity, read_document
from haversack_server.publishing import (
    broken_filters,
    broken_profiles,
    compile_organization_filter,
    contradictions,
    load_metadata,
    without_disabled,
)
from haversack_server.replication import Lent, Unmapped, keep_replicating, settle_directory

DOCUMENTS_BYTES_MAX = 8 * 1024 * 1024


class _DryRunDone(Exception):
    """Takes back what a dry run has written."""


async def import_documents(
    catalog: Catalog, organization: str, sources: Sequence[entities_pb2.MetadataDocument]
) -> entities_pb2.ImportMetadataResponse:
    """Merges documents into an organization's metadata, in their order.

    Raises MetadataInvalid for a document that cannot be read, and MetadataIncompatible where what is stored or
    published would change its meaning.
    """
    documents = await asyncio.to_thread(_read, sources)
    async with catalog.exclusive(organization), catalog.begin() as connection:
        return await merge_documents(connection, organization, documents)


@dataclass(frozen=True)
class SourceImport:
    """What an import of a source's metadata did.

    Attributes:
        added: Entities that are new, by logical name.
        changed: Those that have changed.
        unchanged: Those that have not.
        notes: Sentences about what was made of the documents.
        kept: Entities of the directory that the source does not bring, which Haversack keeps itself.
        unmapped: What the source has and Haversack does not keep.
    """

    added: Sequence[str]
    changed: Sequence[str]
    unchanged: Sequence[str]
    notes: Sequence[str]
    kept: Sequence[str]
    unmapped: Sequence[Unmapped]


async def import_from_source(catalog: Catalog, lent: Lent, *, dry_run: bool = False) -> SourceImport:
    """Merges what an organization's source says of itself into the organization's metadata; whoever calls notifies.

    What the source does not bring of the directory, Haversack keeps itself from now on; where the metadata lacks the
    entity, it gets the standard one. With `dry_run` nothing is done. Raises SourceUnmappable if nothing can be kept of
    the source, what the source's failures are, and as `import_documents`.
    """
    described = await lent.source.metadata()
    if not described.documents:
        reasons = [f"{it.subject}: {it.why}" for it in described.unmapped] or ["it has no entities"]
        raise SourceUnmappable(sentences([f"nothing of {lent.organization}'s source can be kept:", *reasons]))
    organization = lent.organization
    try:
        async with catalog.exclusive(organization), catalog.begin() as connection:
            directory = await settle_directory(connection, organization, described.documents)
            outcome = await merge_documents(connection, organization, [*described.documents, *directory.documents])
            await directory.follow(connection)
            if dry_run:
                raise _DryRunDone
    except _DryRunDone:
        pass
    notes = [*outcome.notes, *directory.notes]
    kept = sorted(directory.kept)
    return SourceImport(outcome.added, outcome.changed, outcome.unchanged, notes, kept, described.unmapped)


async def merge_documents(
    connection: AsyncConnection, organization: str, documents: Sequence[Document]
) -> entities_pb2.ImportMetadataResponse:
    """Merges documents that are read already, inside the transaction of `connection`; else as `import_documents`."""
    found = await organizations.find(connection, organization, for_update=True)
    last_number = found.last_entity_number
    known = await entities.all_by_name(connection, organization)
    listed = await entities.relationships_by_document(connection, organization)
    outcome = entities_pb2.ImportMetadataResponse()
    for document in documents:
        name = document.entity.logical_name
        old = known.get(name)
        if old is None:
            last_number += 1
        merged = _merged(document, old, number=old.metadata.number if old else last_number)
        outcome.notes.extend([*document.notes, *merged.notes])
        relationships = sorted(document.relationships, key=lambda it: it.schema_name)
        if old is None:
            outcome.added.append(name)
        elif _is_same(document, merged, old) and listed.get(name, []) == relationships:
            outcome.unchanged.append(name)
            continue
        else:
            outcome.changed.append(name)
        stored = _stored(document, merged, old)
        if stored.offline and not stored.mobile:
            said = "is not enabled for mobile any more, and stays enabled for offline use; disable it"
            outcome.notes.append(f"{name} {said}")
        await entities.put(connection, organization, stored)
        await entities.put_relationships(connection, organization, name, relationships)
    await organizations.set_last_entity_number(connection, organization, last_number)
    outcome.notes.extend(await _enable_new(connection, organization, outcome.added))
    await _check_whole(connection, organization)
    if outcome.added or outcome.changed:
        await sources.touch(connection, organization)
    if (await provisioning.find(connection, organization)).staging_path is not None:
        await keep_replicating(connection, organization)
    return outcome


def _read(sources: Sequence[entities_pb2.MetadataDocument]) -> list[Document]:
    size = sum(len(source.content) for source in sources)
    if size > DOCUMENTS_BYTES_MAX:
        raise RequestInvalid(f"the documents have {size:,} bytes; send at most {DOCUMENTS_BYTES_MAX:,} together")
    read: dict[str, Document] = {}
    for source in sources:
        document = read_document(source.name or "a document without a name", source.content)
        if document.entity.logical_name in read:
            raise MetadataInvalid(f"{source.name}: entity {document.entity.logical_name} is in another document too")
        read[document.entity.logical_name] = document
    return list(read.values())


def _merged(document: Document, old: StoredEntity | None, *, number: int) -> Merged:
    before = Merged(old.metadata, old.last_attribute_number) if old else None
    return merge_entity(document.entity, before, number=number)


def _is_same(document: Document, merged: Merged, old: StoredEntity) -> bool:
    return old.metadata == merged.entity and document.availability.mobile in (None, old.mobile)


def _stored(document: Document, merged: Merged, old: StoredEntity | None) -> StoredEntity:
    """Returns an entity as it will be; what administrators have set of one that is there stays."""
    said = document.availability
    if old is None:
        return StoredEntity(
            merged.entity,
            merged.last_number,
            offline=said.offline,
            organization_filter=said.organization_filter,
            mobile=said.mobile is not False,
        )
    mobile = old.mobile if said.mobile is None else said.mobile
    return replace(old, metadata=merged.entity, last_attribute_number=merged.last_number, mobile=mobile)


async def _enable_new(connection: AsyncConnection, organization: str, added: Iterable[str]) -> list[str]:
    """Looks at new entities that are enabled from the start; disables those whose filter cannot be used.

    Returns a sentence for each of these, and for those that nothing limits.
    """
    metadata = await load_metadata(connection, organization)
    notes = []
    for stored in (metadata.entities[name] for name in added):
        if not stored.offline:
            continue
        if not stored.organization_filter:
            notes.append(f"{stored.name} is enabled for offline use, and no organization filter limits it")
            continue
        try:
            await in_thread(compile_organization_filter, metadata, stored.name, stored.organization_filter)
        except HaversackError as error:
            notes.append(f"{stored.name} is not enabled for offline use: {error}")
            await entities.put(connection, organization, replace(stored, offline=False, organization_filter=""))
    return notes


async def _check_whole(connection: AsyncConnection, organization: str) -> None:
    """Refuses metadata that contradicts itself, or that takes away what published profiles rest on."""
    metadata = await load_metadata(connection, organization)
    contradictory = contradictions(metadata)
    if contradictory:
        raise MetadataInvalid(sentences(contradictory))
    published = await profiles.published(connection, organization)
    published = {name: without_disabled(it, metadata) for name, it in published.items()}
    broken = await in_thread(broken_profiles, metadata, published)
    broken += await in_thread(broken_filters, metadata)
    if broken:
        raise MetadataIncompatible(sentences([*broken, "publish the profiles without these first"]))
