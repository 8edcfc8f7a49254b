"""Directory entities whose rows are made from several of Dataverse's: what roles grant, and what users have chosen.

Dataverse keeps a role's privileges by ids of privileges, Haversack by entity, right and depth; Dataverse keeps users'
time zones by code, Haversack by IANA name. Both are made here, from a few thousand rows that are read whole, at a slow
beat; what has not changed is not written.
"""

from __future__ import annotations

import hashlib
import json
import time
import uuid
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from haversack.model.v1 import model_pb2
from tzlocal.windows_tz import win_tz

from haversack_server._core import OdataPage, Staging, odata_sweep
from haversack_server.catalog.work_items import Counts
from haversack_server.connectors.odata._definitions import ACCESS_RIGHTS
from haversack_server.connectors.odata._http import prefer
from haversack_server.connectors.odata._service import Service, refused
from haversack_server.connectors.odata._settings import PAGE_ROWS_MAX
from haversack_server.connectors.odata._trail import trail
from haversack_server.core import in_thread
from haversack_server.errors import LimitReached, OrganizationBusy, SourceAnswerInvalid
from haversack_server.replication import Standing, Taken

BEAT_SECONDS = 120.0
"""How often they are made anew: as soon as an administrator expects a changed role to act."""

ROWS_MAX = 2_000_000
"""Rows that are read for one of them."""

SWEEP_ROWS = 16_384
"""Rows of one commit that sweeps."""

DEPTHS = {"Basic": 1, "Local": 2, "Deep": 4, "Global": 8}
"""Names of depths, and `roleprivileges.depth`."""

ACTIVITIES = frozenset(
    "activitypointer appointment email fax letter phonecall recurringappointmentmaster serviceappointment task"
    " socialactivity".split()
)
"""Entities that the privileges on activities are about, where the service does not say so itself."""

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "haversack:roleprivileges")
_RIGHTS = sorted(ACCESS_RIGHTS, key=len, reverse=True)

Rows = list[dict[str, Any]]
Grants = Mapping[str, list[tuple[str, int]]]
"""Privileges by id: (entity, access right) of each that it is about."""


