"""An organization in memory, built fact by fact: metadata, directory and rows, and the `Trial` that answers for it.

Cases name things by labels. A label that is a GUID stays one; any other becomes the same GUID wherever it appears.
"""

import json
import uuid
from collections.abc import Iterable, Mapping

from haversack.model.v1 import model_pb2
from haversack_server import _core

Cell = str | int | float | bool | None
Row = dict[str, Cell]

NAMESPACE = uuid.UUID("3f0cf2a4-5b0e-4f0a-9d0f-7c3a8a0d6b11")

# `roleprivileges.accessright`, as Dataverse numbers its PrivilegeType.
PRIVILEGES = {
    "create": 1,
    "read": 2,
    "write": 3,
    "delete": 4,
    "assign": 5,
    "share": 6,
    "append": 7,
    "appendto": 8,
}
DEPTHS = {"basic": 1, "local": 2, "deep": 4, "global": 8}
# `principalobjectaccess.accessrightsmask`.
RIGHTS = {
    "read": 1,
    "write": 2,
    "append": 4,
    "appendto": 16,
    "create": 32,
    "delete": 65536,
    "share": 262144,
    "assign": 524288,
}
TEAM_TYPES = {"owner": 0, "access": 1}
INHERITANCE = {"team": 0, "direct": 1}

USER, BUSINESS, ORGANIZATION, NONE = (
    model_pb2.OWNERSHIP_USER,
    model_pb2.OWNERSHIP_BUSINESS,
    model_pb2.OWNERSHIP_ORGANIZATION,
    model_pb2.OWNERSHIP_NONE,
)
STRING, INTEGER, BOOLEAN, PICKLIST = (
    model_pb2.ATTRIBUTE_TYPE_STRING,
    model_pb2.ATTRIBUTE_TYPE_INTEGER,
    model_pb2.ATTRIBUTE_TYPE_BOOLEAN,
    model_pb2.ATTRIBUTE_TYPE_PICKLIST,
)
KEY, LOOKUP, OWNER = (
    model_pb2.ATTRIBUTE_TYPE_UNIQUEIDENTIFIER,
    model_pb2.ATTRIBUTE_TYPE_LOOKUP,
    model_pb2.ATTRIBUTE_TYPE_OWNER,
)

Kinds = Mapping[str, model_pb2.AttributeType]

# The directory: ownership, primary id, other attributes.
DIRECTORY: dict[str, tuple[model_pb2.Ownership, str, Kinds]] = {
    "businessunit": (BUSINESS, "businessunitid", {"name": STRING, "parentbusinessunitid": LOOKUP}),
    "systemuser": (
        BUSINESS,
        "systemuserid",
        {
            "fullname": STRING,
            "businessunitid": LOOKUP,
            "isdisabled": BOOLEAN,
            "parentsystemuserid": LOOKUP,
            "positionid": LOOKUP,
        },
    ),
    "team": (BUSINESS, "teamid", {"name": STRING, "businessunitid": LOOKUP, "teamtype": PICKLIST}),
    "teammembership": (NONE, "teammembershipid", {"systemuserid": LOOKUP, "teamid": LOOKUP}),
    "role": (BUSINESS, "roleid", {"name": STRING, "businessunitid": LOOKUP, "isinherited": PICKLIST}),
    "systemuserroles": (NONE, "systemuserroleid", {"systemuserid": LOOKUP, "roleid": LOOKUP}),
    "teamroles": (NONE, "teamroleid", {"teamid": LOOKUP, "roleid": LOOKUP}),
    "roleprivileges": (
        NONE,
        "roleprivilegeid",
        {"roleid": LOOKUP, "entityname": STRING, "accessright": PICKLIST, "depth": PICKLIST},
    ),
    "position": (ORGANIZATION, "positionid", {"name": STRING, "parentpositionid": LOOKUP}),
    "principalobjectaccess": (
        NONE,
        "principalobjectaccessid",
        {"principalid": KEY, "objectid": KEY, "objecttypecode": STRING, "accessrightsmask": INTEGER},
    ),
    "usersettings": (BUSINESS, "systemuserid", {"uilanguageid": INTEGER, "timezonename": STRING}),
}
LOOKUP_TARGETS = {
    "businessunitid": "businessunit",
    "parentbusinessunitid": "businessunit",
    "owningbusinessunit": "businessunit",
    "systemuserid": "systemuser",
    "parentsystemuserid": "systemuser",
    "teamid": "team",
    "roleid": "role",
    "positionid": "position",
    "parentpositionid": "position",
}


