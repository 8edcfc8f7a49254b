"""Metadata on its way in: from elements of customizations.xml to what EntityMetadata would say, and what that adds.

A solution often holds a part of an entity only. So metadata of a solution adds to what an organization has, and never
changes or removes any of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from haversack.model.v1 import model_pb2

from haversack_server.catalog.entities import StoredEntity
from haversack_server.errors import SolutionInvalid
from haversack_server.metadata import COMPANION_SUFFIX, Document, document_of
from haversack_server.solutions._form import Solution
from haversack_server.solutions._types import BEHAVIORS, OPTIONS, OWNERSHIPS, PRIMARY_KEY, TYPES, intersect_columns
from haversack_server.solutions._wrapping import unwrapped
from haversack_server.solutions._xml import Element

_Known = Mapping[str, StoredEntity]
_Listed = Mapping[str, Sequence[model_pb2.Relationship]]


def documents(solution: Solution, known: _Known, listed: _Listed) -> tuple[list[Document], list[str]]:
    """Returns documents with everything that the organization has and the solution adds, and notes.

    Raises MetadataInvalid for what contradicts itself, and SolutionInvalid for what is not of the form.
    """
    sources, notes = _sources(solution, known)
    made = []
    for name, source in sources.items():
        document = document_of(name, source)
        stored = known.get(name)
        made.append(_extended(document, stored.metadata, listed.get(name, ())) if stored else document)
    return made, notes


def organization_filters(solution: Solution) -> dict[str, str]:
    """Returns the organization filters of a solution's entities that have one, by logical name."""
    written = {_logical_name(it): _info(it).value("MobileOfflineFilters") for it in solution.entities}
    return {name: unwrapped(text, name) for name, text in written.items() if text.strip()}


