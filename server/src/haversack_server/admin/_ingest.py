"""IngestService: bytes from the wire into the Rust core, which parses, encodes and writes them in threads of its own.

What lies between the two is bounded: one part is being fed while the next one is awaited, and feeding blocks while the
writer is behind, so that flow control reaches the sender.

Rows go into the organization's record database. Where the organization has a staging database that is served, that
follows while the file still comes, and has caught up when the call is answered.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

import grpc
import structlog
from haversack.admin.v1 import admin_pb2, admin_pb2_grpc
from haversack.error.v1 import error_pb2

from haversack_server import _core
from haversack_server.catalog import Catalog, work_items
from haversack_server.catalog.work_items import WORK_BELL, Counts
from haversack_server.core import in_thread, named
from haversack_server.errors import (
    EntityUnknown,
    HaversackError,
    LimitReached,
    OrganizationNotProvisioned,
    RequestInvalid,
)
from haversack_server.publishing import Metadata, load_metadata
from haversack_server.replication import NATIVE, ROWS_MAX, Connections, Feed, Lent, catch_up, refuse_foreign_rows
from haversack_server.stagings import Stagings

INGESTS_MAX = 8
"""How many ingests go on at once; each may block a thread while its writer is behind."""

PART_BYTES_MAX = 1024 * 1024
PART_SECONDS_MAX = 60.0
"""How long the next part may take; an ingest that waits longer is given up, since it may hold others back."""

_FORMATS = {admin_pb2.INGEST_FORMAT_CSV: "csv", admin_pb2.INGEST_FORMAT_JSON_LINES: "json-lines"}
_ACTIONS = {
    admin_pb2.INGEST_ACTION_UNSPECIFIED: "upsert",
    admin_pb2.INGEST_ACTION_UPSERT: "upsert",
    admin_pb2.INGEST_ACTION_PATCH: "patch",
    admin_pb2.INGEST_ACTION_DELETE: "delete",
}
_Context = grpc.aio.ServicerContext[Any, Any]
_log = structlog.get_logger()


class IngestService(admin_pb2_grpc.IngestServiceServicer):
    """Takes rows in bulk."""

    def __init__(self, catalog: Catalog, stagings: Stagings, connections: Connections) -> None:
        self._catalog = catalog
        self._stagings = stagings
        self._connections = connections
        self._threads = ThreadPoolExecutor(INGESTS_MAX, thread_name_prefix="ingest")
        self._running = 0
        self._leaving: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        """Waits for what calls that ended early have left; no call may be under way."""
        await asyncio.gather(*self._leaving)
        await asyncio.to_thread(self._threads.shutdown)

    async def Ingest(
        self, request_iterator: AsyncIterator[admin_pb2.IngestRequest], context: _Context
    ) -> admin_pb2.IngestResponse:
        """Takes a file; a call that ends early leaves nothing uncommitted behind."""
        if self._running >= INGESTS_MAX:
            raise LimitReached(f"{INGESTS_MAX} ingests are going on, which is the limit; try again when one has ended")
        self._running += 1
        try:
            header = await _header(request_iterator)
            metadata = await self._metadata(header)
            record = await self._stagings.record(header.organization)
            async with self._connections.lend(header.organization, entity=header.entity) as lent:
                follower = _Follower(await _feed(lent, header))
                response = await self._take(await _begin(record, header, metadata), header, request_iterator, follower)
                # Asked again: the organization may have been provisioned, or taken out of service, while the file came.
                response.lsn = await follower.catch_up(await _feed(lent, header))
            await self._count(header, follower.counts)
            return response
        finally:
            self._running -= 1

    async def _metadata(self, header: admin_pb2.IngestHeader) -> Metadata:
        async with self._catalog.snapshot() as connection:
            await refuse_foreign_rows(connection, header.organization, header.entity)
            metadata = await load_metadata(connection, header.organization)
        if header.entity not in metadata.entities:
            raise EntityUnknown(
                f"organization {header.organization} has no entity {header.entity!r}; import its metadata first"
            )
        return metadata

    async def _count(self, header: admin_pb2.IngestHeader, counts: Counts) -> None:
        """Adds to the work item's counts. The rows are where they belong: what fails now is no failure of the call."""
        try:
            async with self._catalog.begin() as connection:
                await work_items.add_counts(
                    connection, header.organization, header.entity, source=NATIVE, counts=counts
                )
        except HaversackError as error:
            _log.warning("replicated rows not counted", reason=error.reason, cause=str(error))

    async def _take(
        self,
        ingest: _core.Ingest,
        header: admin_pb2.IngestHeader,
        parts: AsyncIterator[admin_pb2.IngestRequest],
        follower: _Follower,
    ) -> admin_pb2.IngestResponse:
        """Feeds every part, then returns the report. If it ends before the last part, it is aborted."""
        feeding: Future[None] | None = None
        try:
            async for data in _data(parts):
                await _done(feeding)
                follower.nudge()
                feeding = self._threads.submit(ingest.feed, data)
            await _done(feeding)
        except BaseException:
            self._leave(header, self._threads.submit(_abort, ingest, feeding))
            raise
        try:
            return _response(await asyncio.wrap_future(self._threads.submit(ingest.finish)))
        except _core.CoreError as error:
            raise named(error) from error

    def _leave(self, header: admin_pb2.IngestHeader, aborting: Future[None]) -> None:
        """Has the work item bring to staging what an ingest had committed before it was cut off."""
        leaving = asyncio.create_task(self._wake(header, aborting))
        self._leaving.add(leaving)
        leaving.add_done_callback(self._leaving.discard)

    async def _wake(self, header: admin_pb2.IngestHeader, aborting: Future[None]) -> None:
        await asyncio.wrap_future(aborting)
        try:
            async with self._catalog.begin() as connection:
                now_us = await self._catalog.now_us(connection)
                await work_items.wake(connection, header.organization, header.entity, source=NATIVE, now_us=now_us)
            await self._catalog.notify(WORK_BELL)
        except HaversackError as error:
            _log.warning("work item not made due", reason=error.reason, cause=str(error))


