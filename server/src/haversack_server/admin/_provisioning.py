"""ProvisioningService."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import grpc
from haversack.admin.v1 import provisioning_pb2 as pb
from haversack.admin.v1 import provisioning_pb2_grpc

from haversack_server.admin._caller import caller
from haversack_server.provisioning import Requests, Status
from haversack_server.replication import SourceStatus

_Context = grpc.aio.ServicerContext[Any, Any]


class ProvisioningService(provisioning_pb2_grpc.ProvisioningServiceServicer):
    """Takes what administrators ask for, and tells where things stand."""

    def __init__(self, requests: Requests, status: Status, sources: SourceStatus) -> None:
        self._requests = requests
        self._status = status
        self._sources = sources

    async def RecordConsent(self, request: pb.RecordConsentRequest, context: _Context) -> pb.RecordConsentResponse:
        """Records consent."""
        await self._requests.consent(request.organization, request.terms, who=caller())
        return pb.RecordConsentResponse(provisioning=await self._status.read(request.organization))

    async def StartProvisioning(
        self, request: pb.StartProvisioningRequest, context: _Context
    ) -> pb.StartProvisioningResponse:
        """Begins to provision."""
        await self._requests.start(request.organization, who=caller())
        return pb.StartProvisioningResponse(provisioning=await self._status.read(request.organization))

    async def StopProvisioning(
        self, request: pb.StopProvisioningRequest, context: _Context
    ) -> pb.StopProvisioningResponse:
        """Stops provisioning."""
        await self._requests.stop(request.organization, who=caller())
        return pb.StopProvisioningResponse(provisioning=await self._status.read(request.organization))

    async def RetryProvisioning(
        self, request: pb.RetryProvisioningRequest, context: _Context
    ) -> pb.RetryProvisioningResponse:
        """Goes on after a failure."""
        await self._requests.retry(request.organization, who=caller())
        return pb.RetryProvisioningResponse(provisioning=await self._status.read(request.organization))

    async def StartDeprovisioning(
        self, request: pb.StartDeprovisioningRequest, context: _Context
    ) -> pb.StartDeprovisioningResponse:
        """Begins to de-provision."""
        await self._requests.deprovision(request.organization, who=caller())
        return pb.StartDeprovisioningResponse(provisioning=await self._status.read(request.organization))

    async def GetProvisioning(
        self, request: pb.GetProvisioningRequest, context: _Context
    ) -> pb.GetProvisioningResponse:
        """Tells where things stand."""
        shown = await self._status.read(request.organization)
        source = await self._sources.read(request.organization)
        if source.entities:
            shown.source.CopyFrom(source)
        return pb.GetProvisioningResponse(provisioning=shown)

    async def WatchProvisioning(
        self, request: pb.WatchProvisioningRequest, context: _Context
    ) -> AsyncIterator[pb.WatchProvisioningResponse]:
        """Tells where things stand whenever that changes."""
        async for shown in self._status.watch(request.organization, until_settled=request.until_settled):
            yield pb.WatchProvisioningResponse(provisioning=shown)
