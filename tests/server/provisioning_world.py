"""Provisioning without a server around it: real databases, a real sync endpoint, and workers that die when told to."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from haversack.admin.v1 import entities_pb2
from haversack.model.v1 import model_pb2
from haversack_server._core import SyncServer
from haversack_server.catalog import Catalog, operations, organizations, provisioning, work_items
from haversack_server.catalog.leases import LEASE_SECONDS
from haversack_server.catalog.operations import Operation
from haversack_server.catalog.organizations import Organization
from haversack_server.catalog.provisioning import Standing
from haversack_server.connectors import CONNECTORS
from haversack_server.entity_import import import_documents
from haversack_server.provisioning import TERMS, Activation, Parts, Requests, Status, Worker
from haversack_server.provisioning.context import Context
from haversack_server.provisioning.files import StagingFile, staging_files
from haversack_server.provisioning.machine import Step
from haversack_server.provisioning.steps import FUNCTIONS, Function
from haversack_server.publishing import Publisher
from haversack_server.replication import Connections
from haversack_server.sealing import Seal
from haversack_server.stagings import Stagings
from server.running import LoopThread
from sqlalchemy.ext.asyncio import AsyncConnection


class Time:
    """A clock that stands still unless it is moved."""

    def __init__(self) -> None:
        self.now_us = 1_700_000_000_000_000

    async def __call__(self, connection: AsyncConnection) -> int:
        """Returns the time; each look takes a microsecond."""
        self.now_us += 1
        return self.now_us

    def let_leases_end(self) -> None:
        """Moves on until no lease that was held before is valid."""
        self.now_us += (LEASE_SECONDS + 1) * 1_000_000

    def is_lease_over(self, heartbeat_at_us: int | None) -> bool:
        """Whether who gave this sign of life has no lease any more; None is nobody."""
        return heartbeat_at_us is None or heartbeat_at_us + LEASE_SECONDS * 1_000_000 <= self.now_us


@dataclass
class Fate:
    """What befalls a worker, and where: it dies, or it stands still until it is told to go on.

    Attributes:
        looks: Dies within the transaction in which it looks at the clock this often; None for never.
        moment: Before or after this step ...
        dies: ... it dies, else it stands still ...
        resume: ... until this is set.
    """

    looks: int | None = None
    moment: tuple[str, Step] | None = None
    dies: bool = True
    resume: asyncio.Event = field(default_factory=asyncio.Event)
    _stands: asyncio.Event = field(default_factory=asyncio.Event)

    async def stands_still(self, finishing: asyncio.Task[None]) -> bool:
        """Waits until the worker stands still, and returns True, or until it has finished without."""
        standing = asyncio.create_task(self._stands.wait())
        await asyncio.wait({finishing, standing}, return_when=asyncio.FIRST_COMPLETED)
        standing.cancel()
        return self._stands.is_set()

    async def meet(self, when: str, step: Step) -> None:
        """Befalls the worker, if this is the moment."""
        if self.moment != (when, step):
            return
        if self.dies:
            raise asyncio.CancelledError
        self._stands.set()
        await self.resume.wait()

    def functions(self) -> Mapping[Step, Function]:
        """The real steps, with fate on both sides of them."""
        return {step: self._around(step, function) for step, function in FUNCTIONS.items()}

    def _around(self, step: Step, function: Function) -> Function:
        async def fated(context: Context) -> None:
            await self.meet("before", step)
            await function(context)
            await self.meet("after", step)

        return fated


class World:
    """One catalog and one sync endpoint, with any number of organizations."""

    def __init__(self, loop: LoopThread, data: Path, catalog_url: str) -> None:
        self.loop = loop
        self.data = data
        self.time = Time()
        self.catalog = loop.run(Catalog.open(catalog_url))
        self._sync = SyncServer(json.dumps({"listen": "127.0.0.1:0", "plain_text": True, "issuers": []}))
        self._sync.start()
        self._stagings = Stagings(data, self.catalog, self._sync)
        self._activation = Activation(self.catalog, self._stagings)
        publisher = Publisher(self.catalog, self._stagings)
        self.connections = Connections(self.catalog, self._stagings, CONNECTORS, Seal(data))
        self._parts = Parts(
            data, self.catalog, publisher, self._stagings, self._sync, self._activation, self.connections
        )
        self.requests = Requests(self.catalog, clock=self.time)
        self.status = Status(self.catalog, clock=self.time)

    def close(self) -> None:
        """Closes everything."""
        self._sync.stop(1)
        self.loop.run(self.connections.close())
        self.loop.run(self._stagings.close())
        self.loop.run(self.catalog.close())

    def worker(self, fate: Fate | None = None) -> Worker:
        """Returns a worker to whom this will happen."""
        fate = fate or Fate()
        looks = 0

        async def clock(connection: AsyncConnection) -> int:
            nonlocal looks
            looks += 1
            if looks == fate.looks:
                raise asyncio.CancelledError
            return await self.time(connection)

        return Worker(self._parts, clock=clock, functions=fate.functions())

    def organization(self, *, kind: str = "PRODUCTION", consented: bool = True) -> str:
        """Makes an organization with a little metadata."""
        name = f"w-{uuid.uuid4().hex[:12]}"
        self.loop.run(
            self._make(Organization(name, model_pb2.Settings(), f"organizations/{name}/native.sqlite3", 0, kind))
        )
        if consented:
            self.loop.run(self.requests.consent(name, TERMS, who="tester"))
        return name

    def folder(self, organization: str) -> Path:
        """Where an organization's databases are."""
        return self.data / "organizations" / organization

    def files(self, organization: str) -> set[StagingFile]:
        """An organization's staging databases."""
        return staging_files(self.folder(organization))

    def work(self, fate: Fate | None = None) -> None:
        """Has a worker do what it finds, until it is done or has met its fate."""

        async def run() -> None:
            worker = self.worker(fate)
            try:
                await worker.look()
            except asyncio.CancelledError:
                return  # it died while it claimed
            await worker.finish()

        self.loop.run(run())

    def standing(self, organization: str) -> Standing:
        """Where an organization stands."""

        async def read() -> Standing:
            async with self.catalog.snapshot() as connection:
                return await provisioning.find(connection, organization)

        return self.loop.run(read())

    def operation(self, organization: str) -> Operation | None:
        """Its latest operation."""

        async def read() -> Operation | None:
            async with self.catalog.snapshot() as connection:
                return await operations.latest(connection, organization)

        return self.loop.run(read())

    async def written(self, organization: str) -> tuple[Standing, Operation | None, int]:
        """What the catalog has of an organization's provisioning."""
        async with self.catalog.snapshot() as connection:
            operation = await operations.latest(connection, organization)
            steps = await operations.steps(connection, operation.id) if operation else {}
            return await provisioning.find(connection, organization), operation, len(steps)

    def work_items(self, organization: str) -> int:
        """How many work items it has."""

        async def read() -> int:
            async with self.catalog.snapshot() as connection:
                mine = [work_items.of_organization(organization)]
                return (await work_items.listed(connection, mine, offset=0, count=1))[1]

        return self.loop.run(read())

    def serves(self, organization: str) -> bool:
        """Whether the sync endpoint serves it."""
        statistics = json.loads(self._sync.statistics())
        return organization in {it["name"] for it in statistics["organizations"]}

    async def _make(self, organization: Organization) -> None:
        async with self.catalog.begin() as connection:
            await organizations.add(connection, organization, at_us=1)
            await provisioning.add(connection, organization.name, who="tester", at_us=1)
            await self._stagings.create_record(organization.name, organization.record_path)
        await import_documents(
            self.catalog, organization.name, [entities_pb2.MetadataDocument(name="a", content=DOCUMENT)]
        )


DOCUMENT = json.dumps(
    {
        "LogicalName": "visit",
        "OwnershipType": "OrganizationOwned",
        "PrimaryIdAttribute": "visitid",
        "Attributes": [{"LogicalName": "visitid", "AttributeType": "Uniqueidentifier"}],
    }
).encode()
