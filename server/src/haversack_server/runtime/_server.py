"""The server: catalog, staging databases, sync endpoint and admin endpoint, brought up and down in order."""

from __future__ import annotations

import json
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

import structlog

from haversack_server._core import SyncServer
from haversack_server.admin import AdminServer
from haversack_server.catalog import Catalog, organizations
from haversack_server.core import in_thread
from haversack_server.endpoints import Endpoints
from haversack_server.errors import HaversackError
from haversack_server.identity import ADMIN_AUDIENCE, SYNC_AUDIENCE, DevelopmentIssuer
from haversack_server.publishing import Publisher
from haversack_server.runtime._following import Following
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
        await _recover(catalog, stagings, publisher)
        admin = AdminServer(
            catalog=catalog,
            stagings=stagings,
            publisher=publisher,
            sync=sync,
            issuers=self.issuer.trust_json(ADMIN_AUDIENCE),
        )
        parts.push_async_callback(admin.stop, settings.stop_grace_seconds)
        self.admin_address = await admin.start(settings.admin_listen)
        following = Following(catalog, stagings)
        parts.push_async_callback(following.stop)
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


async def _recover(catalog: Catalog, stagings: Stagings, publisher: Publisher) -> None:
    """Opens every organization and carries out publishes that a crash left half done.

    An organization that cannot be opened is logged and left for later: the others must be served.
    """
    async with catalog.snapshot() as connection:
        names = [it.name for it in await organizations.all_by_name(connection)]
    for name in names:
        try:
            await stagings.get(name)
            await publisher.settle(name)
        except HaversackError as error:
            _log.error("organization not served", organization=name, reason=error.reason, cause=str(error))
