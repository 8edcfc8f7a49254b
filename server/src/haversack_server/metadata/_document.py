"""One metadata document, read: an entity without numbers, its relationships, and what could not be carried."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from haversack.model.v1 import model_pb2

from haversack_server.errors import MetadataInvalid
from haversack_server.metadata._attributes import LOOKUP_TYPES, label, read_attribute
from haversack_server.metadata._availability import Availability, read_availability
from haversack_server.metadata._relationships import hierarchy_attribute, read_relationships, targets_by_attribute

_SPELLING = re.compile(r"[a-z_][a-z0-9_]{0,127}")
"""Logical names become protobuf field names, and names of tables and columns on devices."""

_KEPT = re.compile(r"(?:_ordinal|_lsn)\Z|_haversack|sqlite_")
"""What devices and SQLite keep for themselves."""

COMPANION_SUFFIX = "_entity"
"""`<lookup>_entity` is the field that tells which entity a lookup with several targets points at."""

_OWNERSHIPS = {
    "UserOwned": model_pb2.OWNERSHIP_USER,
    "TeamOwned": model_pb2.OWNERSHIP_USER,
    "BusinessOwned": model_pb2.OWNERSHIP_BUSINESS,
    "OrganizationOwned": model_pb2.OWNERSHIP_ORGANIZATION,
    "BusinessParented": model_pb2.OWNERSHIP_NONE,
    "None": model_pb2.OWNERSHIP_NONE,
}


@dataclass(frozen=True)
class Document:
    """What a metadata document says.

    Attributes:
        entity: The entity; it and its attributes have no numbers yet.
        relationships: Those that it lists and that can be followed.
        notes: What is left out, one sentence each.
        availability: Whether it may go offline, and whether it does from the start.
    """

    entity: model_pb2.Entity
    relationships: tuple[model_pb2.Relationship, ...]
    notes: tuple[str, ...]
    availability: Availability


def read_document(name: str, content: bytes) -> Document:
    """Reads one document; `name` says where it came from. Raises MetadataInvalid, naming the document."""
    try:
        parsed = _parsed(content)
    except MetadataInvalid as error:
        raise MetadataInvalid(f"{name}: {error}") from error
    return document_of(name, parsed)


def document_of(name: str, source: Mapping[str, Any]) -> Document:
    """Reads one document that is parsed already, or was made; else as `read_document`."""
    try:
        return _read(source)
    except MetadataInvalid as error:
        raise MetadataInvalid(f"{name}: {error}") from error


def _parsed(content: bytes) -> Mapping[str, Any]:
    try:
        parsed = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise MetadataInvalid(f"not a JSON document: {error}") from error
    if not isinstance(parsed, dict):
        raise MetadataInvalid("the document must be one JSON object, an EntityMetadata")
    return parsed


def _read(source: Mapping[str, Any]) -> Document:
    entity_name = _logical_name(source, "the entity")
    attributes, left_out = _attributes(source)
    notes = [
        f"{entity_name}: left out {len(names)} attributes {why}: {', '.join(names)}" for why, names in left_out.items()
    ]
    entity = model_pb2.Entity(
        logical_name=entity_name,
        schema_name=_optional_text(source, "SchemaName") or entity_name,
        display_name=label(source.get("DisplayName")),
        entity_set_name=_optional_text(source, "EntitySetName"),
        primary_id_attribute=_optional_text(source, "PrimaryIdAttribute"),
        primary_name_attribute=_optional_text(source, "PrimaryNameAttribute"),
        ownership=_ownership(source),
        attributes=attributes.values(),
    )
    _check_primary_id(entity)
    _check_companions(entity)
    if entity.primary_name_attribute not in attributes:
        entity.primary_name_attribute = ""
    hierarchy = hierarchy_attribute(entity_name, source)
    relationships = []
    for relationship in read_relationships(entity_name, source):
        refused = _why_not(relationship, entity)
        if refused:
            notes.append(refused)
        else:
            relationships.append(relationship)
    if hierarchy in attributes and entity_name in attributes[hierarchy].targets:
        entity.hierarchy_attribute = hierarchy
    return Document(entity, tuple(relationships), tuple(notes), read_availability(source, attributes))


def _attributes(source: Mapping[str, Any]) -> tuple[dict[str, model_pb2.Attribute], dict[str, list[str]]]:
    """Returns the attributes by name, and the names of those left out by the reason why."""
    listed = source.get("Attributes")
    if not isinstance(listed, list):
        raise MetadataInvalid("Attributes must be a list")
    targets = targets_by_attribute(source)
    read: dict[str, model_pb2.Attribute] = {}
    left_out: dict[str, list[str]] = {}
    for it in listed:
        if not isinstance(it, Mapping):
            raise MetadataInvalid("an attribute must be an object")
        name = _logical_name(it, "an attribute")
        if name in read:
            raise MetadataInvalid(f"attribute {name} is there twice")
        attribute = read_attribute(name, it, targets.get(name, ()))
        if isinstance(attribute, str):
            left_out.setdefault(attribute, []).append(name)
        else:
            read[name] = attribute
    return read, left_out


def _logical_name(source: Mapping[str, Any], what: str) -> str:
    name = source.get("LogicalName")
    fault = name_fault(name) if isinstance(name, str) else "it must be text"
    if fault:
        raise MetadataInvalid(f"{what} has LogicalName {name!r}; {fault}")
    return str(name)


def name_fault(name: str) -> str:
    """Says why a text is no logical name, and what to do; empty if it is one."""
    if not _SPELLING.fullmatch(name):
        return "it must be 1 to 128 lower-case letters, digits and underscores"
    if _KEPT.match(name):
        return (
            "devices keep _ordinal, _lsn and what begins with sqlite_ or _haversack for themselves, so give it another"
            " name, or leave it out"
        )
    return ""


def _optional_text(source: Mapping[str, Any], key: str) -> str:
    value = source.get(key)
    if value is not None and not isinstance(value, str):
        raise MetadataInvalid(f"{key} must be text")
    return value or ""


def _ownership(source: Mapping[str, Any]) -> model_pb2.Ownership:
    written = source.get("OwnershipType")
    ownership = _OWNERSHIPS.get(written) if isinstance(written, str) else None
    if ownership is None:
        raise MetadataInvalid(f"OwnershipType is {written!r}; it must be one of {', '.join(_OWNERSHIPS)}")
    return ownership


def _check_primary_id(entity: model_pb2.Entity) -> None:
    kinds = {attribute.logical_name: attribute.type for attribute in entity.attributes}
    kind = kinds.get(entity.primary_id_attribute)
    if kind not in (model_pb2.ATTRIBUTE_TYPE_UNIQUEIDENTIFIER, model_pb2.ATTRIBUTE_TYPE_STRING):
        raise MetadataInvalid(
            f"PrimaryIdAttribute {entity.primary_id_attribute!r} must name a Uniqueidentifier or String attribute"
        )


def _check_companions(entity: model_pb2.Entity) -> None:
    names = {attribute.logical_name for attribute in entity.attributes}
    for attribute in entity.attributes:
        companion = attribute.logical_name + COMPANION_SUFFIX
        if len(attribute.targets) > 1 and companion in names:
            raise MetadataInvalid(
                f"attribute {companion} is named like the field that tells where {attribute.logical_name} points"
            )


def _why_not(relationship: model_pb2.Relationship, entity: model_pb2.Entity) -> str:
    """Returns why a relationship cannot be followed, as far as this document tells; empty if it can."""
    lookups = {attribute.logical_name for attribute in entity.attributes if attribute.type in LOOKUP_TYPES}
    if relationship.HasField("one_to_many"):
        needed = [relationship.one_to_many.referencing_attribute]
    elif relationship.many_to_many.intersect_entity == entity.logical_name:
        needed = [relationship.many_to_many.attribute1, relationship.many_to_many.attribute2]
    else:
        return ""
    missing = [name for name in needed if name not in lookups]
    if not missing:
        return ""
    return f"{entity.logical_name}: left out relationship {relationship.schema_name}: {missing[0]} is not a lookup"
