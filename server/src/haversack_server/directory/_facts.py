"""What the directory says, by id: all of it but shares, of which there may be very many."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from haversack_server.directory._rows import Row, Rows
from haversack_server.errors import DirectoryInvalid, DirectoryRowUnknown

CANDIDATES_MAX = 10
"""How many rows a name that fits several is refused with."""

TEAM_TYPE_ACCESS = 1


@dataclass
class User:
    """A user; what is empty is not said."""

    id: str
    name: str
    domain_name: str = ""
    email: str = ""
    job_title: str = ""
    disabled: bool = False
    unit: str = ""
    manager: str = ""
    position: str = ""
    time_zone: str = ""


@dataclass
class Team:
    """A team; its type is that of `team.teamtype`."""

    id: str
    name: str
    unit: str = ""
    type: int = 0
    description: str = ""

    @property
    def can_have_roles(self) -> bool:
        """Whether it may own rows and have roles."""
        return self.type != TEAM_TYPE_ACCESS

    @property
    def is_managed_elsewhere(self) -> bool:
        """Whether an identity provider tells its members."""
        return self.type > TEAM_TYPE_ACCESS


@dataclass
class Node:
    """A business unit or a position."""

    id: str
    name: str
    parent: str = ""


@dataclass
class Role:
    """A role; its inheritance is that of `role.isinherited`."""

    id: str
    name: str
    unit: str = ""
    inheritance: int = 1


@dataclass
class Grants:
    """The rows that say how deep a role grants something: there should be one, and may be several."""

    depth: int
    rows: list[str]


Link = dict[tuple[str, str], list[str]]
"""From pairs of ids to the rows that link them: there should be one, and may be several."""

Named = TypeVar("Named", User, Team, Node, Role)


@dataclass
class Facts:
    """Everything but shares; edits change it as they are judged."""

    users: dict[str, User] = field(default_factory=dict)
    teams: dict[str, Team] = field(default_factory=dict)
    units: dict[str, Node] = field(default_factory=dict)
    positions: dict[str, Node] = field(default_factory=dict)
    roles: dict[str, Role] = field(default_factory=dict)
    memberships: Link = field(default_factory=dict)
    user_roles: Link = field(default_factory=dict)
    team_roles: Link = field(default_factory=dict)
    privileges: dict[tuple[str, str, int], Grants] = field(default_factory=dict)
    with_settings: set[str] = field(default_factory=set)

    @classmethod
    def read(cls, rows: Rows) -> Facts:
        """Reads them; raises EntityUnknown if the metadata lacks an entity of the directory."""
        facts = cls(
            units={it.id: it for it in map(_node("businessunit"), rows.all("businessunit"))},
            positions={it.id: it for it in map(_node("position"), rows.all("position"))},
            users={it.id: it for it in map(_user, rows.all("systemuser"))},
            teams={it.id: it for it in map(_team, rows.all("team"))},
            roles={it.id: it for it in map(_role, rows.all("role"))},
            memberships=_links(rows.all("teammembership"), "teammembershipid", "teamid", "systemuserid"),
            user_roles=_links(rows.all("systemuserroles"), "systemuserroleid", "systemuserid", "roleid"),
            team_roles=_links(rows.all("teamroles"), "teamroleid", "teamid", "roleid"),
        )
        for row in rows.all("roleprivileges"):
            key = (row.get("roleid", ""), row.get("entityname", ""), row.get("accessright", 0))
            found = facts.privileges.setdefault(key, Grants(0, []))
            found.depth = max(found.depth, row.get("depth", 0))
            found.rows.append(row["roleprivilegeid"])
        for row in rows.all("usersettings"):
            facts.with_settings.add(row["systemuserid"])
            if row["systemuserid"] in facts.users:
                facts.users[row["systemuserid"]].time_zone = row.get("timezonename", "")
        return facts

    def user(self, text: str) -> User:
        """Finds a user by id, domain name, e-mail address or full name; raises as `found`."""
        return found("user", self.users, text, lambda it: (it.domain_name, it.email, it.name))

    def team(self, text: str) -> Team:
        """Finds a team by id or name."""
        return found("team", self.teams, text, _own_name)

    def unit(self, text: str) -> Node:
        """Finds a business unit by id or name."""
        return found("business unit", self.units, text, _own_name)

    def position(self, text: str) -> Node:
        """Finds a position by id or name."""
        return found("position", self.positions, text, _own_name)

    def role(self, text: str) -> Role:
        """Finds a role by id or name."""
        return found("role", self.roles, text, _own_name)

    def members(self, team: str) -> list[User]:
        """Returns the members of a team that are there, by name."""
        return by_name(self.users[it] for owner, it in self.memberships if owner == team and it in self.users)

    def teams_of(self, user: str) -> list[Team]:
        """Returns the teams of a user that are there, by name."""
        return by_name(self.teams[it] for it, member in self.memberships if member == user and it in self.teams)

    def root(self) -> Node | None:
        """Returns the business unit above all others; None if there is none, or several."""
        roots = [it for it in self.units.values() if it.parent not in self.units]
        return roots[0] if len(roots) == 1 else None


def found(kind: str, table: Mapping[str, Named], text: str, names: Callable[[Named], Iterable[str]]) -> Named:
    """Finds a row by its id, or by a name that no other row has, in any case of letters.

    Raises DirectoryRowUnknown if there is none, and DirectoryInvalid with the ids of all that have the name.
    """
    row = table.get(canonical(text))
    if row is not None:
        return row
    wanted = text.casefold()
    fitting = [it for it in table.values() if wanted and any(name.casefold() == wanted for name in names(it))]
    if len(fitting) == 1:
        return fitting[0]
    if not fitting:
        raise DirectoryRowUnknown(f"there is no {kind} {text!r}; `haversack {kind.rpartition(' ')[2]} list` names them")
    listed = ", ".join(f"{it.name} ({it.id})" for it in fitting[:CANDIDATES_MAX])
    more = f" and {len(fitting) - CANDIDATES_MAX} more" if len(fitting) > CANDIDATES_MAX else ""
    raise DirectoryInvalid(f"{text!r} fits {len(fitting)} rows, so give the id of the {kind}: {listed}{more}")


def canonical(text: str) -> str:
    """Returns an id as it is stored: a UUID in lower case, anything else as it is."""
    try:
        return str(uuid.UUID(text))
    except ValueError:
        return text


def by_name(rows: Iterable[Named]) -> list[Named]:
    """Returns rows in order of name, then id."""
    return sorted(rows, key=lambda it: (it.name.casefold(), it.id))


def above(nodes: Mapping[str, Node], node: str) -> Iterator[str]:
    """Yields the ids above a node, nearest first; ends where it would go round."""
    seen = {node}
    while node in nodes and nodes[node].parent and nodes[node].parent not in seen:
        node = nodes[node].parent
        seen.add(node)
        yield node


def _own_name(row: Team | Node | Role) -> tuple[str]:
    return (row.name,)


def _links(rows: list[Row], id_name: str, one: str, other: str) -> Link:
    links: Link = {}
    for row in rows:
        links.setdefault((row.get(one, ""), row.get(other, "")), []).append(row[id_name])
    return links


def _node(entity: str) -> Callable[[Row], Node]:
    return lambda row: Node(row[f"{entity}id"], row.get("name", ""), row.get(f"parent{entity}id", ""))


def _user(row: Row) -> User:
    return User(
        id=row["systemuserid"],
        name=row.get("fullname", ""),
        domain_name=row.get("domainname", ""),
        email=row.get("internalemailaddress", ""),
        job_title=row.get("jobtitle", ""),
        disabled=row.get("isdisabled", False),
        unit=row.get("businessunitid", ""),
        manager=row.get("parentsystemuserid", ""),
        position=row.get("positionid", ""),
    )


def _team(row: Row) -> Team:
    unit, type_, description = row.get("businessunitid", ""), row.get("teamtype", 0), row.get("description", "")
    return Team(row["teamid"], row.get("name", ""), unit, type_, description)


def _role(row: Row) -> Role:
    return Role(row["roleid"], row.get("name", ""), row.get("businessunitid", ""), row.get("isinherited", 1))
