"""AccessService."""

from __future__ import annotations

import time
from typing import Any

import grpc
from haversack.admin.v1 import security_pb2, security_pb2_grpc

from haversack_server.admin._caller import caller, current
from haversack_server.catalog import Catalog, grants, organizations
from haversack_server.catalog.grants import StoredGrant
from haversack_server.errors import RequestInvalid
from haversack_server.settings import AdministratorSettings

NAME_LENGTH_MAX = 512
BY_SETTINGS = "settings"

_Context = grpc.aio.ServicerContext[Any, Any]


class AccessService(security_pb2_grpc.AccessServiceServicer):
    """Gives and takes roles."""

    def __init__(self, catalog: Catalog, administrators: tuple[AdministratorSettings, ...]) -> None:
        self._catalog = catalog
        self._administrators = administrators

    async def GrantRole(
        self, request: security_pb2.GrantRoleRequest, context: _Context
    ) -> security_pb2.GrantRoleResponse:
        """Gives a role."""
        return security_pb2.GrantRoleResponse(grant=await self.give(request, granted_by=caller()))

    async def give(self, request: security_pb2.GrantRoleRequest, *, granted_by: str) -> security_pb2.Grant:
        """Gives a role, and says by whom."""
        grant = checked_grant(request, granted_by=granted_by)
        async with self._catalog.begin() as connection:
            if grant.organization != grants.EVERYWHERE:
                await organizations.find(connection, grant.organization)
            await grants.put(connection, grant)
        return _shown(grant)

    async def RevokeRole(
        self, request: security_pb2.RevokeRoleRequest, context: _Context
    ) -> security_pb2.RevokeRoleResponse:
        """Takes a role away."""
        async with self._catalog.begin() as connection:
            revoked = await grants.remove(connection, request.organization, request.issuer, request.subject)
        return security_pb2.RevokeRoleResponse(revoked=revoked)

    async def ListGrants(
        self, request: security_pb2.ListGrantsRequest, context: _Context
    ) -> security_pb2.ListGrantsResponse:
        """Lists who has which role."""
        async with self._catalog.begin() as connection:
            if request.organization:
                await organizations.find(connection, request.organization)
            stored = await grants.in_place(connection, request.organization or None)
        configured = [_configured(it) for it in self._administrators]
        return security_pb2.ListGrantsResponse(grants=[*configured, *(_shown(it) for it in stored)])

    async def GetCaller(
        self, request: security_pb2.GetCallerRequest, context: _Context
    ) -> security_pb2.GetCallerResponse:
        """Tells who is calling."""
        known = current()
        held = [
            security_pb2.Grant(
                issuer=known.issuer,
                subject=known.subject,
                organization=it.organization,
                role=int(it.role),  # type: ignore[arg-type]
                granted_at_us=it.granted_at_us,
                granted_by=it.granted_by,
            )
            for it in known.grants
        ]
        return security_pb2.GetCallerResponse(issuer=known.issuer, subject=known.subject, grants=held)


def checked_grant(request: security_pb2.GrantRoleRequest, *, granted_by: str) -> StoredGrant:
    """Returns what a request asks for; raises RequestInvalid."""
    for name in ("issuer", "subject"):
        if not 0 < len(getattr(request, name)) <= NAME_LENGTH_MAX:
            raise RequestInvalid(f"the {name} has to have 1 to {NAME_LENGTH_MAX} characters, as in the caller's token")
    if request.role not in security_pb2.Role.values() or request.role == security_pb2.ROLE_UNSPECIFIED:
        raise RequestInvalid("the role has to be READER, OPERATOR or ADMINISTRATOR")
    return StoredGrant(
        organization=request.organization,
        issuer=request.issuer,
        subject=request.subject,
        role=request.role,
        granted_at_us=time.time_ns() // 1_000,
        granted_by=granted_by,
    )


def _shown(grant: StoredGrant) -> security_pb2.Grant:
    return security_pb2.Grant(**vars(grant))


def _configured(administrator: AdministratorSettings) -> security_pb2.Grant:
    return security_pb2.Grant(
        issuer=administrator.issuer,
        subject=administrator.subject,
        role=security_pb2.ROLE_ADMINISTRATOR,
        granted_by=BY_SETTINGS,
    )
