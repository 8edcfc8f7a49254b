"""DeviceService: what devices have said of themselves, and what administrators order them; the core keeps both."""

from __future__ import annotations

import time
from typing import Any, Protocol

import grpc
from haversack.admin.v1 import devices_pb2, devices_pb2_grpc
from haversack.model.v1 import model_pb2

from haversack_server.catalog import Catalog, organizations
from haversack_server.core import in_thread
from haversack_server.errors import RequestInvalid
from haversack_server.stagings import Stagings

COUNT_MAX = 1_000
REASON_BYTES_MAX = 500

_Context = grpc.aio.ServicerContext[Any, Any]


class _Ordered(Protocol):
    """A request for an order: whom it is for."""

    organization: str
    install: str
    user: str


class DeviceService(devices_pb2_grpc.DeviceServiceServicer):
    """Shows devices and gives them orders."""

    def __init__(self, catalog: Catalog, stagings: Stagings) -> None:
        self._catalog = catalog
        self._stagings = stagings

    async def ListDevices(
        self, request: devices_pb2.ListDevicesRequest, context: _Context
    ) -> devices_pb2.ListDevicesResponse:
        """Lists devices."""
        if request.count > COUNT_MAX:
            raise RequestInvalid(f"a page has at most {COUNT_MAX:,} devices; ask for the next one by `page_token`")
        staging = await self._stagings.get(request.organization)
        found = await in_thread(staging.list_devices, request.SerializeToString())
        return devices_pb2.ListDevicesResponse.FromString(found)

    async def GetDevice(
        self, request: devices_pb2.GetDeviceRequest, context: _Context
    ) -> devices_pb2.GetDeviceResponse:
        """Shows the devices of an install."""
        staging = await self._stagings.get(request.organization)
        found = await in_thread(staging.get_device, request.install, request.user)
        return devices_pb2.GetDeviceResponse.FromString(found)

    async def ForceFullCheck(
        self, request: devices_pb2.ForceFullCheckRequest, context: _Context
    ) -> devices_pb2.ForceFullCheckResponse:
        """Has a device count its rows anew."""
        return devices_pb2.ForceFullCheckResponse(devices=await self._order("check", request))

    async def BlockDevice(
        self, request: devices_pb2.BlockDeviceRequest, context: _Context
    ) -> devices_pb2.BlockDeviceResponse:
        """Refuses a device's calls."""
        return devices_pb2.BlockDeviceResponse(devices=await self._order("block", request, request.reason))

    async def UnblockDevice(
        self, request: devices_pb2.UnblockDeviceRequest, context: _Context
    ) -> devices_pb2.UnblockDeviceResponse:
        """Serves a device again."""
        return devices_pb2.UnblockDeviceResponse(devices=await self._order("unblock", request))

    async def WipeDevice(
        self, request: devices_pb2.WipeDeviceRequest, context: _Context
    ) -> devices_pb2.WipeDeviceResponse:
        """Has a device delete everything."""
        async with self._catalog.snapshot() as connection:
            settings = (await organizations.find(connection, request.organization)).settings
        offers = settings.wipe_policy != model_pb2.WIPE_POLICY_DISCARD_OUTBOX
        ordered = await self._order("wipe", request, request.reason, offers_outbox=offers)
        return devices_pb2.WipeDeviceResponse(devices=ordered)

    async def CancelWipe(
        self, request: devices_pb2.CancelWipeRequest, context: _Context
    ) -> devices_pb2.CancelWipeResponse:
        """Takes the order to wipe back."""
        return devices_pb2.CancelWipeResponse(devices=await self._order("cancel-wipe", request))

    async def ForgetDevice(
        self, request: devices_pb2.ForgetDeviceRequest, context: _Context
    ) -> devices_pb2.ForgetDeviceResponse:
        """Takes a device off the list."""
        return devices_pb2.ForgetDeviceResponse(devices=await self._order("forget", request))

    async def _order(
        self, order: str, request: _Ordered, reason: str = "", *, offers_outbox: bool = False
    ) -> list[devices_pb2.Device]:
        """Gives an order, and returns the devices that it is for."""
        if len(reason.encode()) > REASON_BYTES_MAX or not all(it.isprintable() for it in reason):
            raise RequestInvalid(f"the words for the user have to be one line of at most {REASON_BYTES_MAX} bytes")
        staging = await self._stagings.get(request.organization)
        ordered = await in_thread(
            staging.order_device,
            order,
            request.install,
            request.user,
            reason=reason,
            offers_outbox=offers_outbox,
            at_us=time.time_ns() // 1_000,
        )
        return list(devices_pb2.GetDeviceResponse.FromString(ordered).devices)
