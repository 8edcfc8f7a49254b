"""WorkService."""

from __future__ import annotations

from typing import Any

import grpc
from haversack.admin.v1 import work_pb2, work_pb2_grpc
from sqlalchemy import ColumnElement

from haversack_server.catalog import Catalog, organizations, work_items
from haversack_server.catalog.work_items import WORK_BELL, Counts, WorkItem
from haversack_server.errors import RequestInvalid
from haversack_server.replication import work_item_state

COUNT_DEFAULT = 200
COUNT_MAX = 1_000

_Context = grpc.aio.ServicerContext[Any, Any]


class WorkService(work_pb2_grpc.WorkServiceServicer):
    """Shows the queue of replication, and makes items due."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    async def ListWorkItems(
        self, request: work_pb2.ListWorkItemsRequest, context: _Context
    ) -> work_pb2.ListWorkItemsResponse:
        """Lists items."""
        count = min(request.count or COUNT_DEFAULT, COUNT_MAX)
        async with self._catalog.snapshot() as connection:
            if request.organization:
                await organizations.find(connection, request.organization)
            now_us = await self._catalog.now_us(connection)
            wanted = _wanted(request, now_us)
            items, total = await work_items.listed(connection, wanted, offset=request.offset, count=count)
        messages = [work_item_message(it, now_us) for it in items]
        return work_pb2.ListWorkItemsResponse(items=messages, total=total, checked_at_us=now_us)

    async def GetWorkItem(
        self, request: work_pb2.GetWorkItemRequest, context: _Context
    ) -> work_pb2.GetWorkItemResponse:
        """Shows one item."""
        async with self._catalog.snapshot() as connection:
            await organizations.find(connection, request.organization)
            now_us = await self._catalog.now_us(connection)
            item = await work_items.find(connection, request.organization, request.number)
        return work_pb2.GetWorkItemResponse(item=work_item_message(item, now_us), checked_at_us=now_us)

    async def RetryWorkItem(
        self, request: work_pb2.RetryWorkItemRequest, context: _Context
    ) -> work_pb2.RetryWorkItemResponse:
        """Takes a dead item up again."""
        async with self._catalog.begin() as connection:
            await organizations.find(connection, request.organization)
            now_us = await self._catalog.now_us(connection)
            item = await work_items.retry(connection, request.organization, request.number, now_us=now_us)
        await self._catalog.notify(WORK_BELL)
        return work_pb2.RetryWorkItemResponse(item=work_item_message(item, now_us))

    async def RunWorkItem(
        self, request: work_pb2.RunWorkItemRequest, context: _Context
    ) -> work_pb2.RunWorkItemResponse:
        """Makes an item due now."""
        async with self._catalog.begin() as connection:
            await organizations.find(connection, request.organization)
            now_us = await self._catalog.now_us(connection)
            item = await work_items.make_due(connection, request.organization, request.number, now_us=now_us)
        await self._catalog.notify(WORK_BELL)
        return work_pb2.RunWorkItemResponse(item=work_item_message(item, now_us))


def _wanted(request: work_pb2.ListWorkItemsRequest, now_us: int) -> list[ColumnElement[bool]]:
    """Returns what a request asks for as conditions; raises RequestInvalid."""
    states = {
        work_pb2.WORK_ITEM_STATE_WAITING: work_items.waiting(now_us),
        work_pb2.WORK_ITEM_STATE_RUNNING: work_items.running(now_us),
        work_pb2.WORK_ITEM_STATE_RETRYING: work_items.retrying(now_us),
        work_pb2.WORK_ITEM_STATE_DEAD: work_items.dead(),
    }
    wanted = []
    if request.organization:
        wanted.append(work_items.of_organization(request.organization))
    if request.entity:
        wanted.append(work_items.of_entity(request.entity))
    if request.state != work_pb2.WORK_ITEM_STATE_UNSPECIFIED:
        if request.state not in states:
            raise RequestInvalid(f"there is no state {request.state}; use WAITING, RUNNING, RETRYING or DEAD")
        wanted.append(states[request.state])
    return wanted


def work_item_message(item: WorkItem, now_us: int) -> work_pb2.WorkItem:
    """Returns an item as the contract says it."""
    state = work_item_state(item, now_us)
    message = work_pb2.WorkItem(
        number=item.number,
        organization=item.organization,
        entity=item.entity,
        source=item.source,
        state=state,
        interval_seconds=item.interval_seconds,
        next_run_at_us=0 if item.is_dead else item.next_run_at_us,
        attempt=item.attempt,
        worker=item.worker if state == work_pb2.WORK_ITEM_STATE_RUNNING else "",
        totals=work_pb2.WorkTotals(
            runs=item.total_runs, failures=item.total_failures, counts=_counts_message(item.total)
        ),
        error=item.error,
        error_reason=f"ERROR_REASON_{item.error_reason or 'UNSPECIFIED'}",
    )
    if item.last_ended_at_us:
        message.last_run.CopyFrom(
            work_pb2.WorkRun(
                started_at_us=item.last_started_at_us,
                ended_at_us=item.last_ended_at_us,
                counts=_counts_message(item.last),
            )
        )
    return message


def _counts_message(counts: Counts) -> work_pb2.WorkCounts:
    return work_pb2.WorkCounts(
        read=counts.read,
        inserted=counts.inserted,
        updated=counts.updated,
        deleted=counts.deleted,
        unchanged=counts.unchanged,
        bytes=counts.bytes,
    )
