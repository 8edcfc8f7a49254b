"""Metadata on its way out: `Entity` and `EntityRelationship` elements of customizations.xml.

What is written is what Haversack knows: names, labels, owners, types, lengths, options, relationships, whether an
entity is offline and its organization filter. Nothing of forms, views or behaviours is made up.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from haversack.model.v1 import model_pb2

from haversack_server.catalog.entities import StoredEntity
from haversack_server.metadata import LOOKUP_TYPES
from haversack_server.publishing import Metadata
from haversack_server.solutions._types import (
    OPTIONS,
    PRIMARY_KEY,
    WRITTEN_BEHAVIORS,
    WRITTEN_OWNERSHIPS,
    WRITTEN_TYPES,
    form_name,
    intersect_columns,
)
from haversack_server.solutions._wrapping import wrapped
from haversack_server.solutions._write import LANGUAGE
from haversack_server.solutions._xml import Element, element, leaf

_DEFAULT_TARGETS = {
    model_pb2.ATTRIBUTE_TYPE_OWNER: ["systemuser", "team"],
    model_pb2.ATTRIBUTE_TYPE_CUSTOMER: ["account", "contact"],
}


@dataclass(frozen=True)
class WrittenMetadata:
    """Metadata as elements.

    Attributes:
        names: Logical names of the entities that are in it.
        entities: `Entity` elements.
        relationships: `EntityRelationship` elements.
        notes: What is not in it, one sentence each.
    """

    names: tuple[str, ...]
    entities: tuple[Element, ...]
    relationships: tuple[Element, ...]
    notes: tuple[str, ...]


def written_metadata(metadata: Metadata, names: Iterable[str]) -> WrittenMetadata:
    """Writes the metadata of entities, and the relationships that they list or have among each other."""
    known = [metadata.entities[name] for name in sorted(set(names)) if name in metadata.entities]
    stored = [it for it in known if _has_guids(it.metadata)]
    notes = [
        f"the metadata of {it.name} is not carried: its primary id is text, and the form has GUIDs alone"
        for it in known
        if not _has_guids(it.metadata)
    ]
    followed = _relationships(metadata, {it.name for it in stored})
    for it in stored:
        notes += _notes(it.metadata, followed)
    relationships = []
    for relationship in followed:
        made = _relationship(relationship, metadata)
        if made is None:
            notes.append(
                f"relationship {relationship.schema_name} is not carried: its columns are named in another way"
            )
        else:
            relationships.append(made)
    return WrittenMetadata(
        tuple(it.name for it in stored), tuple(_entity(it) for it in stored), tuple(relationships), tuple(notes)
    )


def _has_guids(entity: model_pb2.Entity) -> bool:
    kinds = {it.logical_name: it.type for it in entity.attributes}
    return kinds.get(entity.primary_id_attribute) == model_pb2.ATTRIBUTE_TYPE_UNIQUEIDENTIFIER


def _relationships(metadata: Metadata, names: set[str]) -> list[model_pb2.Relationship]:
    """Returns the lookups of the entities, and what links two of them, by schema name."""
    found = {it.schema_name: it for name in names for it in metadata.listed.get(name, []) if it.HasField("one_to_many")}
    for it in metadata.relationships.values():
        link = it.many_to_many
        if it.HasField("many_to_many") and link.entity1 in names and link.entity2 in names:
            found[it.schema_name] = it
    return [found[name] for name in sorted(found)]


def _notes(entity: model_pb2.Entity, relationships: Sequence[model_pb2.Relationship]) -> Iterator[str]:
    ends: dict[str, set[str]] = {}
    for it in relationships:
        if it.HasField("one_to_many") and it.one_to_many.referencing_entity == entity.logical_name:
            ends.setdefault(it.one_to_many.referencing_attribute, set()).add(it.one_to_many.referenced_entity)
    lost = [
        it.logical_name
        for it in entity.attributes
        if it.type in LOOKUP_TYPES
        and list(it.targets) != _DEFAULT_TARGETS.get(it.type)
        and set(it.targets) != ends.get(it.logical_name, set())
    ]
    if lost:
        names = ", ".join(lost)
        yield f"{entity.logical_name}: where these lookups point is carried only as far as relationships say: {names}"
    if form_name(entity) != entity.schema_name:
        yield f"{entity.logical_name}: its schema name {entity.schema_name} is not carried"
    if entity.hierarchy_attribute and not any(_is_hierarchical(it, entity) for it in relationships):
        yield f"{entity.logical_name}: its hierarchy is not carried"


def _is_hierarchical(relationship: model_pb2.Relationship, entity: model_pb2.Entity) -> bool:
    """Tells whether an entity's rows point at their parents by a relationship."""
    link = relationship.one_to_many
    ends = (link.referencing_entity, link.referenced_entity, link.referencing_attribute)
    return bool(ends[2]) and ends == (entity.logical_name, entity.logical_name, entity.hierarchy_attribute)


