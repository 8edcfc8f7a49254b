"""What stands for a directory where a database has none: one unit, one role, and every user in both.

The unit, the role and its privileges are rows of the mapping; each user's role is another entity of the table of users.
"""

from __future__ import annotations

import uuid

from haversack_server.connectors.postgres._mapping import (
    DEPTHS,
    RIGHTS,
    AttributeMapping,
    Directory,
    EntityMapping,
    Mapping,
)

_NAMESPACE = uuid.UUID("9a3f0c5e-5d0b-5a43-8f6a-52d1f6a0c7e4")
UNIT = str(uuid.uuid5(_NAMESPACE, "unit"))
"""The one business unit."""

_ROLE = str(uuid.uuid5(_NAMESPACE, "role"))

_READ_BY_ALL = ("mobileofflineprofile", "systemuser", "businessunit")


def with_directory(mapping: Mapping) -> dict[str, EntityMapping]:
    """Returns a mapping's entities, and those that stand for its directory; what the file itself says comes first."""
    if mapping.directory is None:
        return mapping.entities
    made = {it.name: it for it in _entities(mapping.directory, mapping.entities)}
    return {**made, **mapping.entities}


def _entities(directory: Directory, entities: dict[str, EntityMapping]) -> list[EntityMapping]:
    line, table, key = directory.line, directory.table, (directory.key,)
    columns = {name: AttributeMapping(name, line, column=column) for name, column in directory.columns.items()}
    user = {
        "isdisabled": AttributeMapping("isdisabled", line, value="false"),
        "businessunitid": AttributeMapping("businessunitid", line, value=UNIT),
        **columns,
    }
    assignment = {
        "systemuserid": AttributeMapping("systemuserid", line, column=directory.key),
        "roleid": AttributeMapping("roleid", line, value=_ROLE),
    }
    unit = {"businessunitid": UNIT, "name": "Everybody"}
    role = {"roleid": _ROLE, "name": "Everybody", "businessunitid": UNIT}
    return [
        EntityMapping("businessunit", line, ownership="business_unit", rows=(unit,)),
        EntityMapping("role", line, ownership="business_unit", rows=(role,), offline=False),
        EntityMapping(
            "roleprivileges", line, ownership="none", rows=tuple(_privileges(directory, entities)), offline=False
        ),
        EntityMapping("systemuser", line, table=table, key=key, ownership="business_unit", attributes=user),
        EntityMapping(
            "systemuserroles", line, table=table, key=key, ownership="none", attributes=assignment, offline=False
        ),
    ]


def _privileges(directory: Directory, entities: dict[str, EntityMapping]) -> list[dict[str, str]]:
    granted = {(name, "read"): "organization" for name in _READ_BY_ALL}
    for entity in entities.values():
        depth = directory.depth if entity.ownership == "user" else "organization"
        granted |= {(entity.name, right): depth for right in directory.rights}
    return [
        {
            "roleprivilegeid": str(uuid.uuid5(_NAMESPACE, f"{entity}/{right}")),
            "roleid": _ROLE,
            "entityname": entity,
            "accessright": str(RIGHTS[right]),
            "depth": str(DEPTHS[depth]),
        }
        for (entity, right), depth in granted.items()
    ]
