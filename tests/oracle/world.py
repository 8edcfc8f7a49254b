"""A random organization: metadata, directory, rows, profiles, and the steps by which it changes."""

import json
import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from haversack.model.v1 import model_pb2
from oracle import filters
from oracle.relations import Filters
from oracle.schema import (
    DEPTHS,
    HIERARCHIES,
    LOOKUPS,
    MANY_TO_MANY,
    ONE_TO_MANY,
    OWNERSHIP,
    PROFILE,
    READ,
    SHARED,
)

Row = dict[str, Any]

ZONES = ["UTC", "Europe/Copenhagen", "America/New_York", "Pacific/Auckland", "Asia/Kolkata", "Pacific/Kiritimati"]
ACCESS_TEAM = 1
# Most conditions and links of an organization filter.
LIMIT_CONDITIONS_MAX = 3
# The bits of reading, of reading and writing, and of writing alone.
MASKS = [1, 1, 3, 2]


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
        self.units = [self.id() for _ in range(4)]
        self.users = [self.id() for _ in range(4)]
        self.teams = [self.id() for _ in range(2)]
        self.roles = [self.id() for _ in range(3)]
        self.syncing = self.id()
        """The role that lets users sync, if nothing else does."""
        self.rows: dict[str, dict[str, Row]] = {entity: {} for entity in OWNERSHIP}
        self.positions = [self.id() for _ in range(4)]
        self.organization = self.id()
        self.members: dict[tuple[str, str], str] = {}
        self.filters = Filters(self.draw, self._ids)

    def _ids(self, hierarchy: str) -> list[str]:
        """The ids that rows of a hierarchy have ever had."""
        return self.users if hierarchy == "systemuser" else list(self.rows[hierarchy])

    def settings(self) -> model_pb2.Settings:
        """Rules for all of the organization's data."""
        models = ["UNSPECIFIED", "MANAGER", "MANAGER", "POSITION"]
        security = model_pb2.HierarchySecurity(
            model=f"HIERARCHY_MODEL_{self.draw.choice(models)}",
            depth=self.draw.randint(0, 2),
            excluded_entities=[entity for entity in OWNERSHIP if self.draw.random() < 0.1],
        )
        return model_pb2.Settings(
            time_zone=self.draw.choice(ZONES),
            week_start=self.draw.choice([0, 1, 6]),
            null_never_matches=self.draw.random() < 0.2,
            hierarchy_security=security,
        )

    def id(self) -> str:
        """A fresh UUID of this seed."""
        return str(uuid.UUID(int=self.draw.getrandbits(128), version=4))

    def directory(self) -> list[Change]:
        """The first users, teams, units and roles."""
        units = [self.unit(unit) for unit in self.units]
        positions = [self.position(position) for position in self.positions]
        return [
            Change("businessunit", units),
            Change("position", positions),
            Change("systemuser", [self.user(user) for user in self.users]),
            Change("usersettings", [self.choices(user) for user in self.users]),
            Change("team", [self.team(team) for team in self.teams]),
            Change("role", [self.role(role) for role in [*self.roles, self.syncing]]),
            *(self.admission(user) for user in self.users[1:]),
            self.link("roleprivileges", "roleprivilegeid", self._grant(self.syncing, PROFILE)),
            *(self.assignment() for _ in range(5)),
            *(self.membership() for _ in range(3)),
            *(self.privilege() for _ in range(14)),
        ]

    def unit(self, unit: str) -> Row:
        """A business unit, below one that comes before it."""
        above = self.units[: self.units.index(unit)]
        parent = self.draw.choice(above) if above else None
        return {"businessunitid": unit, "name": "unit", "parentbusinessunitid": parent}

    def position(self, position: str) -> Row:
        """A position, below another or not."""
        return {
            "positionid": position,
            "name": "position",
            "parentpositionid": self.maybe(self.draw.choice(self.positions)),
        }

    def user(self, user: str) -> Row:
        """A user, somewhere, with a manager and a position or without."""
        return {
            "systemuserid": user,
            "fullname": "user",
            "businessunitid": self.draw.choice(self.units),
            "isdisabled": False,
            "parentsystemuserid": self.maybe(self.draw.choice(self.users)),
            "positionid": self.maybe(self.draw.choice(self.positions)),
        }

    def choices(self, user: str) -> Row:
        """What a user has chosen."""
        return {"systemuserid": user, "timezonename": self.maybe(self.draw.choice(ZONES))}

    def team(self, team: str) -> Row:
        """A team, somewhere, that can own rows or cannot."""
        unit = self.draw.choice(self.units)
        return {
            "teamid": team,
            "name": "team",
            "businessunitid": unit,
            "teamtype": self.draw.choice([0, 0, ACCESS_TEAM]),
        }

    def role(self, role: str) -> Row:
        """A role that hands on to the members of a team what it grants, or does not."""
        unit, inherited = self.units[0], self.maybe(self.draw.choice([0, 1]))
        return {"roleid": role, "name": "role", "businessunitid": unit, "isinherited": inherited}

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

    def admission(self, user: str) -> Change:
        """A user gets or loses the role that lets users sync."""
        row = {"systemuserid": user, "roleid": self.syncing}
        return self.link("systemuserroles", "systemuserroleid", row)

    def privilege(self) -> Change:
        """A role gains or loses read on an entity, or on profiles, at some depth."""
        entities = [name for name, ownership in OWNERSHIP.items() if ownership != "None"]
        row = self._grant(self.draw.choice(self.roles), self.draw.choice([*entities, PROFILE]))
        return self.link("roleprivileges", "roleprivilegeid", row)

    def _grant(self, role: str, entity: str) -> Row:
        depth = self.draw.choice(list(DEPTHS.values()))
        return {"roleid": role, "entityname": entity, "accessright": READ, "depth": depth}

    def share(self) -> Change:
        """A row becomes shared with somebody, or is no longer."""
        entity = self.draw.choice(SHARED)
        if not self.rows[entity]:
            return self.membership()
        kind = self.draw.choice(["systemuser", "systemuser", "team", "organization"])
        ids = {"systemuser": self.users, "team": self.teams, "organization": [self.organization]}[kind]
        row = {
            "principalid": self.draw.choice(ids),
            "principalid_type": kind,
            "objectid": self.draw.choice(list(self.rows[entity])),
            "objectid_type": entity,
            "accessrightsmask": self.draw.choice(MASKS),
            "inheritedaccessrightsmask": self.draw.choice([0, 0, 1]),
        }
        return self.link("principalobjectaccess", "principalobjectaccessid", row)

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
            "label": self.maybe(self.draw.choice(filters.PLAIN_WORDS)),
            "rank": self.maybe(self.draw.choice(filters.INTEGERS)),
            "choices": self.maybe(",".join(map(str, self.draw.choice(filters.CHOICES)))),
            "due": self.maybe(self._hour().strftime("%Y-%m-%dT%H:%M:%SZ")),
            "day": self.maybe(self._hour().date().isoformat()),
        }
        for attribute, targets in LOOKUPS.get(entity, {}).items():
            target = self.draw.choice(targets)
            known = list(self.rows[target])
            if HIERARCHIES.get(entity) == attribute:
                # A parent that never was is above nothing; the tables do not tell it from one that was deleted.
                row[attribute] = self.maybe(self.draw.choice(known)) if known else None
            else:
                row[attribute] = self.maybe(self.draw.choice([*known, self.id()]))
            if len(targets) > 1 and row[attribute]:
                row[f"{attribute}_type"] = target
        if OWNERSHIP[entity] == "UserOwned":
            kind = self.draw.choice(["systemuser", "team"])
            row["ownerid"] = self.draw.choice(self.users if kind == "systemuser" else self.teams)
            row["ownerid_type"] = kind
        if OWNERSHIP[entity] in ("UserOwned", "BusinessOwned"):
            row["owningbusinessunit"] = self.draw.choice(self.units)
        return row

    def _hour(self) -> datetime:
        """A half hour within some days, or of about another month."""
        now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
        days = self.draw.choice([0, 0, 0, -31, 31, 365])
        return now + timedelta(days=days, minutes=30 * self.draw.randint(-48 * 9, 48 * 9))

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
        entity = self.draw.choice(list(OWNERSHIP))
        if self.draw.random() < 0.4:
            if self.rows[entity] and self.draw.random() < 0.25:
                return self.deletion(entity)
            return self.upserts(entity, self.draw.randint(1, 6))
        changes: dict[Callable[[], Change], int] = {
            self.membership: 2,
            self.assignment: 2,
            self.privilege: 2,
            lambda: self.admission(self.draw.choice(self.users)): 1,
            self.share: 4,
            lambda: Change("systemuser", [self.user(self.draw.choice(self.users))]): 4,
            lambda: Change("usersettings", [self.choices(self.draw.choice(self.users))]): 2,
            lambda: Change("position", [self.position(self.draw.choice(self.positions))]): 1,
            lambda: Change("team", [self.team(self.draw.choice(self.teams))]): 1,
            lambda: Change("businessunit", [self.unit(self.draw.choice(self.units))]): 1,
            lambda: Change("role", [self.role(self.draw.choice(self.roles))]): 1,
        }
        [change] = self.draw.choices(list(changes), list(changes.values()))
        return change()

    def organization_filters(self) -> dict[str, filters.Filter | None]:
        """A limit, or none, for each entity."""
        return {
            entity: filters.Filter(f"<filter>{leaf.fetch_xml}</filter>", leaf.sql)
            if self.draw.random() < 0.25 and (leaf := self.limit(entity))
            else None
            for entity in OWNERSHIP
        }

    def limit(self, entity: str) -> filters.Filter:
        """An organization filter, of one condition or a link with another."""
        if self.draw.random() < 0.3:
            to_one = self.filters.link(entity, links=0)
            if to_one.fetch_xml.count("<condition") < LIMIT_CONDITIONS_MAX:
                return to_one
        return self.filters.leaf(entity, for_all=True)

    def some(self, ids: list[str]) -> list[str]:
        """Most of these."""
        return [it for it in ids if self.draw.random() < 0.7]

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
            item.filter = self.filters.group(entity)
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
        narrowed = self.filters.group(pulled, size_max=2) if self.draw.random() < 0.2 else None
        return Association(name, direction, narrowed)
