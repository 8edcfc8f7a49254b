"""Metadata documents of a service's entities, in the form of Dataverse's EntityMetadata.

`$metadata` says which columns there are, and alone has the last word on it. What it does not know (choices, ownership,
which of two text types) comes from the service's own EntityDefinitions where it has them; of Dataverse's entities
without them, from the documents that Haversack ships; of other services, from what the columns look like.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

from haversack_server.connectors.odata._shapes import Column, Shape, Shapes
from haversack_server.metadata import OFFLINE_PROFILE, standard_documents

DERIVED = ("roleprivileges", "usersettings")
"""Directory entities whose rows are made from the service's, so that their documents are Haversack's."""

DIRECTORY = (
    "systemuser businessunit team teammembership role systemuserroles teamroles principalobjectaccess position"
).split()
"""Directory entities whose rows are the service's own."""

_FAMILIES = {
    "Edm.String": {"String", "Memo", "EntityName", "MultiSelectPicklist"},
    "Edm.Int16": {"Integer", "Picklist", "State", "Status"},
    "Edm.Int32": {"Integer", "Picklist", "State", "Status"},
    "Edm.Int64": {"BigInt"},
    "Edm.Boolean": {"Boolean"},
    "Edm.Double": {"Double"},
    "Edm.Single": {"Double"},
    "Edm.Decimal": {"Decimal", "Money"},
    "Edm.DateTimeOffset": {"DateTime"},
    "Edm.Date": {"DateTime"},
    "Edm.Guid": {"Uniqueidentifier", "Lookup", "Owner", "Customer"},
}
"""Attribute types that a property of a type can have the values of."""

_LOOKUP_KINDS = {"Lookup", "Owner", "Customer"}


def documents(
    shapes: Shapes, definitions: Mapping[str, Mapping[str, Any]], patterns: tuple[str, ...]
) -> dict[str, dict[str, Any]]:
    """Makes the documents of the entities that the patterns choose, by logical name.

    `definitions` are EntityMetadata objects of the service, by logical name; those that it does not have, or all.
    """
    shipped = {name: json.loads(content) for name, content in standard_documents()}
    made = {}
    for name, shape in shapes.by_entity.items():
        if name in DERIVED and shape.is_dataverse:
            continue
        if not patterns or any(fnmatchcase(name, it) for it in patterns) or _belongs_to_directory(shape):
            known = definitions.get(name) or (shipped.get(name) if shape.is_dataverse else None) or {}
            made[name] = _document(shape, known)
    if "role" in made and shapes.by_entity["role"].is_dataverse:
        made |= {name: shipped[name] for name in DERIVED}
        made.setdefault(OFFLINE_PROFILE, shipped[OFFLINE_PROFILE])
    return made


def _belongs_to_directory(shape: Shape) -> bool:
    return shape.is_dataverse and shape.entity in DIRECTORY


def _document(shape: Shape, known: Mapping[str, Any]) -> dict[str, Any]:
    """One entity's document: its columns, and what is known of them beyond."""
    attributes_known = {it.get("LogicalName"): it for it in known.get("Attributes") or ()}
    listed_targets = _listed_targets(known)
    attributes = []
    for column in shape.columns.values():
        told = attributes_known.get(column.name, {})
        attributes.append(_attribute(shape, column, told, listed_targets.get(column.name, ())))
    names = {it["LogicalName"]: it for it in attributes}
    document = {
        **{key: value for key, value in known.items() if key not in ("Attributes", *_RELATIONSHIPS)},
        "LogicalName": shape.entity,
        "SchemaName": known.get("SchemaName") or shape.type.short_name,
        "DisplayName": known.get("DisplayName") or shape.type.short_name,
        "EntitySetName": shape.set_name,
        "PrimaryIdAttribute": shape.key.name,
        "PrimaryNameAttribute": known.get("PrimaryNameAttribute") or _name_attribute(shape),
        "OwnershipType": _ownership(shape, known),
        "Attributes": attributes,
        "ManyToOneRelationships": _many_to_one(shape, known, names),
        "ManyToManyRelationships": list(known.get("ManyToManyRelationships") or ()),
    }
    if not shape.is_dataverse:
        document["IsVisibleInMobileClient"] = True
    return document


_RELATIONSHIPS = ("ManyToOneRelationships", "ManyToManyRelationships", "OneToManyRelationships", "Privileges")


