"""What this process serves follows the catalog: at once where a bell rings, else within a second."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import structlog

from haversack_server.catalog import ORGANIZATIONS_BELL, Catalog, provisioning
from haversack_server.catalog.provisioning import Served
from haversack_server.errors import HaversackError
from haversack_server.stagings import Stagings

POLL_SECONDS = 1.0

_log = structlog.get_logger()


class Activation:
    """Has the sync endpoint of this process serve the staging databases that the catalog names, and no others.

    Organizations that the catalog knows and that have none are told to the sync endpoint too, so that their devices
    learn ORGANIZATION_NOT_PROVISIONED.
    """

    def __init__(self, catalog: Catalog, stagings: Stagings) -> None:
        self._catalog = catalog
        self._stagings = stagings
        self._broken: dict[str, str] = {}
        # Over the reading and the doing: else what was read could be done after something newer.
        self._lock = asyncio.Lock()
        self._following: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins to follow the catalog."""
        self._following = asyncio.create_task(self._follow())

    async def stop(self) -> None:
        """Follows no longer."""
        if self._following is not None:
            self._following.cancel()
            with suppress(asyncio.CancelledError):
                await self._following

    async def apply(self, organization: str) -> None:
        """Serves one organization as the catalog has it now; raises OrganizationUnknown or StagingFailed."""
        async with self._lock:
            async with self._catalog.snapshot() as connection:
                standing = await provisioning.find(connection, organization)
            await self._serve(Served(organization, standing.staging_path, standing.epoch))

    async def apply_all(self) -> None:
        """Serves every organization as the catalog has it now.

        One that cannot be served is logged and left for the next time: the others must be served.
        """
        async with self._lock:
            async with self._catalog.snapshot() as connection:
                everything = await provisioning.all_served(connection)
            for served in everything:
                try:
                    await self._serve(served)
                    self._broken.pop(served.organization, None)
                except HaversackError as error:
                    self._complain(served.organization, error)

    async def _follow(self) -> None:
        with self._catalog.listen(ORGANIZATIONS_BELL) as bell:
            while True:
                await bell.wait(POLL_SECONDS)
                try:
                    await self.apply_all()
                except HaversackError as error:
                    _log.warning("catalog not read for what to serve", reason=error.reason, cause=str(error))

    async def _serve(self, served: Served) -> None:
        if served.staging_path is None:
            await self._stagings.withdraw(served.organization)
        else:
            await self._stagings.serve(served.organization, served.staging_path)

    def _complain(self, organization: str, error: HaversackError) -> None:
        """Logs why an organization is not served, once for each cause."""
        if self._broken.get(organization) != str(error):
            self._broken[organization] = str(error)
            _log.error("organization not served", organization=organization, reason=error.reason, cause=str(error))
