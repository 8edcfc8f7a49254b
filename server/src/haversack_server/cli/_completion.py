"""What the shell offers at a TAB: names that the running server knows. Silence, if it cannot be asked quickly."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

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
    return _offered(lambda admin: _entities(admin, context.params), incomplete)


def profiles(context: typer.Context, incomplete: str) -> list[str]:
    """Returns the names of the organization's profiles that begin with what was typed."""
    return _offered(lambda admin: _profiles(admin, context.params), incomplete)


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


def _entities(admin: AdminEndpoint, given: dict[str, Any]) -> list[str]:
    from haversack.admin.v1 import entities_pb2

    if not given.get("organization"):
        return []
    request = entities_pb2.ListEntitiesRequest(organization=given["organization"])
    answer = admin.call(admin.entities.ListEntities, request, entities_pb2.ListEntitiesResponse)
    return [it.logical_name for it in answer.entities]


def _profiles(admin: AdminEndpoint, given: dict[str, Any]) -> list[str]:
    from haversack.admin.v1 import profiles_pb2

    if not given.get("organization"):
        return []
    request = profiles_pb2.ListProfilesRequest(organization=given["organization"])
    answer = admin.call(admin.profiles.ListProfiles, request, profiles_pb2.ListProfilesResponse)
    return [it.name for it in answer.profiles]
