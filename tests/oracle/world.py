"""A random organization: metadata, directory, rows, profiles, and the steps by which it changes."""

import json
import random
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from oracle import filters

Row = dict[str, Any]

# Attribute types of the business entities, beside ids and lookups.
COMMON = {"name": "String", "score": "Integer", "amount": "Money", "flag": "Boolean", "modifiedon": "DateTime"}
OWNERSHIP = {
    "site": "UserOwned",
    "visit": "UserOwned",
    "region": "BusinessOwned",
    "part": "OrganizationOwned",
    "remark": "None",
    "visitpart": "None",
}
LOOKUPS = {
    "visit": {"siteid": ["site"], "partid": ["part"]},
    "site": {"parentid": ["site"], "regionid": ["region"], "contactid": ["visit", "part"]},
    "remark": {"visitid": ["visit"]},
    "visitpart": {"visitid": ["visit"], "partid": ["part"]},
}
MANY_TO_MANY = {"visit_part": ("visitpart", "visit", "visitid", "part", "partid")}
ONE_TO_MANY = {
    f"{entity}_{attribute}_{target}": (target, entity, attribute)
    for entity, lookups in LOOKUPS.items()
    for attribute, targets in lookups.items()
    for target in targets
}
DEPTHS = {"basic": 1, "local": 2, "deep": 4, "global": 8}
READ = 2


def metadata_document(entity: str) -> bytes:
    """An entity's metadata in the form that `haversack entity import` reads."""
    attributes: list[dict[str, Any]] = [
        {"LogicalName": f"{entity}id", "AttributeType": "Uniqueidentifier", "IsPrimaryId": True},
        *({"LogicalName": name, "AttributeType": kind} for name, kind in COMMON.items()),
        *(
            {"LogicalName": name, "AttributeType": "Lookup", "Targets": targets}
            for name, targets in LOOKUPS.get(entity, {}).items()
        ),
    ]
    if OWNERSHIP[entity] == "UserOwned":
        attributes.append({"LogicalName": "ownerid", "AttributeType": "Owner", "Targets": ["systemuser", "team"]})
    if OWNERSHIP[entity] in ("UserOwned", "BusinessOwned"):
        unit = "owningbusinessunit"
        attributes.append({"LogicalName": unit, "AttributeType": "Lookup", "Targets": ["businessunit"]})
    document = {
        "LogicalName": entity,
        "SchemaName": entity.title(),
        "EntitySetName": f"{entity}s",
        "PrimaryIdAttribute": f"{entity}id",
        "PrimaryNameAttribute": "name",
        "OwnershipType": OWNERSHIP[entity],
        "Attributes": attributes,
        "ManyToOneRelationships": [
            {"SchemaName": name, "ReferencingAttribute": attribute, "ReferencedEntity": target}
            for name, (target, referencing, attribute) in ONE_TO_MANY.items()
            if referencing == entity
        ],
        "ManyToManyRelationships": [
            {
                "SchemaName": name,
                "IntersectEntityName": intersect,
                "Entity1LogicalName": entity1,
                "Entity1IntersectAttribute": attribute1,
                "Entity2LogicalName": entity2,
                "Entity2IntersectAttribute": attribute2,
            }
            for name, (intersect, entity1, attribute1, entity2, attribute2) in MANY_TO_MANY.items()
            if intersect == entity
        ],
    }
    return json.dumps(document).encode()


@dataclass
class Association:
    """A profile item's association, in both spellings."""

    relationship: str
    direction: str
    filter: filters.Filter | None


@dataclass
class Item:
    """A profile item, in both spellings."""

    entity: str
    criteria: str
    mine: bool = False
    my_teams: bool = False
    my_unit: bool = False
    filter: filters.Filter | None = None
    associations: list[Association] = field(default_factory=list)


@dataclass
class Change:
    """Rows to ingest into one entity."""

    entity: str
    rows: list[Row]
    deleted: bool = False