class DerivedFeed:
    """A feed of rows that are made; see `haversack_server.replication.Feed`."""

    live = False

    def __init__(
        self,
        staging: Staging,
        model: bytes,
        entity: model_pb2.Entity,
        make: Callable[[], Awaitable[Rows]],
        made_at: dict[int, float],
    ) -> None:
        self._staging = staging
        self._model = model
        self._entity = entity
        self._make = make
        self._made_at = made_at
        self.standing = Standing("made from the service's rows")

    async def close(self) -> None:
        """See `Feed`."""

    async def take(self, rows_max: int) -> Taken:
        """See `Feed`. Everything is taken at once; a call that was cut off is made again from the beginning."""
        number = self._entity.number
        kept = await in_thread(self._staging.position, number)
        if kept is not None and time.monotonic() - self._made_at.get(number, float("-inf")) < BEAT_SECONDS:
            return await self._unchanged()
        rows = await self._make()
        body = json.dumps({"value": rows}, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()
        after = b"made " + hashlib.sha256(body).hexdigest().encode()
        self._made_at[number] = time.monotonic()
        if kept == after:
            return await self._unchanged()
        taken = await self._replace(kept, after, body)
        self.standing = Standing(self.standing.mode, f"{len(rows):,} rows", 0.0)
        return taken

    async def _replace(self, kept: bytes | None, after: bytes, body: bytes) -> Taken:
        """Makes the entity's rows these."""
        page = await in_thread(OdataPage.read, self._staging, self._model, self._entity.logical_name, body)
        told = json.loads(await in_thread(page.take, self._staging, before=kept, after=kept, begins_pass=True))
        deleted = 0
        while not told["is_stale"]:
            swept = json.loads(
                await in_thread(
                    odata_sweep, self._staging, self._entity.number, before=kept, after=after, rows_max=SWEEP_ROWS
                )
            )
            deleted += swept["deleted"]
            if not swept["left"] and not swept["is_stale"]:
                counts = Counts(*(told[it] for it in ("read", "inserted", "updated", "deleted", "unchanged", "bytes")))
                return Taken(counts + Counts(deleted=deleted), 0, swept["lsn"])
            if swept["is_stale"]:
                break
        raise OrganizationBusy(f"{self._entity.logical_name} is being made by somebody else; it goes on there")

    async def _unchanged(self) -> Taken:
        return Taken(Counts(), 0, await in_thread(self._staging.head))


async def user_settings(service: Service) -> Rows:
    """Makes the rows of `usersettings`."""
    shapes = (await service.shapes()).by_entity
    shape = shapes.get("usersettings")
    if shape is None:
        return []
    zones = await _zones(service) if "timezonedefinition" in shapes else {}
    columns = [it for it in ("systemuserid", "uilanguageid", "timezonecode") if it in shape.columns]
    made = []
    for row in await read_all(service, shape.set_name, columns):
        zone = zones.get(row.get("timezonecode"))
        made.append(
            {
                "systemuserid": row.get("systemuserid"),
                **({"uilanguageid": row["uilanguageid"]} if isinstance(row.get("uilanguageid"), int) else {}),
                **({"timezonename": zone} if zone else {}),
            }
        )
    return sorted(made, key=lambda it: str(it["systemuserid"]))


async def _zones(service: Service) -> dict[Any, str]:
    """IANA names of Dataverse's time zones, by code, where both sides have the zone."""
    shape = (await service.shapes()).by_entity["timezonedefinition"]
    rows = await read_all(service, shape.set_name, ["timezonecode", "standardname"])
    return {it.get("timezonecode"): win_tz[it["standardname"]] for it in rows if it.get("standardname") in win_tz}


async def role_privileges(service: Service, entities: Iterable[model_pb2.Entity]) -> Rows:
    """Makes the rows of `roleprivileges` that are about these entities."""
    wanted = list(entities)
    grants = await _grants(service, wanted)
    made: dict[str, dict[str, Any]] = {}
    for role, privilege, depth in await _granted(service):
        for entity, right in grants.get(privilege.lower(), ()):
            key = str(uuid.uuid5(_NAMESPACE, f"{role.lower()} {entity} {right}"))
            if made.get(key, {}).get("depth", 0) < depth:
                made[key] = {
                    "roleprivilegeid": key,
                    "roleid": role,
                    "entityname": entity,
                    "accessright": right,
                    "depth": depth,
                }
    return [made[key] for key in sorted(made)]


async def _grants(service: Service, entities: list[model_pb2.Entity]) -> Grants:
    """What each privilege is about: as the entities' definitions say; else by the privileges' names."""
    listed = await service.listed()
    grants: dict[str, list[tuple[str, int]]] = {}
    for entity in entities:
        known = listed.get(entity.logical_name)
        for privilege, (right, _) in (known.privileges if known else {}).items():
            grants.setdefault(privilege, []).append((entity.logical_name, right))
    if grants or "privilege" not in (await service.shapes()).by_entity:
        return grants
    shape = (await service.shapes()).by_entity["privilege"]
    for row in await read_all(service, shape.set_name, ["privilegeid", "name"]):
        about = privilege_of(str(row.get("name", "")), entities)
        if about and isinstance(row.get("privilegeid"), str):
            grants[row["privilegeid"].lower()] = about
    return grants


def privilege_of(name: str, entities: Iterable[model_pb2.Entity]) -> list[tuple[str, int]]:
    """What a privilege is about, by its name: `prvReadAccount` is reading accounts."""
    plain = name.removeprefix("prv")
    right = next((it for it in _RIGHTS if plain.startswith(it)), "")
    if plain == name or not right:
        return []
    about = plain.removeprefix(right).lower()
    return [
        (it.logical_name, ACCESS_RIGHTS[right])
        for it in entities
        if about in (it.logical_name, it.schema_name.lower()) or (about == "activity" and it.logical_name in ACTIVITIES)
    ]


async def _granted(service: Service) -> list[tuple[str, str, int]]:
    """(role, privilege, depth) of everything that is granted: from the table, else asking role by role."""
    shapes = (await service.shapes()).by_entity
    columns = ["roleid", "privilegeid", "privilegedepthmask"]
    shape = shapes.get("roleprivileges")
    if shape is not None and all(it in shape.columns for it in columns):
        rows = await _readable(service, shape.set_name, columns)
        if rows is not None:
            granted = [(it["roleid"], it["privilegeid"], _depth(it["privilegedepthmask"])) for it in rows if _whole(it)]
            return [it for it in granted if it[2]]
    roles = await read_all(service, shapes["role"].set_name, ["roleid"]) if "role" in shapes else []
    granted = []
    for role in roles:
        if isinstance(role.get("roleid"), str):
            granted += await _granted_by(service, role["roleid"])
    return granted


async def _granted_by(service: Service, role: str) -> list[tuple[str, str, int]]:
    """What one role grants, by the function that says so."""
    link = f"RetrieveRolePrivilegesRole(RoleId=@role)?@role={role}"
    answer = await service.client.get(service.client.resolve(link))
    if not answer.ok:
        raise refused(answer, f"reading what role {role} grants")
    granted = []
    for it in answer.object().get("RolePrivileges") or ():
        depth = DEPTHS.get(str(it.get("Depth")), 0) if isinstance(it, Mapping) else 0
        if depth and isinstance(it.get("PrivilegeId"), str):
            granted.append((role, it["PrivilegeId"], depth))
    return granted


def _whole(row: Mapping[str, Any]) -> bool:
    return (
        isinstance(row.get("roleid"), str)
        and isinstance(row.get("privilegeid"), str)
        and isinstance(row.get("privilegedepthmask"), int)
    )


def _depth(mask: int) -> int:
    """The farthest depth of a mask."""
    return next((it for it in (8, 4, 2, 1) if mask & it), 0)


async def read_all(service: Service, set_name: str, columns: list[str]) -> Rows:
    """Reads all rows of a small set; raises what keeps them from being read."""
    rows = await _readable(service, set_name, columns)
    if rows is None:
        answer = await service.client.get(service.client.resolve(f"{set_name}?$select={','.join(columns)}"))
        if not answer.ok:
            raise refused(answer, f"reading {set_name}")
        raise SourceAnswerInvalid(f"{set_name} cannot be read in one moment and can in the next; it is tried again")
    return rows


async def _readable(service: Service, set_name: str, columns: list[str]) -> Rows | None:
    """Reads all rows of a small set; None if the service does not let them be read."""
    client = service.client
    url = client.resolve(f"{set_name}?$select={','.join(columns)}")
    rows: Rows = []
    walked = ""
    while url:
        answer = await client.get(url, headers=prefer(f"odata.maxpagesize={PAGE_ROWS_MAX}"))
        if not answer.ok:
            return None
        body = answer.object()
        value = body.get("value")
        if not isinstance(value, list) or not all(isinstance(it, dict) for it in value):
            raise SourceAnswerInvalid(f"{set_name} answers a list without `value`; it is asked again")
        rows += value
        if len(rows) > ROWS_MAX:
            raise LimitReached(f"{set_name} has more than {ROWS_MAX:,} rows, which is more than a directory's part")
        link = body.get("@odata.nextLink")
        url = client.resolve(link, answer.url) if isinstance(link, str) else ""
        walked = trail(walked, url)
    return rows
