"""How far staging databases follow their sources, as the contract says it, once or again and again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from typing import Any

import structlog
from haversack.admin.v1 import source_pb2 as pb
from haversack.admin.v1 import work_pb2

from haversack_server.catalog import Catalog, entities, organizations, sources, work_items
from haversack_server.catalog.sources import NATIVE
from haversack_server.catalog.work_items import WorkItem
from haversack_server.core import in_thread
from haversack_server.errors import HaversackError, LimitReached, OrganizationNotProvisioned, ServerStopping
from haversack_server.metadata import KEEPABLE_ENTITIES
from haversack_server.replication._sending import write_back_standing
from haversack_server.replication._source import LEFT_OUT_MAX
from haversack_server.stagings import Stagings

WATCHES_MAX = 100
"""How many may watch at once in one process."""

LOOK_SECONDS = 1.0
"""How often a watch looks."""

ITEMS_MAX = 100_000
"""More than an organization has entities."""

_log = structlog.get_logger()


class SourceStatus:
    """Reads how far organizations follow their sources."""

    def __init__(self, catalog: Catalog, stagings: Stagings) -> None:
        self._catalog = catalog
        self._stagings = stagings
        self._watches = 0
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Ends every watch, and lets none begin."""
        self._stopping.set()

    async def read(self, organization: str) -> pb.SourceStatus:
        """Returns how far an organization follows its source; raises OrganizationUnknown."""
        async with self._catalog.snapshot() as connection:
            await organizations.find(connection, organization)
            stored = await sources.find(connection, organization)
            names = await entities.names(connection, organization)
            now_us = await self._catalog.now_us(connection)
            mine = [work_items.of_organization(organization)]
            items, _ = await work_items.listed(connection, mine, offset=0, count=ITEMS_MAX)
        rows = await self._rows(organization, names)
        kept = stored.kept or frozenset() if stored else frozenset()
        followed = [it for it in items if it.entity not in kept]
        feeds = [_feed(it, rows, now_us) for it in followed]
        if followed and not followed[0].entity:
            feeds += _within(followed[0], {name: count for name, count in rows.items() if name not in kept})
        feeds += [_feed(it, rows, now_us) for it in items if it.entity in kept]
        status = pb.SourceStatus(
            organization=organization,
            kind=stored.kind if stored else NATIVE,
            paused=stored is not None and stored.is_paused,
            entities=feeds,
            checked_at_us=now_us,
            kept=sorted(kept),
        )
        if stored is not None and stored.kept is not None:
            status.brought.extend(sorted(set(KEEPABLE_ENTITIES) - stored.kept))
        if stored is not None and items:
            await self._add_queue(status)
        return status

    async def watch(self, organization: str) -> AsyncIterator[pb.SourceStatus]:
        """Yields how far an organization follows, at once and whenever that has changed.

        Raises LimitReached, and ServerStopping at the end.
        """
        if self._watches >= WATCHES_MAX:
            raise LimitReached(f"{WATCHES_MAX} calls watch already, which is the limit; ask GetSourceStatus instead")
        self._watches += 1
        try:
            last = pb.SourceStatus()
            while not self._stopping.is_set():
                status = await self.read(organization)
                if _differ(last, status):
                    yield status
                    last = status
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_SECONDS):
                        await self._stopping.wait()
            raise ServerStopping("the server is stopping; watch again, from another server or this one")
        finally:
            self._watches -= 1

    async def _add_queue(self, status: pb.SourceStatus) -> None:
        """Says what waits for a source outside."""
        with suppress(OrganizationNotProvisioned):
            queue = await write_back_standing(self._catalog, self._stagings, status.organization)
            status.queued_writes = queue.waiting
            status.oldest_queued_at_us = queue.oldest_at_us
            status.write_error = queue.error

    async def _rows(self, organization: str, names: Mapping[int, str]) -> dict[str, int]:
        try:
            staging = await self._stagings.get(organization)
        except OrganizationNotProvisioned:
            return {}
        return {names[number]: rows for number, rows, _ in await in_thread(staging.statistics) if number in names}


