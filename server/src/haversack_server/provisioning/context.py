"""What a step works in: the organization, its operation, and the lease under which everything is written."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from haversack_server._core import Staging
from haversack_server.catalog import operations, provisioning_bell
from haversack_server.catalog.leases import Lease, LeaseLost, Leases
from haversack_server.catalog.operations import Operation
from haversack_server.core import in_thread
from haversack_server.errors import StagingFailed
from haversack_server.provisioning.parts import Parts


class StopAsked(Exception):
    """An administrator has asked to stop: the step ends here, and clean-up begins."""


class Interrupted(Exception):
    """The worker is stopping: the step ends here, and another worker goes on."""


class Context:
    """One worker's hold on one operation.

    A step writes to the catalog in `transaction` alone, which proves that the operation is still this worker's, and
    calls `safe_point` between pieces of work that may each be done again.

    Attributes:
        parts: What there is to work with.
        lease: The right to work on the operation.
        tears_down: Whether the steps under way are those that clean up, which nobody can stop.
    """

    def __init__(self, parts: Parts, leases: Leases, lease: Lease, operation: Operation) -> None:
        self.parts = parts
        self.lease = lease
        self.tears_down = False
        self._leases = leases
        self._operation = operation
        self._staging: Staging | None = None
        self._is_lost = False
        self._is_interrupted = False

    @property
    def operation(self) -> Operation:
        """The operation as it was last seen."""
        return self._operation

    @property
    def organization(self) -> str:
        """The organization's name."""
        return self._operation.organization

    @property
    def folder(self) -> Path:
        """The folder of the organization's databases, relative to the data folder."""
        return Path("organizations") / self.organization

    def safe_point(self) -> None:
        """Raises LeaseLost, Interrupted or StopAsked if the step has to end here."""
        if self._is_lost:
            raise LeaseLost(f"operation {self._operation.number} of {self.organization} is another worker's")
        if self._is_interrupted:
            raise Interrupted
        if self._operation.stop_requested_at_us is not None and not self.tears_down:
            raise StopAsked

    def interrupt(self) -> None:
        """Has the next safe point raise Interrupted."""
        self._is_interrupted = True

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """Opens a transaction in which the operation is this worker's; raises LeaseLost if it is not any more."""
        async with self.parts.catalog.begin() as connection:
            self.see(await self._leases.write(connection, self.lease))
            yield connection
        await self.parts.catalog.notify(provisioning_bell(self.organization))

    async def beat(self) -> None:
        """Says that this worker is alive, and learns what was asked meanwhile."""
        try:
            async with self.parts.catalog.begin() as connection:
                self.see(await self._leases.heartbeat(connection, self.lease))
        except LeaseLost:
            self._is_lost = True

    async def now_us(self, connection: AsyncConnection) -> int:
        """Returns the time by which operations go, microseconds since the Unix epoch."""
        return await self._leases.clock(connection)

    async def say(self, connection: AsyncConnection, text: str, *, step: str | None = None) -> None:
        """Records something that happened."""
        await operations.add_event(connection, self._operation.id, text, at_us=await self.now_us(connection), step=step)

    async def use_staging(self, path: str, staging: Staging) -> None:
        """Takes over the staging database that was just made, and records where it is."""
        async with self.transaction() as connection:
            self.see(await self._leases.write(connection, self.lease, staging_path=path))
        self._staging = staging

    async def staging(self) -> Staging:
        """Returns the staging database that the operation makes; raises StagingFailed if it cannot be opened."""
        if self._staging is None:
            path = self._operation.staging_path
            if path is None:
                raise StagingFailed(
                    f"operation {self._operation.number} has no staging database; stop it and start anew"
                )
            self._staging = await in_thread(Staging.open, str(self.parts.data / path))
        return self._staging

    async def close(self) -> None:
        """Closes the staging database, if it was opened here."""
        staging, self._staging = self._staging, None
        if staging is not None:
            await in_thread(staging.close)

    def see(self, row: Row[Any]) -> None:
        """Takes in what the catalog has of the operation."""
        self._operation = operations.read(row)
