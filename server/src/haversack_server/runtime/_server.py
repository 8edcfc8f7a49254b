"""The server: catalog, staging databases, sync endpoint and admin endpoint, brought up and down in order."""

from __future__ import annotations

import json
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

import structlog

from haversack_server._core import SyncServer
from haversack_server.admin import AdminServer
from haversack_server.catalog import Catalog, provisioning
from haversack_server.core import in_thread
from haversack_server.endpoints import Endpoints
from haversack_server.errors import HaversackError
from haversack_server.identity import ADMIN_AUDIENCE, SYNC_AUDIENCE, DevelopmentIssuer
from haversack_server.provisioning import Activation, Parts, Requests, Status, Worker
from haversack_server.publishing import Publisher
from haversack_server.replication import NativeSource, Replicator
from haversack_server.settings import ServerSettings
from haversack_server.stagings import Stagings

_log = structlog.get_logger()


class Server:
    """Both endpoints over one data folder. Belongs to the event loop that enters it; a process has one such loop.

    Attributes:
        admin_address: "host:port" of the admin endpoint, once entered.
        sync_address: "host:port" of the sync endpoint, once entered.
        issuer: Signs tokens that both endpoints believe, once entered.
    """

    admin_address: str
    sync_address: str
    issuer: DevelopmentIssuer

    def __init__(self, settings: ServerSettings) -> None:
        self._settings = settings
        self._parts = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as parts:
            await self._start(parts)
            self._parts = parts.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._parts.aclose()

    async def _start(self, parts: AsyncExitStack) -> None:
        """Starts every part and says how it is stopped; the last to start is the first to stop."""
        settings = self._settings
        settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.issuer = DevelopmentIssuer.open(settings.data)
        catalog = await Catalog.open(settings.catalog_url)
        parts.push_async_callback(catalog.close)
        sync = await in_thread(SyncServer, self._sync_config())
        stagings = Stagings(settings.data, catalog, sync)
        parts.push_async_callback(stagings.close)
        self.sync_address = await in_thread(sync.start)
        parts.push_async_callback(in_thread, sync.stop, settings.stop_grace_seconds)
        publisher = Publisher(catalog, stagings)
        source = NativeSource(catalog, stagings)
        activation = Activation(catalog, stagings)
        await _recover(catalog, activation, publisher)
        parts.push_async_callback(activation.stop)
        activation.start()
        worker = Worker(Parts(settings.data, catalog, publisher, stagings, sync, activation))
        parts.push_async_callback(worker.stop)
        worker.start()
        replicator = Replicator(catalog, [source])
        parts.push_async_callback(replicator.stop)
        replicator.start()
        admin = AdminServer(
            catalog=catalog,
            stagings=stagings,
            publisher=publisher,
            requests=Requests(catalog),
            status=Status(catalog),
            source=source,
            sync=sync,
            issuers=self.issuer.trust_json(ADMIN_AUDIENCE),
        )
        parts.push_async_callback(admin.stop, settings.stop_grace_seconds)
        self.admin_address = await admin.start(settings.admin_listen)
        endpoints = Endpoints(admin=self.admin_address, sync=self.sync_address)
        endpoints.write(settings.data)
        parts.callback(endpoints.remove, settings.data)

    def _sync_config(self) -> str:
        return json.dumps(
            {
                "listen": self._settings.sync_listen,
                "issuers": self.issuer.trust(SYNC_AUDIENCE),
                "heartbeat_seconds": self._settings.heartbeat_seconds,
            }
        )


async def _recover(catalog: Catalog, activation: Activation, publisher: Publisher) -> None:
    """Serves what is provisioned, and carries out publishes that a crash left half done.

    An organization for which that fails is logged and left for later: the others must be served.
    """
    await activation.apply_all()
    async with catalog.snapshot() as connection:
        served = await provisioning.all_served(connection)
    for organization in (it.organization for it in served if it.staging_path is not None):
        try:
            await publisher.settle(organization)
        except HaversackError as error:
            _log.error("publish not settled", organization=organization, reason=error.reason, cause=str(error))
