"""The directory's facts as the contract's messages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import TypeVar, cast

from haversack.admin.v1 import directory_pb2

from haversack_server.directory._access import RIGHT_BITS, rights_of
from haversack_server.directory._facts import Facts, Node, Role, Team, User, above, by_name
from haversack_server.directory._rows import Row

Reference = directory_pb2.DirectoryReference
_Named = TypeVar("_Named", User, Team, Node, Role)


class Showing:
    """Makes messages of facts."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts

    def user(self, user: User) -> directory_pb2.User:
        """Returns a user."""
        facts = self._facts
        return directory_pb2.User(
            id=user.id,
            domain_name=user.domain_name,
            full_name=user.name,
            email=user.email,
            job_title=user.job_title,
            disabled=user.disabled,
            business_unit=reference(user.unit, facts.units),
            manager=reference(user.manager, facts.users),
            position=reference(user.position, facts.positions),
            time_zone=user.time_zone,
        )

    def teams_of(self, user: User) -> list[Reference]:
        """Returns a user's teams."""
        return references(self._facts.teams_of(user.id))

    def roles_of(self, user: User) -> list[directory_pb2.HeldRole]:
        """Returns a user's roles, own ones first."""
        facts = self._facts
        own = by_name(facts.roles[role] for it, role in facts.user_roles if it == user.id and role in facts.roles)
        held = [directory_pb2.HeldRole(role=it) for it in references(own)]
        for team in facts.teams_of(user.id):
            handed_on = references(self._roles_of_team(team))
            held += [directory_pb2.HeldRole(role=it, team=Reference(id=team.id, name=team.name)) for it in handed_on]
        return held

    def team(self, team: Team) -> directory_pb2.Team:
        """Returns a team."""
        return directory_pb2.Team(
            id=team.id,
            name=team.name,
            business_unit=reference(team.unit, self._facts.units),
            type=cast("directory_pb2.TeamType", team.type + directory_pb2.TEAM_TYPE_OWNER),
            description=team.description,
            member_count=self._member_counts[team.id],
        )

    def whole_team(self, team: Team) -> directory_pb2.GetTeamResponse:
        """Returns a team with members and roles."""
        members, roles = self._facts.members(team.id), self._roles_of_team(team)
        return directory_pb2.GetTeamResponse(team=self.team(team), members=references(members), roles=references(roles))

    def role(self, role: Role) -> directory_pb2.SecurityRole:
        """Returns a role."""
        return directory_pb2.SecurityRole(
            id=role.id,
            name=role.name,
            business_unit=reference(role.unit, self._facts.units),
            inheritance=(
                directory_pb2.ROLE_INHERITANCE_DIRECT if role.inheritance else directory_pb2.ROLE_INHERITANCE_TEAM_ONLY
            ),
            user_count=self._user_counts[role.id],
            team_count=self._team_counts[role.id],
        )

    def whole_role(self, role: Role) -> directory_pb2.GetRoleResponse:
        """Returns a role with what it grants and who has it."""
        granted = sorted((key[1:], it.depth) for key, it in self._facts.privileges.items() if key[0] == role.id)
        return directory_pb2.GetRoleResponse(
            role=self.role(role),
            privileges=[
                directory_pb2.RolePrivilege(
                    entity=entity,
                    right=cast("directory_pb2.AccessRight", right),
                    depth=cast("directory_pb2.PrivilegeDepth", depth),
                )
                for (entity, right), depth in granted
                if right in RIGHT_BITS
            ],
            users=references(self._users_with(role)),
            teams=references(self._teams_with(role)),
        )

    def units(self) -> list[directory_pb2.TreeNode]:
        """Returns all business units."""
        return _tree(self._facts.units, Counter(it.unit for it in self._facts.users.values()))

    def positions(self) -> list[directory_pb2.TreeNode]:
        """Returns all positions."""
        return _tree(self._facts.positions, Counter(it.position for it in self._facts.users.values()))

    def share(self, row: Row) -> directory_pb2.RowShare:
        """Returns a share."""
        principal = row.get("principalid", "")
        is_team = row.get("principalid_type") == "team"
        return directory_pb2.RowShare(
            entity=row.get("objectid_type") or "",
            row=row.get("objectid", ""),
            user=None if is_team else reference(principal, self._facts.users),
            team=reference(principal, self._facts.teams) if is_team else None,
            rights=rights_of(row.get("accessrightsmask", 0)),
        )

    @cached_property
    def _member_counts(self) -> Counter[str]:
        return Counter(team for team, user in self._facts.memberships if user in self._facts.users)

    @cached_property
    def _user_counts(self) -> Counter[str]:
        return Counter(role for user, role in self._facts.user_roles if user in self._facts.users)

    @cached_property
    def _team_counts(self) -> Counter[str]:
        return Counter(role for team, role in self._facts.team_roles if team in self._facts.teams)

    def _roles_of_team(self, team: Team) -> list[Role]:
        facts = self._facts
        return by_name(facts.roles[role] for it, role in facts.team_roles if it == team.id and role in facts.roles)

    def _users_with(self, role: Role) -> list[User]:
        facts = self._facts
        return by_name(facts.users[it] for it, held in facts.user_roles if held == role.id and it in facts.users)

    def _teams_with(self, role: Role) -> list[Team]:
        facts = self._facts
        return by_name(facts.teams[it] for it, held in facts.team_roles if held == role.id and it in facts.teams)


def reference(row: str, table: Mapping[str, _Named]) -> Reference | None:
    """Returns a row with its name; None if nothing is pointed at."""
    if not row:
        return None
    return Reference(id=row, name=table[row].name if row in table else "")


def references(rows: Iterable[_Named]) -> list[Reference]:
    """Returns rows with their names."""
    return [Reference(id=it.id, name=it.name) for it in rows]


def _tree(nodes: Mapping[str, Node], holders: Counter[str]) -> list[directory_pb2.TreeNode]:
    """Returns nodes, each behind the one above it, and those of one parent by name."""
    paths = {
        it.id: [nodes[up] for up in (*reversed(list(above(nodes, it.id))), it.id) if up in nodes]
        for it in nodes.values()
    }
    ordered = sorted(nodes.values(), key=lambda it: [(up.name.casefold(), up.id) for up in paths[it.id]])
    return [
        directory_pb2.TreeNode(
            id=it.id, name=it.name, parent=it.parent, depth=len(paths[it.id]) - 1, user_count=holders[it.id]
        )
        for it in ordered
    ]