def _entity(stored: StoredEntity) -> Element:
    entity = stored.metadata
    filtered = wrapped(stored.organization_filter, entity.logical_name) if stored.organization_filter else ""
    info = element(
        "entity",
        element("LocalizedNames", *_label("LocalizedName", entity.display_name)),
        element("attributes", *(_attribute(it, entity) for it in entity.attributes)),
        leaf("EntitySetName", entity.entity_set_name),
        leaf("OwnershipTypeMask", WRITTEN_OWNERSHIPS[entity.ownership]),
        leaf("IsOfflineInMobileClient", "1" if stored.offline else "0"),
        leaf("MobileOfflineFilters", filtered),
        Name=form_name(entity),
    )
    name = leaf("Name", form_name(entity), LocalizedName=entity.display_name, OriginalName=entity.display_name)
    return element("Entity", name, element("EntityInfo", info))


def _attribute(attribute: model_pb2.Attribute, entity: model_pb2.Entity) -> Element:
    name = attribute.logical_name
    kind = PRIMARY_KEY if name == entity.primary_id_attribute else WRITTEN_TYPES[attribute.type]
    parts = [leaf("Type", kind), leaf("Name", name), leaf("LogicalName", name)]
    parts.append(leaf("RequiredLevel", "required" if attribute.required else "none"))
    if name == entity.primary_name_attribute:
        parts.append(leaf("DisplayMask", "PrimaryName"))
    if attribute.create_forbidden:
        parts.append(leaf("ValidForCreateApi", "0"))
    if attribute.update_forbidden:
        parts.append(leaf("ValidForUpdateApi", "0"))
    if attribute.max_length:
        parts.append(leaf("MaxLength", str(attribute.max_length)))
    if attribute.type in WRITTEN_BEHAVIORS:
        format_, behavior = WRITTEN_BEHAVIORS[attribute.type]
        parts += [leaf("Format", format_), leaf("Behavior", behavior)]
    if attribute.options:
        parts.append(_option_set(kind, attribute, entity))
    parts.append(element("displaynames", *_label("displayname", attribute.display_name)))
    return element("attribute", *parts, PhysicalName=name)


def _option_set(kind: str, attribute: model_pb2.Attribute, entity: model_pb2.Entity) -> Element:
    group, each = OPTIONS.get(kind, ("options", "option"))
    options = [element(each, element("labels", *_label("label", it.label)), **_numbers(it)) for it in attribute.options]
    name = f"{entity.logical_name}_{attribute.logical_name}"
    return element("optionset", leaf("OptionSetType", kind), element(group, *options), Name=name)


def _numbers(option: model_pb2.Option) -> dict[str, str]:
    """An option's value, and what it says of the other of state and status."""
    numbers = {"value": str(option.value)}
    if option.HasField("state"):
        numbers["state"] = str(option.state)
    if option.HasField("default_status"):
        numbers["defaultstatus"] = str(option.default_status)
    return numbers


def _label(tag: str, text: str) -> list[Element]:
    return [element(tag, description=text, languagecode=LANGUAGE)] if text else []


def _relationship(relationship: model_pb2.Relationship, metadata: Metadata) -> Element | None:
    """Writes a relationship; None if the form cannot say which columns it goes by."""

    def schema_name(entity: str) -> str:
        stored = metadata.entities.get(entity)
        return form_name(stored.metadata) if stored else entity

    if relationship.HasField("one_to_many"):
        link = relationship.one_to_many
        stored = metadata.entities.get(link.referencing_entity)
        is_hierarchical = stored is not None and _is_hierarchical(relationship, stored.metadata)
        parts = [
            leaf("EntityRelationshipType", "OneToMany"),
            leaf("IsHierarchical", "1" if is_hierarchical else "0"),
            leaf("ReferencingEntityName", schema_name(link.referencing_entity)),
            leaf("ReferencedEntityName", schema_name(link.referenced_entity)),
            leaf("ReferencingAttributeName", link.referencing_attribute),
        ]
        return element("EntityRelationship", *parts, Name=relationship.schema_name)
    links = relationship.many_to_many
    if intersect_columns(links.entity1, links.entity2) != (links.attribute1, links.attribute2):
        return None
    parts = [
        leaf("EntityRelationshipType", "ManyToMany"),
        leaf("FirstEntityName", schema_name(links.entity1)),
        leaf("SecondEntityName", schema_name(links.entity2)),
        leaf("IntersectEntityName", schema_name(links.intersect_entity)),
    ]
    return element("EntityRelationship", *parts, Name=relationship.schema_name)
