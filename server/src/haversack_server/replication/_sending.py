"""Write-back: what devices upload goes on to where the rows come from, at once, and before anything is replicated.

Where Haversack keeps the rows itself, that is the record database, and any number of processes may write to it at once
(`write_back`). A source outside is written to by one process at a time, under a lease in the catalog: `_outgoing` is
a run.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import structlog

from haversack_server._core import Staging, SyncServer
from haversack_server.catalog import Catalog, write_backs
from haversack_server.catalog.leases import HEARTBEAT_SECONDS, LEASE_SECONDS, Lease, LeaseLost, Leases
from haversack_server.catalog.sources import NATIVE
from haversack_server.core import in_thread
from haversack_server.errors import HaversackError, OrganizationNotProvisioned, SourcePaused, SourceUnavailable
from haversack_server.lifeline import Lifeline, is_cut
from haversack_server.publishing import load_metadata
from haversack_server.replication._connections import Connections
from haversack_server.replication._outgoing import SOURCE_FAILURES, Outgoing, PutAside, Writable
from haversack_server.replication._source import Change, Source, Written, mark_of
from haversack_server.replication._write_back import write_back
from haversack_server.stagings import Stagings

POLL_SECONDS = 0.25
"""How soon what a device has uploaded begins to be written back. A poll looks at one flag of each organization."""

QUEUES_POLL_SECONDS = 5.0
"""How often the queues for sources outside are looked at, for what another process has left that was killed."""

CLAIM_SECONDS = 1.0
"""How soon an organization is looked at again that another process writes back, or whose source is left alone."""

ORGANIZATIONS_AT_ONCE_MAX = 16
"""Organizations that are written back at the same time."""

STOP_SECONDS = 10.0
"""How long writes under way may take when the process stops."""

LAST_SECONDS_MAX = 60.0
"""How long de-provisioning tries to empty a queue whose source answers."""

_log = structlog.get_logger()


@dataclass(frozen=True)
class WriteBackStanding:
    """How write-back to a source outside stands; times are microseconds since the Unix epoch, 0 where there is none.

    Attributes:
        waiting: Writes of devices that the source has yet to take.
        oldest_at_us: When the one that waits longest was uploaded.
        error: Why the last attempt failed; empty if it did not.
        error_reason: Name of the ErrorReason, without prefix.
        failed_at_us: When it did.
        next_run_at_us: When it is tried again; 0 or in the past: at once.
        written_at_us: When the source last took a write.
        total_written: Writes that it took.
        total_refused: Writes that it refused, or that had become conflicts.
    """

    waiting: int = 0
    oldest_at_us: int = 0
    error: str = ""
    error_reason: str = ""
    failed_at_us: int = 0
    next_run_at_us: int = 0
    written_at_us: int = 0
    total_written: int = 0
    total_refused: int = 0


async def write_back_standing(catalog: Catalog, stagings: Stagings, organization: str) -> WriteBackStanding:
    """Says how an organization's write-back stands; raises OrganizationUnknown or OrganizationNotProvisioned."""
    staging = await stagings.get(organization)
    queue = json.loads(await in_thread(staging.queue_standing))
    async with catalog.snapshot() as connection:
        stored = await write_backs.find(connection, organization)
    if stored is None:
        return WriteBackStanding(waiting=queue["waiting"], oldest_at_us=queue["oldest_at_us"])
    return WriteBackStanding(
        waiting=queue["waiting"],
        oldest_at_us=queue["oldest_at_us"],
        error=stored.error,
        error_reason=stored.error_reason,
        failed_at_us=stored.failed_at_us,
        next_run_at_us=stored.next_run_at_us,
        written_at_us=stored.written_at_us,
        total_written=stored.total_written,
        total_refused=stored.total_refused,
    )


