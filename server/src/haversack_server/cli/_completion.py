"""What the shell offers at a TAB: names that the running server knows. Silence, if it cannot be asked quickly."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from haversack_server.cli._endpoint import AdminEndpoint

SECONDS_MAX = 2.0
"""How long a TAB may take."""


def organizations(incomplete: str) -> list[str]:
    """Returns the names of organizations that begin with what was typed."""
    return _offered(_organizations, incomplete)


def entities(context: typer.Context, incomplete: str) -> list[str]:
    """Returns the names of the organization's entities that begin with what was typed."""
    return _of_organization(_entities, context, incomplete)


def profiles(context: typer.Context, incomplete: str) -> list[str]:
    """Returns the names of the organization's profiles that begin with what was typed."""
    return _of_organization(_profiles, context, incomplete)


def apps(context: typer.Context, incomplete: str) -> list[str]:
    """Returns the names of the organization's applications that begin with what was typed."""
    return _of_organization(_apps, context, incomplete)


def users(context: typer.Context, incomplete: str) -> list[str]:
    """Returns the sign-in names of some of the organization's users that begin with what was typed."""
    return _of_organization(lambda admin, organization: _users(admin, organization, incomplete), context, incomplete)


def teams(context: typer.Context, incomplete: str) -> list[str]:
    """Returns the names of the organization's teams that begin with what was typed."""
    return _of_organization(_teams, context, incomplete)


def roles(context: typer.Context, incomplete: str) -> list[str]:
    """Returns the names of the organization's roles that begin with what was typed."""
    return _of_organization(_roles, context, incomplete)


def units(context: typer.Context, incomplete: str) -> list[str]:
    """Returns the names of the organization's business units that begin with what was typed."""
    return _of_organization(_units, context, incomplete)


def positions(context: typer.Context, incomplete: str) -> list[str]:
    """Returns the names of the organization's positions that begin with what was typed."""
    return _of_organization(_positions, context, incomplete)


def work_items(context: typer.Context, incomplete: str) -> list[str]:
    """Returns the numbers of the organization's work items that begin with what was typed."""
    return _of_organization(_work_items, context, incomplete)


def _of_organization(
    ask: Callable[[AdminEndpoint, str], list[str]], context: typer.Context, incomplete: str
) -> list[str]:
    """Offers what an organization has, once the line names one."""
    organization = context.params.get("organization")
    return _offered(lambda admin: ask(admin, organization), incomplete) if organization else []


def _offered(ask: Callable[[AdminEndpoint], list[str]], incomplete: str) -> list[str]:
    from haversack_server.cli._endpoint import connected

    with contextlib.suppress(typer.Exit), contextlib.redirect_stderr(io.StringIO()):
        with connected(None, None, None, as_json=True, seconds=SECONDS_MAX) as admin:
            return [name for name in ask(admin) if name.startswith(incomplete)]
    return []


def _organizations(admin: AdminEndpoint) -> list[str]:
    from haversack.admin.v1 import admin_pb2

    request = admin_pb2.ListOrganizationsRequest()
    answer = admin.call(admin.organizations.ListOrganizations, request, admin_pb2.ListOrganizationsResponse)
    return [it.name for it in answer.organizations]


def _entities(admin: AdminEndpoint, organization: str) -> list[str]:
    from haversack.admin.v1 import entities_pb2

    request = entities_pb2.ListEntitiesRequest(organization=organization)
    answer = admin.call(admin.entities.ListEntities, request, entities_pb2.ListEntitiesResponse)
    return [it.logical_name for it in answer.entities]


def _profiles(admin: AdminEndpoint, organization: str) -> list[str]:
    from haversack.admin.v1 import profiles_pb2

    request = profiles_pb2.ListProfilesRequest(organization=organization)
    answer = admin.call(admin.profiles.ListProfiles, request, profiles_pb2.ListProfilesResponse)
    return [it.name for it in answer.profiles]


def _apps(admin: AdminEndpoint, organization: str) -> list[str]:
    from haversack.admin.v1 import apps_pb2

    request = apps_pb2.ListAppsRequest(organization=organization)
    answer = admin.call(admin.apps.ListApps, request, apps_pb2.ListAppsResponse)
    return [it.app.name for it in answer.apps]


def _users(admin: AdminEndpoint, organization: str, incomplete: str) -> list[str]:
    from haversack.admin.v1 import directory_pb2

    request = directory_pb2.ListUsersRequest(organization=organization, search=incomplete)
    answer = admin.call(admin.directory.ListUsers, request, directory_pb2.ListUsersResponse)
    return [it.domain_name for it in answer.users if it.domain_name]


def _teams(admin: AdminEndpoint, organization: str) -> list[str]:
    from haversack.admin.v1 import directory_pb2

    request = directory_pb2.ListTeamsRequest(organization=organization)
    answer = admin.call(admin.directory.ListTeams, request, directory_pb2.ListTeamsResponse)
    return [it.name for it in answer.teams]


def _roles(admin: AdminEndpoint, organization: str) -> list[str]:
    from haversack.admin.v1 import directory_pb2

    request = directory_pb2.ListRolesRequest(organization=organization)
    answer = admin.call(admin.directory.ListRoles, request, directory_pb2.ListRolesResponse)
    return [it.name for it in answer.roles]


def _units(admin: AdminEndpoint, organization: str) -> list[str]:
    from haversack.admin.v1 import directory_pb2

    request = directory_pb2.ListBusinessUnitsRequest(organization=organization)
    answer = admin.call(admin.directory.ListBusinessUnits, request, directory_pb2.ListBusinessUnitsResponse)
    return [it.name for it in answer.business_units]


def _positions(admin: AdminEndpoint, organization: str) -> list[str]:
    from haversack.admin.v1 import directory_pb2

    request = directory_pb2.ListPositionsRequest(organization=organization)
    answer = admin.call(admin.directory.ListPositions, request, directory_pb2.ListPositionsResponse)
    return [it.name for it in answer.positions]


def _work_items(admin: AdminEndpoint, organization: str) -> list[str]:
    from haversack.admin.v1 import work_pb2

    request = work_pb2.ListWorkItemsRequest(organization=organization)
    answer = admin.call(admin.work.ListWorkItems, request, work_pb2.ListWorkItemsResponse)
    return [str(it.number) for it in answer.items]