async def _feed(lent: Lent, header: admin_pb2.IngestHeader) -> Feed | None:
    """What staging takes the rows through; None if the organization is not provisioned."""
    try:
        return await lent.open(header.entity)
    except OrganizationNotProvisioned:
        return None


class _Follower:
    """Staging, following an ingest's rows."""

    def __init__(self, feed: Feed | None) -> None:
        """Takes what it follows through while the file comes; None if there is nothing that could follow."""
        self._feed = feed
        self._taking: asyncio.Task[None] | None = None
        self.counts = Counts()

    def nudge(self) -> None:
        """Takes what has been committed by now, unless that is under way."""
        if self._feed is not None and (self._taking is None or self._taking.done()):
            self._taking = asyncio.create_task(self._take(self._feed))
            self._taking.add_done_callback(_note_failure)

    async def catch_up(self, feed: Feed | None) -> int:
        """Takes what is left; returns where in staging's commit order that ends, or 0 if nothing can follow."""
        if self._taking is not None:
            await asyncio.wait([self._taking])
        if feed is None:
            return 0
        taken = await catch_up(feed)
        self.counts += taken.counts
        return taken.lsn

    async def _take(self, feed: Feed) -> None:
        self.counts += (await feed.take(ROWS_MAX)).counts


def _note_failure(taking: asyncio.Task[None]) -> None:
    """Logs why a commit failed: the next one does it again, and the last of all says so to the caller."""
    failure = None if taking.cancelled() else taking.exception()
    if failure is not None:
        _log.warning("staging did not follow an ingest", cause=str(failure))


async def _begin(database: _core.Staging, header: admin_pb2.IngestHeader, metadata: Metadata) -> _core.Ingest:
    format_name, action = _FORMATS.get(header.format), _ACTIONS.get(header.action)
    if format_name is None or action is None:
        raise RequestInvalid("the header needs a format (CSV or JSON_LINES) and a known action")
    return await in_thread(
        database.ingest,
        metadata.model_bytes,
        header.entity,
        format=format_name,
        action=action,
        atomic=header.atomic,
        file_name=header.file_name,
    )


async def _done(feeding: Future[None] | None) -> None:
    """Waits until a part has been fed."""
    if feeding is not None:
        try:
            await asyncio.wrap_future(feeding)
        except _core.CoreError as error:
            raise named(error) from error


def _abort(ingest: _core.Ingest, feeding: Future[None] | None) -> None:
    """Aborts an ingest once nothing is being fed to it."""
    if feeding is not None:
        wait([feeding])
    try:
        ingest.abort()
    except _core.CoreError as error:
        _log.warning("ingest could not be aborted", reason=error.reason, cause=str(error))


async def _header(parts: AsyncIterator[admin_pb2.IngestRequest]) -> admin_pb2.IngestHeader:
    first = await _next(parts)
    if first is None or first.WhichOneof("part") != "header":
        raise RequestInvalid("the first message of an ingest must be its header")
    return first.header


async def _data(parts: AsyncIterator[admin_pb2.IngestRequest]) -> AsyncIterator[bytes]:
    while (part := await _next(parts)) is not None:
        if part.WhichOneof("part") != "data":
            raise RequestInvalid("only the first message of an ingest is a header; the others have data")
        if len(part.data) > PART_BYTES_MAX:
            raise RequestInvalid(f"a part has {len(part.data):,} bytes; cut the file into parts of {PART_BYTES_MAX:,}")
        yield part.data


async def _next(parts: AsyncIterator[admin_pb2.IngestRequest]) -> admin_pb2.IngestRequest | None:
    try:
        async with asyncio.timeout(PART_SECONDS_MAX):
            return await anext(parts, None)
    except TimeoutError as error:
        raise LimitReached(f"no part came for {PART_SECONDS_MAX:.0f} seconds; send the file again") from error


def _response(report: bytes) -> admin_pb2.IngestResponse:
    """Reads the core's report."""
    read = json.loads(report)
    errors = [
        admin_pb2.RowError(**{**error, "reason": error_pb2.ErrorReason.Value(f"ERROR_REASON_{error['reason']}")})
        for error in read.pop("errors")
    ]
    return admin_pb2.IngestResponse(**read, errors=errors)