def _sources(solution: Solution, known: _Known) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Returns what EntityMetadata would say, by logical name."""
    option_sets = {it.attributes.get("Name", "").lower(): it for it in solution.option_sets}
    sources: dict[str, dict[str, Any]] = {}
    notes: list[str] = []
    for it in solution.entities:
        name = _logical_name(it)
        if name in sources:
            raise SolutionInvalid(f"entity {name} is there twice")
        source = _source(name, it, option_sets)
        if not source["PrimaryIdAttribute"] and not _complete(source, known.get(name)):
            notes.append(f"the metadata of {name} is left out: it has no primary key, so this is a part of it only")
            continue
        sources[name] = source
    for it in solution.relationships:
        refused = _relate(it, sources)
        if refused:
            notes.append(f"relationship {it.attributes.get('Name', '')[:200]} is left out: {refused}")
    return sources, notes


def _logical_name(entity: Element) -> str:
    name = entity.value("Name").strip()
    if not name:
        raise SolutionInvalid("an Entity has no Name")
    return name.lower()


def _info(entity: Element) -> Element:
    outer = entity.child("EntityInfo")
    return (outer.child("entity") if outer else None) or Element("entity")


def _source(name: str, entity: Element, option_sets: Mapping[str, Element]) -> dict[str, Any]:
    info = _info(entity)
    attributes = [_attribute(it, name, option_sets) for it in info.under("attributes", "attribute")]
    mask = info.value("OwnershipTypeMask").strip()
    named = entity.child("Name") or Element("Name")
    return {
        "LogicalName": name,
        "SchemaName": entity.value("Name").strip(),
        "DisplayName": _label(info.child("LocalizedNames")) or named.attributes.get("LocalizedName", ""),
        "EntitySetName": info.value("EntitySetName").strip(),
        "OwnershipType": OWNERSHIPS.get(mask, mask),
        "PrimaryIdAttribute": next((it["LogicalName"] for it in attributes if it["Kind"] == PRIMARY_KEY), ""),
        "PrimaryNameAttribute": next((it["LogicalName"] for it in attributes if it["IsPrimaryName"]), ""),
        "Attributes": attributes,
        "ManyToOneRelationships": [],
        "ManyToManyRelationships": [],
    }


def _complete(source: dict[str, Any], stored: StoredEntity | None) -> bool:
    """Completes a part of an entity with the primary id and owner of the whole; tells whether that is known."""
    if stored is None:
        return False
    entity = stored.metadata
    [primary] = [it for it in entity.attributes if it.logical_name == entity.primary_id_attribute]
    is_text = primary.type == model_pb2.ATTRIBUTE_TYPE_STRING
    source["PrimaryIdAttribute"] = primary.logical_name
    if all(it["LogicalName"] != primary.logical_name for it in source["Attributes"]):
        kind = "String" if is_text else "Uniqueidentifier"
        source["Attributes"].append({"LogicalName": primary.logical_name, "AttributeType": kind})
    source["OwnershipType"] = source["OwnershipType"] or "None"
    return True


def _attribute(attribute: Element, entity: str, option_sets: Mapping[str, Element]) -> dict[str, Any]:
    kind = attribute.value("Type").strip()
    name = (attribute.value("LogicalName") or attribute.attributes.get("PhysicalName", "")).strip().lower()
    read: dict[str, Any] = {
        "LogicalName": name,
        "Kind": kind,
        "AttributeType": TYPES.get(kind, kind),
        "DisplayName": _label(attribute.child("displaynames")),
        "IsPrimaryName": "PrimaryName" in attribute.value("DisplayMask").split("|"),
        "IsValidForRead": attribute.value("ValidForReadApi").strip() != "0",
        "IsValidForCreate": attribute.value("ValidForCreateApi").strip() != "0",
        "IsValidForUpdate": attribute.value("ValidForUpdateApi").strip() != "0",
        "RequiredLevel": attribute.value("RequiredLevel").strip(),
        "OptionSet": {"Options": _options(kind, attribute, f"{entity}.{name}", option_sets)},
    }
    length = attribute.value("MaxLength").strip()
    if length:
        read["MaxLength"] = _number(length, f"MaxLength of {entity}.{name}")
    if kind == "datetime":
        read["DateTimeBehavior"] = BEHAVIORS.get(attribute.value("Behavior").strip(), "")
        read["Format"] = "DateOnly" if attribute.value("Format").strip() == "date" else "DateAndTime"
    return read


def _options(kind: str, attribute: Element, place: str, option_sets: Mapping[str, Element]) -> list[dict[str, Any]]:
    own = attribute.child("optionset")
    if own is None:
        own = option_sets.get(attribute.value("OptionSetName").strip().lower())
    if own is None:
        return []
    group, each = OPTIONS.get(kind, ("options", "option"))
    return [_option(it, place) for it in own.under(group, each)]


def _option(option: Element, place: str) -> dict[str, Any]:
    read: dict[str, Any] = {
        "Value": _number(option.attributes.get("value", ""), f"an option of {place}"),
        "Label": _label(option.child("labels")),
    }
    for name, key in (("state", "State"), ("defaultstatus", "DefaultStatus")):
        if text := option.attributes.get(name):
            read[key] = _number(text, f"{name} of an option of {place}")
    return read


def _label(labels: Element | None) -> str:
    """Returns the first label's text: there is one language here."""
    first = labels.children[0] if labels and labels.children else None
    return first.attributes.get("description", "") if first else ""


def _number(text: str, place: str) -> int:
    digits = text.removeprefix("-")
    if not digits.isascii() or not digits.isdecimal() or len(digits) > len(str(2**63)):
        raise SolutionInvalid(f"{place} is {text[:50]!r}; it must be a whole number")
    return int(text)