def identify(label: str, kind: str = "") -> str:
    """The GUID of a label: itself if it is one, else one made from the label and the kind of thing it names."""
    try:
        return str(uuid.UUID(label))
    except ValueError:
        return str(uuid.uuid5(NAMESPACE, f"{kind}:{label}"))


class Organization:
    """Gathers a model and its rows. Whoever adds to it says ids, not labels."""

    def __init__(self) -> None:
        self.model = model_pb2.Model(revision=1, organization="conformance", settings=model_pb2.Settings())
        self.rows: dict[str, dict[str, Row]] = {}
        for name, (ownership, key, kinds) in DIRECTORY.items():
            self.entity(name, ownership, key, kinds, LOOKUP_TARGETS)

    def entity(
        self,
        name: str,
        ownership: model_pb2.Ownership,
        key: str,
        kinds: Kinds,
        targets: Mapping[str, str],
    ) -> model_pb2.Entity:
        """Adds an entity that devices may have.

        `kinds` are its attributes beside the primary id `key`; `targets` says where some of its lookups point.
        """
        entity = self.model.entities.add(
            number=len(self.model.entities) + 1,
            logical_name=name,
            schema_name=name,
            display_name=name,
            entity_set_name=f"{name}s",
            primary_id_attribute=key,
            ownership=ownership,
            offline=True,
        )
        for attribute, kind in {key: KEY, **kinds}.items():
            entity.attributes.add(
                number=len(entity.attributes) + 1,
                logical_name=attribute,
                display_name=attribute,
                type=kind,
                targets=[targets[attribute]] if kind == LOOKUP and attribute in targets else [],
            )
        return entity

    def put(self, entity: str, row: Row) -> None:
        """Adds a row, with its primary id, or adds facts to the row of that id. None is NULL."""
        (key,) = [known.primary_id_attribute for known in self.model.entities if known.logical_name == entity]
        row_id = row.get(key)
        if not isinstance(row_id, str):
            raise ValueError(f"a row of {entity} has no {key}")
        facts = {name: value for name, value in row.items() if value is not None}
        self.rows.setdefault(entity, {}).setdefault(row_id, {}).update(facts)

    def link(self, entity: str, row: Row) -> None:
        """Adds a row of a directory entity whose id nobody asks for."""
        key = DIRECTORY[entity][1]
        self.put(entity, {key: identify(json.dumps(row, sort_keys=True), entity), **row})

    def unit(self, unit: str, parent: str | None = None) -> None:
        """Adds a business unit."""
        self.put("businessunit", {"businessunitid": unit, "name": unit, "parentbusinessunitid": parent})

    def user(self, user: str, unit: str, manager: str | None = None, position: str | None = None) -> None:
        """Adds an enabled user."""
        row: Row = {"systemuserid": user, "fullname": user, "businessunitid": unit, "isdisabled": False}
        self.put("systemuser", {**row, "parentsystemuserid": manager, "positionid": position})

    def team(self, team: str, unit: str, members: Iterable[str], kind: str = "owner") -> None:
        """Adds a team (`kind`: owner, access) and its members."""
        self.put("team", {"teamid": team, "name": team, "businessunitid": unit, "teamtype": TEAM_TYPES[kind]})
        for member in members:
            self.link("teammembership", {"systemuserid": member, "teamid": team})

    def role(self, role: str, unit: str, inheritance: str = "direct") -> None:
        """Adds a role without privileges (`inheritance`: direct, team)."""
        row: Row = {"roleid": role, "name": role, "businessunitid": unit, "isinherited": INHERITANCE[inheritance]}
        self.put("role", row)

    def grant(self, role: str, entity: str, privilege: str, depth: str) -> None:
        """Adds a privilege to a role."""
        row: Row = {"roleid": role, "entityname": entity, "accessright": PRIVILEGES[privilege], "depth": DEPTHS[depth]}
        self.link("roleprivileges", row)

    def share(self, entity: str, row: str, principal: str, rights: Iterable[str]) -> None:
        """Shares a row with a user or a team."""
        mask = sum(RIGHTS[right] for right in set(rights))
        facts: Row = {"principalid": principal, "objectid": row, "objecttypecode": entity, "accessrightsmask": mask}
        self.link("principalobjectaccess", facts)

    def follow(self, user: str, item: model_pb2.ProfileItem) -> None:
        """Gives a user a profile of this one item."""
        self.model.profiles.add(name="conformance", revision=1, users=[user], items=[item])

    def trial(self) -> _core.Trial:
        """The engine over all that was added. Raises CoreError where it refuses something."""
        trial = _core.Trial(self.model.SerializeToString())
        for entity, rows in self.rows.items():
            trial.load(entity, "\n".join(json.dumps(row) for row in rows.values()).encode())
        return trial
