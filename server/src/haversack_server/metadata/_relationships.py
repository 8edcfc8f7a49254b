"""Relationships of a metadata document.

Only what a document lists is a relationship: `ManyToOneRelationships` of the entity that has the lookup, and
`ManyToManyRelationships`, which any of the three entities that take part may list. `OneToManyRelationships` are the
other side's lookups, and come with the other side's document.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from haversack.model.v1 import model_pb2

from haversack_server.errors import MetadataInvalid


def read_relationships(entity: str, source: Mapping[str, Any]) -> list[model_pb2.Relationship]:
    """Reads every relationship that the document of `entity` lists."""
    read = [_many_to_one(entity, it) for it in _listed(source, "ManyToOneRelationships")]
    read += [_many_to_many(it) for it in _listed(source, "ManyToManyRelationships")]
    return read


def targets_by_attribute(source: Mapping[str, Any]) -> dict[str, list[str]]:
    """Returns which entities each lookup points at, by the relationships that are listed for it."""
    targets: dict[str, list[str]] = {}
    for it in _listed(source, "ManyToOneRelationships"):
        targets.setdefault(_text(it, "ReferencingAttribute"), []).append(_text(it, "ReferencedEntity"))
    return targets


def hierarchy_attribute(entity: str, source: Mapping[str, Any]) -> str:
    """Returns the lookup of the relationship marked `IsHierarchical`, by which rows point at their parents, or ""."""
    marked = [it for it in _listed(source, "ManyToOneRelationships") if it.get("IsHierarchical") is True]
    if len(marked) > 1:
        names = ", ".join(_text(it, "SchemaName") for it in marked)
        raise MetadataInvalid(f"{entity} can have one hierarchical relationship; these are marked: {names}")
    for it in marked:
        if _text(it, "ReferencedEntity") != entity:
            raise MetadataInvalid(
                f"relationship {_text(it, 'SchemaName')} is hierarchical, so it must refer to {entity} itself, "
                f"not to {_text(it, 'ReferencedEntity')}"
            )
    return _text(marked[0], "ReferencingAttribute") if marked else ""


def _listed(source: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    listed = source.get(key) or []
    if not isinstance(listed, list) or not all(isinstance(it, Mapping) for it in listed):
        raise MetadataInvalid(f"{key} must be a list of objects")
    return listed


def _text(source: Mapping[str, Any], key: str) -> str:
    value = source.get(key)
    if not isinstance(value, str) or not value:
        name = source.get("SchemaName") or "without a SchemaName"
        raise MetadataInvalid(f"relationship {name} needs {key} as text")
    return value


def _many_to_one(entity: str, source: Mapping[str, Any]) -> model_pb2.Relationship:
    return model_pb2.Relationship(
        schema_name=_text(source, "SchemaName"),
        one_to_many=model_pb2.OneToMany(
            referenced_entity=_text(source, "ReferencedEntity"),
            referencing_entity=entity,
            referencing_attribute=_text(source, "ReferencingAttribute"),
        ),
    )


def _many_to_many(source: Mapping[str, Any]) -> model_pb2.Relationship:
    return model_pb2.Relationship(
        schema_name=_text(source, "SchemaName"),
        many_to_many=model_pb2.ManyToMany(
            intersect_entity=_text(source, "IntersectEntityName"),
            entity1=_text(source, "Entity1LogicalName"),
            attribute1=_text(source, "Entity1IntersectAttribute"),
            entity2=_text(source, "Entity2LogicalName"),
            attribute2=_text(source, "Entity2IntersectAttribute"),
        ),
    )