def _attribute(
    shape: Shape, column: Column, told: Mapping[str, Any], listed_targets: tuple[str, ...]
) -> dict[str, Any]:
    """An attribute: as it was told of, if that fits the column."""
    kind = _written_kind(told)
    targets = [it for it in told.get("Targets") or listed_targets] or [it.entity for it in column.targets]
    if kind in _LOOKUP_KINDS and column.wire == column.name and len(targets) != 1:
        kind = ""
    if column.name == shape.key.name or kind not in _FAMILIES.get(column.type, set()):
        kind, told = column.kind, {key: told[key] for key in ("DisplayName", "IsValidForUpdate") if key in told}
    attribute = {
        **{key: value for key, value in told.items() if key not in ("AttributeTypeName", "AttributeOf")},
        "LogicalName": column.name,
        "AttributeType": kind,
        "DisplayName": told.get("DisplayName") or column.wire,
        "IsValidForRead": True,
        "IsValidODataAttribute": True,
    }
    if kind in _LOOKUP_KINDS:
        attribute["Targets"] = targets
    if column.type == "Edm.Date":
        attribute["DateTimeBehavior"] = "DateOnly"
    if column.max_length and kind == "String" and not told.get("MaxLength"):
        attribute["MaxLength"] = column.max_length
    if not told and not column.nullable:
        attribute["RequiredLevel"] = "systemrequired"
    return attribute


def _written_kind(told: Mapping[str, Any]) -> str:
    """The attribute type that a document tells; the type's name is more exact than the type."""
    named = told.get("AttributeTypeName")
    if isinstance(named, Mapping):
        named = named.get("Value")
    if isinstance(named, str) and named:
        return named.removesuffix("Type")
    written = told.get("AttributeType")
    return written if isinstance(written, str) else ""


def _listed_targets(known: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """The entities that relationships say lookups point at."""
    targets: dict[str, tuple[str, ...]] = {}
    for it in known.get("ManyToOneRelationships") or ():
        name, target = it.get("ReferencingAttribute"), it.get("ReferencedEntity")
        if isinstance(name, str) and isinstance(target, str):
            targets[name] = (*targets.get(name, ()), target)
    return targets


def _ownership(shape: Shape, known: Mapping[str, Any]) -> str:
    """Who owns the rows: as is known, else by the columns that only owned rows have."""
    told = known.get("OwnershipType")
    if isinstance(told, str) and told in ("UserOwned", "TeamOwned", "BusinessOwned", "OrganizationOwned", "None"):
        owned = told in ("UserOwned", "TeamOwned")
        return told if not owned or "ownerid" in shape.columns else "OrganizationOwned"
    if "ownerid" in shape.columns and "owningbusinessunit" in shape.columns:
        return "UserOwned"
    if shape.is_dataverse and "owningbusinessunit" in shape.columns:
        return "BusinessOwned"
    return "OrganizationOwned"


def _name_attribute(shape: Shape) -> str:
    """The text that names a row for people, by the names that such columns commonly have."""
    texts = {it.name for it in shape.columns.values() if it.type == "Edm.String" and it.name != shape.key.name}
    guesses = ("name", "fullname", "title", "subject", f"{shape.entity}name", "displayname")
    return next((it for it in guesses if it in texts), "")


def _many_to_one(
    shape: Shape, known: Mapping[str, Any], attributes: Mapping[str, Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """The links to other entities: those that are known, and those of `$metadata` that they lack."""
    lookups = {name for name, it in attributes.items() if it["AttributeType"] in _LOOKUP_KINDS}
    listed = [dict(it) for it in known.get("ManyToOneRelationships") or () if it.get("ReferencingAttribute") in lookups]
    have = {(it.get("ReferencingAttribute"), it.get("ReferencedEntity")) for it in listed}
    names = {it.get("SchemaName") for it in listed}
    for name in sorted(lookups):
        for target in shape.columns[name].targets:
            if (name, target.entity) in have:
                continue
            navigation = shape.type.navigations[target.navigation]
            # One property can lead to rows of several entities (owners), and names are unique.
            schema_name = _schema_name(shape, navigation.partner, target.navigation)
            schema_name = f"{schema_name}_{target.entity}" if schema_name in names else schema_name
            names.add(schema_name)
            listed.append(
                {
                    "SchemaName": schema_name,
                    "ReferencingAttribute": name,
                    "ReferencedEntity": target.entity,
                    "IsHierarchical": False,
                }
            )
    return listed


def _schema_name(shape: Shape, partner: str, navigation: str) -> str:
    """A relationship's name: in Dataverse that of the property that leads back, which is unique; else made."""
    return partner if shape.is_dataverse and partner else f"{shape.entity}_{navigation}"
