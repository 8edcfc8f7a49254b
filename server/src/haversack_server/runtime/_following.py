"""Serving organizations that other processes make: devices come to any server, whichever made their organization."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import structlog

from haversack_server.catalog import ORGANIZATIONS_BELL, Catalog, organizations
from haversack_server.errors import HaversackError
from haversack_server.stagings import Stagings

POLL_SECONDS = 5.0
"""How often the catalog is looked at when no bell rings: on SQLite none does for what another process makes."""

_log = structlog.get_logger()


class Following:
    """Opens the staging databases of new organizations until it is stopped."""

    def __init__(self, catalog: Catalog, stagings: Stagings) -> None:
        """Begins; must be called on the event loop of the catalog."""
        self._catalog = catalog
        self._stagings = stagings
        self._task = asyncio.create_task(self._follow())

    async def stop(self) -> None:
        """Ends it."""
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    async def _follow(self) -> None:
        with self._catalog.listen(ORGANIZATIONS_BELL) as bell:
            while True:
                await bell.wait(POLL_SECONDS)
                try:
                    await self._open_new()
                except HaversackError as error:
                    _log.warning("organizations not looked at", reason=error.reason, cause=str(error))

    async def _open_new(self) -> None:
        async with self._catalog.snapshot() as connection:
            names = [it.name for it in await organizations.all_by_name(connection)]
        for name in names:
            try:
                await self._stagings.get(name)
            except HaversackError as error:
                _log.warning("organization not served", organization=name, reason=error.reason, cause=str(error))
