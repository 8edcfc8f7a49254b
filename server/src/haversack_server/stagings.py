"""The organizations' staging databases that this process has open."""

from __future__ import annotations

import asyncio
from pathlib import Path

from haversack_server._core import Staging, SyncServer
from haversack_server.catalog import Catalog, organizations
from haversack_server.core import in_thread


class Stagings:
    """Opens each organization's staging database once, and lets the sync endpoint serve it from then on."""

    def __init__(self, data: Path, catalog: Catalog, sync: SyncServer) -> None:
        self._data = data
        self._catalog = catalog
        self._sync = sync
        self._open: dict[str, Staging] = {}
        self._lock = asyncio.Lock()

    async def create(self, organization: str, path: str) -> None:
        """Makes the staging database of an organization that is being created, at a path relative to the data folder.

        A database that is there already was made by a creation that did not get further, so nothing is in it.
        """
        if organization in self._open:
            return
        place = self._data / path
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        async with self._lock:
            opening = Staging.open if place.exists() else Staging.create
            await self._serve(organization, await in_thread(opening, str(place)))

    async def get(self, organization: str) -> Staging:
        """Returns an organization's staging database; raises OrganizationUnknown or StagingFailed."""
        if organization not in self._open:
            async with self._catalog.snapshot() as connection:
                path = (await organizations.find(connection, organization)).staging_path
            async with self._lock:
                if organization not in self._open:
                    await self._serve(organization, await in_thread(Staging.open, str(self._data / path)))
        return self._open[organization]

    async def close(self) -> None:
        """Closes them all."""
        for staging in self._open.values():
            await in_thread(staging.close)
        self._open.clear()

    async def _serve(self, organization: str, staging: Staging) -> None:
        await in_thread(self._sync.add_organization, organization, staging)
        self._open[organization] = staging
