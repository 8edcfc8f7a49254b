"""Settled entities as metadata documents, in the form that `haversack_server.metadata` reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from haversack_server.connectors.postgres._mapping import OWNERSHIPS
from haversack_server.connectors.postgres._plan import Attribute, Entity, Plan
from haversack_server.connectors.postgres._types import ATTRIBUTE_TYPES, DATETIME_BEHAVIORS, LOOKUPS, usual, why_not
from haversack_server.metadata import Document, document_of
from haversack_server.replication import Unmapped


def documents(plan: Plan) -> Iterator[Document]:
    """Yields the document of each entity."""
    for entity in plan.entities.values():
        yield document_of(entity.name, _extended(entity) if entity.standard else _document(entity))


def left_out(plan: Plan) -> Iterator[Unmapped]:
    """Yields the columns of mapped tables that no attribute has, and why."""
    for entity in plan.entities.values():
        if entity.table is None or entity.standard:
            continue
        mapping = entity.mapping
        used = {it.column.name for it in entity.attributes.values() if it.column}
        used |= {*mapping.key, mapping.deleted or "", mapping.version or ""}
        for name, column in entity.table.columns.items():
            if name not in used:
                why = "the mapping leaves it out" if usual(column) else f"it {why_not(column)}"
                yield Unmapped(f"{entity.name}.{name}", why)


def _document(entity: Entity) -> dict[str, Any]:
    mapping = entity.mapping
    names = [it for it in ("name", "title", "subject", "fullname", "full_name") if it in entity.attributes]
    return {
        "LogicalName": entity.name,
        "SchemaName": entity.name,
        "DisplayName": mapping.display_name or _displayed(entity.name, entity.table.name if entity.table else ""),
        "PrimaryIdAttribute": entity.primary_id,
        "PrimaryNameAttribute": mapping.primary_name or (names[0] if names else ""),
        "OwnershipType": OWNERSHIPS[mapping.ownership],
        "IsVisibleInMobileClient": True,
        "IsOfflineInMobileClient": mapping.offline,
        "Attributes": [_attribute(entity, it) for it in entity.attributes.values()],
        "ManyToOneRelationships": list(_relationships(entity)),
        "ManyToManyRelationships": _links(entity),
    }


def _extended(entity: Entity) -> dict[str, Any]:
    """Returns the standard document with the source's ids, and with the attributes that it does not have."""
    standard = dict(entity.standard or {})
    known = {it["LogicalName"] for it in standard["Attributes"]}
    attributes = [dict(it) for it in standard["Attributes"]]
    for it in attributes:
        if it["LogicalName"] == entity.primary_id and not entity.has_uuids:
            it["AttributeType"] = ATTRIBUTE_TYPES["text"]
    more = [it for name, it in entity.attributes.items() if name not in known]
    standard["Attributes"] = [*attributes, *(_attribute(entity, it) for it in more)]
    relationships = [it for it in _relationships(entity) if it["ReferencingAttribute"] not in known]
    standard["ManyToOneRelationships"] = [*(standard.get("ManyToOneRelationships") or ()), *relationships]
    return standard


def _attribute(entity: Entity, attribute: Attribute) -> dict[str, Any]:
    column = attribute.column
    described: dict[str, Any] = {
        "LogicalName": attribute.name,
        "DisplayName": attribute.display_name or _displayed(attribute.name, column.name if column else ""),
        "AttributeType": ATTRIBUTE_TYPES[attribute.type],
        "Description": column.comment if column else "",
    }
    if attribute.type in DATETIME_BEHAVIORS:
        described["DateTimeBehavior"] = DATETIME_BEHAVIORS[attribute.type]
    if attribute.type in LOOKUPS:
        described["Targets"] = list(attribute.targets)
    if attribute.choices:
        labels = [{"Value": number, "Label": text} for text, number in attribute.choices.items()]
        described["OptionSet"] = {"Options": labels}
    if attribute.name == entity.primary_id:
        described |= {"IsPrimaryId": True, "IsValidForUpdate": False}
    elif column is None or column.generated or column.name == entity.mapping.version:
        described |= {"IsValidForCreate": False, "IsValidForUpdate": False}
    elif column.required and not column.has_default:
        described["RequiredLevel"] = "SystemRequired"
    if column and column.length and attribute.type in ("text", "memo"):
        described["MaxLength"] = column.length
    return described


def _displayed(name: str, spelled: str) -> str:
    """What people read: the logical name in words, or what a table or column is called in another script."""
    return (name if spelled.isascii() else spelled).replace("_", " ").capitalize()


def _relationships(entity: Entity) -> Iterator[dict[str, Any]]:
    parents = [it for it in entity.attributes.values() if it.targets[:1] == (entity.name,)]
    for it in entity.attributes.values():
        for target in it.targets if it.type in LOOKUPS else ():
            suffix = f"_{target}" if len(it.targets) > 1 else ""
            yield {
                "SchemaName": f"{entity.name}_{it.name}{suffix}",
                "ReferencedEntity": target,
                "ReferencingEntity": entity.name,
                "ReferencingAttribute": it.name,
                "IsHierarchical": target == entity.name and parents == [it],
            }


def _links(entity: Entity) -> list[Mapping[str, Any]]:
    """Returns the relationship of a table that only links: its first two lookups are the ends."""
    ends = [it for it in entity.attributes.values() if it.type in LOOKUPS and it.targets]
    if not entity.mapping.link or not ends[1:]:
        return []
    one, other, *_ = ends
    return [
        {
            "SchemaName": entity.name,
            "IntersectEntityName": entity.name,
            "Entity1LogicalName": one.targets[0],
            "Entity1IntersectAttribute": one.name,
            "Entity2LogicalName": other.targets[0],
            "Entity2IntersectAttribute": other.name,
        }
    ]