class World:
    """Draws everything from one seed."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        self.zone = self.draw.choice(["UTC", "Europe/Copenhagen", "America/New_York", "Pacific/Auckland"])
        self.units = [self.id() for _ in range(4)]
        self.users = [self.id() for _ in range(4)]
        self.teams = [self.id() for _ in range(2)]
        self.roles = [self.id() for _ in range(3)]
        self.rows: dict[str, dict[str, Row]] = {entity: {} for entity in OWNERSHIP}
        self.members: dict[tuple[str, str], str] = {}

    def id(self) -> str:
        """A fresh UUID of this seed."""
        return str(uuid.UUID(int=self.draw.getrandbits(128), version=4))

    def directory(self) -> list[Change]:
        """The first users, teams, units and roles."""
        parents = [None, self.units[0], self.units[0], self.units[1]]
        units = [
            {"businessunitid": unit, "name": f"unit {index}", "parentbusinessunitid": parent}
            for index, (unit, parent) in enumerate(zip(self.units, parents, strict=True))
        ]
        teams = [
            {"teamid": team, "name": "team", "businessunitid": self.draw.choice(self.units)} for team in self.teams
        ]
        roles = [{"roleid": role, "name": "role", "businessunitid": self.units[0]} for role in self.roles]
        return [
            Change("businessunit", units),
            Change("systemuser", [self.user(user) for user in self.users]),
            Change("team", teams),
            Change("role", roles),
            *(self.assignment() for _ in range(5)),
            *(self.membership() for _ in range(3)),
            *(self.privilege() for _ in range(14)),
        ]

    def user(self, user: str) -> Row:
        """A user, somewhere."""
        return {
            "systemuserid": user,
            "fullname": "user",
            "businessunitid": self.draw.choice(self.units),
            "isdisabled": False,
        }

    def link(self, entity: str, key: str, row: Row) -> Change:
        """A link row that exists once per pair: made if it is new, else deleted."""
        pair = (entity, json.dumps(row, sort_keys=True))
        if pair in self.members:
            return Change(entity, [{key: self.members.pop(pair)}], deleted=True)
        self.members[pair] = self.id()
        return Change(entity, [{key: self.members[pair], **row}])

    def membership(self) -> Change:
        """Somebody joins or leaves a team."""
        row = {"teamid": self.draw.choice(self.teams), "systemuserid": self.draw.choice(self.users)}
        return self.link("teammembership", "teammembershipid", row)

    def assignment(self) -> Change:
        """A user or a team gets or loses a role."""
        role = self.draw.choice(self.roles)
        if self.draw.random() < 0.3:
            row = {"teamid": self.draw.choice(self.teams), "roleid": role}
            return self.link("teamroles", "teamroleid", row)
        row = {"systemuserid": self.draw.choice(self.users), "roleid": role}
        return self.link("systemuserroles", "systemuserroleid", row)

    def privilege(self) -> Change:
        """A role gains or loses read on an entity at some depth."""
        entity = self.draw.choice([name for name, ownership in OWNERSHIP.items() if ownership != "None"])
        row = {
            "roleid": self.draw.choice(self.roles),
            "entityname": entity,
            "accessright": READ,
            "depth": self.draw.choice(list(DEPTHS.values())),
        }
        return self.link("roleprivileges", "roleprivilegeid", row)

    def maybe(self, value: object) -> object:
        """The value, or NULL now and then."""
        return value if self.draw.random() < 0.8 else None

    def business_row(self, entity: str, key: str) -> Row:
        """New values for a row; lookups may dangle."""
        age = timedelta(hours=self.draw.randint(-1, 24 * 7), minutes=self.draw.randint(0, 59))
        row: Row = {
            f"{entity}id": key,
            "name": self.maybe(self.draw.choice([word for word in filters.WORDS if word])),
            "score": self.maybe(self.draw.choice(filters.INTEGERS)),
            "amount": self.maybe(self.draw.choice(filters.AMOUNTS)),
            "flag": self.maybe(self.draw.random() < 0.5),
            "modifiedon": (datetime.now(UTC) - age).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        for attribute, targets in LOOKUPS.get(entity, {}).items():
            target = self.draw.choice(targets)
            row[attribute] = self.maybe(self.draw.choice([*self.rows[target], self.id()]))
            if len(targets) > 1 and row[attribute]:
                row[f"{attribute}_type"] = target
        if OWNERSHIP[entity] == "UserOwned":
            kind = self.draw.choice(["systemuser", "team"])
            row["ownerid"] = self.draw.choice(self.users if kind == "systemuser" else self.teams)
            row["ownerid_type"] = kind
        if OWNERSHIP[entity] in ("UserOwned", "BusinessOwned"):
            row["owningbusinessunit"] = self.draw.choice(self.units)
        return row

    def upserts(self, entity: str, count: int) -> Change:
        """Rows inserted or replaced."""
        known = list(self.rows[entity])
        keys = [self.draw.choice(known) if known and self.draw.random() < 0.4 else self.id() for _ in range(count)]
        rows = {key: self.business_row(entity, key) for key in keys}
        self.rows[entity].update(rows)
        return Change(entity, list(rows.values()))

    def deletion(self, entity: str) -> Change:
        """A row deleted; its id may come back."""
        key = self.draw.choice(list(self.rows[entity]))
        return Change(entity, [{f"{entity}id": key}], deleted=True)

    def step(self) -> Change:
        """One change of data or directory."""
        kind = self.draw.choice(["upsert", "upsert", "upsert", "delete", "unit", "membership", "role", "privilege"])
        entity = self.draw.choice(list(OWNERSHIP))
        match kind:
            case "unit":
                return Change("systemuser", [self.user(self.draw.choice(self.users))])
            case "membership":
                return self.membership()
            case "role":
                return self.assignment()
            case "privilege":
                return self.privilege()
            case "delete" if self.rows[entity]:
                return self.deletion(entity)
            case _:
                return self.upserts(entity, self.draw.randint(1, 6))

    def organization_filters(self) -> dict[str, filters.Filter | None]:
        """A limit, or none, for each entity."""
        return {
            entity: filters.Filter(f"<filter>{leaf.fetch_xml}</filter>", leaf.sql)
            if self.draw.random() < 0.25 and (leaf := filters.leaf(self.draw, owned=False))
            else None
            for entity in OWNERSHIP
        }

    def profile(self) -> list[Item]:
        """Items for a random choice of entities, with associations among them (cycles included)."""
        chosen = [entity for entity in OWNERSHIP if entity != "visitpart" and self.draw.random() < 0.8] or ["site"]
        return [self.item(entity, chosen) for entity in chosen]

    def item(self, entity: str, chosen: list[str]) -> Item:
        """One item."""
        ownership = OWNERSHIP[entity]
        owned = ownership == "UserOwned"
        legal = ["RELATED_ONLY", "ALL", "CUSTOM"] + (["OTHER"] if ownership in ("UserOwned", "BusinessOwned") else [])
        item = Item(entity, "RELATED_ONLY" if ownership == "None" else self.draw.choice(legal))
        if item.criteria == "OTHER":
            item.mine, item.my_teams = (owned and self.draw.random() < 0.5 for _ in range(2))
            item.my_unit = not (item.mine or item.my_teams) or self.draw.random() < 0.5
        if item.criteria == "CUSTOM" or (ownership != "None" and item.criteria != "ALL" and self.draw.random() < 0.3):
            item.filter = filters.group(self.draw, owned=owned)
        item.associations = self.associations(entity, chosen)
        return item

    def associations(self, entity: str, chosen: list[str]) -> list[Association]:
        """Associations of an item to others of the profile."""
        found: list[Association] = []
        for name, (target, referencing, _) in ONE_TO_MANY.items():
            if entity == target and referencing in chosen:
                found.append(self.association(name, "TO_MANY", referencing))
            if entity == referencing and target in chosen:
                found.append(self.association(name, "TO_ONE", target))
        for name, (_, entity1, _, entity2, _) in MANY_TO_MANY.items():
            if entity in (entity1, entity2) and {entity1, entity2} <= set(chosen):
                found.append(self.association(name, "UNSPECIFIED", entity2 if entity == entity1 else entity1))
        return [association for association in found if self.draw.random() < 0.6]

    def association(self, name: str, direction: str, pulled: str) -> Association:
        """An association, narrowed now and then."""
        owned = OWNERSHIP[pulled] == "UserOwned"
        narrowed = filters.group(self.draw, owned=owned, size_max=2) if self.draw.random() < 0.2 else None
        return Association(name, direction, narrowed)
