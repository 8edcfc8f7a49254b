"""The worker that drains the queue of work items, beside any number of others."""

from __future__ import annotations

import asyncio
import os
import socket
import time
import uuid
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import asdict, dataclass, field
from enum import Enum, auto
from typing import Any, Protocol

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from haversack_server.catalog import Bell, Catalog, work_items
from haversack_server.catalog.leases import HEARTBEAT_SECONDS, LeaseLost, Leases
from haversack_server.catalog.work_items import WORK_BELL, Claimed, Counts
from haversack_server.errors import HaversackError, InternalFault, SourcePaused, SourceThrottled, SourceUnknown
from haversack_server.replication._source import ROWS_MAX, Feed, Source

PAUSE_SECONDS_MIN = 0.01
"""Between two looks for due items that nothing has woken: clocks of databases need not agree with ours to the tick."""

_log = structlog.get_logger()


class Lending(Protocol):
    """A source on loan; `Lent` is one."""

    @property
    def source(self) -> Source:
        """The source."""

    @property
    def is_current(self) -> bool:
        """Whether nobody has changed or paused it."""

    async def open(self, entity: str) -> Feed:
        """Opens a feed of an entity; an empty name means all of them."""

    def kind_of(self, entity: str) -> str:
        """The kind of what an entity's rows come from; with "", those of all that are the source's."""

    async def resync(self, entity: str) -> None:
        """Has the next feed read an entity in full again."""


class Lender(Protocol):
    """Where the sources of organizations are; `Connections` is one."""

    def lend(self, organization: str, *, entity: str | None = None) -> AbstractAsyncContextManager[Lending]:
        """Lends an organization's source, for this entity."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What bounds a replicator.

    Attributes:
        items_max: Items that it works on at once, without those that it holds.
        live_max: Items whose live feeds it holds; further ones take turns as all others do.
        commits_max: Commits of one run; an item that has more to do then goes to the end of the queue.
        seconds_max: How long a run may begin new commits; then likewise.
        rows_max: Rows of one commit.
        poll_seconds: How often it looks for due items when nothing wakes it and none is known to become due.
        heartbeat_seconds: How often it says that it is alive; well below the length of a lease.
        report_seconds: How often it says where a feed stands that it holds, if that has changed.
        stop_seconds: How long commits under way may take when it is stopped.
    """

    items_max: int = 8
    live_max: int = 64
    commits_max: int = 64
    seconds_max: float = 30.0
    rows_max: int = ROWS_MAX
    poll_seconds: float = 1.0
    heartbeat_seconds: float = HEARTBEAT_SECONDS
    report_seconds: float = 1.0
    stop_seconds: float = 10.0


class _Outcome(Enum):
    """How a run ended, if it did not fail."""

    CAUGHT_UP = auto()
    HAS_MORE = auto()
    STOPPED = auto()
    LOST = auto()


@dataclass
class _Run:
    """A run under way.

    Attributes:
        claimed: The item.
        counts: What it has done to rows that the catalog was not told of yet.
        feed: What it takes from, once that is open.
        is_held: Whether it is kept for as long as the feed lives.
        is_lost: Whether the item is another worker's.
        is_over: Set at its end.
    """

    claimed: Claimed
    counts: Counts = field(default_factory=Counts)
    feed: Feed | None = None
    is_held: bool = False
    is_lost: bool = False
    is_over: asyncio.Event = field(default_factory=asyncio.Event)

    def standing(self) -> dict[str, Any] | None:
        """Where the feed stands, as JSON data."""
        return asdict(self.feed.standing) if self.feed is not None else None


