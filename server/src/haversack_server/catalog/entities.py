"""Queries on entities and their relationships. Every function works inside the transaction of `connection`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from haversack.model.v1 import model_pb2
from sqlalchemy import Row, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from haversack_server.catalog import _tables
from haversack_server.errors import EntityUnknown

_entity = _tables.entity
_relationship = _tables.relationship


@dataclass(frozen=True)
class StoredEntity:
    """An entity of an organization.

    Attributes:
        metadata: The entity with all its numbers; neither `offline` nor `organization_filter` is set in it.
        last_attribute_number: The highest number that was ever given to a field of it.
        offline: Whether it is enabled for offline use.
        organization_filter: FetchXML; empty means no limit. One that is disabled keeps its own for when it is enabled.
        mobile: Whether it is enabled for mobile; if not, it cannot be enabled for offline use.
    """

    metadata: model_pb2.Entity
    last_attribute_number: int
    offline: bool = False
    organization_filter: str = ""
    mobile: bool = True

    @property
    def name(self) -> str:
        """Its logical name."""
        return self.metadata.logical_name


async def put(connection: AsyncConnection, organization: str, entity: StoredEntity) -> None:
    """Writes an entity, new or not."""
    values = {
        "logical_name": entity.name,
        "metadata": entity.metadata.SerializeToString(deterministic=True),
        "last_attribute_number": entity.last_attribute_number,
        "offline": entity.offline,
        "organization_filter": entity.organization_filter,
        "mobile": entity.mobile,
    }
    key = (_entity.c.organization == organization) & (_entity.c.number == entity.metadata.number)
    written = await connection.execute(update(_entity).where(key).values(values))
    if written.rowcount == 0:
        values |= {"organization": organization, "number": entity.metadata.number}
        await connection.execute(insert(_entity).values(values))


async def find(connection: AsyncConnection, organization: str, name: str) -> StoredEntity:
    """Returns an entity; raises EntityUnknown."""
    query = select(_entity).where(_entity.c.organization == organization, _entity.c.logical_name == name)
    row = (await connection.execute(query)).one_or_none()
    if row is None:
        raise EntityUnknown(f"organization {organization} has no entity {name!r}; import its metadata first")
    return _read(row)


async def names(connection: AsyncConnection, organization: str) -> dict[int, str]:
    """Returns the logical name of each entity by its number."""
    query = select(_entity.c.number, _entity.c.logical_name).where(_entity.c.organization == organization)
    return {row.number: row.logical_name for row in await connection.execute(query)}


async def all_by_name(connection: AsyncConnection, organization: str) -> dict[str, StoredEntity]:
    """Returns every entity of an organization by its logical name, in order of the names."""
    query = select(_entity).where(_entity.c.organization == organization).order_by(_entity.c.logical_name)
    return {row.logical_name: _read(row) for row in await connection.execute(query)}


async def put_relationships(
    connection: AsyncConnection, organization: str, document: str, relationships: Sequence[model_pb2.Relationship]
) -> None:
    """Replaces the relationships that the document of the entity `document` lists."""
    key = (_relationship.c.organization == organization) & (_relationship.c.document == document)
    await connection.execute(delete(_relationship).where(key))
    if relationships:
        rows = [
            {
                "organization": organization,
                "document": document,
                "schema_name": it.schema_name,
                "content": it.SerializeToString(deterministic=True),
            }
            for it in relationships
        ]
        await connection.execute(insert(_relationship), rows)


async def relationships_by_document(
    connection: AsyncConnection, organization: str
) -> dict[str, list[model_pb2.Relationship]]:
    """Returns the relationships that each entity's document lists, by schema name."""
    query = select(_relationship).where(_relationship.c.organization == organization)
    found: dict[str, list[model_pb2.Relationship]] = {}
    for row in await connection.execute(query.order_by(_relationship.c.document, _relationship.c.schema_name)):
        found.setdefault(row.document, []).append(model_pb2.Relationship.FromString(row.content))
    return found


def _read(row: Row[tuple[object, ...]]) -> StoredEntity:
    return StoredEntity(
        metadata=model_pb2.Entity.FromString(row.metadata),
        last_attribute_number=row.last_attribute_number,
        offline=row.offline,
        organization_filter=row.organization_filter,
        mobile=row.mobile,
    )