class Turns:
    """Whose turn it is to write to sources outside: one process at a time for each organization."""

    def __init__(self, catalog: Catalog, leases: Leases | None = None) -> None:
        self._catalog = catalog
        self._leases = leases or write_backs.leases()
        self.owner = f"{socket.gethostname()[:63]}/{os.getpid()}/{uuid.uuid4().hex[:8]}"

    async def claim(self, organization: str) -> Lease | None:
        """Takes the turn; None if another process has it, or if the source is to be left alone for a while."""
        async with self._catalog.begin() as connection:
            return await write_backs.claim(connection, self._leases, organization, owner=self.owner)

    async def bury_the_dead(self, data: Path) -> None:
        """Ends the turns of processes of this machine that have died."""
        async with self._catalog.begin() as connection:
            for owner in await self._leases.owners(connection):
                if await asyncio.to_thread(is_cut, data, owner):
                    await self._leases.bury(connection, owner)

    async def model(self, organization: str) -> bytes:
        """The organization's metadata."""
        async with self._catalog.snapshot() as connection:
            return (await load_metadata(connection, organization)).model_bytes

    async def give_back(self, lease: Lease, outgoing: Outgoing, failure: HaversackError | None) -> None:
        """Gives the turn back with what came of it. Raises LeaseLost."""
        async with self._catalog.begin() as connection:
            if failure is None:
                await write_backs.complete(connection, self._leases, lease, outgoing.tally, outgoing.error)
                return
            retry_seconds = getattr(failure, "retry_seconds", None)
            await write_backs.fail(
                connection, self._leases, lease, outgoing.tally, failure, retry_seconds=retry_seconds
            )

    @asynccontextmanager
    async def alive(self, lease: Lease, outgoing: Outgoing) -> AsyncIterator[None]:
        """Keeps the turn for the length of the block; a run that has lost it begins nothing more."""
        beating = asyncio.create_task(self._beat(lease, outgoing))
        try:
            yield
        finally:
            beating.cancel()
            with suppress(asyncio.CancelledError):
                await beating

    async def _beat(self, lease: Lease, outgoing: Outgoing) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            try:
                async with self._catalog.begin() as connection:
                    await self._leases.heartbeat(connection, lease)
            except LeaseLost:
                outgoing.stop()
                return
            except HaversackError as error:
                _log.warning("heartbeat missed", organization=outgoing.organization, reason=error.reason)


class WriteBack:
    """Writes back what the devices of this process's sync endpoint upload."""

    def __init__(
        self, data: Path, catalog: Catalog, stagings: Stagings, connections: Connections, sync: SyncServer
    ) -> None:
        """Prepares; `data` is the folder where processes of one machine see that one of them has died."""
        self._data = data
        self._catalog = catalog
        self._stagings = stagings
        self._connections = connections
        self._sync = sync
        self._turns = Turns(catalog)
        self._lifeline = Lifeline(data, self._turns.owner)
        self._waiting: set[str] = set()
        self._working: dict[str, asyncio.Task[None]] = {}
        self._outgoing: dict[str, Outgoing] = {}
        self._put_aside: dict[str, dict[int, PutAside]] = {}
        self._not_before: dict[str, float] = {}
        self._failures: dict[str, str] = {}
        self._following: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins; what a process has left that was killed is done at once."""
        self._lifeline.hold()
        self._following = asyncio.create_task(self._follow())

    async def stop(self) -> None:
        """Ends after the writes under way. What is left is written back by the next process, or another one."""
        if self._following is not None:
            self._following.cancel()
            with suppress(asyncio.CancelledError):
                await self._following
        for outgoing in self._outgoing.values():
            outgoing.stop()
        if self._working:
            _, late = await asyncio.wait(self._working.values(), timeout=STOP_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        self._lifeline.let_go()

    async def _follow(self) -> None:
        queues_due = 0.0
        while True:
            written = self._sync.take_written()
            self._waiting.update(written)
            for organization in written:
                self._not_before.pop(organization, None)
            if time.monotonic() >= queues_due:
                self._waiting.update(self._stagings.queueing())
                queues_due = time.monotonic() + QUEUES_POLL_SECONDS
            for organization in sorted(self._waiting):
                if len(self._working) < ORGANIZATIONS_AT_ONCE_MAX and self._is_due(organization):
                    self._begin(organization)
            await asyncio.sleep(POLL_SECONDS)

    def _is_due(self, organization: str) -> bool:
        return organization not in self._working and self._not_before.get(organization, 0.0) <= time.monotonic()

    def _begin(self, organization: str) -> None:
        self._waiting.discard(organization)
        task = asyncio.create_task(self._work(organization))
        self._working[organization] = task
        task.add_done_callback(lambda _: self._working.pop(organization))

    async def _work(self, organization: str) -> None:
        """Writes back once; an organization that is not done comes again. A failure is logged, once for each cause."""
        try:
            is_done = await self._write_back(organization)
            self._failures.pop(organization, None)
        except (HaversackError, LeaseLost) as error:
            is_done = False
            if self._failures.get(organization) != str(error):
                self._failures[organization] = str(error)
                reason = getattr(error, "reason", "LEASE_LOST")
                _log.error("uploads not written back", organization=organization, reason=reason, cause=str(error))
        if not is_done:
            self._waiting.add(organization)

    async def _write_back(self, organization: str) -> bool:
        """Returns whether nothing is left."""
        try:
            staging = await self._stagings.get(organization)
            # First what Haversack keeps itself, whatever is the matter with a source outside.
            await write_back(staging, await self._stagings.record(organization))
            async with self._connections.lend(organization) as lent:
                if lent.is_native:
                    return True
                mark = mark_of(lent.source)
                if not await self._is_another_s(staging, mark):
                    return await self._send(organization, staging, lent.source, mark)
            await self._rebind(organization, staging)
            return False
        except OrganizationNotProvisioned:
            # Whoever took it out of service has written back all that there was, or kept it. Places begin anew.
            self._put_aside.pop(organization, None)
            return True
        except SourcePaused:
            self._leave(organization, CLAIM_SECONDS)
            return False

    async def _is_another_s(self, staging: Staging, mark: bytes) -> bool:
        """Whether the queue is for another source; what waits there for one of before is refused."""
        bound = await in_thread(staging.queue_source)
        if not bound:
            await in_thread(staging.bind_queue, mark)
        elif bound != mark:
            return True
        await refuse_replaced(staging)
        return False

    async def _rebind(self, organization: str, staging: Staging) -> None:
        """Has the queue be for the source that the catalog has, when nobody is setting another one.

        Either that was so a moment ago, or whoever did was killed before the queue was told.
        """
        async with self._catalog.exclusive(organization), self._connections.lend(organization) as lent:
            await bind_queue(staging, lent.source)

    async def _send(self, organization: str, staging: Staging, source: Writable, mark: bytes) -> bool:
        """Takes an organization's queue to its source; returns whether nothing is left."""
        if not json.loads(await in_thread(staging.queue_standing))["waiting"]:
            return True
        lease = await self._turns.claim(organization)
        if lease is None:
            await self._turns.bury_the_dead(self._data)
            self._leave(organization, CLAIM_SECONDS)
            return False
        aside = self._put_aside.setdefault(organization, {})
        model = await self._turns.model(organization)
        outgoing = Outgoing(organization, staging, model, source, mark, put_aside=aside)
        self._outgoing[organization] = outgoing
        failure: HaversackError | None = None
        try:
            async with self._turns.alive(lease, outgoing):
                ended = await outgoing.run()
        except HaversackError as error:
            failure = error
        finally:
            self._outgoing.pop(organization, None)
        await self._turns.give_back(lease, outgoing, failure)
        if failure is not None:
            self._leave(organization, CLAIM_SECONDS)
            raise failure
        if ended == "put aside":
            self._leave(organization, outgoing.rest_seconds)
        return ended == "empty"

    def _leave(self, organization: str, seconds: float) -> None:
        self._not_before[organization] = time.monotonic() + seconds


