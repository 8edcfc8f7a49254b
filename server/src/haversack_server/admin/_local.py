"""Giving a role without the admin endpoint: for the first administrator, so that nobody is locked out."""

from __future__ import annotations

import getpass
import uuid

from haversack.admin.v1 import security_pb2

from haversack_server.admin._access import AccessService, checked_grant
from haversack_server.audit import AuditLog, Call
from haversack_server.catalog import Catalog
from haversack_server.settings import ServerSettings

LOCAL_ISSUER = "local"
"""The issuer of audit entries of commands that write to the catalog themselves."""

_GRANT = "haversack.admin.v1.AccessService.GrantRole"


async def grant_locally(settings: ServerSettings, request: security_pb2.GrantRoleRequest) -> security_pb2.Grant:
    """Gives a role in the catalog of these settings, as the operating system's user, and records it."""
    user = getpass.getuser()
    checked_grant(request, granted_by=user)
    settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    catalog = await Catalog.open(settings.catalog_url)
    call = Call(
        rpc=_GRANT,
        organization=request.organization,
        issuer=LOCAL_ISSUER,
        subject=user,
        request=request,
        request_id=uuid.uuid4().hex,
    )
    try:
        async with AuditLog(catalog).recorded(call) as entry:
            given = await AccessService(catalog, settings.administrators).give(request, granted_by=user)
            entry.answered(security_pb2.GrantRoleResponse(grant=given))
    finally:
        await catalog.close()
    return given
