"""EntityService."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import grpc
from haversack.admin.v1 import admin_pb2, admin_pb2_grpc
from haversack.model.v1 import model_pb2

from haversack_server.admin._metadata_import import import_documents
from haversack_server.catalog import Catalog, entities, profiles
from haversack_server.catalog.entities import StoredEntity
from haversack_server.core import in_thread
from haversack_server.errors import EntityInUse, EntityUnknown
from haversack_server.publishing import Metadata, compile_organization_filter, load_metadata
from haversack_server.publishing import entity_message as whole_message

_Context = grpc.aio.ServicerContext[Any, Any]


class EntityService(admin_pb2_grpc.EntityServiceServicer):
    """Takes in metadata, shows it, and says which entities may go offline."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    async def ImportMetadata(
        self, request: admin_pb2.ImportMetadataRequest, context: _Context
    ) -> admin_pb2.ImportMetadataResponse:
        """Merges documents into the organization's metadata."""
        return await import_documents(self._catalog, request.organization, request.documents)

    async def ListEntities(
        self, request: admin_pb2.ListEntitiesRequest, context: _Context
    ) -> admin_pb2.ListEntitiesResponse:
        """Lists entities without their attributes."""
        metadata = await self._metadata(request.organization)
        listed = [it for it in metadata.entities.values() if it.offline or not request.offline_only]
        return admin_pb2.ListEntitiesResponse(entities=[_brief_message(it) for it in listed])

    async def GetEntity(self, request: admin_pb2.GetEntityRequest, context: _Context) -> admin_pb2.GetEntityResponse:
        """Shows one entity with its attributes and relationships."""
        metadata = await self._metadata(request.organization)
        stored = _known(metadata, request.entity)
        relationships = [
            metadata.relationships[name]
            for name in sorted(metadata.relationships)
            if request.entity in _ends(metadata.relationships[name])
        ]
        return admin_pb2.GetEntityResponse(entity=whole_message(stored), relationships=relationships)

    async def EnableEntity(
        self, request: admin_pb2.EnableEntityRequest, context: _Context
    ) -> admin_pb2.EnableEntityResponse:
        """Enables an entity and sets its organization filter."""
        async with self._catalog.exclusive(request.organization):
            metadata = await self._metadata(request.organization)
            _known(metadata, request.entity)
            if request.organization_filter:
                await in_thread(compile_organization_filter, metadata, request.entity, request.organization_filter)
            stored = await self._set(
                request.organization, request.entity, offline=True, organization_filter=request.organization_filter
            )
        return admin_pb2.EnableEntityResponse(entity=_brief_message(stored))

    async def DisableEntity(
        self, request: admin_pb2.DisableEntityRequest, context: _Context
    ) -> admin_pb2.DisableEntityResponse:
        """Disables an entity that no profile has an item for."""
        async with self._catalog.exclusive(request.organization):
            _known(await self._metadata(request.organization), request.entity)
            await self._refuse_if_used(request.organization, request.entity)
            stored = await self._set(request.organization, request.entity, offline=False, organization_filter="")
        return admin_pb2.DisableEntityResponse(entity=_brief_message(stored))

    async def _metadata(self, organization: str) -> Metadata:
        async with self._catalog.snapshot() as connection:
            return await load_metadata(connection, organization)

    async def _set(self, organization: str, entity: str, *, offline: bool, organization_filter: str) -> StoredEntity:
        async with self._catalog.begin() as connection:
            stored = await entities.find(connection, organization, entity)
            stored = replace(stored, offline=offline, organization_filter=organization_filter)
            await entities.put(connection, organization, stored)
        return stored

    async def _refuse_if_used(self, organization: str, entity: str) -> None:
        async with self._catalog.snapshot() as connection:
            drafts = await profiles.drafts_by_name(connection, organization)
            published = await profiles.latest_revisions(connection, organization)
        users = [f"the draft of {name}" for name, profile in drafts.items() if _has_item(profile, entity)]
        users += [f"the published {name}" for name, profile in published.items() if _has_item(profile, entity)]
        if users:
            raise EntityInUse(f"{entity} has an item in {', '.join(users)}; save and publish them without it first")


def _known(metadata: Metadata, entity: str) -> StoredEntity:
    stored = metadata.entities.get(entity)
    if stored is None:
        raise EntityUnknown(f"organization {metadata.organization} has no entity {entity!r}; import its metadata first")
    return stored


def _brief_message(stored: StoredEntity) -> model_pb2.Entity:
    entity = whole_message(stored)
    entity.ClearField("attributes")
    return entity


def _ends(relationship: model_pb2.Relationship) -> tuple[str, ...]:
    if relationship.HasField("one_to_many"):
        return (relationship.one_to_many.referenced_entity, relationship.one_to_many.referencing_entity)
    links = relationship.many_to_many
    return (links.entity1, links.entity2, links.intersect_entity)


def _has_item(profile: model_pb2.Profile, entity: str) -> bool:
    return any(item.entity == entity for item in profile.items)
