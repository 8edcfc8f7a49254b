"""The server: catalog, staging databases, sync endpoint and admin endpoint, brought up and down in order."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Self

import structlog

from haversack_server._core import SyncServer
from haversack_server.admin import AdminServer, Guard
from haversack_server.audit import AuditLog
from haversack_server.catalog import Catalog, provisioning
from haversack_server.connectors import CONNECTORS, OWN_SETTINGS
from haversack_server.core import in_thread
from haversack_server.endpoints import Endpoints
from haversack_server.errors import CatalogFailed, HaversackError
from haversack_server.identity import DevelopmentIssuer
from haversack_server.operations import Metrics, Pages
from haversack_server.places import RESTORING_MARKER
from haversack_server.process_role import ProcessRole
from haversack_server.provisioning import Activation, Parts, Requests, Status, Worker
from haversack_server.publishing import Publisher
from haversack_server.replication import Connect, Connections, Replicator, Sources, SourceStatus, WriteBack
from haversack_server.runtime._tls import Tls
from haversack_server.runtime._upkeep import (
    WatchedSources,
    follow_certificate,
    follow_keys,
    forget_audit,
    forget_devices,
    issuer_states,
    kept_up,
)
from haversack_server.sealing import Seal
from haversack_server.security import Access, Limiter
from haversack_server.settings import ServerSettings
from haversack_server.stagings import Stagings
from haversack_server.trust import Trust

_OF_CALLERS = {"requests_per_second", "burst", "calls_at_once"}
"""Limits of the admin endpoint's callers; all others are the sync endpoint's."""

READY_SECONDS_MAX = 5.0
"""How long the catalog may take to show that it is there."""

_log = structlog.get_logger()


class Server:
    """Both endpoints over one data folder, or the share that the process's role has of them.

    Belongs to the event loop that enters it; a process has one such loop.

    Attributes:
        admin_address: "host:port" of the admin endpoint, once entered; empty if this process has none.
        sync_address: "host:port" of the sync endpoint, once entered; empty if this process has none.
        metrics_address: "host:port" of metrics and health over HTTP, once entered; empty if there are none.
        issuer: Signs tokens that both endpoints believe, once entered; in development mode alone.
    """

    admin_address: str = ""
    sync_address: str = ""
    metrics_address: str = ""
    issuer: DevelopmentIssuer

    def __init__(self, settings: ServerSettings, connectors: Mapping[str, Connect] = CONNECTORS) -> None:
        """Takes what it is to be like, and the kinds of sources outside that it has."""
        self._settings = settings
        self._connectors = connectors
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
        self._prepare()
        tls, metrics = Tls.of(settings), Metrics()
        trust = await self._trust()
        catalog = await Catalog.open(settings.catalog_url)
        parts.push_async_callback(catalog.close)
        sync = await in_thread(SyncServer, self._sync_config(trust, tls))
        stagings = Stagings(settings.data, catalog, sync)
        parts.push_async_callback(stagings.close)
        if settings.role is not ProcessRole.REPLICATOR:
            self.sync_address = await in_thread(sync.start)
            parts.push_async_callback(in_thread, sync.stop, settings.stop_grace_seconds)
        publisher, audit, seal = Publisher(catalog, stagings), AuditLog(catalog), Seal(settings.data)
        connections = Connections(catalog, stagings, self._connectors, seal, OWN_SETTINGS)
        parts.push_async_callback(connections.close)
        connections.start()
        activation = Activation(catalog, stagings)
        await _recover(catalog, activation, publisher)
        parts.push_async_callback(activation.stop)
        activation.start()
        write_back = WriteBack(settings.data, catalog, stagings, connections, sync)
        parts.push_async_callback(write_back.stop)
        write_back.start()
        if settings.role is not ProcessRole.SYNC:
            replicator = Replicator(catalog, connections)
            parts.push_async_callback(replicator.stop)
            replicator.start()
        if settings.role is ProcessRole.ALL:
            worker = Worker(Parts(settings.data, catalog, publisher, stagings, sync, activation, connections))
            parts.push_async_callback(worker.stop)
            worker.start()
            guard = self._guard(trust, catalog, audit, metrics)
            source_status = SourceStatus(catalog, stagings)
            admin = AdminServer(
                catalog=catalog,
                stagings=stagings,
                publisher=publisher,
                requests=Requests(catalog),
                status=Status(catalog),
                connections=connections,
                sources=Sources(catalog, stagings, connections, seal),
                source_status=source_status,
                sync=sync,
                guard=guard,
                administrators=settings.administrators,
            )
            parts.push_async_callback(admin.stop, settings.stop_grace_seconds)
            self.admin_address = await admin.start(settings.admin_listen, tls.certificate if tls else None)
        upkeep = [follow_keys(trust, sync)]
        if tls is not None and settings.role is not ProcessRole.REPLICATOR:
            upkeep.append(follow_certificate(tls, sync, metrics))
        if settings.role is ProcessRole.ALL:
            upkeep.append(forget_audit(audit, settings.audit_days))
            upkeep.append(forget_devices(stagings, settings.device_days))
            watched = WatchedSources(catalog, source_status)
            upkeep.append(watched.follow())
            metrics.add_sources(watched.known)
        await parts.enter_async_context(kept_up(upkeep))
        metrics.add_sync(sync.statistics)
        metrics.add_issuers(lambda: issuer_states(trust))
        self._start_pages(parts, metrics, catalog)
        if settings.role is ProcessRole.ALL:
            self._tell_endpoints(parts)

    def _tell_endpoints(self, parts: AsyncExitStack) -> None:
        """Lets commands on this machine find the server while it runs."""
        endpoints = self._endpoints()
        endpoints.write(self._settings.data)
        parts.callback(endpoints.remove, self._settings.data)

    def _prepare(self) -> None:
        """Sees to it that settings and data folder can be used; raises ConfigurationInvalid or CatalogFailed."""
        data = self._settings.data
        self._settings.check()
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        if (data / RESTORING_MARKER).exists():
            raise CatalogFailed(
                f"a backup is being restored into {data}; wait, or restore it again if it was broken off"
            )

    def _guard(self, trust: Trust, catalog: Catalog, audit: AuditLog, metrics: Metrics) -> Guard:
        return Guard(
            trust=trust,
            access=Access(self._settings, catalog),
            limiter=Limiter(**self._settings.limits.model_dump(include=_OF_CALLERS)),
            audit=audit,
            metrics=metrics.calls,
        )

    async def _trust(self) -> Trust:
        """Knows whose tokens are believed: the development issuer's in development mode alone."""
        development = None
        if self._settings.development:
            development = self.issuer = DevelopmentIssuer.open(self._settings.data)
        trust = Trust(self._settings, development)
        await trust.start()
        return trust

    def _start_pages(self, parts: AsyncExitStack, metrics: Metrics, catalog: Catalog) -> None:
        if not self._settings.metrics_listen:
            return
        loop = asyncio.get_running_loop()

        def unready() -> str:
            try:
                asyncio.run_coroutine_threadsafe(catalog.touch(), loop).result(READY_SECONDS_MAX)
            except Exception as error:
                return f"the catalog does not answer: {error or type(error).__name__}"
            return ""

        pages = Pages(metrics=metrics.page, unready=unready)
        self.metrics_address = pages.start(self._settings.metrics_listen)
        parts.push_async_callback(asyncio.to_thread, pages.stop)

    def _endpoints(self) -> Endpoints:
        tls = self._settings.tls
        ca_file = str(self._settings.place(tls.ca_file).absolute()) if tls and tls.ca_file else ""
        return Endpoints(
            admin=self.admin_address,
            sync=self.sync_address,
            tls=tls is not None,
            ca_file=ca_file,
            development=self._settings.development,
            metrics=self.metrics_address,
        )

    def _sync_config(self, trust: Trust, tls: Tls | None) -> str:
        config: dict[str, Any] = {
            "listen": self._settings.sync_listen,
            "issuers": json.loads(trust.sync_issuers()),
            "heartbeat_seconds": self._settings.heartbeat_seconds,
            **self._settings.limits.model_dump(exclude=_OF_CALLERS),
        }
        if tls is None:
            config["plain_text"] = True
        else:
            shown = tls.certificate()
            config["tls"] = {
                "certificate_chain_pem": shown.chain_pem.decode(),
                "private_key_pem": shown.key_pem.decode(),
            }
        return json.dumps(config)


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
