"""Importing metadata documents: all of them, or none."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from haversack.admin.v1 import admin_pb2
from sqlalchemy.ext.asyncio import AsyncConnection

from haversack_server.catalog import Catalog, entities, organizations, profiles, provisioning
from haversack_server.catalog.entities import StoredEntity
from haversack_server.core import in_thread
from haversack_server.errors import MetadataIncompatible, MetadataInvalid, RequestInvalid, sentences
from haversack_server.metadata import Document, Merged, merge_entity, read_document
from haversack_server.publishing import broken_filters, broken_profiles, contradictions, load_metadata
from haversack_server.replication import keep_replicating

DOCUMENTS_BYTES_MAX = 8 * 1024 * 1024


async def import_documents(
    catalog: Catalog, organization: str, sources: Sequence[admin_pb2.MetadataDocument]
) -> admin_pb2.ImportMetadataResponse:
    """Merges documents into an organization's metadata, in their order.

    Raises MetadataInvalid for a document that cannot be read, and MetadataIncompatible where what is stored or
    published would change its meaning.
    """
    documents = await asyncio.to_thread(_read, sources)
    async with catalog.exclusive(organization), catalog.begin() as connection:
        return await merge_documents(connection, organization, documents)


async def merge_documents(
    connection: AsyncConnection, organization: str, documents: Sequence[Document]
) -> admin_pb2.ImportMetadataResponse:
    """Merges documents that are read already, inside the transaction of `connection`; else as `import_documents`."""
    found = await organizations.find(connection, organization, for_update=True)
    last_number = found.last_entity_number
    known = await entities.all_by_name(connection, organization)
    listed = await entities.relationships_by_document(connection, organization)
    outcome = admin_pb2.ImportMetadataResponse()
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
        elif old.metadata == merged.entity and listed.get(name, []) == relationships:
            outcome.unchanged.append(name)
            continue
        else:
            outcome.changed.append(name)
        await entities.put(connection, organization, _stored(merged, old))
        await entities.put_relationships(connection, organization, name, relationships)
    await organizations.set_last_entity_number(connection, organization, last_number)
    await _check_whole(connection, organization)
    if (await provisioning.find(connection, organization)).staging_path is not None:
        await keep_replicating(connection, organization)
    return outcome


def _read(sources: Sequence[admin_pb2.MetadataDocument]) -> list[Document]:
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


def _stored(merged: Merged, old: StoredEntity | None) -> StoredEntity:
    if old is None:
        return StoredEntity(merged.entity, merged.last_number)
    return replace(old, metadata=merged.entity, last_attribute_number=merged.last_number)


async def _check_whole(connection: AsyncConnection, organization: str) -> None:
    """Refuses metadata that contradicts itself, or that takes away what published profiles rest on."""
    metadata = await load_metadata(connection, organization)
    contradictory = contradictions(metadata)
    if contradictory:
        raise MetadataInvalid(sentences(contradictory))
    published = await profiles.latest_revisions(connection, organization)
    broken = await in_thread(broken_profiles, metadata, published)
    broken += await in_thread(broken_filters, metadata)
    if broken:
        raise MetadataIncompatible(sentences([*broken, "publish the profiles without these first"]))
