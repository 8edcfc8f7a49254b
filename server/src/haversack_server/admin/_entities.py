"""EntityService."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import grpc
from haversack.admin.v1 import entities_pb2, entities_pb2_grpc
from haversack.model.v1 import model_pb2

from haversack_server.admin._caller import caller
from haversack_server.admin._effects import Effects, carrying
from haversack_server.admin._note import checked_note
from haversack_server.catalog import Catalog, entities, profiles
from haversack_server.catalog.entities import StoredEntity
from haversack_server.core import in_thread
from haversack_server.entity_import import import_documents
from haversack_server.errors import EntityInUse, EntityNotEnabled, EntityNotMobile, HaversackError
from haversack_server.publishing import (
    Metadata,
    Publisher,
    changes,
    compile_organization_filter,
    load_followed,
    load_metadata,
)
from haversack_server.publishing import entity_message as whole_message

_Context = grpc.aio.ServicerContext[Any, Any]


class EntityService(entities_pb2_grpc.EntityServiceServicer):
    """Takes in metadata, shows it, says which entities may go offline, and publishes customizations."""

    def __init__(self, catalog: Catalog, publisher: Publisher, effects: Effects) -> None:
        self._catalog = catalog
        self._publisher = publisher
        self._effects = effects

    async def ImportMetadata(
        self, request: entities_pb2.ImportMetadataRequest, context: _Context
    ) -> entities_pb2.ImportMetadataResponse:
        """Merges documents into the organization's metadata."""
        return await import_documents(self._catalog, request.organization, request.documents)

    async def ListEntities(
        self, request: entities_pb2.ListEntitiesRequest, context: _Context
    ) -> entities_pb2.ListEntitiesResponse:
        """Lists entities without their attributes."""
        metadata = await self._metadata(request.organization)
        listed = [it for it in metadata.entities.values() if it.offline or not request.offline_only]
        return entities_pb2.ListEntitiesResponse(
            entities=[_brief_message(it) for it in listed], not_mobile=[it.name for it in listed if not it.mobile]
        )

    async def GetEntity(
        self, request: entities_pb2.GetEntityRequest, context: _Context
    ) -> entities_pb2.GetEntityResponse:
        """Shows one entity with its attributes and relationships."""
        metadata = await self._metadata(request.organization)
        stored = metadata.known(request.entity)
        relationships = [
            metadata.relationships[name]
            for name in sorted(metadata.relationships)
            if request.entity in _ends(metadata.relationships[name])
        ]
        return entities_pb2.GetEntityResponse(
            entity=whole_message(stored), relationships=relationships, mobile=stored.mobile
        )

    async def EnableEntity(
        self, request: entities_pb2.EnableEntityRequest, context: _Context
    ) -> entities_pb2.EnableEntityResponse:
        """Enables an entity, with the organization filter that is given or that it has."""
        async with self._catalog.exclusive(request.organization):
            metadata = await self._metadata(request.organization)
            stored = metadata.known(request.entity)
            if not stored.mobile:
                raise EntityNotMobile(
                    f"{stored.name} is not enabled for mobile, so it cannot be enabled for offline use; change that "
                    "where its metadata comes from (IsVisibleInMobileClient), and import it again"
                )
            given = request.organization_filter if request.HasField("organization_filter") else None
            stored = await self._filtered(metadata, stored, given)
            await self._put(request.organization, replace(stored, offline=True))
        return entities_pb2.EnableEntityResponse(entity=_brief_message(replace(stored, offline=True)))

    async def SetOrganizationFilter(
        self, request: entities_pb2.SetOrganizationFilterRequest, context: _Context
    ) -> entities_pb2.SetOrganizationFilterResponse:
        """Replaces the organization filter of an enabled entity."""
        async with self._catalog.exclusive(request.organization):
            metadata = await self._metadata(request.organization)
            stored = metadata.known(request.entity)
            if not stored.offline:
                raise EntityNotEnabled(f"{stored.name} is not enabled for offline use; enable it, with this filter")
            stored = await self._filtered(metadata, stored, request.organization_filter)
            await self._put(request.organization, stored)
        return entities_pb2.SetOrganizationFilterResponse(entity=_brief_message(stored))

    async def DisableEntity(
        self, request: entities_pb2.DisableEntityRequest, context: _Context
    ) -> entities_pb2.DisableEntityResponse:
        """Disables an entity; where profiles have an item for it, only if forced."""
        organization, name = request.organization, request.entity
        effect = await self._effects.of(organization, await self._publisher.customized(organization, disabling=name))
        # Only from here on does everybody else wait: working the effect out may take a while.
        async with self._catalog.exclusive(organization), self._catalog.begin() as connection:
            followed = await load_followed(connection, organization)
            drafts = carrying(await profiles.drafts_by_name(connection, organization), name)
            published = carrying(followed.profiles, name)
            if (published or drafts) and not request.force:
                raise EntityInUse(_in_use(name, published, drafts, effect))
            stored = replace(followed.metadata.known(name), offline=False)
            await entities.put(connection, organization, stored)
        return entities_pb2.DisableEntityResponse(
            entity=_brief_message(stored), profiles=published, drafts=drafts, effect=effect
        )

    async def PublishCustomizations(
        self, request: entities_pb2.PublishCustomizationsRequest, context: _Context
    ) -> entities_pb2.PublishCustomizationsResponse:
        """Publishes entities, organization filters, settings and applications as they are now."""
        note = checked_note(request.note)
        customized = await self._publisher.customized(request.organization)
        answer = entities_pb2.PublishCustomizationsResponse()
        if customized.is_published:
            return answer
        answer.changes.extend(changes(customized.before, customized.after))
        answer.effect.CopyFrom(await self._effects.of(request.organization, customized))
        if request.dry_run:
            return answer
        published = await self._publisher.publish_customizations(request.organization, author=caller(), note=note)
        if published is not None:
            answer.revision, answer.lsn = published.revision, published.lsn
        return answer

    async def _metadata(self, organization: str) -> Metadata:
        async with self._catalog.snapshot() as connection:
            return await load_metadata(connection, organization)

    async def _filtered(self, metadata: Metadata, stored: StoredEntity, given: str | None) -> StoredEntity:
        """Returns an entity with a filter, its own if none is given; raises a FilterRefused."""
        fetch_xml = stored.organization_filter if given is None else given
        if fetch_xml:
            try:
                await in_thread(compile_organization_filter, metadata, stored.name, fetch_xml)
            except HaversackError as error:
                if given is None:
                    raise type(error)(f"{error}; the entity has this filter: give another one, or none") from error
                raise
        return replace(stored, organization_filter=fetch_xml)

    async def _put(self, organization: str, stored: StoredEntity) -> None:
        async with self._catalog.begin() as connection:
            await entities.put(connection, organization, stored)


def _in_use(entity: str, published: list[str], drafts: list[str], effect: entities_pb2.DeviceEffect) -> str:
    places = [*(f"the draft of {name}" for name in drafts), *(f"the published {name}" for name in published)]
    said = f"{entity} has an item in {', '.join(places)}"
    if effect.not_told:
        hits = ""
    else:
        hits = (
            f"; without it {effect.lost.rows:,} rows ({effect.lost.bytes:,} bytes) leave the devices of "
            f"{effect.changed_count:,} of {effect.user_count:,} users"
        )
    return f"{said}{hits}; save and publish the profiles without it first, or force it (`--force`)"


def _brief_message(stored: StoredEntity) -> model_pb2.Entity:
    entity = whole_message(stored)
    entity.ClearField("attributes")
    return entity


def _ends(relationship: model_pb2.Relationship) -> tuple[str, ...]:
    if relationship.HasField("one_to_many"):
        return (relationship.one_to_many.referenced_entity, relationship.one_to_many.referencing_entity)
    links = relationship.many_to_many
    return (links.entity1, links.entity2, links.intersect_entity)
