"""The worker: takes operations that nobody works on, and runs them. Any number of workers may, in any processes."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from collections.abc import Mapping

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from haversack_server.catalog import OPERATIONS_BELL, Bell, operations
from haversack_server.catalog.leases import OWNER_CHARACTERS_MAX, Clock, Lease, Leases, database_clock
from haversack_server.errors import HaversackError
from haversack_server.lifeline import Lifeline, is_cut
from haversack_server.provisioning.context import Context
from haversack_server.provisioning.machine import Step
from haversack_server.provisioning.parts import Parts
from haversack_server.provisioning.run import Run
from haversack_server.provisioning.steps import FUNCTIONS, Function

POLL_SECONDS = 1.0
"""How often it looks for what another process recorded, or let go of."""

RUNS_MAX = 4
"""How many operations one worker runs at once."""

PURGE_SECONDS = 3600.0
"""How often old events are deleted."""

_log = structlog.get_logger()


class Worker:
    """Runs operations while it is started. Belongs to the event loop that starts it."""

    def __init__(
        self, parts: Parts, *, clock: Clock = database_clock, functions: Mapping[Step, Function] = FUNCTIONS
    ) -> None:
        """Takes what it works with, the time that leases go by, and what each step does."""
        self._parts = parts
        self._functions = functions
        self._leases = Leases(operations.LEASED, clock=clock)
        self._owner = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"[-OWNER_CHARACTERS_MAX:]
        self._lifeline = Lifeline(parts.data, self._owner)
        self._runs: dict[asyncio.Task[None], Run] = {}
        self._bell: Bell | None = None
        self._looking: asyncio.Task[None] | None = None
        self._is_stopping = False
        self._purged_at = float("-inf")

    def start(self) -> None:
        """Begins to look for operations."""
        self._lifeline.hold()
        self._looking = asyncio.create_task(self._look())

    async def stop(self) -> None:
        """Gives every operation back at its next safe point, so that another worker goes on at once."""
        self._is_stopping = True
        self._ring()
        if self._looking is not None:
            await self._looking
        for run in self._runs.values():
            run.interrupt()
        await self.finish()
        self._lifeline.let_go()

    async def finish(self) -> None:
        """Waits until it runs nothing."""
        await asyncio.gather(*self._runs, return_exceptions=True)

    async def abandon(self) -> None:
        """Ends as a crash would: nothing is given back, and leases end when their time is over."""
        tasks = [*self._runs, *([self._looking] if self._looking else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def look(self) -> None:
        """Takes operations that nobody works on, as many as it may run."""
        async with self._parts.catalog.begin() as connection:
            await self._bury_the_dead(connection)
            free = RUNS_MAX - len(self._runs)
            due = operations.WAITING
            claimed = await self._leases.claim(connection, owner=self._owner, due=due, limit=free) if free else []
            waiting = await operations.of_leases(connection, [it.id for it in claimed]) if claimed else {}
            await self._purge(connection)
        for lease in claimed:
            self._run(lease, Context(self._parts, self._leases, lease, waiting[lease.id]))

    def _run(self, lease: Lease, context: Context) -> None:
        run = Run(context, self._leases, self._functions)
        if lease.fence > 1:
            _log.info("operation taken over", organization=run.organization, fence=lease.fence)
        task = asyncio.create_task(run.finish())
        self._runs[task] = run
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        run = self._runs.pop(task)
        self._ring()
        if not task.cancelled() and (error := task.exception()):
            _log.error("run ended by a bug", organization=run.organization, exc_info=error)

    async def _look(self) -> None:
        with self._parts.catalog.listen(OPERATIONS_BELL) as self._bell:
            while not self._is_stopping:
                try:
                    await self.look()
                except HaversackError as error:
                    _log.warning("operations not looked for", reason=error.reason, cause=str(error))
                if await self._bell.wait(POLL_SECONDS):
                    for run in self._runs.values():
                        run.nudge()

    def _ring(self) -> None:
        """Has this worker look now."""
        if self._bell is not None:
            self._bell.ring()

    async def _bury_the_dead(self, connection: AsyncConnection) -> None:
        """Frees what workers had that have died on this machine."""
        for owner in await self._leases.owners(connection):
            if owner != self._owner and is_cut(self._parts.data, owner):
                _log.warning("worker has died", worker=owner)
                await self._leases.bury(connection, owner)

    async def _purge(self, connection: AsyncConnection) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._purged_at >= PURGE_SECONDS:
            self._purged_at = now
            await operations.purge_events(connection, now_us=await self._leases.clock(connection))
