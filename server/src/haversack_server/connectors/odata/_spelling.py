"""Ids that are texts with UUIDs in them: staging knows a UUID whatever its case, and services know texts as they are.

SQL Server, for one, writes UUIDs in capitals, and services that keep them as `Edm.String` look for them so.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from haversack_server.connectors.odata._http import Client
from haversack_server.connectors.odata._shapes import Column, Shape
from haversack_server.replication import Change

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def spellings(shape: Shape, id_: str) -> tuple[str, ...]:
    """How a service may spell the id of a row, the likeliest first."""
    if shape.key.type != "Edm.String" or not _UUID.fullmatch(id_):
        return (id_,)
    return tuple(dict.fromkeys((id_, id_.lower(), id_.upper())))


def is_same_id(there: str, here: str) -> bool:
    """Whether two texts are the same id."""
    return there == here or (_UUID.fullmatch(here) is not None and there.lower() == here.lower())


async def respelled(client: Client, change: Change, shape: Shape, shapes: Mapping[str, Shape]) -> Change:
    """Returns a change with ids as the service spells them: of the row, and of those that its lookups point at.

    What the service does not have stays as it is. Raises as `Client.get`.
    """
    values = dict(change.values)
    for name, value in change.values.items():
        target = _target(shape.columns.get(name), change, shapes)
        if target is not None and isinstance(value, str):
            values[name] = await _spelled(client, target, value)
    return replace(change, id=await _spelled(client, shape, change.id), values=values)


def _target(column: Column | None, change: Change, shapes: Mapping[str, Shape]) -> Shape | None:
    """The entity that a lookup of a change points at."""
    if column is None or not column.targets:
        return None
    told: Any = change.values.get(f"{column.name}_type") or column.targets[0].entity
    return shapes.get(told)


async def _spelled(client: Client, shape: Shape, id_: str) -> str:
    possible = spellings(shape, id_)
    if len(possible) == 1:
        return id_
    key = shape.key.wire
    wanted = quote(" or ".join(f"{key} eq {shape.literal(it)}" for it in possible))
    answer = await client.get(client.resolve(f"{shape.set_name}?$select={key}&$filter={wanted}"))
    rows = answer.object().get("value") if answer.ok else None
    there = [row.get(key) for row in rows if isinstance(row, Mapping)] if isinstance(rows, list) else []
    return next((it for it in possible if it in there), id_)
