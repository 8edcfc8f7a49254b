"""DirectoryService."""

from __future__ import annotations

from typing import Any

import grpc
from haversack.admin.v1 import directory_pb2, directory_pb2_grpc, questions_pb2
from haversack.model.v1 import model_pb2

from haversack_server._core import SyncServer
from haversack_server.catalog import Catalog, profiles
from haversack_server.core import in_thread
from haversack_server.directory import Directory, Facts, Rows, Showing
from haversack_server.errors import NothingPublished, OrganizationNotProvisioned, RequestInvalid
from haversack_server.replication import Connections
from haversack_server.stagings import Stagings

PAGE_DEFAULT = 100
PAGE_MAX = 10_000
SUPPOSED_MAX = 1_000
"""How many changes one question can suppose."""

_Context = grpc.aio.ServicerContext[Any, Any]


class DirectoryService(directory_pb2_grpc.DirectoryServiceServicer):
    """Shows and changes users, teams, business units, positions, roles and shares."""

    def __init__(self, catalog: Catalog, stagings: Stagings, connections: Connections, sync: SyncServer) -> None:
        self._catalog = catalog
        self._directory = Directory(catalog, stagings, connections)
        self._sync = sync

    async def ListUsers(
        self, request: directory_pb2.ListUsersRequest, context: _Context
    ) -> directory_pb2.ListUsersResponse:
        """Lists users."""
        facts = await self._facts(request.organization)
        unit = facts.unit(request.business_unit).id if request.business_unit else ""
        wanted = request.search.casefold()
        found = [
            it
            for it in facts.users.values()
            if (not unit or it.unit == unit)
            and any(wanted in text.casefold() for text in (it.name, it.domain_name, it.email))
        ]
        found.sort(key=lambda it: (it.name.casefold(), it.id))
        page = found[request.offset : request.offset + _page(request.users_max)]
        showing = Showing(facts)
        return directory_pb2.ListUsersResponse(users=[showing.user(it) for it in page], user_count=len(found))

    async def GetUser(self, request: directory_pb2.GetUserRequest, context: _Context) -> directory_pb2.GetUserResponse:
        """Shows a user."""
        facts = await self._facts(request.organization)
        user, showing = facts.user(request.user), Showing(facts)
        teams = showing.teams_of(user)
        async with self._catalog.snapshot() as connection:
            published = await profiles.published(connection, request.organization)
        profile = followed(published.values(), user.id, {it.id for it in teams})
        return directory_pb2.GetUserResponse(
            user=showing.user(user), teams=teams, roles=showing.roles_of(user), profile=profile
        )

    async def ListTeams(
        self, request: directory_pb2.ListTeamsRequest, context: _Context
    ) -> directory_pb2.ListTeamsResponse:
        """Lists teams."""
        facts = await self._facts(request.organization)
        teams = sorted(facts.teams.values(), key=lambda it: (it.name.casefold(), it.id))
        showing = Showing(facts)
        return directory_pb2.ListTeamsResponse(teams=[showing.team(it) for it in teams])

    async def GetTeam(self, request: directory_pb2.GetTeamRequest, context: _Context) -> directory_pb2.GetTeamResponse:
        """Shows a team."""
        facts = await self._facts(request.organization)
        return Showing(facts).whole_team(facts.team(request.team))

    async def ListBusinessUnits(
        self, request: directory_pb2.ListBusinessUnitsRequest, context: _Context
    ) -> directory_pb2.ListBusinessUnitsResponse:
        """Lists business units."""
        facts = await self._facts(request.organization)
        return directory_pb2.ListBusinessUnitsResponse(business_units=Showing(facts).units())

    async def ListPositions(
        self, request: directory_pb2.ListPositionsRequest, context: _Context
    ) -> directory_pb2.ListPositionsResponse:
        """Lists positions."""
        facts = await self._facts(request.organization)
        return directory_pb2.ListPositionsResponse(positions=Showing(facts).positions())

    async def ListRoles(
        self, request: directory_pb2.ListRolesRequest, context: _Context
    ) -> directory_pb2.ListRolesResponse:
        """Lists roles."""
        facts = await self._facts(request.organization)
        roles = sorted(facts.roles.values(), key=lambda it: (it.name.casefold(), it.id))
        showing = Showing(facts)
        return directory_pb2.ListRolesResponse(roles=[showing.role(it) for it in roles])

    async def GetRole(self, request: directory_pb2.GetRoleRequest, context: _Context) -> directory_pb2.GetRoleResponse:
        """Shows a role."""
        facts = await self._facts(request.organization)
        return Showing(facts).whole_role(facts.role(request.role))

    async def ListShares(
        self, request: directory_pb2.ListSharesRequest, context: _Context
    ) -> directory_pb2.ListSharesResponse:
        """Lists shares of a row, or with a user or team."""
        if sum(map(bool, (request.row, request.user, request.team))) != 1:
            raise RequestInvalid("say one of row, user and team: whose shares are asked for")
        rows = await self._directory.rows_of(request.organization)
        facts = await in_thread(Facts.read, rows)
        found = await in_thread(_shares, rows, facts, request)
        limit = _page(request.shares_max)
        showing = Showing(facts)
        shares = [showing.share(it) for it in found[:limit]]
        return directory_pb2.ListSharesResponse(shares=shares, more=len(found) > limit)

    async def ChangeDirectory(
        self, request: directory_pb2.ChangeDirectoryRequest, context: _Context
    ) -> directory_pb2.ChangeDirectoryResponse:
        """Makes changes, or tells what they would do."""
        changed = await self._directory.change(request.organization, request.edits, dry_run=request.dry_run)
        response = directory_pb2.ChangeDirectoryResponse(
            lsn=changed.lsn,
            rows=[directory_pb2.DirectoryReference(id=id_, name=name) for id_, name in changed.rows],
            row_count=changed.row_count,
        )
        if request.dry_run:
            response.unforeseen.extend(changed.unforeseen)
            if changed.supposed:
                asked = questions_pb2.DiffRequest(organization=request.organization, changes=changed.supposed)
                await self._foresee(asked, response)
        return response

    async def _foresee(self, asked: questions_pb2.DiffRequest, response: directory_pb2.ChangeDirectoryResponse) -> None:
        if len(asked.changes) > SUPPOSED_MAX:
            response.unforeseen.append(
                f"these are more than {SUPPOSED_MAX:,} changes of users, too many to foresee at once"
            )
            return
        try:
            answer = await in_thread(self._sync.diff, asked.SerializeToString(), None, None)
        except (NothingPublished, OrganizationNotProvisioned):
            response.unforeseen.append("nothing is published and provisioned, so no device changes")
            return
        response.effect.ParseFromString(answer)

    async def _facts(self, organization: str) -> Facts:
        return await in_thread(Facts.read, await self._directory.rows_of(organization))


def followed(published: Any, user: str, teams: set[str]) -> str:
    """Returns which profile a user follows: one that names the user before one that names a team, then by priority."""

    def rank(profile: model_pb2.Profile) -> tuple[bool, int, str]:
        return (user not in profile.users, profile.priority, profile.name)

    mine = [it for it in published if user in it.users or teams.intersection(it.teams)]
    return min(mine, key=rank).name if mine else ""


def _shares(rows: Rows, facts: Facts, request: directory_pb2.ListSharesRequest) -> list[dict[str, Any]]:
    if request.row:
        return rows.among("principalobjectaccess", "objectid", [request.row])
    principal = facts.user(request.user).id if request.user else facts.team(request.team).id
    return rows.among("principalobjectaccess", "principalid", [principal])


def _page(asked: int) -> int:
    if asked > PAGE_MAX:
        raise RequestInvalid(f"{asked:,} are too many at once; ask for at most {PAGE_MAX:,}")
    return asked or PAGE_DEFAULT