async def refuse_replaced(staging: Staging, *, every: bool = False) -> int:
    """Refuses queued writes that were accepted for a source of before, or all; returns how many. Raises StagingFailed.

    They are in the log of sync errors then, where administrators have them sent to the source of now, or discard them.
    """
    total = 0
    while refused := await in_thread(staging.refuse_replaced, every=every):
        total += refused
    return total


async def bind_queue(staging: Staging, source: Source) -> int:
    """Has a queue be for a source; returns how many writes for one of before were refused. Raises StagingFailed.

    Where Haversack keeps the rows itself nothing is queued, so all that waits is another source's.
    """
    await in_thread(staging.bind_queue, mark_of(source))
    return await refuse_replaced(staging, every=source.kind == NATIVE)


class _Away:
    """A source that is not to be written to."""

    async def write(self, change: Change) -> Written:
        """Raises SourceUnavailable."""
        raise SourceUnavailable(f"{change.key} waits, because the source is paused; resume it")


@asynccontextmanager
async def last_writes(
    catalog: Catalog, organization: str, staging: Staging, source: Source | None
) -> AsyncIterator[int]:
    """Takes what is left in a closed ledger's queue to the source, as far as it answers, and keeps others from it.

    Without a source (it is paused) nothing is taken there. Gives how many writes are still waiting; within the block
    nobody writes to the source, so the ledger can be kept with them. Raises StagingFailed or LimitReached.
    """
    turns = Turns(catalog)
    lease = await _turn(turns, catalog, organization)
    mark = mark_of(source) if source else b""
    outgoing = Outgoing(organization, staging, await turns.model(organization), source or _Away(), mark)
    failure: HaversackError | None = None
    async with turns.alive(lease, outgoing):
        timer = asyncio.get_running_loop().call_later(LAST_SECONDS_MAX, outgoing.stop)
        try:
            await outgoing.run()
        except SOURCE_FAILURES as error:
            failure = error
        finally:
            timer.cancel()
        yield json.loads(await in_thread(staging.queue_standing))["waiting"]
    with suppress(LeaseLost):
        await turns.give_back(lease, outgoing, failure)


async def _turn(turns: Turns, catalog: Catalog, organization: str) -> Lease:
    """Waits for the turn, at most until the lease of a process that died has ended."""
    deadline = time.monotonic() + LEASE_SECONDS + LAST_SECONDS_MAX
    while True:
        async with catalog.begin() as connection:
            await write_backs.hurry(connection, organization)
        lease = await turns.claim(organization)
        if lease is not None:
            return lease
        if time.monotonic() > deadline:
            raise SourceUnavailable(
                f"another process has been writing to the source of {organization} for too long; retry"
            )
        await asyncio.sleep(POLL_SECONDS)
