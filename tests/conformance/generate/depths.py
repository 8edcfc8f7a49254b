"""Depths: every depth by every holder on every ownership, over records of everybody around the user.

filters.md, section 5. The user is in the middle of a tree of business units, and in a team of another branch.
"""

from dataclasses import dataclass
from itertools import product

from conformance.reading import Json

FILE = "access-depths.jsonl"

UNITS: dict[str, Json] = {
    "root": None,
    "north": "root",
    "fjord": "north",
    "isle": "fjord",
    "south": "root",
    "bay": "south",
}
# Everybody and their units.
PEOPLE = {
    "me": "north",
    "mate": "north",
    "boss": "root",
    "low": "fjord",
    "lower": "isle",
    "far": "south",
    "farther": "bay",
}
TEAM, TEAM_UNIT = "crew", "south"
DEPTHS = ("none", "basic", "local", "deep", "global")
HOLDERS = ("user", "team-direct", "team-only")


@dataclass(frozen=True)
class Record:
    """A row: its owner and its business unit."""

    name: str
    owner: str
    unit: str


RECORDS = [
    *(Record(f"of-{person}", f"user:{person}", unit) for person, unit in PEOPLE.items()),
    Record("of-crew", f"team:{TEAM}", TEAM_UNIT),
    Record("of-crew-in-root", f"team:{TEAM}", "root"),
    Record("of-others", "team:others", "north"),
    # An owner's unit need not be the record's.
    Record("of-far-in-north", "user:far", "north"),
    Record("of-me-in-bay", "user:me", "bay"),
]


def below(unit: str) -> set[str]:
    """A unit and its descendants."""
    children = [child for child, parent in UNITS.items() if parent == unit]
    return {unit}.union(*(below(child) for child in children))


def owned(record: Record, holder: str) -> bool:
    """Whether the record counts as the holder's own; a team-only role is held by the team alone."""
    mine = {"user:me", f"team:{TEAM}"}
    return record.owner in ({f"team:{TEAM}"} if holder == "team-only" else mine)


def reached(record: Record, ownership: str, holder: str, depth: str) -> bool:
    """Whether a role of this depth reaches a record."""
    unit = "north" if holder == "user" else TEAM_UNIT
    if depth in ("none", "global") or ownership == "OrganizationOwned":
        return depth == "global"
    in_reach = {"basic": set(), "local": {unit}, "deep": below(unit)}[depth]
    return record.unit in in_reach or (ownership == "UserOwned" and owned(record, holder))


def is_stated(record: Record, ownership: str, holder: str, depth: str) -> bool:
    """Whether filters.md decides; it does not for a wider team-only role on rows that the user owns elsewhere."""
    open_question = holder == "team-only" and depth in ("local", "deep") and record.owner == "user:me"
    return ownership != "UserOwned" or not open_question


def may_create(ownership: str, holder: str, depth: str) -> bool | None:
    """Whether the user may create a row of their own; None where filters.md leaves it open."""
    if depth in ("none", "global"):
        return depth == "global"
    if ownership == "OrganizationOwned":
        return False
    if ownership == "BusinessOwned":
        return False if depth == "basic" else None
    if holder == "team-only":
        return False if depth == "basic" else None
    return True


def case(ownership: str, holder: str, depth: str) -> dict[str, Json]:
    """One line."""
    records = [record for record in RECORDS if is_stated(record, ownership, holder, depth)]
    found: list[Json] = [record.name for record in records if reached(record, ownership, holder, depth)]
    privileges: dict[str, Json] = {} if depth == "none" else dict.fromkeys(("read", "write", "delete", "create"), depth)
    roles: list[Json] = ["r"]
    people: dict[str, Json] = {name: {"bu": unit, "roles": []} for name, unit in PEOPLE.items()}
    if holder == "user":
        people["me"] = {"bu": PEOPLE["me"], "roles": roles}
    team_roles = [] if holder == "user" else roles
    create = may_create(ownership, holder, depth)
    return {
        "id": f"depth-{ownership.removesuffix('Owned').lower()}-{holder}-{depth}",
        "note": f"filters.md 5, depth {depth}, held by {holder}, on {ownership}",
        "tags": ["depth", depth, ownership, holder],
        "org": {
            "businessunits": UNITS,
            "users": people,
            "teams": {
                TEAM: {"bu": TEAM_UNIT, "type": "owner", "roles": team_roles, "members": ["me"]},
                "others": {"bu": "north", "type": "owner", "roles": [], "members": ["mate"]},
            },
            "roles": {
                "r": {"memberinheritance": "team" if holder == "team-only" else "direct", "privileges": privileges}
            },
        },
        "table": {"name": "case_table", "ownership": ownership},
        "records": [written(record, ownership) for record in records],
        "user": "me",
        "readable": found,
        "writable": found,
        "deletable": found,
        "appendable": [],
        **({} if create is None else {"creatable": create}),
    }


def written(record: Record, ownership: str) -> Json:
    """A record as a case has it: only as much of it as its ownership knows."""
    return {
        "id": record.name,
        "owner": record.owner if ownership == "UserOwned" else None,
        "owningbusinessunit": None if ownership == "OrganizationOwned" else record.unit,
        "shares": [],
    }


def cases() -> list[dict[str, Json]]:
    """Every case of the file."""
    ownerships = ("UserOwned", "BusinessOwned", "OrganizationOwned")
    return [case(ownership, holder, depth) for ownership, holder, depth in product(ownerships, HOLDERS, DEPTHS)]
