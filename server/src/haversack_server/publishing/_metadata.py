"""An organization's metadata as a whole, and the model that it makes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from haversack.model.v1 import model_pb2
from sqlalchemy.ext.asyncio import AsyncConnection

from haversack_server.catalog import entities, organizations
from haversack_server.catalog.entities import StoredEntity
from haversack_server.errors import EntityUnknown
from haversack_server.metadata import LOOKUP_TYPES


@dataclass(frozen=True)
class Metadata:
    """What an organization's data looks like, as imported.

    Attributes:
        organization: The organization's name.
        settings: Rules for all of its data.
        entities: Every entity by logical name.
        listed: The relationships that each entity's document lists; their other ends need not be known.
    """

    organization: str
    settings: model_pb2.Settings
    entities: Mapping[str, StoredEntity]
    listed: Mapping[str, list[model_pb2.Relationship]]

    @cached_property
    def relationships(self) -> dict[str, model_pb2.Relationship]:
        """Every relationship whose entities and attributes are all known, by schema name."""
        known = (it for document in self.listed.values() for it in document if self._is_followable(it))
        return {it.schema_name: it for it in known}

    def known(self, entity: str) -> StoredEntity:
        """Returns an entity; raises EntityUnknown."""
        stored = self.entities.get(entity)
        if stored is None:
            raise EntityUnknown(f"organization {self.organization} has no entity {entity!r}; import its metadata first")
        return stored

    def model(
        self,
        *,
        revision: int = 0,
        profiles: Iterable[model_pb2.Profile] = (),
        apps: Iterable[model_pb2.App] = (),
    ) -> model_pb2.Model:
        """Makes a model of everything, with these profiles and applications.

        Organization filters are not compiled in it.
        """
        by_number = sorted(self.entities.values(), key=lambda it: it.metadata.number)
        by_name = {profile.name: profile for profile in profiles}
        apps_by_name = {app.name: app for app in apps}
        return model_pb2.Model(
            revision=revision,
            organization=self.organization,
            settings=self.settings,
            entities=[entity_message(it) for it in by_number],
            relationships=[self.relationships[name] for name in sorted(self.relationships)],
            profiles=[by_name[name] for name in sorted(by_name)],
            apps=[apps_by_name[name] for name in sorted(apps_by_name)],
        )

    @cached_property
    def model_bytes(self) -> bytes:
        """The serialized model without profiles: what the core needs to read rows and filters."""
        return self.model().SerializeToString(deterministic=True)

    def _is_followable(self, relationship: model_pb2.Relationship) -> bool:
        if relationship.HasField("one_to_many"):
            it = relationship.one_to_many
            return it.referenced_entity in self.entities and self._has_lookup(
                it.referencing_entity, it.referencing_attribute
            )
        links = relationship.many_to_many
        return (
            links.entity1 in self.entities
            and links.entity2 in self.entities
            and self._has_lookup(links.intersect_entity, links.attribute1)
            and self._has_lookup(links.intersect_entity, links.attribute2)
        )

    def _has_lookup(self, entity: str, attribute: str) -> bool:
        stored = self.entities.get(entity)
        attributes = stored.metadata.attributes if stored else ()
        return any(it.logical_name == attribute and it.type in LOOKUP_TYPES for it in attributes)


def entity_message(stored: StoredEntity) -> model_pb2.Entity:
    """Returns an entity as a model has it, its organization filter not compiled.

    A disabled entity has none: what the catalog keeps of it counts again when it is enabled.
    """
    entity = model_pb2.Entity()
    entity.CopyFrom(stored.metadata)
    entity.offline = stored.offline
    if stored.offline and stored.organization_filter:
        entity.organization_filter.fetch_xml = stored.organization_filter
    return entity


async def load_metadata(connection: AsyncConnection, organization: str) -> Metadata:
    """Reads an organization's metadata; raises OrganizationUnknown."""
    found = await organizations.find(connection, organization)
    return Metadata(
        organization=organization,
        settings=found.settings,
        entities=await entities.all_by_name(connection, organization),
        listed=await entities.relationships_by_document(connection, organization),
    )


def contradictions(metadata: Metadata) -> list[str]:
    """Returns a sentence for every schema name that two documents list for two different relationships."""
    first: dict[str, tuple[str, model_pb2.Relationship]] = {}
    found = []
    for document, relationships in metadata.listed.items():
        for it in relationships:
            other, known = first.setdefault(it.schema_name, (document, it))
            if known != it:
                found.append(f"relationship {it.schema_name} means one thing in {other} and another in {document}")
    return found
