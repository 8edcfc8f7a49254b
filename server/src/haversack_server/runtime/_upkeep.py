"""What a server does from time to time: follow certificates and keys, forget old audit entries and devices."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import structlog

from haversack_server._core import SyncServer
from haversack_server.audit import AuditLog
from haversack_server.core import in_thread
from haversack_server.errors import HaversackError
from haversack_server.operations import Metrics
from haversack_server.runtime._tls import Tls
from haversack_server.security import Certificate
from haversack_server.stagings import Stagings
from haversack_server.trust import Trust

AUDIT_SECONDS = 3_600.0
"""How often old audit entries are deleted."""

DEVICES_SECONDS = 3_600.0
"""How often devices are forgotten that do not call any more."""

DAY_US = 24 * 3_600 * 1_000_000

_log = structlog.get_logger()


@asynccontextmanager
async def kept_up(work: list[Coroutine[Any, Any, None]]) -> AsyncIterator[None]:
    """Does work in the background while the block runs."""
    tasks = [asyncio.create_task(_watched(it)) for it in work]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _watched(work: Coroutine[Any, Any, None]) -> None:
    """Does work, and says so if it ends by a bug: nobody awaits it."""
    try:
        await work
    except Exception:
        _log.exception("work in the background has ended", work=str(work))


async def follow_certificate(tls: Tls, sync: SyncServer, metrics: Metrics) -> None:
    """Shows the certificate to new connections of both endpoints whenever it is renewed."""

    async def changed(certificate: Certificate) -> None:
        await in_thread(sync.set_tls, certificate.chain_pem.decode(), certificate.key_pem.decode())
        metrics.certificate_ends(certificate.ends.timestamp())

    metrics.certificate_ends(tls.certificate().ends.timestamp())
    await tls.follow(changed)


async def follow_keys(trust: Trust, sync: SyncServer) -> None:
    """Lets the sync endpoint believe the keys that issuers have now."""

    async def changed(issuers: str) -> None:
        try:
            await in_thread(sync.set_issuers, issuers)
        except HaversackError as error:
            _log.error("the sync endpoint keeps its old issuers", reason=error.reason, cause=str(error))

    await trust.follow(changed)


async def forget_audit(audit: AuditLog, days: int) -> None:
    """Deletes old audit entries, now and every so often."""
    while True:
        try:
            deleted = await audit.forget(days, time.time_ns() // 1_000)
            if deleted:
                _log.info("old audit entries were deleted", entries=deleted, days=days)
        except (HaversackError, OSError) as error:
            _log.error("old audit entries could not be deleted", cause=str(error))
        await asyncio.sleep(AUDIT_SECONDS)


async def forget_devices(stagings: Stagings, days: int) -> None:
    """Takes devices off the lists that have not called for so long, now and every so often; orders stay."""
    while True:
        since_us = time.time_ns() // 1_000 - days * DAY_US
        for organization, staging in stagings.all_served():
            try:
                forgotten = await in_thread(staging.forget_devices, since_us)
                if forgotten:
                    _log.info("devices were forgotten", organization=organization, devices=forgotten, days=days)
            except HaversackError as error:
                _log.error("devices could not be forgotten", organization=organization, cause=str(error))
        await asyncio.sleep(DEVICES_SECONDS)


def issuer_states(trust: Trust) -> list[tuple[str, int, float]]:
    """Returns name, number of keys and age of the keys in seconds of every issuer."""
    now = time.monotonic()
    return [
        (it.settings.issuer, len(it.keys.ids) if it.keys else 0, now - it.fetched_at if it.fetched_at else now)
        for it in trust.issuers
    ]
