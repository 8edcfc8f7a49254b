"""Cases of kind `access`: who may read and write what, asked of an organization and the rows of one table."""

from collections.abc import Iterable
from typing import NotRequired, TypedDict, cast

from conformance.filter_cases import HIERARCHY_MODELS, SOME_INSTANT, micros
from conformance.organization import (
    BUSINESS,
    DIRECTORY,
    LOOKUP,
    LOOKUP_TARGETS,
    NONE,
    ORGANIZATION,
    OWNER,
    USER,
    Kinds,
    Organization,
    identify,
)
from conformance.reading import Case, Failure, Json, asked
from haversack.model.v1 import model_pb2

OWNERSHIPS: dict[str, tuple[model_pb2.Ownership, Kinds]] = {
    "UserOwned": (USER, {"ownerid": OWNER, "owningbusinessunit": LOOKUP}),
    "BusinessOwned": (BUSINESS, {"owningbusinessunit": LOOKUP}),
    "OrganizationOwned": (ORGANIZATION, {}),
    "None": (NONE, {}),
}
# The kind of label that names a row of these entities.
LABELS = {"systemuser": "user", "team": "team", "businessunit": "unit", "role": "role", "position": "position"}
# What a case lists, and the privilege that decides it.
LISTS = {
    "writable": "write",
    "deletable": "delete",
    "appendable": "append",
    "assignable": "assign",
    "sharable": "share",
}


class Person(TypedDict):
    """A user."""

    bu: str
    roles: list[str]
    manager: NotRequired[str | None]
    position: NotRequired[str | None]


class Team(TypedDict):
    """A team."""

    bu: str
    members: list[str]
    type: NotRequired[str]
    roles: NotRequired[list[str]]


class Role(TypedDict):
    """A role."""

    privileges: dict[str, str]
    memberinheritance: NotRequired[str]


class Hierarchy(TypedDict, total=False):
    """Hierarchy security."""

    model: str
    depth: int


class Directory(TypedDict):
    """Everybody and everything that grants rights."""

    businessunits: dict[str, str | None]
    users: dict[str, Person]
    teams: NotRequired[dict[str, Team]]
    roles: NotRequired[dict[str, Role]]
    positions: NotRequired[dict[str, str | None]]
    hierarchy: NotRequired[Hierarchy]


class Share(TypedDict):
    """Rights on one record that somebody was given."""

    principal: str
    rights: list[str]


class Record(TypedDict):
    """A row of the table."""

    id: str
    owner: NotRequired[str | None]
    owningbusinessunit: NotRequired[str | None]
    shares: NotRequired[list[Share]]


class TableName(TypedDict):
    """The table that a case is about."""

    name: str
    ownership: str


class AccessCase(TypedDict):
    """One line of a file."""

    id: str
    org: Directory
    table: TableName
    records: list[Record]
    user: str
    readable: NotRequired[list[str]]
    writable: NotRequired[list[str]]
    deletable: NotRequired[list[str]]
    appendable: NotRequired[list[str]]
    assignable: NotRequired[list[str]]
    sharable: NotRequired[list[str]]
    creatable: NotRequired[bool]


def check(case: Case) -> Failure | None:
    """Runs a case through the engine; None if it answers as expected. Records are compared as sets."""
    access = cast(AccessCase, case)
    expected = expectations(access)
    got = asked(lambda: {**answer(access)})
    if not isinstance(got, dict):
        return Failure(case["id"], expected, got)
    wrong = [question for question in expected if expected[question] != got[question]]
    if not wrong:
        return None
    return Failure(case["id"], {each: expected[each] for each in wrong}, {each: got[each] for each in wrong})


def expectations(case: AccessCase) -> dict[str, Json]:
    """What the case states, lists of records sorted."""
    stated = cast(dict[str, Json], case)
    found = {name: stated[name] for name in ("readable", *LISTS, "creatable") if name in stated}
    return {name: _sorted(map(str, value)) if isinstance(value, list) else value for name, value in found.items()}


