"""Queries on applications. Every function works inside the transaction of `connection`."""

from __future__ import annotations

from haversack.model.v1 import model_pb2
from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from haversack_server.catalog._tables import app as table
from haversack_server.errors import AppUnknown


async def put(connection: AsyncConnection, organization: str, app: model_pb2.App, *, author: str, at_us: int) -> None:
    """Writes an application, replacing the one of its name."""
    values = {"content": app.SerializeToString(deterministic=True), "author": author, "changed_at_us": at_us}
    key = (table.c.organization == organization) & (table.c.name == app.name)
    written = await connection.execute(update(table).where(key).values(values))
    if written.rowcount == 0:
        values |= {"organization": organization, "name": app.name}
        await connection.execute(insert(table).values(values))


async def find(connection: AsyncConnection, organization: str, name: str) -> model_pb2.App:
    """Returns an application; raises AppUnknown."""
    query = select(table.c.content).where(table.c.organization == organization, table.c.name == name)
    content = (await connection.execute(query)).scalar_one_or_none()
    if content is None:
        raise AppUnknown(
            f"organization {organization} has no application {name!r}; `haversack app list` names those that it has"
        )
    return model_pb2.App.FromString(content)


async def all_by_name(connection: AsyncConnection, organization: str) -> dict[str, model_pb2.App]:
    """Returns every application of an organization, in order of the names."""
    query = select(table).where(table.c.organization == organization).order_by(table.c.name)
    return {row.name: model_pb2.App.FromString(row.content) for row in await connection.execute(query)}


async def remove(connection: AsyncConnection, organization: str, name: str) -> None:
    """Removes an application."""
    await connection.execute(delete(table).where(table.c.organization == organization, table.c.name == name))
