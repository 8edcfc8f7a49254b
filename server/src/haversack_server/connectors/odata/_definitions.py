"""EntityDefinitions: what Dataverse knows of its entities beyond `$metadata`.

One request lists the entities; for each one that is wanted, one has its columns and relationships, and one for each
type of column with options or targets has those, since these need a cast (Microsoft, "Query schema definitions using
the Web API"). Services that have no EntityDefinitions answer 404, and are no Dataverse.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from haversack_server.connectors.odata._http import Client
from haversack_server.errors import SourceAnswerInvalid

ENTITIES_MAX = 5_000
"""Entities of one organization that are looked at."""

_LISTED = "LogicalName,EntitySetName,ChangeTrackingEnabled,IsOptimisticConcurrencyEnabled,IsIntersect,Privileges"
_CAST = "Microsoft.Dynamics.CRM."
_CHOICES = ("PicklistAttributeMetadata", "StateAttributeMetadata", "StatusAttributeMetadata")
_MULTIPLE = "MultiSelectPicklistAttributeMetadata"
_LOOKUPS = "LookupAttributeMetadata"


@dataclass(frozen=True)
class Listed:
    """What the list of entities says of one.

    Attributes:
        name: Logical name.
        tracks_changes: Whether change tracking is enabled.
        has_concurrency: Whether writes can be conditional.
        privileges: Privileges by id: (access right as `roleprivileges` has it, the privilege's name).
    """

    name: str
    tracks_changes: bool
    has_concurrency: bool
    privileges: Mapping[str, tuple[int, str]] = field(default_factory=dict)


ACCESS_RIGHTS = {
    "Create": 1,
    "Read": 2,
    "Write": 3,
    "Delete": 4,
    "Assign": 5,
    "Share": 6,
    "Append": 7,
    "AppendTo": 8,
}
"""`PrivilegeType` names, and `roleprivileges.accessright`."""


async def list_definitions(client: Client) -> dict[str, Listed] | None:
    """Lists the entities by logical name; None if the service has no EntityDefinitions."""
    answer = await client.get(client.resolve(f"EntityDefinitions?$select={_LISTED}"))
    if not answer.ok:
        return None
    try:
        rows = _rows(answer.object())
    except SourceAnswerInvalid:
        return None
    return {it["LogicalName"]: _listed(it) for it in rows[:ENTITIES_MAX] if isinstance(it.get("LogicalName"), str)}


async def read_definitions(client: Client, names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Reads the definitions of entities, those that can be read, by logical name."""
    wanted = list(names)
    read = await asyncio.gather(*(_definition(client, name) for name in wanted))
    return {name: it for name, it in zip(wanted, read, strict=True) if it is not None}


def _rows(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    value = body.get("value")
    if not isinstance(value, list) or not all(isinstance(it, Mapping) for it in value):
        raise SourceAnswerInvalid("the service answers a list without `value`")
    return value


def _listed(it: Mapping[str, Any]) -> Listed:
    privileges = {}
    for privilege in it.get("Privileges") or ():
        right = ACCESS_RIGHTS.get(privilege.get("PrivilegeType"))
        if right is not None and isinstance(privilege.get("PrivilegeId"), str):
            privileges[privilege["PrivilegeId"].lower()] = (right, str(privilege.get("Name", "")))
    return Listed(
        it["LogicalName"],
        it.get("ChangeTrackingEnabled") is True,
        it.get("IsOptimisticConcurrencyEnabled") is not False,
        privileges,
    )


async def _definition(client: Client, name: str) -> dict[str, Any] | None:
    place = f"EntityDefinitions(LogicalName='{name}')"
    expanded = "Attributes,ManyToOneRelationships,ManyToManyRelationships"
    answer = await client.get(client.resolve(f"{place}?$expand={expanded}"))
    if not answer.ok:
        return None
    definition = answer.object()
    attributes = {it.get("LogicalName"): it for it in definition.get("Attributes") or () if isinstance(it, dict)}
    for details in await asyncio.gather(
        *(_choices(client, place, kind) for kind in (*_CHOICES, _MULTIPLE)), _targets(client, place)
    ):
        for it in details:
            attributes.get(it.get("LogicalName"), {}).update(it)
    return definition


async def _choices(client: Client, place: str, kind: str) -> list[dict[str, Any]]:
    """The options of an entity's columns of one type."""
    query = "$select=LogicalName&$expand=OptionSet,GlobalOptionSet"
    answer = await client.get(client.resolve(f"{place}/Attributes/{_CAST}{kind}?{query}"))
    if not answer.ok:
        return []
    read = []
    for it in _rows(answer.object()):
        options = it.get("OptionSet") or it.get("GlobalOptionSet")
        if isinstance(options, Mapping):
            read.append({"LogicalName": it.get("LogicalName"), "OptionSet": options})
    return read


async def _targets(client: Client, place: str) -> list[dict[str, Any]]:
    """The entities that an entity's lookups point at."""
    answer = await client.get(client.resolve(f"{place}/Attributes/{_CAST}{_LOOKUPS}?$select=LogicalName,Targets"))
    if not answer.ok:
        return []
    return [{"LogicalName": it.get("LogicalName"), "Targets": it.get("Targets")} for it in _rows(answer.object())]