def answer(case: AccessCase) -> dict[str, Json]:
    """What the engine says to every question that the case asks, and to those that it does not."""
    organization = Organization()
    add_directory(organization, case["org"])
    table = case["table"]["name"]
    ids = {identify(record["id"], LABELS.get(table, table)): record["id"] for record in case["records"]}
    add_table(organization, case)
    user = identify(case["user"], "user")
    criteria = model_pb2.RECORD_CRITERIA_ALL
    if case["table"]["ownership"] == "None":
        # Rows that belong to other rows are only ever pulled in by those.
        criteria = model_pb2.RECORD_CRITERIA_RELATED_ONLY
    organization.follow(user, model_pb2.ProfileItem(entity=table, criteria=criteria))
    trial = organization.trial()

    def labels(found: list[str]) -> Json:
        return _sorted(ids[row] for row in map(str.lower, found) if row in ids)

    return {
        "readable": labels(trial.view(user, micros(SOME_INSTANT)).get(table, [])),
        **{name: labels(trial.accessible(user, table, privilege)) for name, privilege in LISTS.items()},
        "creatable": trial.may_create(user, table),
    }


def add_directory(organization: Organization, org: Directory) -> None:
    """Adds units, positions, roles, users, teams and hierarchy security."""
    for unit, parent in org["businessunits"].items():
        organization.unit(identify(unit, "unit"), _id(parent, "unit"))
    for position, above in org.get("positions", {}).items():
        key = identify(position, "position")
        organization.put("position", {"positionid": key, "name": key, "parentpositionid": _id(above, "position")})
    root = next(unit for unit, parent in org["businessunits"].items() if parent is None)
    for name, role in org.get("roles", {}).items():
        key = identify(name, "role")
        organization.role(key, identify(root, "unit"), role.get("memberinheritance", "direct"))
    for name, person in org["users"].items():
        user = identify(name, "user")
        manager, held = _id(person.get("manager"), "user"), _id(person.get("position"), "position")
        organization.user(user, identify(person["bu"], "unit"), manager, held)
        for role_name in person["roles"]:
            organization.link("systemuserroles", {"systemuserid": user, "roleid": identify(role_name, "role")})
    for name, team in org.get("teams", {}).items():
        key = identify(name, "team")
        members = [identify(member, "user") for member in team["members"]]
        organization.team(key, identify(team["bu"], "unit"), members, team.get("type", "owner"))
        for role_name in team.get("roles", []):
            organization.link("teamroles", {"teamid": key, "roleid": identify(role_name, "role")})
    security = org.get("hierarchy", {})
    organization.model.settings.hierarchy_security.model = HIERARCHY_MODELS[security.get("model", "none")]
    organization.model.settings.hierarchy_security.depth = security.get("depth", 0)


def add_table(organization: Organization, case: AccessCase) -> None:
    """Adds the table, its records and their shares, and what the roles grant on it.

    Records of a directory entity are what the directory says of them; those that it does not have are added.
    """
    table, ownership = case["table"]["name"], case["table"]["ownership"]
    of_directory = table in DIRECTORY
    key = DIRECTORY[table][1] if of_directory else f"{table}id"
    if not of_directory:
        kind, attributes = OWNERSHIPS[ownership]
        organization.entity(table, kind, key, attributes, LOOKUP_TARGETS)
    for record in case["records"]:
        row_id = identify(record["id"], LABELS.get(table, table))
        unit, owner = _id(record.get("owningbusinessunit"), "unit"), record.get("owner")
        if not of_directory:
            columns = OWNERSHIPS[ownership][1]
            facts = {"owningbusinessunit": unit, "ownerid": _principal(owner) if owner else None}
            organization.put(table, {key: row_id, **{name: facts[name] for name in columns}})
        elif row_id not in organization.rows.get(table, {}):
            fact = {"businessunitid": unit} if "businessunitid" in DIRECTORY[table][2] else {}
            organization.put(table, {key: row_id, **fact})
        for share in record.get("shares", []):
            organization.share(table, row_id, _principal(share["principal"]), share["rights"])
    for name, role in case["org"].get("roles", {}).items():
        for privilege, depth in role["privileges"].items():
            organization.grant(identify(name, "role"), table, privilege, depth)


def _sorted(labels: Iterable[str]) -> list[Json]:
    return [*sorted(labels)]


def _id(label: str | None, kind: str) -> str | None:
    return identify(label, kind) if label else None


def _principal(principal: str) -> str:
    kind, _, label = principal.partition(":")
    return identify(label, kind)