def _relate(relationship: Element, sources: dict[str, dict[str, Any]]) -> str:
    """Lists a relationship with its entity; returns why it is left out, if it is."""
    name = relationship.attributes.get("Name", "").strip()

    def end(tag: str) -> str:
        text = relationship.value(tag).strip().lower()
        if not text or not name:
            raise SolutionInvalid(f"relationship {name[:200]!r} needs a Name and {tag}")
        return text

    kind = relationship.value("EntityRelationshipType").strip()
    if kind == "OneToMany":
        referencing = end("ReferencingEntityName")
        if referencing not in sources:
            return f"the metadata of {referencing[:200]}, which has the lookup, is not read with it"
        link: dict[str, Any] = {"SchemaName": name, "ReferencedEntity": end("ReferencedEntityName")}
        link["ReferencingAttribute"] = end("ReferencingAttributeName")
        link["IsHierarchical"] = relationship.value("IsHierarchical").strip() == "1"
        sources[referencing]["ManyToOneRelationships"].append(link)
        return ""
    if kind != "ManyToMany":
        return f"it is of an unknown type {kind[:50]!r}" if kind else "the solution names it only"
    first, second, intersect = end("FirstEntityName"), end("SecondEntityName"), end("IntersectEntityName")
    columns = intersect_columns(first, second)
    lookups = {columns[0]: first, columns[1]: second}
    source = sources.setdefault(intersect, _intersect(relationship, intersect, lookups))
    source["ManyToManyRelationships"].append(
        {
            "SchemaName": name,
            "IntersectEntityName": intersect,
            "Entity1LogicalName": first,
            "Entity1IntersectAttribute": columns[0],
            "Entity2LogicalName": second,
            "Entity2IntersectAttribute": columns[1],
        }
    )
    return ""


def _intersect(relationship: Element, name: str, lookups: Mapping[str, str]) -> dict[str, Any]:
    """Makes the entity between two others, which the form leaves to be understood."""
    attributes: list[dict[str, Any]] = [{"LogicalName": f"{name}id", "AttributeType": "Uniqueidentifier"}]
    attributes += [{"LogicalName": it, "AttributeType": "Lookup", "Targets": [end]} for it, end in lookups.items()]
    return {
        "LogicalName": name,
        "SchemaName": relationship.value("IntersectEntityName").strip(),
        "OwnershipType": "None",
        "PrimaryIdAttribute": f"{name}id",
        "Attributes": attributes,
        "ManyToOneRelationships": [],
        "ManyToManyRelationships": [],
    }


def _extended(document: Document, stored: model_pb2.Entity, listed: Sequence[model_pb2.Relationship]) -> Document:
    """Returns what is stored and, besides, what a document adds to it."""
    entity = model_pb2.Entity()
    entity.CopyFrom(stored)
    notes = list(document.notes)
    known = {it.logical_name: it for it in stored.attributes}
    for it in document.entity.attributes:
        old = known.get(it.logical_name)
        if old is None and _is_companion(it, known):
            notes.append(
                f"{stored.logical_name}.{it.logical_name} is left out: its name is needed for a lookup's entity"
            )
        elif old is None:
            entity.attributes.append(it)
        elif old.type != it.type:
            kind = model_pb2.AttributeType.Name(old.type).removeprefix("ATTRIBUTE_TYPE_")
            notes.append(f"{stored.logical_name}.{it.logical_name} stays {kind}, as rows are stored")
    relationships = {it.schema_name: it for it in listed}
    for relationship in document.relationships:
        there = relationships.setdefault(relationship.schema_name, relationship)
        if there != relationship:
            notes.append(f"relationship {relationship.schema_name} stays as it is here; the solution means another one")
    return Document(entity, tuple(relationships.values()), tuple(notes), document.availability)


def _is_companion(attribute: model_pb2.Attribute, known: Mapping[str, model_pb2.Attribute]) -> bool:
    """Tells whether an attribute's name, or that of the field which tells where it points, is taken."""
    lookup = known.get(attribute.logical_name.removesuffix(COMPANION_SUFFIX))
    names_taken = attribute.logical_name.endswith(COMPANION_SUFFIX) and lookup is not None and len(lookup.targets) > 1
    return names_taken or (len(attribute.targets) > 1 and attribute.logical_name + COMPANION_SUFFIX in known)
