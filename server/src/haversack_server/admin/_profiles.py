"""ProfileService."""

from __future__ import annotations

from typing import Any

import grpc
from haversack.admin.v1 import admin_pb2, admin_pb2_grpc

from haversack_server.catalog import Catalog, organizations, profiles
from haversack_server.errors import RequestInvalid
from haversack_server.publishing import Publisher, summaries

_Context = grpc.aio.ServicerContext[Any, Any]


class ProfileService(admin_pb2_grpc.ProfileServiceServicer):
    """Writes, shows and publishes profiles."""

    def __init__(self, catalog: Catalog, publisher: Publisher) -> None:
        self._catalog = catalog
        self._publisher = publisher

    async def SaveProfile(
        self, request: admin_pb2.SaveProfileRequest, context: _Context
    ) -> admin_pb2.SaveProfileResponse:
        """Writes a draft."""
        if not request.HasField("profile"):
            raise RequestInvalid("the request has no profile; send the whole draft")
        return await self._publisher.save(request.organization, request.profile)

    async def GetProfile(self, request: admin_pb2.GetProfileRequest, context: _Context) -> admin_pb2.GetProfileResponse:
        """Shows a draft."""
        async with self._catalog.snapshot() as connection:
            await organizations.find(connection, request.organization)
            draft = await profiles.find_draft(connection, request.organization, request.name)
            summary = (await summaries(connection, request.organization))[request.name]
        return admin_pb2.GetProfileResponse(profile=draft, summary=summary)

    async def ListProfiles(
        self, request: admin_pb2.ListProfilesRequest, context: _Context
    ) -> admin_pb2.ListProfilesResponse:
        """Lists every profile."""
        async with self._catalog.snapshot() as connection:
            await organizations.find(connection, request.organization)
            listed = await summaries(connection, request.organization)
        return admin_pb2.ListProfilesResponse(profiles=listed.values())

    async def PublishProfile(
        self, request: admin_pb2.PublishProfileRequest, context: _Context
    ) -> admin_pb2.PublishProfileResponse:
        """Publishes a draft."""
        published = await self._publisher.publish(request.organization, request.name)
        return admin_pb2.PublishProfileResponse(
            profile_revision=published.profile_revision, revision=published.revision, lsn=published.lsn
        )