async def source_states(catalog: Catalog, status: SourceStatus) -> list[pb.SourceStatus]:
    """Returns the status of every organization that follows a source outside, for metrics.

    One that cannot be read is logged and left out: the others are to be seen.
    """
    async with catalog.snapshot() as connection:
        names = [it.organization for it in await sources.everything(connection)]
    states = []
    for name in names:
        try:
            states.append(await status.read(name))
        except HaversackError as error:
            _log.warning("source not looked at", organization=name, reason=error.reason, cause=str(error))
    return states


def work_item_state(item: WorkItem, now_us: int) -> work_pb2.WorkItemState:
    """Returns what an item is about to do, as the contract says it."""
    if item.is_dead:
        return work_pb2.WORK_ITEM_STATE_DEAD
    if item.lease_until_us > now_us:
        return work_pb2.WORK_ITEM_STATE_RUNNING
    return work_pb2.WORK_ITEM_STATE_RETRYING if item.attempt else work_pb2.WORK_ITEM_STATE_WAITING


def _feed(item: WorkItem, rows: Mapping[str, int], now_us: int) -> pb.EntityFeed:
    standing = item.standing or {}
    within = standing.get("entities") or []
    own: Mapping[str, Any] = next((it for it in within if it["entity"] == item.entity), {})
    feed = pb.EntityFeed(
        entity=item.entity,
        item=item.number,
        state=work_item_state(item, now_us),
        mode=standing.get("mode", ""),
        position=standing.get("position", ""),
        rows=rows.get(item.entity, 0) if item.entity else sum(rows.values()),
        left_out=_left_out(standing, item.entity),
        rows_done=own.get("rows_done", 0) if item.entity else sum(it["rows_done"] for it in within),
        rows_total=own.get("rows_total", 0) if item.entity else sum(it["rows_total"] for it in within),
        changes=item.total.inserted + item.total.updated + item.total.deleted,
        next_run_at_us=0 if item.is_dead else item.next_run_at_us,
        heard_at_us=max(item.last_ended_at_us, standing.get("at_us", 0)),
        error=item.error,
        error_reason=f"ERROR_REASON_{item.error_reason or 'UNSPECIFIED'}",
    )
    if standing.get("lag_seconds") is not None:
        feed.lag_seconds = standing["lag_seconds"]
    return feed


def _left_out(standing: Mapping[str, Any], entity: str) -> list[pb.LeftOut]:
    """What could not be taken of an entity; with "" what is nobody's alone."""
    told = [it for it in standing.get("left_out") or [] if it["entity"] == entity]
    worst = sorted(told, key=lambda it: -it["count"])[:LEFT_OUT_MAX]
    return [pb.LeftOut(why=it["why"], count=it["count"]) for it in worst]


def _within(item: WorkItem, rows: Mapping[str, int]) -> list[pb.EntityFeed]:
    """The entities that an item for all of them has told of, or that have rows."""
    standing = item.standing or {}
    told = {it["entity"]: it for it in standing.get("entities") or []}
    return [
        pb.EntityFeed(
            entity=name,
            mode=told.get(name, {}).get("mode", ""),
            position=told.get(name, {}).get("position", ""),
            rows=rows.get(name, 0),
            rows_done=told.get(name, {}).get("rows_done", 0),
            rows_total=told.get(name, {}).get("rows_total", 0),
            left_out=_left_out(standing, name),
        )
        for name in sorted({*told, *rows})
    ]


def _differ(last: pb.SourceStatus, now: pb.SourceStatus) -> bool:
    before, after = pb.SourceStatus(), pb.SourceStatus()
    before.CopyFrom(last)
    after.CopyFrom(now)
    before.ClearField("checked_at_us")
    after.ClearField("checked_at_us")
    return before != after
