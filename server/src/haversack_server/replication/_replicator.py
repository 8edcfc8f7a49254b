"""The worker that drains the queue of work items, beside any number of others."""

from __future__ import annotations

import asyncio
import os
import socket
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Protocol

import structlog

from haversack_server.catalog import Bell, Catalog, work_items
from haversack_server.catalog.leases import HEARTBEAT_SECONDS, LeaseLost, Leases
from haversack_server.catalog.work_items import WORK_BELL, Claimed, Counts
from haversack_server.errors import HaversackError, InternalFault
from haversack_server.replication._source import ROWS_MAX, Feed

_log = structlog.get_logger()


class Feeds(Protocol):
    """Where the feeds of one kind of source are opened."""

    kind: str

    async def open(self, organization: str, entity: str) -> Feed:
        """Opens one; raises OrganizationUnknown, OrganizationNotProvisioned, EntityUnknown or the source's failures."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What bounds a replicator.

    Attributes:
        items_max: Items that it works on at once.
        commits_max: Commits of one run; an item that has more to do then goes to the end of the queue.
        rows_max: Rows of one commit.
        poll_seconds: How often it looks for due items when nothing wakes it.
        heartbeat_seconds: How often it says that it is alive; well below the length of a lease.
        stop_seconds: How long commits under way may take when it is stopped.
    """

    items_max: int = 4
    commits_max: int = 64
    rows_max: int = ROWS_MAX
    poll_seconds: float = 1.0
    heartbeat_seconds: float = HEARTBEAT_SECONDS
    stop_seconds: float = 10.0


class _Outcome(Enum):
    """How a run ended, if it did not fail."""

    CAUGHT_UP = auto()
    HAS_MORE = auto()
    STOPPED = auto()
    LOST = auto()


@dataclass
class _Run:
    """A run under way."""

    claimed: Claimed
    counts: Counts
    is_lost: bool = False


class Replicator:
    """Claims due work items and carries them out, on the event loop that starts it."""

    def __init__(
        self, catalog: Catalog, sources: Sequence[Feeds], *, leases: Leases | None = None, limits: Limits | None = None
    ) -> None:
        """Prepares; `leases` are those of the table of work items, with another clock if a test has one."""
        self._catalog = catalog
        self._sources = {source.kind: source for source in sources}
        self._leases = leases or work_items.leases()
        self._limits = limits or Limits()
        self._owner = f"{socket.gethostname()[:63]}/{os.getpid()}/{uuid.uuid4().hex[:8]}"
        self._working: set[asyncio.Task[None]] = set()
        self._stopping = False
        self._bell: Bell | None = None
        self._loop: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins."""
        self._loop = asyncio.create_task(self._drain())

    async def stop(self) -> None:
        """Claims no more, ends after the commits under way, and gives back what is not done: others go on at once."""
        self._stopping = True
        if self._bell is not None:
            self._bell.ring()
        if self._loop is not None:
            await self._loop
        if self._working:
            _, late = await asyncio.wait(self._working, timeout=self._limits.stop_seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _drain(self) -> None:
        with self._catalog.listen(WORK_BELL) as self._bell:
            while not self._stopping:
                free = self._limits.items_max - len(self._working)
                for claimed in await self._claim(free) if free else []:
                    self._begin(claimed, self._bell)
                await self._bell.wait(self._limits.poll_seconds)

    async def _claim(self, limit: int) -> list[Claimed]:
        try:
            async with self._catalog.begin() as connection:
                return await work_items.claim(connection, self._leases, owner=self._owner, limit=limit)
        except HaversackError as error:
            _log.warning("no work claimed", reason=error.reason, cause=str(error))
            return []

    def _begin(self, claimed: Claimed, bell: Bell) -> None:
        """Works on an item in a task of its own; at its end there may be room for another one."""
        task = asyncio.create_task(self._work(claimed))
        self._working.add(task)
        task.add_done_callback(self._working.discard)
        task.add_done_callback(lambda _: bell.ring())

    async def _work(self, claimed: Claimed) -> None:
        """Carries an item out and gives it back, whatever happens; a failure to do so is left to the lease's end."""
        run = _Run(claimed, Counts())
        beating = asyncio.create_task(self._beat(run))
        try:
            await self._give_back(run, await self._replicate(run))
        except LeaseLost as lost:
            _log.warning("work item lost to another worker", item=claimed.item.number, cause=str(lost))
        except HaversackError as error:
            _log.error("work item not given back", item=claimed.item.number, reason=error.reason, cause=str(error))
        finally:
            beating.cancel()

    async def _replicate(self, run: _Run) -> _Outcome | HaversackError:
        item = run.claimed.item
        try:
            return await self._take(run)
        except HaversackError as error:
            return error
        except Exception as error:
            _log.exception("work item failed by a bug", item=item.number)
            return InternalFault(f"{type(error).__name__} in work item {item.number}; the server's log has the cause")

    async def _take(self, run: _Run) -> _Outcome:
        """Commits until the source has no more, at most a run's part."""
        item = run.claimed.item
        source = self._sources.get(item.source)
        if source is None:
            raise InternalFault(f"this server has no source of kind {item.source!r}; run one whose version knows it")
        feed = await source.open(item.organization, item.entity)
        for _ in range(self._limits.commits_max):
            if run.is_lost:
                return _Outcome.LOST
            if self._stopping:
                return _Outcome.STOPPED
            taken = await feed.take(self._limits.rows_max)
            run.counts += taken.counts
            if taken.left == 0:
                return _Outcome.CAUGHT_UP
        return _Outcome.HAS_MORE

    async def _give_back(self, run: _Run, outcome: _Outcome | HaversackError) -> None:
        """Writes how a run ended. Raises LeaseLost."""
        claimed, counts = run.claimed, run.counts
        if outcome is _Outcome.LOST:
            raise LeaseLost(f"work item {claimed.item.number} was found lost by its heartbeat")
        async with self._catalog.begin() as connection:
            if isinstance(outcome, HaversackError):
                is_dead = await work_items.fail(connection, self._leases, claimed, counts, outcome)
                log = _log.error if is_dead else _log.warning
                log("work item failed", item=claimed.item.number, reason=outcome.reason, is_dead=is_dead)
            elif outcome is _Outcome.STOPPED:
                await work_items.release(connection, self._leases, claimed, counts)
            else:
                again = outcome is _Outcome.HAS_MORE
                await work_items.complete(connection, self._leases, claimed, counts, again=again)

    async def _beat(self, run: _Run) -> None:
        """Says that the run is alive until it is cancelled, or until the lease is lost."""
        while True:
            await asyncio.sleep(self._limits.heartbeat_seconds)
            try:
                async with self._catalog.begin() as connection:
                    await self._leases.heartbeat(connection, run.claimed.lease)
            except LeaseLost:
                run.is_lost = True
                return
            except HaversackError as error:
                _log.warning("heartbeat missed", item=run.claimed.item.number, reason=error.reason, cause=str(error))
