"""The databases of rows that this process has open: record databases, and the staging databases that it serves."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from haversack_server._core import Staging, SyncServer
from haversack_server.catalog import Catalog, organizations, provisioning, sources
from haversack_server.core import in_thread
from haversack_server.errors import OrganizationNotProvisioned


@dataclass(frozen=True)
class _Served:
    """A staging database that the sync endpoint serves, and where it is."""

    path: str
    staging: Staging
    queues_writes: bool


class Stagings:
    """Opens each database once, and lets the sync endpoint serve the staging databases.

    An organization's **record database** has the rows of which Haversack itself is the system of record; it is made
    with the organization, and outlives every **staging database**, the copy that devices sync with.
    """

    def __init__(self, data: Path, catalog: Catalog, sync: SyncServer) -> None:
        self._data = data
        self._catalog = catalog
        self._sync = sync
        self._records: dict[str, Staging] = {}
        self._served: dict[str, _Served] = {}
        self._withdrawn: set[str] = set()
        self._lock = asyncio.Lock()

    async def create_record(self, organization: str, path: str) -> None:
        """Makes the record database of an organization that is being created, at a path relative to the data folder.

        A database that is there already was made by a creation that did not get further, so nothing is in it.
        """
        place = self._data / path
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        async with self._lock:
            if organization not in self._records:
                opening = Staging.open if place.exists() else Staging.create
                self._records[organization] = await in_thread(opening, str(place))

    async def record(self, organization: str) -> Staging:
        """Returns an organization's record database; raises OrganizationUnknown or StagingFailed."""
        if organization not in self._records:
            async with self._catalog.snapshot() as connection:
                path = (await organizations.find(connection, organization)).record_path
            async with self._lock:
                if organization not in self._records:
                    self._records[organization] = await in_thread(Staging.open, str(self._data / path))
        return self._records[organization]

    async def get(self, organization: str) -> Staging:
        """Returns the staging database that is served of an organization, and sees to it that it is.

        Raises OrganizationUnknown, OrganizationNotProvisioned or StagingFailed.
        """
        if organization not in self._served:
            async with self._catalog.snapshot() as connection:
                standing = await provisioning.find(connection, organization)
            if standing.staging_path is None:
                raise OrganizationNotProvisioned(
                    f"organization {organization} is {standing.state}, so it has no staging database;"
                    f" `haversack org provision {organization}` makes one"
                )
            return await self.serve(organization, standing.staging_path)
        return self._served[organization].staging

    def all_served(self) -> list[tuple[str, Staging]]:
        """Returns the staging databases that are served now, each with its organization."""
        return [(organization, it.staging) for organization, it in self._served.items()]

    async def serve(self, organization: str, path: str) -> Staging:
        """Has the sync endpoint serve a staging database, in place of any other; raises StagingFailed."""
        async with self._lock:
            served = self._served.get(organization)
            if served is None or served.path != path:
                await self._withdraw(organization)
                staging = await in_thread(Staging.open, str(self._data / path))
                queues_writes = await self._has_source_outside(organization)
                await in_thread(self._sync.add_organization, organization, staging, queues_writes=queues_writes)
                self._withdrawn.discard(organization)
                served = self._served[organization] = _Served(path, staging, queues_writes)
            return served.staging

    def queueing(self) -> list[str]:
        """Returns the organizations served here whose devices' writes wait for a source outside."""
        return [organization for organization, served in self._served.items() if served.queues_writes]

    async def withdraw(self, organization: str) -> None:
        """Has the sync endpoint tell devices that the organization is not provisioned; its database is closed here."""
        async with self._lock:
            if organization not in self._withdrawn:
                await self._withdraw(organization)
                await in_thread(self._sync.remove_organization, organization)
                self._withdrawn.add(organization)

    async def close(self) -> None:
        """Closes them all."""
        for staging in (*self._records.values(), *(it.staging for it in self._served.values())):
            await in_thread(staging.close)
        self._records.clear()
        self._served.clear()

    async def _has_source_outside(self, organization: str) -> bool:
        """Whether the rows are a source's: that cannot change while a staging database is served."""
        async with self._catalog.snapshot() as connection:
            return await sources.find(connection, organization) is not None

    async def _withdraw(self, organization: str) -> None:
        served = self._served.pop(organization, None)
        if served is not None:
            await in_thread(self._sync.remove_organization, organization)
            await in_thread(served.staging.close)