class Replicator:
    """Claims due work items and carries them out, on the event loop that starts it."""

    def __init__(
        self, catalog: Catalog, sources: Lender, *, leases: Leases | None = None, limits: Limits | None = None
    ) -> None:
        """Prepares; `leases` are those of the table of work items, with another clock if a test has one."""
        self._catalog = catalog
        self._sources = sources
        self._leases = leases or work_items.leases()
        self._limits = limits or Limits()
        self._owner = f"{socket.gethostname()[:63]}/{os.getpid()}/{uuid.uuid4().hex[:8]}"
        self._working: dict[asyncio.Task[None], _Run] = {}
        self._stopping = False
        self._bell: Bell | None = None
        self._loop: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins."""
        self._loop = asyncio.create_task(self._drain())

    async def stop(self) -> None:
        """Claims no more, ends after the commits under way, and gives back what is not done: others go on at once."""
        self._stopping = True
        self._ring()
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
                free = self._limits.items_max - sum(not run.is_held for run in self._working.values())
                for claimed in await self._claim(free) if free > 0 else []:
                    self._begin(claimed)
                await self._bell.wait(await self._pause_seconds())

    async def _pause_seconds(self) -> float:
        """How long nothing becomes due, at most until the next poll: what is due in a moment must not wait for that."""
        try:
            async with self._catalog.snapshot() as connection:
                due = await work_items.next_due_seconds(connection, self._leases)
        except HaversackError:
            # The claim has said so.
            due = None
        poll = self._limits.poll_seconds
        return poll if due is None else min(max(due, PAUSE_SECONDS_MIN), poll)

    async def _claim(self, limit: int) -> list[Claimed]:
        try:
            async with self._catalog.begin() as connection:
                return await work_items.claim(connection, self._leases, owner=self._owner, limit=limit)
        except HaversackError as error:
            _log.warning("no work claimed", reason=error.reason, cause=str(error))
            return []

    def _begin(self, claimed: Claimed) -> None:
        """Works on an item in a task of its own; at its end there may be room for another one."""
        run = _Run(claimed)
        task = asyncio.create_task(self._work(run))
        self._working[task] = run
        task.add_done_callback(lambda ended: self._working.pop(ended, None))
        task.add_done_callback(lambda _: self._ring())

    def _ring(self) -> None:
        """Has this worker look for due items now."""
        if self._bell is not None:
            self._bell.ring()

    async def _work(self, run: _Run) -> None:
        """Carries an item out and gives it back, whatever happens; a failure to do so is left to the lease's end."""
        number = run.claimed.item.number
        beating = asyncio.create_task(self._beat(run))
        try:
            outcome = await self._replicate(run)
            # Not cancelled: what it is writing now must be written or not, or rows would be counted twice.
            run.is_over.set()
            await beating
            await self._give_back(run, outcome)
        except LeaseLost as lost:
            _log.warning("work item lost to another worker", item=number, cause=str(lost))
        except HaversackError as error:
            _log.error("work item not given back", item=number, reason=error.reason, cause=str(error))
        finally:
            beating.cancel()

    async def _replicate(self, run: _Run) -> _Outcome | HaversackError:
        item = run.claimed.item
        try:
            async with self._sources.lend(item.organization, entity=item.entity) as lent:
                return await self._follow(run, lent)
        except LeaseLost:
            return _Outcome.LOST
        except SourcePaused:
            # Between the claim and now. Nobody gets the item until the source is resumed.
            return _Outcome.STOPPED
        except HaversackError as error:
            return error
        except Exception as error:
            _log.exception("work item failed by a bug", item=item.number)
            return InternalFault(f"{type(error).__name__} in work item {item.number}; the server's log has the cause")

    async def _follow(self, run: _Run, lent: Lending) -> _Outcome:
        """Opens a feed and takes from it, after what was asked for is noted."""
        item = run.claimed.item
        kind = lent.kind_of(item.entity)
        if kind != item.source:
            raise SourceUnknown(
                f"the source of {item.entity or item.organization} is of kind {kind!r}, and this item is for"
                f" {item.source!r}; provision the organization again"
            )
        if item.resync:
            for entity in item.resync:
                await lent.resync(entity)
            async with self._catalog.begin() as connection:
                await work_items.resynced(connection, self._leases, run.claimed)
        run.feed = await lent.open(item.entity)
        try:
            self._hold(run, run.feed)
            return await self._take(run, run.feed, lent)
        finally:
            await run.feed.close()

    def _hold(self, run: _Run, feed: Feed) -> None:
        """Keeps a live feed if there is room for it, which makes room for another item."""
        if feed.live and sum(it.is_held for it in self._working.values()) < self._limits.live_max:
            run.is_held = True
            self._ring()

    async def _take(self, run: _Run, feed: Feed, lent: Lending) -> _Outcome:
        """Commits until the source has no more, at most a run's part; from a held feed until something ends it."""
        commits, began_at = 0, time.monotonic()
        while run.is_held or (
            commits < self._limits.commits_max and time.monotonic() - began_at < self._limits.seconds_max
        ):
            if run.is_lost:
                return _Outcome.LOST
            if self._stopping:
                return _Outcome.STOPPED
            if not lent.is_current:
                return _Outcome.HAS_MORE
            taken = await feed.take(self._limits.rows_max)
            run.counts += taken.counts
            commits += 1
            if taken.left == 0 and not run.is_held:
                return _Outcome.CAUGHT_UP
        return _Outcome.HAS_MORE

    async def _give_back(self, run: _Run, outcome: _Outcome | HaversackError) -> None:
        """Writes how a run ended. Raises LeaseLost."""
        claimed, counts, standing = run.claimed, run.counts, run.standing()
        if outcome is _Outcome.LOST:
            raise LeaseLost(f"work item {claimed.item.number} was found lost by its heartbeat")
        async with self._catalog.begin() as connection:
            if isinstance(outcome, HaversackError):
                await self._fail(connection, run, outcome)
            elif outcome is _Outcome.STOPPED:
                await work_items.release(connection, self._leases, claimed, counts, standing=standing)
            else:
                again = outcome is _Outcome.HAS_MORE
                await work_items.complete(connection, self._leases, claimed, counts, again=again, standing=standing)

    async def _fail(self, connection: AsyncConnection, run: _Run, error: HaversackError) -> None:
        """Writes that a run failed; where the source wants to be left alone, all of its items wait."""
        item = run.claimed.item
        is_dead = await work_items.fail(
            connection, self._leases, run.claimed, run.counts, error, standing=run.standing()
        )
        if isinstance(error, SourceThrottled) and error.retry_seconds:
            until_us = await self._leases.clock(connection) + int(error.retry_seconds * 1_000_000)
            await work_items.postpone(connection, item.organization, source=item.source, until_us=until_us)
        log = _log.error if is_dead else _log.warning
        log("work item failed", item=item.number, reason=error.reason, is_dead=is_dead)

    async def _beat(self, run: _Run) -> None:
        """Says that the run is alive until it is over or lost, and of a held feed how it stands."""
        beat_at, told = time.monotonic(), run.standing()
        pause_seconds = min(self._limits.report_seconds, self._limits.heartbeat_seconds)
        while not await _is_set(run.is_over, pause_seconds):
            is_news = run.is_held and (run.counts != Counts() or run.standing() != told)
            if not is_news and time.monotonic() - beat_at < self._limits.heartbeat_seconds:
                continue
            beat_at, told = time.monotonic(), run.standing()
            try:
                await self._report(run)
            except LeaseLost:
                run.is_lost = True
                return
            except HaversackError as error:
                _log.warning("heartbeat missed", item=run.claimed.item.number, reason=error.reason, cause=str(error))

    async def _report(self, run: _Run) -> None:
        counts, standing = run.counts, run.standing()
        async with self._catalog.begin() as connection:
            if standing is None or not run.is_held:
                await self._leases.heartbeat(connection, run.claimed.lease)
                return
            await work_items.report(connection, self._leases, run.claimed, counts, standing)
        run.counts = run.counts.without(counts)


async def _is_set(event: asyncio.Event, seconds_max: float) -> bool:
    """Waits for an event, but no longer than that."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds_max):
            await event.wait()
    return event.is_set()
